"""The picture of the search, in a file."""

from __future__ import annotations

import warnings
from pathlib import Path

from . import InputError

SUFFIXES = (".png", ".pdf", ".svg")


def check_plot(path: str) -> None:
    """Find out before the search whether its picture can be drawn."""
    from ..inspection._style import check_matplotlib

    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"--plot {path!r}: name a file that ends in {', '.join(SUFFIXES)}")
    try:
        check_matplotlib("--plot")
    except ImportError as error:
        raise InputError(str(error)) from error


def save_plot(search, path: str) -> list[str]:
    """Draw the scores of all depths; returns the warnings, each text once."""
    # Not pyplot, which wants to know about screens.
    from matplotlib.figure import Figure

    from ..inspection import SharingDepthDisplay

    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        display = SharingDepthDisplay.from_search(search, ax=figure.add_subplot())
        legend = display.ax_.get_legend()
        legend.set_loc("upper left")
        legend.set_bbox_to_anchor((1, 1))  # beside the lines, not on them
        try:
            figure.savefig(path)
        except OSError as error:
            raise InputError(f"the picture cannot be saved: {error}") from error
    return list(dict.fromkeys(str(warning.message) for warning in caught))
