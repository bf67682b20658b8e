"""A diagram of trunk and heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from .._estimators.network_diagram import diagram_data
from .._network.diagram import FILLS, FONT_SIZE, Box, Diagram, diagram
from .._types import Axes
from ._estimators import network_in
from ._style import GREY, Style, axes_for

if TYPE_CHECKING:  # not installed everywhere
    from matplotlib.figure import Figure


class NetworkDisplay:
    """Diagram of a network: what the targets share, and what each has for itself.

    From left to right: the number of features, the units of the shared layers (the
    trunk), those of each target's own layers (the heads), and the targets. Up to 10
    targets have a row each, more of them a list of names.

    Parameters
    ----------
    hidden_sizes : sequence of int
        Units of the hidden layers, trunk first.
    sharing_depth : int
        Number of first hidden layers that all targets share.
    n_features : int or None, default=None
        Number of features; None is not known yet.
    target_names : sequence of str or None, default=None
        Names of the targets; None is not known yet. Long ones lose their middle.
    share_output : bool, default=False
        Whether every head ends in the same linear output.
    n_trunks : int, default=1
        Number of trunks side by side: experts, or those of groups of targets.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes with the diagram.
    figure_ : matplotlib.figure.Figure
        Figure with the axes.

    See Also
    --------
    TrainingDisplay : How the network was trained.

    Examples
    --------
    >>> from skmtl.inspection import NetworkDisplay
    >>> display = NetworkDisplay(
    ...     hidden_sizes=(64, 64, 32), sharing_depth=2, target_names=["flow", "slump"]
    ... )
    >>> display.plot().figure_.savefig("network.png")  # doctest: +SKIP
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        hidden_sizes: Sequence[int],
        sharing_depth: int,
        n_features: int | None = None,
        target_names: Sequence[str] | None = None,
        share_output: bool = False,
        n_trunks: int = 1,
    ) -> None:
        self.hidden_sizes = hidden_sizes
        self.sharing_depth = sharing_depth
        self.n_features = n_features
        self.target_names = target_names
        self.share_output = share_output
        self.n_trunks = n_trunks

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> Self:
        """Draw an estimator's network.

        Parameters
        ----------
        estimator : MultiTaskRegressor or MultiTaskClassifier, or a Pipeline or search \
                that ends in one
            Fitted or not. Before `fit`, the numbers of features and targets are open.
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure.

        Returns
        -------
        NetworkDisplay

        Raises
        ------
        TypeError
            If there is no such estimator in it.
        ValueError
            If ``sharing_depth`` is larger than the number of hidden layers.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.inspection import NetworkDisplay
        >>> NetworkDisplay.from_estimator(MultiTaskRegressor()).sharing_depth
        2
        """
        return cls(**diagram_data(network_in(estimator))).plot(ax=ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the network.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to plot on; None makes a figure of a fitting size. The words have the
            size that fits the axes as they are now.

        Returns
        -------
        NetworkDisplay
            The display itself.

        Examples
        --------
        >>> from skmtl.inspection import NetworkDisplay
        >>> display = NetworkDisplay(hidden_sizes=(64, 32), sharing_depth=1).plot()
        >>> display.ax_ in display.figure_.axes
        True
        """
        drawing = diagram(
            self.hidden_sizes,
            self.sharing_depth,
            self.n_features,
            self.target_names,
            self.share_output,
            self.n_trunks,
        )
        new = ax is None
        ax = axes_for(self, ax, figsize=(drawing.width / 72, drawing.height / 72))
        if new:
            self.figure_.set_layout_engine("none")
            ax.set_position((0, 0, 1, 1))
        _draw(drawing, ax)
        return self


def _draw(drawing: Diagram, ax) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    ax.set(xlim=(0, drawing.width), ylim=(drawing.height, 0), aspect="equal")
    ax.set_axis_off()
    extent = ax.get_window_extent()
    pixels = min(extent.width / drawing.width, extent.height / drawing.height)
    font_size = FONT_SIZE * pixels * 72 / ax.figure.dpi
    for line in drawing.lines:
        path = Path(line.points, [Path.MOVETO, *[Path.CURVE4] * 3])
        ax.add_patch(PathPatch(path, fill=False, edgecolor=GREY, linewidth=0.8, zorder=1))
    for box in drawing.boxes:
        ax.add_patch(_patch(box))
    text = {"va": "center_baseline", "fontsize": font_size, "parse_math": False}
    for box in filter(lambda box: box.text, drawing.boxes):
        colour = "white" if box.kind == "shared" else "black"
        middle = box.x + box.width / 2
        ax.text(middle, box.y, box.text, ha="center", color=colour, zorder=3, **text)
    for words in drawing.words:
        is_header = words.kind == "header"
        ha, colour = ("center", GREY) if is_header else ("left", "black")
        ax.text(words.x, words.y, words.text, ha=ha, color=colour, **text)


def _patch(box: Box):
    from matplotlib.patches import Circle, FancyBboxPatch

    style: Style = {"facecolor": FILLS[box.kind], "edgecolor": "black", "linewidth": 0.8}
    if box.kind == "output":
        return Circle((box.x + box.radius, box.y), box.radius, zorder=2, **style)
    return FancyBboxPatch(
        (box.x, box.y - box.height / 2),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={box.radius}",
        zorder=2,
        **style,
    )
