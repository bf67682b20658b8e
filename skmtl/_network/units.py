"""Units: functions of one scaled feature each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .scaling import Scaling


class Units(NamedTuple):
    """Functions of one scaled feature each: what a layer reads.

    Unit k of a row x is ``(clip(x[column_k], low_k, high_k) - shift_k) * slope_k``, and
    ``if_missing_k`` where that feature is NaN. The arrays have the shape (K,), or (T, K)
    where every task has units of its own. Without ``columns`` the units are the features
    themselves, cut off. Without ``if_missing`` no feature is NaN.
    """

    columns: np.ndarray | None
    low: np.ndarray
    high: np.ndarray
    shift: np.ndarray
    slope: np.ndarray
    if_missing: np.ndarray | None = None

    def __call__(self, X, xp=np, take: Callable | None = None):
        """Values (n, K), or (T, n, K), for scaled features X (n, d).

        ``take(X, columns)`` looks up columns where there is a quicker way than ``xp.take``.
        """
        if self.columns is None:
            H = xp.minimum(xp.maximum(X, self.low), self.high)
        else:
            X = take(X, self.columns) if take else xp.take(X, self.columns, axis=1)
            H = (xp.minimum(xp.maximum(X, self.low), self.high) - self.shift) * self.slope
        if self.if_missing is not None:
            H = xp.where(xp.isnan(X), self.if_missing, H)
        return H if len(H.shape) == 2 else xp.swapaxes(H, 0, 1)

    @property
    def n_units(self) -> int:
        return self.low.shape[-1]

    @property
    def of_tasks(self) -> bool:
        """Whether every task has units of its own."""
        return self.low.ndim == 2

    def spelt_out(self) -> Units:
        """The same units with their columns."""
        if self.columns is not None:
            return self
        return self._replace(columns=np.arange(self.n_units, dtype=np.int32))

    def for_missing(self) -> Units:
        """The same units, 0 for features that are missing where nothing else is known.

        That is the mean of a feature, and of what encodes it.
        """
        if self.if_missing is not None:
            return self
        return self._replace(if_missing=np.zeros_like(self.low))

    def rescaled(self, old: Scaling, new: Scaling) -> Units:
        """The same functions of features that are scaled in another way."""
        units = self.spelt_out()
        # x_old = factor * x_new + offset
        factor = (new.scale / old.scale)[units.columns]
        offset = ((new.mean - old.mean) / old.scale)[units.columns]
        low, high, shift = (
            (ends - offset) / factor for ends in (units.low, units.high, units.shift)
        )
        return Units(
            units.columns, low, high, shift, units.slope * factor, units.if_missing
        )

    def by_task(self, n_targets: int) -> list[Units]:
        """The units of each task."""
        if not self.of_tasks:
            return [self] * n_targets
        return [
            Units(*(None if A is None else A[task] for A in self))
            for task in range(n_targets)
        ]


def side_by_side(units: Sequence[Units]) -> Units:
    """Units of its own for every task; those with fewer than others get zeros behind."""
    if any(of_task.if_missing is not None for of_task in units):
        units = [of_task.for_missing() for of_task in units]
    n_units = max(of_task.n_units for of_task in units)

    def stacked(arrays):
        if arrays[0] is None:
            return None
        return np.stack([np.pad(A, (0, n_units - len(A))) for A in arrays])

    return Units(*map(stacked, zip(*units, strict=True)))


def one_after_another(units: Sequence[Units]) -> Units:
    """All of these units."""
    if any(part.if_missing is not None for part in units):
        units = [part.for_missing() for part in units]
    columns = zip(*(part.spelt_out() for part in units), strict=True)
    return Units(*(None if A[0] is None else np.concatenate(A) for A in columns))


def features_cut_off(n_features: int, limit: float) -> Units:
    """The features themselves, cut off at plus and minus the limit."""
    ends = np.full(n_features, limit)
    return Units(None, -ends, ends, np.zeros(n_features), np.ones(n_features))


def flags(columns: np.ndarray) -> Units:
    """1 where these features are missing, else 0."""
    zero, one = np.zeros(len(columns)), np.ones(len(columns))
    return Units(columns.astype(np.int32), zero, zero, zero, zero, one)
