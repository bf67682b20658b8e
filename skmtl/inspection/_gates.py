"""Which target uses which expert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._estimators.networks_of import members_of
from .._types import Axes
from ._estimators import network_in
from ._style import axes_for, label, row_font_size

if TYPE_CHECKING:  # not installed everywhere
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MAX_NUMBERS = 12  # experts for which the cells hold numbers


class GatesDisplay:
    """Heat map of how much of each expert every target takes, on average over rows.

    Parameters
    ----------
    gates : ndarray of shape (T, E)
        Mean shares; every row sums to 1.
    target_names : sequence of str
        Names of the targets.
    n_own : int, default=0
        How many of the experts, the last ones, each target has for itself.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The heat map.
    ax_ : matplotlib.axes.Axes
        Axes with the heat map.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    skmtl.MultiTaskRegressor.gates : The shares in every row.

    Examples
    --------
    >>> from skmtl.inspection import GatesDisplay
    >>> display = GatesDisplay(
    ...     gates=[[0.7, 0.3], [0.2, 0.8]], target_names=["flow", "slump"]
    ... )
    >>> display.plot().figure_.savefig("gates.png")  # doctest: +SKIP
    """

    image_: AxesImage
    ax_: Axes
    figure_: Figure

    def __init__(
        self, *, gates: ArrayLike, target_names: Sequence[str], n_own: int = 0
    ) -> None:
        self.gates = gates
        self.target_names = target_names
        self.n_own = n_own

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, *, ax: Axes | None = None
    ) -> Self:
        """Plot the mean gates of a fitted estimator.

        Parameters
        ----------
        estimator : fitted MultiTaskRegressor or MultiTaskClassifier, or a search that \
                found one
            With ``n_experts`` or ``n_task_experts``; of one member, for the experts of
            several have nothing to do with each other.
        X : array-like or DataFrame of shape (n, d)
            Features, as the network gets them.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.

        Returns
        -------
        GatesDisplay

        Raises
        ------
        ValueError
            If there are no gates, or several members.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.inspection import GatesDisplay
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(n_experts=4, epochs=5, random_state=0).fit(X, y)
        >>> GatesDisplay.from_estimator(model, X).gates.shape
        (2, 4)
        """
        network = network_in(estimator, fitted=True)
        members = members_of(network)
        if len(members) > 1:
            raise ValueError(
                f"The gates of {len(members)} members are of different experts: "
                "fit with n_members=1."
            )
        return cls(
            gates=network.gates(X).mean(axis=0),
            target_names=network.target_names_,
            n_own=members[0].architecture.n_task_experts,
        ).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure whose size fits the number of targets.

        Returns
        -------
        GatesDisplay
            The display itself.

        Examples
        --------
        >>> from skmtl.inspection import GatesDisplay
        >>> display = GatesDisplay(
        ...     gates=[[0.7, 0.3], [0.2, 0.8]], target_names=["flow", "slump"]
        ... )
        >>> display.plot().ax_.get_xlabel()
        'takes of expert'
        """
        G = np.asarray(self.gates)
        n_targets, n_experts = G.shape
        ax = axes_for(self, ax, figsize=(0.6 * n_experts + 3.2, 0.4 * n_targets + 1.6))
        self.image_ = ax.imshow(G, cmap="Purples", vmin=0, vmax=1, aspect="auto")
        names = [label(name, 22) for name in self.target_names]
        ax.set_yticks(range(n_targets), names, fontsize=row_font_size(ax, n_targets))
        experts = [f"{e + 1}" for e in range(n_experts - self.n_own)]
        own = [f"own {p + 1}" for p in range(self.n_own)]
        ax.set_xticks(range(n_experts), [*experts, *own])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xlabel="takes of expert")
        bar = self.figure_.colorbar(self.image_, ax=ax, label="mean share")
        bar.outline.set_visible(False)
        if n_experts <= MAX_NUMBERS:
            for (row, column), share in np.ndenumerate(G):
                colour = "white" if share > 0.6 else "black"
                ax.text(column, row, f"{share:.2f}", ha="center", va="center", color=colour)
        return self
