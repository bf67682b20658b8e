"""What each row contributes to the scores of a search, kept from its folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit
from sklearn.utils.metadata_routing import get_routing_for_object


class Folds:
    """A splitter that remembers the last split: which rows, or groups, were tested."""

    def __init__(self, splitter):
        self.splitter = splitter
        self.tested = []  # by fold: the unit of each test row
        self.n_units = 0

    def split(self, X, y=None, groups=None, **parameters):
        if groups is not None:
            parameters["groups"] = groups
        folds = list(self.splitter.split(X, y, **parameters))
        units = np.arange(len(y)) if groups is None else pd.factorize(np.asarray(groups))[0]
        self.n_units = units.max() + 1
        self.tested = [units[np.asarray(test)] for _, test in folds]
        return iter(folds)

    def get_n_splits(self, *args, **parameters):
        return self.splitter.get_n_splits(*args, **parameters)

    def get_metadata_routing(self):
        return get_routing_for_object(self.splitter)

    @property
    def in_time(self) -> bool:
        """Whether neighbouring rows may be alike, and are no evidence of their own."""
        return isinstance(self.splitter, TimeSeriesSplit)


def row_scores(fold_scores: list, folds: Folds) -> np.ndarray | None:
    """Contributions (candidates, units, scores) to the means over the folds.

    ``fold_scores`` are those of the first candidate in every fold, the second, and so on.
    None if some fit failed, or if the scores are not made of rows.
    """
    parts = [getattr(scores, "rows", None) for scores in fold_scores]
    if folds.in_time or any(part is None for part in parts):
        return None
    n_folds, n_scores = len(folds.tested), parts[0].shape[1]
    n_candidates = len(parts) // n_folds
    total = np.zeros((n_candidates, folds.n_units, n_scores))
    n_parts = np.zeros((n_candidates, folds.n_units, n_scores), dtype=int)
    n_scored = np.zeros((n_candidates, 1, n_scores))
    for k, (part, scores) in enumerate(zip(parts, fold_scores, strict=True)):
        candidate, tested = k // n_folds, folds.tested[k % n_folds]
        np.add.at(total[candidate], tested, np.nan_to_num(part))
        np.add.at(n_parts[candidate], tested, ~np.isnan(part))
        n_scored[candidate] += ~np.isnan(list(scores.values()))
    return np.where(n_parts, total / np.maximum(n_scored, 1), np.nan).astype(np.float32)
