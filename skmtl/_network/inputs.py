"""How features enter the network: scaled, cut off, and encoded between bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
