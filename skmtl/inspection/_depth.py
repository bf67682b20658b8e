"""Scores against the sharing depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._types import Axes
from ._searched import searched_depths
from ._style import (
    BLACK,
    BLUE,
    COLOURS,
    FAINT,
    MARKERS,
    Style,
    axes_for,
    label,
    without_frame,
)

if TYPE_CHECKING:  # not installed everywhere
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


class SharingDepthDisplay:
    """Mean score of every sharing depth, and how much it varies over the folds.

    Bars are one standard deviation over folds to either side. As the folds are the same
    for all depths, a difference may be clear where the bars overlap: `SharingGainDisplay`
    shows the differences, fold by fold.

    Parameters
    ----------
    depths : array-like of shape (D,)
        Sharing depths, ascending.
    scores : array-like of shape (D, K)
        Score of each depth on each fold; higher is better. NaN is left out.
    target_scores : DataFrame of shape (D, T) or None, default=None
        Mean score over folds of each target, which names the columns.
    best_depth : int or None, default=None
        Depth to mark.
    score_name : str, default="Score"
        What the scores are.

    Attributes
    ----------
    errorbar_ : matplotlib.container.ErrorbarContainer
        Mean scores and their standard deviations.
    target_lines_ : dict of str to matplotlib.lines.Line2D
        Scores of the targets.
    base_line_ : matplotlib.lines.Line2D or None
        Score of separate networks; None if depth 0 is not among the depths.
    best_ : matplotlib.lines.Line2D or None
        What marks the best depth.
    ax_ : matplotlib.axes.Axes
        Axes with the scores.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    SharingGainDisplay : Gain of one depth for every target.
    skmtl.model_selection.SharingDepthSearchCV : The search.

    Examples
    --------
    >>> from skmtl.inspection import SharingDepthDisplay
    >>> display = SharingDepthDisplay(
    ...     depths=[0, 1, 2], scores=[[0.7, 0.8], [0.8, 0.9], [0.7, 0.9]], best_depth=1
    ... )
    >>> display.plot().figure_.savefig("depth.png")  # doctest: +SKIP
    """

    errorbar_: ErrorbarContainer
    target_lines_: dict[str, Line2D]
    base_line_: Line2D | None
    best_: Line2D | None
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        depths: ArrayLike,
        scores: ArrayLike,
        target_scores: pd.DataFrame | None = None,
        best_depth: int | None = None,
        score_name: str = "Score",
    ) -> None:
        self.depths = depths
        self.scores = scores
        self.target_scores = target_scores
        self.best_depth = best_depth
        self.score_name = score_name

    @classmethod
    def from_search(
        cls, search: Any, *, per_target: bool = True, ax: Axes | None = None
    ) -> Self:
        """Plot the scores of a search over the sharing depth.

        Parameters
        ----------
        search : fitted SharingDepthSearchCV, GridSearchCV or another of scikit-learn's
            It varies ``sharing_depth``, or a parameter ending in ``__sharing_depth``, and
            includes depth 0. Where other parameters vary too, the best candidate of each
            depth stands for it; after a successive halving, that of the depth's last
            iteration. There is a line per target if it was scored by
            ``skmtl.metrics.target_scorers()``.
        per_target : bool, default=True
            Draw a line per target.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.

        Returns
        -------
        SharingDepthDisplay

        Raises
        ------
        ValueError
            If the search does not vary the sharing depth or lacks depth 0.
        sklearn.exceptions.NotFittedError
            If the search is not fitted.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.inspection import SharingDepthDisplay
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(
        ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
        ... )
        >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
        >>> list(SharingDepthDisplay.from_search(search).target_lines_)
        ['heating_load', 'cooling_load']
        """
        display = cls(**searched_depths(search)._asdict())
        return display.plot(ax=ax, per_target=per_target)

    def plot(self, ax: Axes | None = None, *, per_target: bool = True) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.
        per_target : bool, default=True
            Draw a line per target, named if there are at most 6.

        Returns
        -------
        SharingDepthDisplay
            The display itself.

        Examples
        --------
        >>> from skmtl.inspection import SharingDepthDisplay
        >>> display = SharingDepthDisplay(depths=[0, 1], scores=[[0.7, 0.8], [0.8, 0.9]])
        >>> display.plot().base_line_.get_label()
        'separate networks'
        """
        new = ax is None
        ax = axes_for(self, ax, figsize=(7, 4))
        by_fold = pd.DataFrame(np.asarray(self.scores, dtype=float), self.depths)
        means = by_fold.mean(axis=1)
        self._draw_means(means, by_fold.std(axis=1, ddof=0))
        self.target_lines_ = {}
        if per_target and self.target_scores is not None:
            self._draw_targets(self.target_scores)
        ax.set(xlabel="Sharing depth (shared hidden layers)", xticks=means.index)
        ax.set_ylabel(f"{self.score_name}, mean ± std over folds")
        # Lines come before bars, but the mean is what the picture is about.
        handles, texts = ax.get_legend_handles_labels()
        place: Style = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if new else {}
        ax.legend([handles.pop(), *handles], [texts.pop(), *texts], frameon=False, **place)
        without_frame(ax)
        return self

    def _draw_means(self, means: pd.Series, deviations: pd.Series) -> None:
        n_targets = 0 if self.target_scores is None else self.target_scores.shape[1]
        self.errorbar_ = self.ax_.errorbar(
            means.index,
            means,
            deviations,
            color=BLUE,
            marker="o",
            linewidth=2,
            elinewidth=1.2,
            capsize=4,
            zorder=4,
            label=f"mean of {n_targets} targets" if n_targets > 1 else self.score_name,
        )
        self.base_line_ = self.best_ = None
        if self.best_depth is not None:
            ring: Style = {
                "color": BLACK,
                "marker": "o",
                "markersize": 13,
                "fillstyle": "none",
            }
            ring |= {"linestyle": "", "label": f"best depth: {self.best_depth}"}
            best = means[self.best_depth]
            (self.best_,) = self.ax_.plot(self.best_depth, best, zorder=5, **ring)
        if 0 in means.index:
            dashes: Style = {"color": BLACK, "linestyle": "--", "linewidth": 1, "zorder": 3}
            self.base_line_ = self.ax_.axhline(
                means[0], label="separate networks", **dashes
            )

    def _draw_targets(self, target_scores: pd.DataFrame) -> None:
        names = list(target_scores)
        for t, name in enumerate(names):
            style: Style = {"color": FAINT, "linewidth": 0.6}
            if len(names) <= len(COLOURS):
                style = {"color": COLOURS[t], "marker": MARKERS[t], "alpha": 0.6}
                style |= {"linewidth": 1, "markersize": 4, "label": label(name, 28)}
            elif t == 0:
                style["label"] = "each target"
            line = self.ax_.plot(self.depths, target_scores[name], **style)
            self.target_lines_[name] = line[0]
