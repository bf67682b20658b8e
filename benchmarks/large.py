"""What a table of many rows costs: memory beside it, seconds per epoch, prediction.

::

    python -m benchmarks.large                  2 000 000 rows, into RESULTS.md
    python -m benchmarks.large --rows 100000    fewer, printed only

A fresh process makes a table of 30 features and 5 targets in single precision, imports
TensorFlow by a fit of a few rows, and then fits the default estimator for one epoch and
for three. Memory is what the process holds at its peak beside what it held before the fit,
the table too: so what compiling takes is in it, and what importing TensorFlow takes is
not. An epoch is half of the difference between the fits.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ._clocks import duration, in_fresh_process, resident_megabytes
from ._report import circumstances, markdown_table, with_rows, write_section

N_ROWS, N_FEATURES, N_TARGETS = 2_000_000, 30, 5
N_CALLS = 3  # of predict


def table(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets with bends in what they have in common, and noise, made piece by piece."""
    rng = np.random.default_rng(0)
    X = np.empty((n_rows, N_FEATURES), np.float32)
    Y = np.empty((n_rows, N_TARGETS), np.float32)
    A = rng.normal(size=(N_FEATURES, 10)) / N_FEATURES**0.5
    B = rng.normal(size=(10, N_TARGETS))
    for start in range(0, n_rows, 2**16):
        x = rng.normal(size=X[start : start + 2**16].shape)
        y = np.sin(2 * x @ A) @ B
        X[start : start + len(x)] = x
        Y[start : start + len(x)] = y + 0.1 * rng.normal(size=y.shape)
    return X, Y


def peak_beside(function: Callable[[], object]) -> tuple[float, float]:
    """Most megabytes (Linux) that a call takes beside those held before, and seconds."""
    before = resident_megabytes()
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    function()
    passed = time.perf_counter() - started
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1.024e-3 - before, passed


def measure(n_rows: int) -> list[tuple[str, str]]:
    from skmtl._estimators.regressor import MultiTaskRegressor

    X, Y = table(n_rows)
    MultiTaskRegressor(epochs=1, random_state=0).fit(X[:1000], Y[:1000])
    models = [MultiTaskRegressor(epochs=n, refit=False, random_state=0) for n in (1, 3)]
    fits = [peak_beside(lambda model=model: model.fit(X, Y)) for model in models]
    model = models[-1]
    predictions = [peak_beside(lambda: model.predict(X)) for _ in range(N_CALLS)]
    few = X[:2048]
    n_few = max(1, 2**15 // len(few))
    started = time.perf_counter()
    for _ in range(n_few):
        model.predict(few)
    of_few = (time.perf_counter() - started) / n_few / len(few)
    of_many = float(np.median([passed for _, passed in predictions])) / n_rows
    memory, first = fits[0]
    return [
        ("table", f"{(X.nbytes + Y.nbytes) / 1e9:.2f} GB"),
        ("fit of one epoch, peak beside the table", f"{memory / 1e3:.2f} GB"),
        ("fit of three epochs, the same", f"{fits[1][0] / 1e3:.2f} GB"),
        ("first fit, one epoch, with compilation", duration(first)),
        ("an epoch", duration((fits[1][1] - first) / 2)),
        ("R2 after three epochs", f"{model.score(X[:100_000], Y[:100_000]):.4f}"),
        ("predict all rows, per row", duration(of_many)),
        ("predict 2048 rows, per row", duration(of_few)),
        ("predict, peak beside the table", f"{predictions[0][0] / 1e3:.2f} GB"),
    ]


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large", description="The cost of many rows."
    )
    return with_rows(parser, argv, N_ROWS)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    where = circumstances()
    rows = in_fresh_process(measure, arguments.rows)
    title = f"{arguments.rows} rows, {N_FEATURES} features, {N_TARGETS} targets, float32"
    lines = ["## Many rows", "", *where, f"- table: {title}", ""]
    lines += markdown_table(["what", "figure"], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "large", lines)


if __name__ == "__main__":
    main()
