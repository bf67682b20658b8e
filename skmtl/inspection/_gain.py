"""What sharing gains for each target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from .._types import Axes
from ..model_selection._verdict import (
    HELPS,
    HURTS,
    MEAN,
    UNCLEAR,
    highest_gain_first,
    judgement,
)
from ._searched import searched_depths
from ._style import (
    BLUE,
    FAINT,
    GREY,
    VERMILION,
    Style,
    axes_for,
    label,
    row_font_size,
    without_frame,
)

if TYPE_CHECKING:  # not installed everywhere
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure

KINDS = {  # marker, colour, colour inside
    HELPS: (">", BLUE, BLUE),
    UNCLEAR: ("o", GREY, "white"),
    HURTS: ("<", VERMILION, VERMILION),
}


class SharingGainDisplay:
    """Gain of sharing over separate networks for each target, with its standard error.

    Targets are sorted by their gain; bars are one standard error to either side. A clear
    gain or loss has a filled triangle, all others an open circle. What is clear goes by
    the rule of `skmtl.model_selection.sharing_verdict`, a t-test that allows for several
    targets and depths: it takes about two standard errors for their mean, and more for one
    of many targets.

    Parameters
    ----------
    gain : Series of shape (T,) or (T + 1,)
        Score less that of separate networks, averaged over folds; its index names the
        targets. "mean", the mean over targets, stands apart.
    se : Series of the same shape
        Standard error of each gain.
    effect : Series of str, of the same shape, or None, default=None
        What each gain is called: "helps", "no clear difference" or "hurts". None makes no
        difference between them.
    depth : int or None, default=None
        Sharing depth, for the title.
    score_name : str, default="score"
        What is gained.

    Attributes
    ----------
    errorbars_ : dict of str to matplotlib.container.ErrorbarContainer
        Gain and standard error of each target that has them, from the highest to the
        lowest.
    ax_ : matplotlib.axes.Axes
        Axes with the gains.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    skmtl.model_selection.sharing_gain : The numbers.
    skmtl.model_selection.sharing_verdict : The same in words.
    SharingDepthDisplay : Scores of all depths.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.inspection import SharingGainDisplay
    >>> display = SharingGainDisplay(
    ...     gain=pd.Series({"mean": 0.02, "flow": 0.05, "slump": -0.01}),
    ...     se=pd.Series({"mean": 0.01, "flow": 0.02, "slump": 0.02}),
    ... )
    >>> display.plot().figure_.savefig("gain.png")  # doctest: +SKIP
    """

    errorbars_: dict[str, ErrorbarContainer]
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        gain: pd.Series,
        se: pd.Series,
        effect: pd.Series | None = None,
        depth: int | None = None,
        score_name: str = "score",
    ) -> None:
        self.gain = gain
        self.se = se
        self.effect = effect
        self.depth = depth
        self.score_name = score_name

    @classmethod
    def from_search(
        cls, search: Any, *, depth: int | None = None, ax: Axes | None = None
    ) -> Self:
        """Plot the gains that a search over the sharing depth has found.

        Parameters
        ----------
        search : fitted SharingDepthSearchCV, GridSearchCV or another of scikit-learn's
            As for `skmtl.model_selection.sharing_gain`.
        depth : int, default=None
            The sharing depth whose gains to show. None is the best depth, or the best but
            for separate networks if these are the best.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.

        Returns
        -------
        SharingGainDisplay

        Raises
        ------
        ValueError
            If the search does not vary the sharing depth, lacks depth 0 or any other, or
            lacks the one asked for.
        sklearn.exceptions.NotFittedError
            If the search is not fitted.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.inspection import SharingGainDisplay
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(
        ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
        ... )
        >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
        >>> SharingGainDisplay.from_search(search, depth=1).depth
        1
        """
        found = judgement(search, depth)
        display = cls(
            **found.table[["gain", "se", "effect"]],
            depth=found.depth,
            score_name=searched_depths(search).score_name,
        )
        return display.plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the gains.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure whose height fits the number of targets.

        Returns
        -------
        SharingGainDisplay
            The display itself.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmtl.inspection import SharingGainDisplay
        >>> gain = pd.Series({"flow": 0.05, "slump": -0.01})
        >>> list(SharingGainDisplay(gain=gain, se=gain.abs()).plot().errorbars_)
        ['flow', 'slump']
        """
        gains = self._sorted()
        n_rows = len(gains)
        pitch = 0.32 if n_rows <= 20 else 0.18
        ax = axes_for(self, ax, figsize=(7, pitch * n_rows + 1.4))
        self.errorbars_ = {}
        for row, gain in enumerate(gains.itertuples()):
            self._draw_row(row, *gain)
        ax.axvline(0, color="black", linewidth=1, zorder=1)
        if n_rows > 1 and gains.index[0] == MEAN:
            ax.axhline(0.5, color=FAINT, linewidth=0.8)
        ax.set_ylim(n_rows - 0.4, -0.6)
        names = ["mean of targets" if n == MEAN else label(n, 30) for n in gains.index]
        ax.set_yticks(range(n_rows), names, fontsize=row_font_size(ax, n_rows))
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel(self._title())
        if self.effect is not None:
            handles: dict[Any, Any] = {
                bar.get_label(): bar[0] for bar in self.errorbars_.values()
            }
            place: Style = {
                "loc": "lower right",
                "bbox_to_anchor": (1, 1),
                "borderaxespad": 0.2,
            }
            ax.legend(
                list(handles.values()), list(handles), ncols=3, frameon=False, **place
            )
        without_frame(ax)
        return self

    def _sorted(self) -> pd.DataFrame:
        """Rows by their gain, the mean first."""
        gains = pd.DataFrame({"gain": self.gain, "se": self.se, "effect": self.effect})
        return highest_gain_first(gains)

    def _draw_row(self, row: int, name: str, gain: float, se: float, effect) -> None:
        if np.isnan(gain):
            self.ax_.text(0, row, "  no score", va="center", color=GREY, fontsize="small")
            return
        marker, colour, inside = KINDS.get(effect, KINDS[UNCLEAR])
        style: Style = {
            "color": colour,
            "marker": marker,
            "markerfacecolor": inside,
            "capsize": 2,
        }
        self.errorbars_[name] = self.ax_.errorbar(gain, row, xerr=se, label=effect, **style)

    def _title(self) -> str:
        of_sharing = ""
        if self.depth is not None:
            layers = "layer" if self.depth == 1 else "layers"
            of_sharing = f"of sharing {self.depth} hidden {layers} "
        gain = f"Gain in {self.score_name} {of_sharing}"
        return f"{gain}over separate networks,\nwith one standard error to either side"
