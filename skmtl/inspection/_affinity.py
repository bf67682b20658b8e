"""Which targets help each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._types import Axes, Targets
from ._style import Style, axes_for, label, row_font_size

if TYPE_CHECKING:  # not installed everywhere
    import pandas as pd
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MAX_NUMBERS = 12  # targets for which the cells hold numbers


class TaskAffinityDisplay:
    """Heat map of how much a step on one target's loss helps or hurts the others.

    Rows are the targets whose loss takes the step, columns those whose loss changes.
    Neighbours behave alike: targets are ordered by hierarchical clustering of their mean
    affinity in both directions. Colours and a minus sign tell help from harm. The
    diagonal, what a step does for its own target, has no colour: it is the largest.

    Parameters
    ----------
    affinity : DataFrame of shape (T, T)
        Affinities, with the targets' names as index and columns, in the same order. NaN
        leaves a cell empty.

    Attributes
    ----------
    order_ : list of str
        Names of the targets as they are drawn.
    image_ : matplotlib.image.AxesImage
        The heat map.
    ax_ : matplotlib.axes.Axes
        Axes with the heat map.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    skmtl.model_selection.task_affinity : The numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl.inspection import TaskAffinityDisplay
    >>> names = ["flow", "slump"]
    >>> affinity = pd.DataFrame([[0.2, 0.1], [-0.05, 0.3]], index=names, columns=names)
    >>> display = TaskAffinityDisplay(affinity=affinity)
    >>> display.plot().figure_.savefig("affinity.png")  # doctest: +SKIP
    """

    order_: list[str]
    image_: AxesImage
    ax_: Axes
    figure_: Figure

    def __init__(self, *, affinity: pd.DataFrame) -> None:
        self.affinity = affinity

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: Targets,
        *,
        clustered: bool = True,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Plot the affinities of a fitted estimator's targets.

        Parameters
        ----------
        estimator : fitted MultiTaskRegressor or MultiTaskClassifier, or a Pipeline that \
                ends in one
            With at least one shared layer.
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T)
            Targets; NaN means "not observed".
        clustered : bool, default=True
            Order the targets by clustering; False keeps their order.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.
        **kwargs
            Passed to `skmtl.model_selection.task_affinity`, such as ``sample_weight``.

        Returns
        -------
        TaskAffinityDisplay

        Raises
        ------
        ValueError
            If no layer is shared.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.inspection import TaskAffinityDisplay
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
        >>> display = TaskAffinityDisplay.from_estimator(model, X, y)
        >>> sorted(display.order_)
        ['cooling_load', 'heating_load']
        """
        from ..model_selection import task_affinity

        affinity = task_affinity(estimator, X, y, **kwargs)
        return cls(affinity=affinity).plot(ax=ax, clustered=clustered)

    def plot(self, ax: Axes | None = None, *, clustered: bool = True) -> Self:
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure whose size fits the number of targets.
        clustered : bool, default=True
            Order the targets by clustering; False keeps their order.

        Returns
        -------
        TaskAffinityDisplay
            The display itself.

        Examples
        --------
        >>> import pandas as pd
        >>> from skmtl.inspection import TaskAffinityDisplay
        >>> names = ["flow", "slump"]
        >>> affinity = pd.DataFrame([[0.2, 0.1], [-0.05, 0.3]], names, names)
        >>> TaskAffinityDisplay(affinity=affinity).plot(clustered=False).order_
        ['flow', 'slump']
        """
        n_targets = len(self.affinity)
        order = _clustered(self.affinity.to_numpy()) if clustered else np.arange(n_targets)
        Z = self.affinity.to_numpy()[np.ix_(order, order)]
        self.order_ = [self.affinity.index[t] for t in order]
        cell = 0.55 if n_targets <= MAX_NUMBERS else 0.16
        side = max(cell * n_targets, 2.2)
        new = ax is None
        ax = axes_for(self, ax, figsize=(side + 2.6, side + 1.4))
        if new:  # cells are squares: no gaps beside them
            self.figure_.set_layout_engine("compressed")
        self._draw_cells(Z)
        names = [label(name, 22) for name in self.order_]
        font_size = row_font_size(ax, n_targets)
        ax.set_yticks(range(n_targets), names, fontsize=font_size)
        slant: Style = {"rotation": 90}
        if n_targets <= MAX_NUMBERS:
            slant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(range(n_targets), names, fontsize=font_size, **slant)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xlabel="changes the loss of", ylabel="a step on the loss of")
        bar = self.figure_.colorbar(
            self.image_, ax=ax, shrink=0.8, format=lambda z, _: f"{100 * z:.2g}"
        )
        bar.set_label("loss taken away, %")
        bar.outline.set_visible(False)
        return self

    def _draw_cells(self, Z) -> None:
        diagonal = np.eye(len(Z), dtype=bool)
        others = np.where(diagonal, np.nan, Z)
        largest = np.nanmax(np.abs(others), initial=0) or 1.0
        # Orange and purple, from white at 0.
        self.image_ = self.ax_.imshow(others, cmap="PuOr", vmin=-largest, vmax=largest)
        grey = np.where(diagonal, 0.88, np.nan)
        self.ax_.imshow(grey, cmap="gray", vmin=0, vmax=1)
        if len(Z) > MAX_NUMBERS:
            rows, columns = np.nonzero(others < 0)
            self.ax_.scatter(columns, rows, marker="_", s=9, c="black", linewidths=0.7)
            return
        # Two digits of the largest.
        decimals = max(0, 1 - math.floor(math.log10(100 * largest)))
        for (row, column), z in np.ndenumerate(Z):
            dark = row != column and abs(z) > 0.6 * largest
            self.ax_.text(
                column,
                row,
                "" if np.isnan(z) else f"{100 * z:.{decimals}f}",
                ha="center",
                va="center",
                fontsize="small",
                color="white" if dark else "black",
            )


def _clustered(Z: np.ndarray) -> np.ndarray:
    """An order in which tasks of high mutual affinity are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(Z) < 3:
        return np.arange(len(Z))
    similarity = (Z + Z.T) / 2
    np.fill_diagonal(similarity, np.nan)
    # Unknown affinity is no reason to be neighbours.
    lowest = np.nanmin(similarity, initial=0)
    similarity = np.nan_to_num(similarity, nan=lowest)
    distance = similarity.max() - similarity
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance), "average", optimal_ordering=True)
    return leaves_list(tree)
