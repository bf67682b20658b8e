"""What the pictures have in common: colours, axes, names that fit."""

from __future__ import annotations

from typing import Any, TypeAlias

from .. import _messages
from .._network.diagram import BLUE, ORANGE

# Okabe & Ito's colours, which people with any colour vision tell apart; in pictures they
# never carry a meaning alone. Markers and line styles go with them.
BLACK, SKY, GREEN = "#000000", "#56B4E9", "#009E73"
VERMILION, PURPLE = "#D55E00", "#CC79A7"
GREY, FAINT = "#595959", "#B3B3B3"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")


Style: TypeAlias = dict[str, Any]  # of lines and texts, as matplotlib names its parts


def check_matplotlib(caller: str) -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed: pip install 'skmtl[plot]'"
        ) from error


def axes_for(display, ax, figsize=None):
    """The axes to plot on, which the display and its user find as `ax_`, `figure_`."""
    check_matplotlib(f"{type(display).__name__}.plot")
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def without_frame(ax) -> None:
    ax.spines[["top", "right"]].set_visible(False)


def shortened(name, width: int) -> str:
    """A name that fits into so many characters."""
    return _messages.shortened(name, width, ellipsis="…")


def label(name, width: int) -> str:
    """A shortened name, whose dollar signs are not taken for mathematics."""
    return shortened(name, width).replace("$", r"\$")


def row_font_size(ax, n_rows: int) -> float:
    """Points in which the names of so many rows fit the height of the axes."""
    height = 72 * ax.get_window_extent().height / ax.figure.dpi
    return min(10.0, max(4.0, 0.85 * height / n_rows))
