"""How the cost of training grows with rows, tasks, width and depth.

::

    python -m benchmarks.scaling                 all points, into RESULTS.md, with a picture
    python -m benchmarks.scaling --quick         the small ones, printed only

A step is timed as a long fit less a short one, over the number of steps in between: what a
fit costs once, compilation too, is in both and cancels. Early stopping is off, dropout too.
Beside every point, in turns with it, the machine multiplies two square float32 matrices by
NumPy, by TensorFlow's own kernel and by XLA, which compiles the training: the fastest of
the three is the peak that the point's GFLOP/s are a share of. Figures are medians.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf

from skmtl._estimators.regressor import MultiTaskRegressor

from ._clocks import duration, interleaved, seconds
from ._report import circumstances, markdown_table, write_section

RESULTS = Path(__file__).with_name("RESULTS.md")
LONG_FIT = 0.5  # seconds that a long fit should take over a short one, at least
SLOW = 5e9, 3e-5  # FLOP/s and seconds per step of a machine that is slow, to plan with
MATRIX_SIZE = 2048
REPEATS = 3


@dataclass(frozen=True)
class Point:
    """A network, the rows it is trained on, and the batches they come in."""

    x: int  # what the series varies
    n_rows: int = 1024
    n_features: int = 20
    n_tasks: int = 3
    trunk: tuple[int, ...] = (64, 64)
    head: tuple[int, ...] = (32,)
    sharing_depth: int = 2
    batch_size: int = 32

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.n_rows // self.batch_size)

    @property
    def flop_per_row(self) -> int:
        """Floating-point operations of the matrix products for one row of one step.

        A kernel (i, o) takes a multiplication and an addition per weight in the forward
        pass, as many for its own gradient, and as many for the gradient of its input:
        6 i o. The first layer's input is data and needs no gradient: 4 i o. A layer that
        exists once per task has T kernels. Biases, activations and the optimizer, which
        are not products, do not count.
        """
        sizes = (self.n_features, *self.trunk, *self.head, 1)
        per_weight = [4] + [6] * (len(sizes) - 2)
        return sum(
            flop * i * o * (1 if layer < self.sharing_depth else self.n_tasks)
            for layer, (flop, (i, o)) in enumerate(
                zip(per_weight, pairwise(sizes), strict=True)
            )
        )

    @property
    def network(self) -> str:
        sizes = [*self.trunk, *self.head]
        shared = [str(self.n_features), *map(str, sizes[: self.sharing_depth])]
        own = [*map(str, sizes[self.sharing_depth :]), "1"]
        return f"{'-'.join(shared)} > {self.n_tasks} x [{'-'.join(own)}]"


@dataclass(frozen=True)
class Figures:
    point: Point
    step: float  # seconds
    peaks: dict[str, float]  # GFLOP/s of matrix products

    @property
    def epoch(self) -> float:
        return self.step * self.point.steps_per_epoch

    @property
    def gflops(self) -> float:
        return self.point.flop_per_row * self.point.n_rows / self.epoch / 1e9

    @property
    def share(self) -> float:
        return self.gflops / max(self.peaks.values())


# --- the series -----------------------------------------------------------------------


def automatic_batch(n_rows: int) -> int:
    """What batch_size="auto" chooses."""
    return int(np.clip(2 ** np.ceil(np.log2(n_rows / 256)), 32, 1024))


SERIES = {
    "rows": [
        Point(n, n_rows=n, batch_size=automatic_batch(n))
        for n in (10**3, 10**4, 10**5, 10**6)
    ],
    "tasks": [Point(t, n_tasks=t) for t in (1, 3, 10, 30, 100, 300, 1000)],
    "width": [
        Point(w, n_rows=4096, trunk=(w, w), head=(w // 2,), batch_size=256)
        for w in (32, 64, 128, 256, 512, 1024)
    ],
    "layers": [Point(n, trunk=(128,) * n, head=(), sharing_depth=n) for n in (1, 2, 4, 8)],
    "sharing depth": [Point(d, n_tasks=10, sharing_depth=d) for d in (0, 1, 2, 3)],
    "wide network": [
        Point(512, n_rows=100_000, trunk=(512, 512), batch_size=1024),
    ],
}
QUICK_POINTS = 2  # of each series


# --- measuring ------------------------------------------------------------------------


def measure(point: Point, repeats: int) -> Figures:
    X, Y = table(point)
    planned = point.flop_per_row * point.n_rows / SLOW[0] + point.steps_per_epoch * SLOW[1]
    epochs = 1 + int(np.ceil(LONG_FIT / planned))
    fit(point, X, Y, 1)  # compiles
    products = matrix_products(MATRIX_SIZE)
    sides = [
        lambda: fit_seconds(point, X, Y, 1 + epochs) - fit_seconds(point, X, Y, 1),
        *(partial(fastest, product) for product in products.values()),
    ]
    times = interleaved(sides, repeats)
    step = float(np.median(times[:, 0])) / (epochs * point.steps_per_epoch)
    peaks = 2e-9 * MATRIX_SIZE**3 / np.median(times[:, 1:], axis=0)
    return Figures(point, step, dict(zip(products, peaks.tolist(), strict=True)))


def table(point: Point) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(point.n_rows, point.n_features))
    return X, X @ rng.normal(size=(point.n_features, point.n_tasks))


def fit(point: Point, X, Y, epochs: int) -> None:
    MultiTaskRegressor(
        trunk_sizes=point.trunk,
        head_sizes=point.head,
        sharing_depth=point.sharing_depth,
        batch_size=point.batch_size,
        epochs=epochs,
        early_stopping=False,
        n_bins=0,
        random_state=0,
    ).fit(X, Y)


def fit_seconds(point: Point, X, Y, epochs: int) -> float:
    return seconds(fit, point, X, Y, epochs)


def matrix_products(size: int) -> dict[str, Callable[[], object]]:
    """A @ B for square matrices of single precision, by library; each has run once."""
    A, B = np.random.default_rng(0).normal(size=(2, size, size)).astype(np.float32)
    A_tensor, B_tensor = tf.constant(A), tf.constant(B)
    compiled = tf.function(tf.matmul, jit_compile=True, autograph=False)
    products = {
        "NumPy": lambda: A @ B,
        "TensorFlow": lambda: tf.matmul(A_tensor, B_tensor).numpy(),
        "XLA": lambda: compiled(A_tensor, B_tensor).numpy(),
    }
    for product in products.values():
        product()
    return products


def fastest(function: Callable, n_calls: int = 3) -> float:
    """Seconds of the quickest call: a peak is what the machine can do undisturbed."""
    times = []
    for _ in range(n_calls):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


# --- the report -----------------------------------------------------------------------


def section(where: Sequence[str], measured: dict[str, list[Figures]]) -> list[str]:
    header = ["series", "", "network", "rows", "batch", "step", "epoch", "GFLOP/s", "peak"]
    rows = [cells(name, figures) for name, points in measured.items() for figures in points]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        "## Scaling",
        "",
        *where,
        f"- peak: {MATRIX_SIZE} x {MATRIX_SIZE} float32 matrix product, "
        + ", ".join(f"{name} {peak:.0f}" for name, peak in overall_peaks(measured).items())
        + " GFLOP/s (medians of the run)",
        f"- memory of the process at its largest: {memory:.1f} GB",
        "- network: features and shared layers > tasks x [layers of each task]",
        "",
        *markdown_table([*header, "share of peak"], rows),
        "",
        "![Cost against rows, tasks, width, layers and sharing depth](scaling.png)",
    ]


def overall_peaks(measured: dict[str, list[Figures]]) -> dict[str, float]:
    peaks = [figures.peaks for points in measured.values() for figures in points]
    return {name: float(np.median([p[name] for p in peaks])) for name in peaks[0]}


def cells(name: str, figures: Figures) -> list[str]:
    point = figures.point
    return [
        name,
        str(point.x),
        point.network,
        str(point.n_rows),
        str(point.batch_size),
        duration(figures.step),
        duration(figures.epoch),
        f"{figures.gflops:.3g}",
        f"{max(figures.peaks.values()):.0f}",
        f"{figures.share:.0%}",
    ]


def draw(measured: dict[str, list[Figures]], path: Path) -> None:
    """A panel per series, and the GFLOP/s of all points against the size of a step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    *panels, last = figure.subplots(2, 3).flat
    for axes, (name, points) in zip(panels, measured.items(), strict=False):
        per_epoch = name == "rows"
        y = [f.epoch if per_epoch else 1e6 * f.step for f in points]
        axes.plot([f.point.x for f in points], y, "ko-", ms=4)
        axes.set(xlabel=name, ylabel="seconds per epoch" if per_epoch else "us per step")
        axes.set(xscale="linear" if name == "sharing depth" else "log", yscale="log")
        axes.set_ylim(decades(y))
        if not per_epoch:
            axes.set_xticks(
                *zip(*((f.point.x, str(f.point.x)) for f in points), strict=True)
            )
            axes.minorticks_off()
    markers = iter("osD^vX")
    for name, points in measured.items():
        work = [1e-6 * f.point.flop_per_row * f.point.batch_size for f in points]
        last.plot(
            work,
            [f.gflops for f in points],
            next(markers),
            color="k",
            mfc="none",
            ms=5,
            label=name,
        )
    last.axhline(max(overall_peaks(measured).values()), color="k", ls="--", lw=1)
    last.set(
        xscale="log", yscale="log", xlabel="MFLOP per step", ylabel="GFLOP/s (dashed: peak)"
    )
    last.set_ylim(1, 10 ** np.ceil(np.log10(max(overall_peaks(measured).values()))))
    last.legend(fontsize=7, frameon=False, loc="lower left", ncols=2)
    for axes in (*panels, last):
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def decades(values: Sequence[float]) -> tuple[float, float]:
    """Powers of ten around them: so the panels' slopes can be compared."""
    return 10 ** np.floor(np.log10(min(values))), 10 ** np.ceil(np.log10(max(values)))


# --- the command ----------------------------------------------------------------------


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description="The cost of training, by size."
    )
    parser.add_argument("--quick", action="store_true", help="small points, rough figures")
    parser.add_argument(
        "--only", nargs="+", choices=SERIES, metavar="NAME", help=f"of {', '.join(SERIES)}"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="where to write the table, with scaling.png beside (default: RESULTS.md "
        "beside this module for a full run of all series, nowhere otherwise)",
    )
    arguments = parser.parse_args(argv)
    if arguments.results is None and not arguments.quick and arguments.only is None:
        arguments.results = RESULTS
    return arguments


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    where = circumstances()
    measured: dict[str, list[Figures]] = {}
    for name in arguments.only or SERIES:
        points = SERIES[name][:QUICK_POINTS] if arguments.quick else SERIES[name]
        measured[name] = []
        for point in points:
            figures = measure(point, 1 if arguments.quick else REPEATS)
            measured[name].append(figures)
            sys.stderr.write(f"{' '.join(cells(name, figures))}\n")
    lines = section(where, measured)
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "scaling", lines)
        draw(measured, arguments.results.with_name("scaling.png"))


if __name__ == "__main__":
    main()
