"""How features enter the network: scaled, cut off, and encoded between bins."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .bins import (
    LEAST_WIDTH,
    SortedColumn,
    bin_units,
    rows_to_read,
    scaling_that_tells_apart,
)
from .scaling import Scaling
from .units import Units, features_cut_off

LINEAR_REACH = 3.0  # times the limit of the hidden layers is that of the linear path


def _none() -> np.ndarray:
    return np.zeros(0, dtype=int)


@dataclass(frozen=True, eq=False)
class Inputs:
    """How features in their own units become what hidden layers and linear path read.

    Features that are numbers are scaled; NaN becomes their mean. Behind these the units see
    a number for each feature that may be missing: 1 where it is.
    """

    scaling: Scaling  # of the features that are numbers
    hidden: Units
    linear: Units
    # Which of these features have a number that says whether they are missing.
    flagged: np.ndarray = field(default_factory=_none)
    categorical: np.ndarray = field(default_factory=_none)  # columns of the table (C,)
    n_levels: np.ndarray = field(default_factory=_none)  # of each of these (C,)

    @property
    def n_numbers(self) -> int:
        """Scaled features, and numbers that say what is missing."""
        return len(self.scaling.mean) + len(self.flagged)

    @property
    def n_columns(self) -> int:
        """Of the table."""
        return len(self.scaling.mean) + len(self.categorical)

    @property
    def unknown(self) -> np.ndarray:
        """The row of each categorical feature (C,) for all that is no level of it.

        It stands behind the rows of the feature's levels.
        """
        return np.cumsum(self.n_levels + 1) - 1

    @property
    def n_rows_of_levels(self) -> int:
        """Number of levels of all features, and one of each for what is none."""
        return int(self.n_levels.sum()) + len(self.n_levels)

    def numbers_and_codes(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """What `forward` reads of a table (n, d): numbers, and rows of levels (n, C)."""
        if not len(self.categorical):
            return self._numbers(X), None
        codes = X[:, self.categorical]
        missing = np.isnan(codes)
        codes = np.where(missing, self.n_levels, codes).astype(np.int32)
        first = self.unknown - self.n_levels
        numbers = self._numbers(np.delete(X, self.categorical, axis=1))
        return numbers, codes + first.astype(np.int32)

    def _numbers(self, X: np.ndarray) -> np.ndarray:
        numbers = self.scaling.apply(X)
        if len(self.flagged):
            flags = np.isnan(numbers[:, self.flagged])
            numbers = np.concatenate([numbers, flags], axis=1)
        if np.isnan(numbers.sum()):
            numbers[np.isnan(numbers)] = 0.0
        return numbers

    def read(self, X: np.ndarray) -> np.ndarray:
        """Numbers, and behind them the rows of levels, in one array."""
        numbers, codes = self.numbers_and_codes(X)
        return numbers if codes is None else np.concatenate([numbers, codes], axis=1)

    @property
    def units(self) -> tuple[Units, Units]:
        """What `forward` reads."""
        return self.hidden, self.linear

    @property
    def fit_single_precision(self) -> bool:
        """Whether features in their own units may be rounded to it before they are scaled.

        Not where they lie far from 0 for what is told apart: time stamps in milliseconds.
        """
        far = np.zeros(self.n_numbers)
        far[: len(self.scaling.mean)] = np.abs(self.scaling.mean / self.scaling.scale)
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
        return [
            *(self.scaling.mean, self.scaling.scale, *hidden, *linear),
            *(self.flagged, self.categorical, self.n_levels),
        ]

    @classmethod
    def unscaled(cls, n_features: int) -> Inputs:
        """Features as they are."""
        as_they_are = features_cut_off(n_features, np.inf)
        return cls(Scaling.identity(n_features), as_they_are, as_they_are)

    @classmethod
    def fit(
        cls,
        X: np.ndarray,
        weight: np.ndarray,
        *,
        scale: bool,
        limit: float,
        n_bins: int,
        categorical: Sequence[int] = (),
        n_levels: Sequence[int] = (),
    ) -> Inputs:
        """For the rows of X (n, d), of which each counts ``weight`` (n,) times.

        The limit is that of scaled features; what is linear sees `LINEAR_REACH` times as
        far. The hidden layers see every number, and behind them each one's bins.
        """
        if len(categorical):
            X = np.delete(X, categorical, axis=1)
        n_features = X.shape[1]
        cells, flagged = weight[:, None], _none()
        if _has_nan(X):
            missing = np.isnan(X)
            cells, flagged = cells * ~missing, np.flatnonzero(missing.any(axis=0))
        scaling = Scaling.identity(n_features)
        if scale:
            scaling = Scaling.fit(X, cells)
        else:
            limit = np.inf
        hidden = features_cut_off(n_features + len(flagged), limit)
        if n_bins:
            rows = rows_to_read(weight)
            weight = weight[rows]
            columns = [SortedColumn.sorted(x, weight) for x in X[rows].T]
            edges = [column.edges(n_bins) for column in columns]
            if scale:
                scaling = scaling_that_tells_apart(scaling, columns, edges, limit)
            bins = [
                bin_units(k, column, scaling, ends, limit)
                for k, (column, ends) in enumerate(zip(columns, edges, strict=True))
            ]
            if any(units.n_units for units in bins):
                parts = zip(hidden.spelt_out(), *bins, strict=True)
                hidden = Units(*map(np.concatenate, parts))
        return cls(
            scaling,
            hidden,
            features_cut_off(n_features + len(flagged), LINEAR_REACH * limit),
            flagged,
            np.array(categorical, dtype=int),
            np.array(n_levels, dtype=int),
        )

    @classmethod
    def side_by_side(cls, parts: Sequence[tuple[Inputs, int]]) -> Inputs:
        """Units of its own for every task: those of these inputs, for so many tasks each.

        Tasks with fewer units than others get zeros behind them.
        """
        first = parts[0][0]
        scaling = first.scaling

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
        linear = stacked(lambda inputs: inputs.linear)
        return dataclasses.replace(first, hidden=hidden, linear=linear)


def _has_nan(X: np.ndarray) -> bool:
    """Whether there is any; quick where there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isnan(X.sum()) and np.isnan(X).any())
