"""Ways to compute the first layer of many bins, forward and backward, in XLA.

::

    python -m benchmarks.first_layer --results benchmarks/RESULTS.md
    python -m benchmarks.first_layer --batch 256 --bins 32    printed only

30 features with so many bins each, and 128 hidden units. Ways are taken in turns; seconds
are medians. "look-up" takes each unit's feature one by one, "product" by a product with
zeros and ones (what training does), "units alone" has the units beforehand. "cumulated
kernels" takes two rows of a table per feature: a unit is 0 or 1, but for one of a feature.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import tensorflow as tf

from skmtl._training.columns import columns_of

from ._clocks import duration
from ._report import circumstances, markdown_table, write_section

N_FEATURES, N_HIDDEN, N_STEPS = 30, 128, 20


class Encoding:
    """Bins of the same quantiles for each feature, as tensors."""

    def __init__(self, n_bins: int):
        shares = np.arange(n_bins + 1) / n_bins
        edges = np.quantile(np.random.default_rng(0).normal(size=100_000), shares)
        self.n_bins = n_bins
        self.columns = tf.repeat(tf.range(N_FEATURES), n_bins)
        self.edges = tf.constant(edges, tf.float32)
        self.low, self.high = self.edges[:-1], self.edges[1:]
        self.slope = 1 / (self.high - self.low)

    def units(self, taken):
        """Of features that are taken as often as they have bins (n, K)."""
        low, high, slope = (
            tf.tile(A, [N_FEATURES]) for A in (self.low, self.high, self.slope)
        )
        return (tf.minimum(tf.maximum(taken, low), high) - low) * slope

    def position(self, X):
        """The bin of each feature (n, d), and how much of it is passed."""
        inner = self.edges[1:-1]
        bins = tf.reduce_sum(tf.cast(X[:, :, None] > inner, tf.int32), -1)
        low, high = tf.gather(self.low, bins), tf.gather(self.high, bins)
        return bins, (tf.clip_by_value(X, low, high) - low) / (high - low)


def by_units(units: Callable):
    def step(X, K, D, columns):
        U = units(X, columns)
        Z = tf.maximum(U @ K, 0.0)
        return K - 1e-6 * tf.matmul(U, D * Z, transpose_a=True)

    return step


def by_cumulated_kernels(encoding: Encoding):
    n_bins = encoding.n_bins

    def step(X, K, D, _):
        bins, passed = encoding.position(X)
        rows = bins + n_bins * tf.range(N_FEATURES)
        of_features = tf.reshape(K, [N_FEATURES, n_bins, N_HIDDEN])
        before = tf.reshape(tf.cumsum(of_features, 1, exclusive=True), K.shape)
        Z = tf.gather(before, rows) + passed[..., None] * tf.gather(K, rows)
        D = D * tf.maximum(tf.reduce_sum(Z, 1), 0.0)

        def of_rows(D):
            D = tf.reshape(tf.broadcast_to(D, Z.shape), [-1, N_HIDDEN])
            sums = tf.math.unsorted_segment_sum(D, tf.reshape(rows, [-1]), K.shape[0])
            return tf.reshape(sums, of_features.shape)

        later = tf.cumsum(of_rows(D[:, None]), 1, exclusive=True, reverse=True)
        gradient = of_rows(passed[..., None] * D[:, None]) + later
        return K - 1e-6 * tf.reshape(gradient, K.shape)

    return step


def compiled(step: Callable) -> Callable:
    @tf.function(jit_compile=True)
    def steps(X, K, D, columns):
        def one(i, K):
            return i + 1, step(X + 1e-3 * tf.cast(i, tf.float32), K, D, columns)

        return tf.while_loop(lambda i, _: i < N_STEPS, one, (tf.constant(0), K))[1]

    return steps


def measure(batch_size: int, n_bins: int, rounds: int) -> list[tuple[str, str, str]]:
    encoding, rng = Encoding(n_bins), np.random.default_rng(0)
    columns = encoding.columns
    X, K, D = (
        tf.constant(rng.normal(size=size) * 0.02, tf.float32)
        for size in (
            (batch_size, N_FEATURES),
            (N_FEATURES * n_bins, N_HIDDEN),
            (batch_size, N_HIDDEN),
        )
    )
    made = encoding.units(tf.gather(X, columns, axis=1))
    ways = {
        "look-up": by_units(lambda X, c: encoding.units(tf.gather(X, c, axis=1))),
        "product": by_units(lambda X, c: encoding.units(columns_of(X, c, missing=False))),
        "units alone": by_units(lambda X, _: made + X[0, 0]),
        "cumulated kernels": by_cumulated_kernels(encoding),
    }
    functions = {name: compiled(step) for name, step in ways.items()}
    results = {
        name: function(X, K, D, columns).numpy() for name, function in functions.items()
    }
    for name in ("product", "cumulated kernels"):
        np.testing.assert_allclose(results[name], results["look-up"], atol=1e-5)
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            started = perf_counter()
            function(X, K, D, columns).numpy()
            seconds[name].append((perf_counter() - started) / N_STEPS)
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    least = medians["units alone"]
    return [(name, duration(t), f"{t / least:.2f}") for name, t in medians.items()]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.first_layer", description="Ways to compute many bins."
    )
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--bins", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--results", type=Path, metavar="FILE", help="where to write")
    arguments = parser.parse_args(argv)
    lines = ["## Ways to compute the first layer", "", *circumstances()]
    lines += [
        f"- {arguments.batch} rows, {N_FEATURES} features of {arguments.bins} bins",
        "",
    ]
    rows = measure(arguments.batch, arguments.bins, arguments.rounds)
    lines += markdown_table(["way", "a step", "of units alone"], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "first layer", lines)


if __name__ == "__main__":
    main()
