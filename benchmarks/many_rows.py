"""Default fits to 10 000, 100 000 and 1 000 000 rows, beside boosted trees.

::

    python -m benchmarks.many_rows --results benchmarks/RESULTS.md    and many_rows.png
    python -m benchmarks.many_rows --rows 10000 100000                printed only

The table is that of `benchmarks.large`: 30 features, 5 targets, in single precision. The
last 50 000 rows are tested on. Every fit is one of a fresh process and is timed with its
compilation, without imports. "to the end" is a network with four times the epochs that the
default plans at first, 64 at least, and a patience that never ends training. The error is
the average relative RMSE.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ._clocks import duration, in_fresh_process
from ._report import circumstances, markdown_table, write_section
from .large import N_FEATURES, N_TARGETS, table

PICTURE = "many_rows.png"
ROWS = (10_000, 100_000, 1_000_000)
N_TEST = 50_000


def network(n_rows: int):
    from skmtl import MultiTaskRegressor

    _import_tensorflow()
    return MultiTaskRegressor(random_state=0)


def to_the_end(n_rows: int):
    from skmtl._estimators.automatic import n_epochs

    epochs = max(64, 4 * n_epochs(n_rows))
    return network(n_rows).set_params(epochs=epochs, n_iter_no_change=epochs)


def trees(n_rows: int):
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.multioutput import MultiOutputRegressor

    return MultiOutputRegressor(
        HistGradientBoostingRegressor(max_iter=1000, early_stopping=True, random_state=0)
    )


def catboost(n_rows: int):
    from catboost import CatBoostRegressor

    return CatBoostRegressor(
        loss_function="MultiRMSE", random_seed=0, verbose=False, allow_writing_files=False
    )


MODELS: dict[str, Callable] = {
    "one network": network,
    "the same, to the end": to_the_end,
    "trees per target": trees,
    "CatBoost MultiRMSE": catboost,
}


def _import_tensorflow() -> None:
    from skmtl import MultiTaskRegressor

    X = np.random.default_rng(0).normal(size=(64, 2))
    MultiTaskRegressor(epochs=1, trunk_sizes=(4,), head_sizes=()).fit(X, X)


def measure(name: str, n_rows: int) -> tuple[float, float, float]:
    """Error, seconds, and CPU seconds of a fit."""
    X, Y = table(n_rows + N_TEST)
    model = MODELS[name](n_rows)
    started, cpu = time.perf_counter(), time.process_time()
    model.fit(X[:n_rows], Y[:n_rows])
    passed, of_cpu = time.perf_counter() - started, time.process_time() - cpu
    residuals = Y[n_rows:] - model.predict(X[n_rows:])
    from_mean = Y[n_rows:] - Y[:n_rows].mean(axis=0)
    errors = np.sqrt((residuals**2).mean(axis=0) / (from_mean**2).mean(axis=0))
    return float(errors.mean()), passed, of_cpu


def draw(figures: dict[tuple[str, int], tuple[float, float, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), (1, 0), strict=True):
        label = ("error", "seconds")[column]
        for name in dict.fromkeys(model for model, _ in figures):
            rows = [n for model, n in figures if model == name]
            values = [figures[name, n][column] for n in rows]
            axes.plot(rows, values, marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="training rows", ylabel=label)
    axes.legend()
    figure.savefig(path, dpi=110)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.many_rows", description="Default fits to many rows."
    )
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, metavar="N")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--results", type=Path, metavar="FILE", help="where to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    where, figures = circumstances(), {}
    for n_rows in arguments.rows:
        for name in arguments.models:
            figures[name, n_rows] = in_fresh_process(measure, name, n_rows)
            sys.stderr.write(f"{name}, {n_rows} rows: {figures[name, n_rows]}\n")
    title = f"{N_FEATURES} features, {N_TARGETS} targets, float32, {N_TEST} rows tested on"
    header = ["rows", "model", "error", "seconds", "CPU seconds"]
    cells = [
        [f"{n_rows}", name, f"{error:.4f}", duration(passed), duration(cpu)]
        for (name, n_rows), (error, passed, cpu) in figures.items()
    ]
    lines = ["## Default fits to many rows", "", *where, f"- table: {title}", ""]
    lines += markdown_table(header, cells)
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "many_rows", lines)
        draw(figures, arguments.results.with_name(PICTURE))


if __name__ == "__main__":
    main()
