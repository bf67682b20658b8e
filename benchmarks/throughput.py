"""Rows a second in training, beside what the cores' matrix products would allow.

::

    python -m benchmarks.throughput --results benchmarks/RESULTS.md
    python -m benchmarks.throughput --features 400 --batches 512    printed only

Three targets, the default layers, features without bins (``n_bins=0``) or with 64 of them;
no rows held out. A row takes 2 operations per weight on the way forward, 2 for the weight's
gradient, and 2 for the layer's input, which the first layer does not need. The peak is that
of a product of two square matrices, in XLA as training is, taken in turns with the fits: an
epoch's seconds are the difference of fits of one and of several epochs, medians of rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from time import perf_counter

import numpy as np

from ._report import circumstances, markdown_table, write_section

N_TARGETS, TRUNK, HEAD = 3, (128, 128), 64
SQUARE, N_SQUARES = 2048, 10
EPOCHS = 4
MOST_NUMBERS = 2**26


def operations(n_inputs: int) -> int:
    """Of the matrix products that a row takes in a step."""
    first, second = TRUNK
    return 4 * n_inputs * first + 6 * first * second + 6 * second * N_TARGETS * HEAD


def products_of_squares() -> Callable[[], float]:
    """A function for the operations a second of products of square matrices."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    A = tf.constant(rng.normal(size=(SQUARE, SQUARE)) / SQUARE**0.5, tf.float32)

    @tf.function(jit_compile=True)
    def products():
        def one(i, B):
            return i + 1, A @ B

        _, B = tf.while_loop(lambda i, _: i < N_SQUARES, one, (tf.constant(0), A))
        return tf.reduce_sum(B)

    def peak() -> float:
        started = perf_counter()
        products().numpy()
        return 2 * N_SQUARES * SQUARE**3 / (perf_counter() - started)

    peak()  # compiles
    return peak


def epoch_seconds(X, Y, batch_size: int, n_bins: int) -> float:
    from skmtl._estimators.regressor import MultiTaskRegressor

    seconds = []
    for epochs in (1, 1 + EPOCHS):
        model = MultiTaskRegressor(
            epochs=epochs,
            n_bins=n_bins,
            batch_size=batch_size,
            early_stopping=False,
            random_state=0,
        )
        started = perf_counter()
        model.fit(X, Y)
        seconds.append(perf_counter() - started)
    return (seconds[1] - seconds[0]) / EPOCHS


def measure(arguments) -> list[list[str]]:
    rng, peak = np.random.default_rng(0), products_of_squares()
    rows = []
    for n_bins, n_features, batch_size in product(
        arguments.bins, arguments.features, arguments.batches
    ):
        n_rows = min(arguments.rows, MOST_NUMBERS // n_features)
        X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
        Y = np.sin(X[:, :N_TARGETS])
        epoch_seconds(X, Y, batch_size, n_bins)  # compiles
        rounds = [
            (peak(), n_rows / epoch_seconds(X, Y, batch_size, n_bins))
            for _ in range(arguments.rounds)
        ]
        at_most, speed = np.median(rounds, axis=0)
        of_row = operations(n_features * (1 + n_bins))
        share = np.median([speed * of_row / at_most for at_most, speed in rounds])
        row = [
            f"{n_features}",
            f"{n_bins}",
            f"{batch_size}",
            f"{speed:,.0f}".replace(",", " "),
            f"{at_most / 1e9:.0f}",
            f"{share:.0%}",
        ]
        sys.stderr.write(" | ".join(row) + "\n")
        rows.append(row)
    return rows


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description="Rows a second in training."
    )
    parser.add_argument("--features", type=int, nargs="+", default=[30, 50, 400, 1000])
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--bins", type=int, nargs="+", default=[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, metavar="FILE", help="where to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    lines = ["## Rows a second", "", *circumstances(), ""]
    header = ["features", "bins", "batch", "rows a second", "peak, GFLOP/s", "share of it"]
    lines += markdown_table(header, measure(arguments))
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "throughput", lines)


if __name__ == "__main__":
    main()
