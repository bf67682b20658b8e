"""Standardisation of features and targets with per-cell weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        total = W.sum(axis=0)
        A = np.where(W > 0, A, 0.0)
        mean = (W * A).sum(axis=0) / total
        std = np.sqrt((W * (A - mean) ** 2).sum(axis=0) / total)
        rounding = 10 * np.finfo(np.float64).eps * np.abs(A).max(axis=0)
        return cls(mean, np.where(std > rounding, std, 1.0))

    def apply(self, A: np.ndarray) -> np.ndarray:
        return (A - self.mean) / self.scale

    def undo(self, A: np.ndarray) -> np.ndarray:
        return A * self.scale + self.mean
