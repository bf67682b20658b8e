"""Standardisation of features and targets with per-cell weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._links import Link, names_of


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
        W = W / W.sum(axis=0)
        A = np.where(W > 0, A, 0.0)
        # In units of the largest value, whose square must not overflow.
        largest = np.abs(A).max(axis=0)
        A = A / np.where(largest > 0, largest, 1.0)
        mean = (W * A).sum(axis=0)
        std = np.sqrt((W * (A - mean) ** 2).sum(axis=0))
        # By the range: the mean, and so the deviation, is rounded.
        lowest = np.where(W > 0, A, np.inf).min(axis=0)
        highest = np.where(W > 0, A, -np.inf).max(axis=0)
        varies = highest - lowest > 10 * np.finfo(np.float64).eps
        return cls(mean * largest, np.where(varies, std * largest, 1.0))

    def for_links(self, links: Sequence[Link]) -> Scaling:
        """Counts divided by their mean and not shifted, classes left as they are."""
        counts = names_of(links) == "exponential"
        unscaled = np.array([link.unscaled for link in links])
        scale = np.where(counts, np.where(self.mean > 0, self.mean, 1.0), self.scale)
        return Scaling(
            np.where(counts | unscaled, 0.0, self.mean), np.where(unscaled, 1.0, scale)
        )

    def apply(self, A: np.ndarray) -> np.ndarray:
        return (A - self.mean) / self.scale

    def undo(self, A: np.ndarray) -> np.ndarray:
        return A * self.scale + self.mean
