"""How features enter the network: scaled, cut off, and encoded between bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .scaling import Scaling

LINEAR_REACH = 3.0  # times the limit of the hidden layers is that of the linear path
MAX_QUANTILE_ROWS = 2**17  # that bins are read off: sorting more takes long
LEAST_WIDTH = 2.0**-14  # of a bin, by its ends: single precision has 1024 places in it
SMALLEST_END = 1e-30  # by which widths are judged at least: slopes must not overflow


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


@dataclass(frozen=True, eq=False)
class Inputs:
    """How features in their own units become what hidden layers and linear path read."""

    scaling: Scaling
    hidden: Units
    linear: Units

    @property
    def units(self) -> tuple[Units, Units]:
        """What `forward` reads."""
        return self.hidden, self.linear

    @property
    def fit_single_precision(self) -> bool:
        """Whether features in their own units may be rounded to it before they are scaled.

        Not where they lie far from 0 for what is told apart: time stamps in milliseconds.
        """
        far = np.abs(self.scaling.mean / self.scaling.scale)
        for units in (self.hidden.spelt_out(), self.linear.spelt_out()):
            width = np.minimum(units.high - units.low, 1.0)
            low, high = (
                np.where(np.isfinite(ends), np.abs(ends), 0.0)
                for ends in (units.low, units.high)
            )
            furthest = far[units.columns] + np.maximum(low, high)
            if ((width > 0) & (width < LEAST_WIDTH * furthest)).any():
                return False
        return True

    def __eq__(self, other) -> bool:
        return isinstance(other, Inputs) and all(
            np.array_equal(a, b)
            for a, b in zip(self._arrays(), other._arrays(), strict=True)
        )

    __hash__ = None

    def _arrays(self):
        hidden, linear = self.hidden.spelt_out(), self.linear.spelt_out()
        return [self.scaling.mean, self.scaling.scale, *hidden, *linear]

    @classmethod
    def unscaled(cls, n_features: int) -> Inputs:
        """Features as they are."""
        as_they_are = features_cut_off(n_features, np.inf)
        return cls(Scaling.identity(n_features), as_they_are, as_they_are)

    @classmethod
    def fit(
        cls, X: np.ndarray, weight: np.ndarray, *, scale: bool, limit: float, n_bins: int
    ) -> Inputs:
        """For the rows of X (n, d), of which each counts ``weight`` (n,) times.

        The limit is that of scaled features; what is linear sees `LINEAR_REACH` times as
        far. The hidden layers see every feature, and behind them each one's bins.
        """
        n_features = X.shape[1]
        scaling = Scaling.identity(n_features)
        if scale:
            scaling = Scaling.fit(X, weight[:, None])
        else:
            limit = np.inf
        hidden = features_cut_off(n_features, limit)
        if n_bins:
            rows = _some_rows(weight)
            weight = weight[rows]
            columns = [_Column.sorted(x, weight) for x in X[rows].T]
            edges = [column.edges(n_bins) for column in columns]
            if scale:
                scaling = _telling_apart(scaling, columns, edges, limit)
            bins = [
                _bins(k, column, scaling, ends, limit)
                for k, (column, ends) in enumerate(zip(columns, edges, strict=True))
            ]
            if any(units.n_units for units in bins):
                parts = zip(hidden.spelt_out(), *bins, strict=True)
                hidden = Units(*map(np.concatenate, parts))
        return cls(scaling, hidden, features_cut_off(n_features, LINEAR_REACH * limit))

    @classmethod
    def side_by_side(cls, parts: Sequence[tuple[Inputs, int]]) -> Inputs:
        """Units of its own for every task: those of these inputs, for so many tasks each.

        Tasks with fewer units than others get zeros behind them.
        """
        scaling = parts[0][0].scaling

        def stacked(kind):
            tasks = [
                units.rescaled(inputs.scaling, scaling)
                for inputs, n_targets in parts
                for units in kind(inputs).by_task(n_targets)
            ]
            n_units = max(units.n_units for units in tasks)
            padded = [
                [np.pad(array, (0, n_units - len(array))) for array in units]
                for units in tasks
            ]
            return Units(*map(np.stack, zip(*padded, strict=True)))

        hidden = stacked(lambda inputs: inputs.hidden)
        return cls(scaling, hidden, stacked(lambda inputs: inputs.linear))


def _some_rows(weight: np.ndarray) -> np.ndarray:
    """Numbers of the rows that bins are read off: of many a sample, the same each time.

    Not every k-th: tables of panels are sorted by what repeats every k rows.
    """
    rows = np.flatnonzero(weight > 0)
    if len(rows) <= MAX_QUANTILE_ROWS:
        return rows
    rng = np.random.default_rng(0)
    return np.sort(rng.choice(rows, MAX_QUANTILE_ROWS, replace=False, shuffle=False))


class _Column(NamedTuple):
    """Values of one feature in its own units, in ascending order, and their weights."""

    x: np.ndarray
    weight: np.ndarray

    @classmethod
    def sorted(cls, x: np.ndarray, weight: np.ndarray) -> _Column:
        order = np.argsort(x, kind="stable")
        return cls(x[order].astype(np.float64), weight[order])

    def quantiles(self, shares) -> np.ndarray:
        levels = shares * self.weight.sum()
        where = np.searchsorted(np.cumsum(self.weight), levels)
        return self.x[np.minimum(where, len(self.x) - 1)]

    def edges(self, n_bins: int) -> np.ndarray:
        """Different quantiles; of a feature with two values, or one, none."""
        x = self.x
        if ((x == x[0]) | (x == x[-1])).all():
            return np.zeros(0)
        return np.unique(self.quantiles(np.arange(n_bins + 1) / n_bins))


def _telling_apart(scaling: Scaling, columns, edges, limit: float) -> Scaling:
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


def _bins(k: int, column: _Column, scaling: Scaling, edges, limit: float) -> Units:
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
    x = (column.x - mean) / scale
    shift = np.average(np.clip(x[:, None], low, high), axis=0, weights=column.weight)
    return Units(np.full(len(low), k, np.int32), low, high, shift, 1 / (high - low))
