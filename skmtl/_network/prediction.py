"""Predictions of many rows: in single precision, piece by piece on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from threadpoolctl import ThreadpoolController

from .._tables.chunks import pieces
from .inputs import has_nan
from .units import Units

MANY_ROWS = 2**15  # beyond so many, predictions are in single precision
CHUNK = 2**18  # numbers per layer that a thread holds at once: 1 MiB

_limits_blas = threading.Lock()  # what BLAS is set back to must not be another's limit


def outputs_of_many(network, X: np.ndarray, forward: Callable, activation) -> np.ndarray:
    """What the heads put out (n, T, O), for features (n, d) in their own units.

    Features are scaled in double precision, and so are differences to the ends of bins,
    which may be close to each other; what the layers compute is in single.
    """
    architecture, features = network.architecture, network.features
    inputs = tuple(map(in_single, features.units))
    for_missing = tuple(in_single(units.for_missing()) for units in features.units)
    Y = np.empty((len(X), architecture.n_targets, architecture.n_outputs))

    def fill(rows: slice) -> None:
        numbers, codes = features.numbers_and_codes(X[rows])
        read = for_missing if has_nan(numbers) else inputs
        Y[rows] = forward(
            architecture, network.weights, numbers, read, activation, codes=codes
        )

    parts = pieces(len(X), architecture.width, CHUNK)
    with _blas_in_one_thread() as n_threads, ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(fill, parts):
            pass
    return Y


def in_single(units: Units) -> Callable:
    """The units as a function of scaled features in double precision, to single."""
    origin = np.where(np.isfinite(units.low), units.low, units.shift)
    if units.columns is None:
        origin = np.zeros_like(origin)
    low, high, offset, slope = (
        A.astype(np.float32)
        for A in (
            units.low - origin,
            units.high - origin,
            (origin - units.shift) * units.slope,
            units.slope,
        )
    )

    def read(X, xp=np):
        H = within(X)
        if units.if_missing is not None:
            columns = slice(None) if units.columns is None else units.columns
            H = np.where(np.isnan(X)[:, columns], units.if_missing, H).astype(np.float32)
        return H if H.ndim == 2 else np.swapaxes(H, 0, 1)

    def within(X):
        if units.columns is None:
            return np.minimum(np.maximum(X.astype(np.float32), low), high)
        H = np.take(X, units.columns, axis=1)
        H = np.subtract(H, origin, out=H).astype(np.float32)
        np.minimum(np.maximum(H, low, out=H), high, out=H)
        return np.add(np.multiply(H, slope, out=H), offset, out=H)

    return read


@contextmanager
def _blas_in_one_thread() -> Iterator[int]:
    """Matrix products in the thread that asks for them; how many threads they had.

    Products of a piece are so quick that threads of their own would wait for each other.
    """
    with _limits_blas:
        blas = ThreadpoolController().select(user_api="blas")
        n_threads = max((library["num_threads"] for library in blas.info()), default=1)
        with blas.limit(limits=1):
            yield n_threads
