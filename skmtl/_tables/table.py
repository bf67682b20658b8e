"""A user's table, read once: arrays, and the names that go with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd


class CheckedTargets(NamedTuple):
    """y as it was given, checked column by column."""

    columns: np.ndarray | list[pd.Series]  # numbers (n, T), or labels of each target
    Y: np.ndarray  # (n, T), NaN where a target is not observed, something else elsewhere
    one_dimensional: bool


@dataclass(frozen=True, eq=False)
class Table:
    """What `fit` was given, as training sees it."""

    X: np.ndarray  # features (n, d)
    Y: np.ndarray  # targets (n, T): numbers, or positions among the classes
    W: np.ndarray  # how much each cell counts (n, T): 0 where a target is not observed
    names: np.ndarray  # of the targets (T,)
    one_dimensional: bool = False  # whether y had no axis of targets
    classes: Sequence[np.ndarray] | None = None  # of each target, if they are labels
    numbers: np.ndarray | None = None  # of the rows in what `fit` was given, if not all

    def __sizeof__(self) -> int:
        # Dask sends what is large once, and not with every task.
        return self.X.nbytes + self.Y.nbytes + self.W.nbytes

    def rows(self, which) -> Table:
        """The table of these rows."""
        X, Y, W = self.X[which], self.Y[which], self.W[which]
        return dataclasses.replace(self, X=X, Y=Y, W=W, numbers=None)

    def counted(self) -> Table:
        """The rows that have any weight."""
        counts = self.W.any(axis=1)
        if counts.all():
            return self
        return dataclasses.replace(self.rows(counts), numbers=np.flatnonzero(counts))
