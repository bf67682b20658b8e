"""Units: functions of one scaled feature each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .scaling import Scaling


class Units(NamedTuple):
    """Functions of one scaled feature each: what a layer reads.

    Unit k of a row x is ``(clip(x[column_k], low_k, high_k) - shift_k) * slope_k``. The
    arrays have the shape (K,), or (T, K) where every task has units of its own. Without
    ``columns`` the units are the features themselves, cut off.
    """

    columns: np.ndarray | None
    low: np.ndarray
    high: np.ndarray
    shift: np.ndarray
    slope: np.ndarray

    def __call__(self, X, xp=np):
        """Values (n, K), or (T, n, K), for scaled features X (n, d)."""
        if self.columns is None:
            return xp.minimum(xp.maximum(X, self.low), self.high)
        H = xp.take(X, self.columns, axis=1)
        H = (xp.minimum(xp.maximum(H, self.low), self.high) - self.shift) * self.slope
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

    def rescaled(self, old: Scaling, new: Scaling) -> Units:
        """The same functions of features that are scaled in another way."""
        units = self.spelt_out()
        # x_old = factor * x_new + offset
        factor = (new.scale / old.scale)[units.columns]
        offset = ((new.mean - old.mean) / old.scale)[units.columns]
        low, high, shift = (
            (ends - offset) / factor for ends in (units.low, units.high, units.shift)
        )
        return Units(units.columns, low, high, shift, units.slope * factor)

    def by_task(self, n_targets: int) -> list[Units]:
        """The units of each task."""
        if self.of_tasks:
            return [Units(*arrays) for arrays in zip(*self, strict=True)]
        return [self] * n_targets


def features_cut_off(n_features: int, limit: float) -> Units:
    """The features themselves, cut off at plus and minus the limit."""
    ends = np.full(n_features, limit)
    return Units(None, -ends, ends, np.zeros(n_features), np.ones(n_features))
