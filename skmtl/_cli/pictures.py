"""The pictures of the report, each as a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
import pandas as pd

MOST_DOTS = 2000
MOST_TARGETS = 12  # with a picture of their own
MOST_CLASSES = 12


def drawn(draw: Callable, size: tuple[float, float], *, dots: bool = False) -> str:
    """What a function draws on a figure; many dots are pixels, and all else is lines."""
    # Not pyplot, which wants to know about screens.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    file, kind = io.BytesIO(), "png" if dots else "svg"
    figure.savefig(file, format=kind, dpi=110)
    subtype = "png" if dots else "svg+xml"
    return f"data:image/{subtype};base64,{base64.b64encode(file.getvalue()).decode()}"


def small_multiples(n_panels: int) -> tuple[int, int, tuple[float, float]]:
    """Rows and columns of panels, and the size of the figure."""
    n_columns = min(3, n_panels)
    n_rows = -(-n_panels // n_columns)
    return n_rows, n_columns, (3.0 * n_columns, 2.9 * n_rows)


def predicted_and_observed(observed: pd.DataFrame, predicted: np.ndarray) -> str:
    """A panel of dots for each target; predictions are (n, T), NaN if there is none."""
    from ..inspection._style import BLUE, GREY, label, without_frame

    names = observed.columns[:MOST_TARGETS]
    n_rows, n_columns, size = small_multiples(len(names))

    def draw(figure) -> None:
        rng = np.random.default_rng(0)
        for t, name in enumerate(names):
            ax = figure.add_subplot(n_rows, n_columns, t + 1)
            y, f = observed[name].to_numpy(dtype=float), predicted[:, t]
            seen = np.flatnonzero(np.isfinite(y) & np.isfinite(f))
            if len(seen) > MOST_DOTS:
                seen = rng.choice(seen, MOST_DOTS, replace=False)
            y, f = y[seen], f[seen]
            ends = [min(y.min(), f.min()), max(y.max(), f.max())]
            ax.plot(ends, ends, color=GREY, linewidth=0.8)
            ax.scatter(f, y, s=6, alpha=0.4, color=BLUE, linewidths=0)
            ax.set_title(label(name, 30), fontsize="medium")
            ax.set(xlabel="predicted", ylabel="observed")
            ax.ticklabel_format(scilimits=(-3, 4))
            without_frame(ax)

    return drawn(draw, size, dots=True)


def predicted_and_true_classes(observed: pd.DataFrame, predicted: np.ndarray) -> str:
    """A panel for each target: what the rows of each class were taken for."""
    from ..inspection._style import label

    names = observed.columns[:MOST_TARGETS]
    n_rows, n_columns, size = small_multiples(len(names))

    def draw(figure) -> None:
        for t, name in enumerate(names):
            ax = figure.add_subplot(n_rows, n_columns, t + 1)
            seen = observed[name].notna().to_numpy() & pd.notna(predicted[:, t])
            true, taken = (
                observed[name][seen].map(str),
                pd.Series(predicted[seen, t]).map(str),
            )
            kept = list(true.value_counts().index[:MOST_CLASSES])
            counts = pd.crosstab(true.to_numpy(), taken.to_numpy()).reindex(
                index=kept, columns=kept, fill_value=0
            )
            shares = counts.div(true.value_counts()[kept].to_numpy(), axis=0)
            ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
            for (i, j), share in np.ndenumerate(shares.to_numpy()):
                colour = "white" if share > 0.6 else "black"
                text = {"ha": "center", "va": "center", "fontsize": "x-small"}
                ax.text(j, i, f"{100 * share:.0f}", color=colour, **text)
            labels = [label(own, 12) for own in kept]
            ax.set_xticks(range(len(kept)), labels, rotation=45, ha="right")
            ax.set_yticks(range(len(kept)), labels)
            ax.tick_params(length=0, labelsize="x-small")
            ax.set_title(label(name, 30), fontsize="medium")
            ax.set(xlabel="predicted", ylabel="observed, in %")

    return drawn(draw, size)
