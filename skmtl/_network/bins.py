"""Bins: where they begin and end, and the units that encode a feature by them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .scaling import Scaling
from .units import Units

MAX_QUANTILE_ROWS = 2**17  # that bins are read off: sorting more takes long


LEAST_WIDTH = 2.0**-14  # of a bin, by its ends: single precision has 1024 places in it


SMALLEST_END = 1e-30  # by which widths are judged at least: slopes must not overflow


def rows_to_read(weight: np.ndarray) -> np.ndarray:
    """Numbers of the rows that bins are read off: of many a sample, the same each time.

    Not every k-th: tables of panels are sorted by what repeats every k rows.
    """
    rows = np.flatnonzero(weight > 0)
    if len(rows) <= MAX_QUANTILE_ROWS:
        return rows
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(rows, MAX_QUANTILE_ROWS, replace=False, shuffle=False))


class SortedColumn(NamedTuple):
    """Values of one feature in its own units, in ascending order, and their weights.

    Without those that are missing.
    """

    x: np.ndarray
    weight: np.ndarray

    @classmethod
    def sorted(cls, x: np.ndarray, weight: np.ndarray) -> SortedColumn:
        present = ~np.isnan(x)
        if not present.all():
            x, weight = x[present], weight[present]
        order = np.argsort(x, kind="stable")
        return cls(x[order].astype(np.float64), weight[order])

    def quantiles(self, shares) -> np.ndarray:
        levels = shares * self.weight.sum()
        where = np.searchsorted(np.cumsum(self.weight), levels)
        return self.x[np.minimum(where, len(self.x) - 1)]

    def edges(self, n_bins: int) -> np.ndarray:
        """Different quantiles; of a feature with two values, one, or none, none."""
        x = self.x
        if not len(x) or ((x == x[0]) | (x == x[-1])).all():
            return np.zeros(0)
        return np.unique(self.quantiles(np.arange(n_bins + 1) / n_bins))


def scaling_that_tells_apart(scaling: Scaling, columns, edges, limit: float) -> Scaling:
    """The scaling, with the median for the mean where bins are too narrow around that.

    A few huge values move the mean so far from all others that these look the same in
    single precision, in which the network is trained. Around 0 it tells more apart.
    """
    mean = scaling.mean.copy()
    for k, (column, ends) in enumerate(zip(columns, edges, strict=True)):
        ends = np.clip((ends - mean[k]) / scaling.scale[k], -limit, limit)
        inside = (ends[:-1] < limit) & (ends[1:] > -limit)
        if (inside & ~_are_apart(ends[:-1], ends[1:])).any():
            mean[k] = column.quantiles(0.5)
    return Scaling(mean, scaling.scale)


def _are_apart(low, high):
    """Whether single precision tells what lies between these ends of bins apart."""
    largest = np.maximum(np.maximum(np.abs(low), np.abs(high)), SMALLEST_END)
    return high - low >= LEAST_WIDTH * largest


def bin_units(k: int, column: SortedColumn, scaling: Scaling, edges, limit: float) -> Units:
    """Units that each rise by 1 between two neighbouring edges of feature k.

    The piecewise-linear encoding of Gorishniy et al. 2022, less its mean. Quantiles that
    coincide, or nearly so, make fewer bins.
    """
    mean, scale = scaling.mean[k], scaling.scale[k]
    kept: list[float] = []
    for edge in np.unique(np.clip((edges - mean) / scale, -limit, limit)):
        if not kept or _are_apart(kept[-1], edge):
            kept.append(edge)
    low, high = np.array(kept[:-1]), np.array(kept[1:])
    if not len(low):
        return Units(np.zeros(0, np.int32), *np.zeros((4, 0)))
    x = (column.x - mean) / scale
    shift = np.average(np.clip(x[:, None], low, high), axis=0, weights=column.weight)
    return Units(np.full(len(low), k, np.int32), low, high, shift, 1 / (high - low))
