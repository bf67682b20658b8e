"""How features enter the network: scaled, cut off, and encoded between bins."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from .._tables.chunks import pieces
from .bins import (
    LEAST_WIDTH,
    SortedColumn,
    bin_units,
    rows_to_read,
    scaling_that_tells_apart,
)
from .scaling import Scaling
from .units import Units, features_cut_off, flags, one_after_another, side_by_side

FEW_NUMBERS = 2**12  # up to which it is no use to spare a temporary array
LINEAR_REACH = 3.0  # times the limit of the hidden layers is that of the linear path


def _none() -> np.ndarray:
    return np.zeros(0, dtype=int)


@dataclass(frozen=True, eq=False)
class Inputs:
    """How features in their own units become what hidden layers and linear path read."""

    scaling: Scaling  # of the features that are numbers
    hidden: Units
    linear: Units
    categorical: np.ndarray = field(default_factory=_none)  # columns of the table (C,)
    n_levels: np.ndarray = field(default_factory=_none)  # of each of these (C,)

    @property
    def n_numbers(self) -> int:
        """Number of features that are no categories."""
        return len(self.scaling.mean)

    @property
    def n_columns(self) -> int:
        """Of the table."""
        return self.n_numbers + len(self.categorical)

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
        """Scaled numbers of a table (n, d), and rows of levels (n, C)."""
        numbers = self.scaling.apply(self._numbers(X))
        return numbers, self.rows_of_levels(X) if len(self.categorical) else None

    def _numbers(self, X: np.ndarray) -> np.ndarray:
        """The columns that are no categories; X itself if there are none of these."""
        return np.delete(X, self.categorical, axis=1) if len(self.categorical) else X

    def rows_of_levels(self, X: np.ndarray) -> np.ndarray:
        """The row of each cell's level (n, C) among those of all features."""
        codes = X[:, self.categorical]
        first = self.unknown - self.n_levels
        return np.where(np.isnan(codes), self.unknown, codes + first).astype(np.int32)

    def read(self, X: np.ndarray) -> np.ndarray:
        """Numbers, and behind them the rows of levels, in one array."""
        numbers, codes = self.numbers_and_codes(X)
        return numbers if codes is None else np.concatenate([numbers, codes], axis=1)

    def for_rows(self, X: np.ndarray) -> Inputs:
        """These inputs, with what stands for features that are missing if any are."""
        known = all(units.if_missing is not None for units in self.units)
        if known or not any(has_nan(self._numbers(X[part])) for part in pieces(*X.shape)):
            return self
        units = {"hidden": self.hidden.for_missing(), "linear": self.linear.for_missing()}
        return dataclasses.replace(self, **units)

    def units_for(self, X: np.ndarray) -> tuple[Units, Units]:
        """What `forward` reads of these numbers: missing ones need what stands for them."""
        if not has_nan(X):
            return self.units
        hidden, linear = self.units
        return hidden.for_missing(), linear.for_missing()

    @property
    def units(self) -> tuple[Units, Units]:
        """Those of the hidden layers, and of what is linear."""
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
        hidden, linear = (u.spelt_out().for_missing() for u in self.units)
        return [
            *(self.scaling.mean, self.scaling.scale, *hidden, *linear),
            *(self.categorical, self.n_levels),
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
        categorical: ArrayLike = (),
        n_levels: ArrayLike = (),
    ) -> Inputs:
        """For the rows of X (n, d), of which each counts ``weight`` (n,) times.

        The limit is that of scaled features; what is linear sees `LINEAR_REACH` times as
        far. The hidden layers see every number, and behind them each one's bins.
        """
        categorical = np.array(categorical, dtype=int)
        if len(categorical):
            X = np.delete(X, categorical, axis=1)
        n_features = X.shape[1]
        cells, flagged = weight[:, None], _none()
        if has_nan(X):
            missing = np.isnan(X)
            cells, flagged = cells * ~missing, np.flatnonzero(missing.any(axis=0))
        scaling = Scaling.identity(n_features)
        if scale:
            scaling = Scaling.fit(X, cells)
        else:
            limit = np.inf
        hidden = [features_cut_off(n_features, limit)]
        linear = [features_cut_off(n_features, LINEAR_REACH * limit)]
        if len(flagged):
            hidden.append(flags(flagged))
            linear.append(flags(flagged))
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
            hidden += [units for units in bins if units.n_units]
        of_hidden, of_linear = (
            one_after_another(u) if len(u) > 1 else u[0] for u in (hidden, linear)
        )
        return cls(
            scaling,
            of_hidden,
            of_linear,
            categorical,
            np.array(n_levels, dtype=int),
        )

    @classmethod
    def side_by_side(cls, parts: Sequence[tuple[Inputs, int]]) -> Inputs:
        """Units of its own for every task: of each of these inputs for so many tasks."""
        first = parts[0][0]

        def of_tasks(kind):
            return side_by_side(
                [
                    units.rescaled(inputs.scaling, first.scaling)
                    for inputs, n_targets in parts
                    for units in kind(inputs).by_task(n_targets)
                ]
            )

        hidden = of_tasks(lambda inputs: inputs.hidden)
        linear = of_tasks(lambda inputs: inputs.linear)
        return dataclasses.replace(first, hidden=hidden, linear=linear)


def has_nan(X: np.ndarray) -> bool:
    """Whether there is any; quick where there is none."""
    if X.size < FEW_NUMBERS:
        return bool(np.isnan(X).any())
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isnan(X.sum()) and np.isnan(X).any())
