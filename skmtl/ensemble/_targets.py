"""Targets as a stack's parts get them: all of them with holes, or one without."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Targets:
    """What a stack is fitted to, beside the features."""

    Y: np.ndarray  # (n, T) numbers, or positions among the classes; NaN in holes
    W: np.ndarray  # (n, T) how much each cell counts, 0 in holes
    names: np.ndarray  # (T,)
    one_dimensional: bool
    classes: list[np.ndarray] | None = None  # of each target, if they are labels
    groups: np.ndarray | None = None  # (n,) what each row belongs to

    def rows(self, which: np.ndarray) -> Targets:
        groups = None if self.groups is None else self.groups[which]
        return dataclasses.replace(self, Y=self.Y[which], W=self.W[which], groups=groups)

    @property
    def n_targets(self) -> int:
        return self.Y.shape[1]

    @property
    def observed(self) -> np.ndarray:
        return self.W > 0

    @property
    def counted(self) -> np.ndarray:
        """Whether a row has any cell that counts (n,)."""
        return np.asarray(self.observed.any(axis=1))

    @property
    def fewest(self) -> int:
        """Observed rows, or groups of them, of the target that has the fewest."""
        if self.groups is None:
            return int(self.observed.sum(axis=0).min())
        return min(len(np.unique(self.groups[seen])) for seen in self.observed.T)

    @property
    def alike(self) -> bool:
        """Whether in rows that count all targets are observed, and count as much."""
        W = self.W[self.counted]
        return bool((W > 0).all() and (W[:, :1] == W).all())

    @property
    def weighted(self) -> bool:
        """Whether cells that count do so to unlike degrees."""
        return bool((self.W[self.observed] != 1).any())

    def with_holes(self) -> pd.DataFrame | pd.Series:
        """All targets, under their names, missing where they do not count."""
        columns = {name: self._with_holes(t) for t, name in enumerate(self.names)}
        frame = pd.DataFrame(columns)
        return frame.iloc[:, 0] if self.one_dimensional else frame

    def _with_holes(self, t: int) -> pd.Series:
        seen = self.observed[:, t]
        if self.classes is None:
            return pd.Series(np.where(seen, self.Y[:, t], np.nan))
        column = pd.Series(np.full(len(seen), None, dtype=object))
        column[seen] = self.classes[t][self.Y[seen, t].astype(int)]
        return column

    def of_one(self, t: int) -> np.ndarray:
        """One target of rows where it is observed, in a form that scikit-learn takes."""
        if self.classes is None:
            return self.Y[:, t]
        return plain_labels(self.classes[t])[self.Y[:, t].astype(int)]


def plain_labels(classes: np.ndarray) -> np.ndarray:
    """The classes of a target, or their numbers if scikit-learn refuses such labels."""
    if classes.dtype.kind in "biufU" or all(isinstance(label, str) for label in classes):
        return classes
    return np.arange(len(classes))
