"""Standardisation of features and targets with per-cell weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._tables.chunks import pieces
from .heads import HeadKind


@dataclass(frozen=True)
class Scaling:
    """Column-wise ``(A - mean) / scale``."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def identity(cls, n_columns: int) -> Scaling:
        return cls(np.zeros(n_columns), np.ones(n_columns))

    @classmethod
    def fit(cls, A: np.ndarray, W: np.ndarray) -> Scaling:
        """Weighted mean and standard deviation of each column of A (n, k).

        W broadcasts to A; a cell of weight 0 has no influence, whatever it holds. A
        column that is constant up to rounding keeps the scale 1.
        """
        W = np.broadcast_to(W, A.shape)
        total, largest = np.zeros((2, A.shape[1]))
        for a, w in _doubles(A, W):
            total += w.sum(axis=0)
            largest = np.maximum(largest, np.abs(a).max(axis=0))
        total = np.where(total > 0, total, 1.0)  # a column without any value
        # In units of the largest value, whose square must not overflow.
        unit = np.where(largest > 0, largest, 1.0)
        mean, variance = np.zeros((2, A.shape[1]))
        lowest, highest = np.full((2, A.shape[1]), [[np.inf], [-np.inf]])
        for a, w in _doubles(A, W):
            mean += (w / total * (a / unit)).sum(axis=0)
            lowest = np.minimum(lowest, np.where(w > 0, a / unit, np.inf).min(axis=0))
            highest = np.maximum(highest, np.where(w > 0, a / unit, -np.inf).max(axis=0))
        for a, w in _doubles(A, W):
            variance += (w / total * (a / unit - mean) ** 2).sum(axis=0)
        # By the range: the mean, and so the deviation, is rounded.
        varies = highest - lowest > 10 * np.finfo(np.float64).eps
        std = np.sqrt(variance)
        return cls(mean * largest, np.where(varies, std * largest, 1.0))

    def for_kinds(self, kinds: Sequence[HeadKind]) -> Scaling:
        """Of targets: in the units that the kind of each one's head asks for."""
        triples = zip(kinds, self.mean, self.scale, strict=True)
        units = np.array([kind.units(mean, scale) for kind, mean, scale in triples])
        return Scaling(units[:, 0], units[:, 1])

    def apply(self, A: np.ndarray) -> np.ndarray:
        return (A - self.mean) / self.scale

    def undo(self, A: np.ndarray) -> np.ndarray:
        return A * self.scale + self.mean


def _doubles(A: np.ndarray, W: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values, 0 where they have no weight, and weights in double precision, by pieces."""
    for rows in pieces(*A.shape):
        w = W[rows].astype(np.float64)
        yield np.where(w > 0, A[rows], 0.0), w
