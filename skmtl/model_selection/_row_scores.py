"""What each row contributes to the scores of a search, kept from its folds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, TimeSeriesSplit, check_cv
from sklearn.utils.metadata_routing import get_routing_for_object

from .._number_checks import is_int

MOST_NUMBERS = 2**23  # kept with a search: 32 MB
FEWEST_PORTIONS = 128  # of the rows


def splitter_for(cv, groups):
    """What ``cv`` stands for: an int is folds of neighbouring rows, or of whole groups."""
    if groups is not None and (cv is None or is_int(cv)):
        return GroupKFold(5 if cv is None else cv)
    return check_cv(cv)


class Folds:
    """A splitter that splits once, and knows which rows, or groups, were tested."""

    _folds: list[tuple]
    tested: list[Any]

    def __init__(self, splitter):
        self.splitter = splitter
        self.forget()

    def split(self, X, y=None, groups=None, **parameters):
        if not self._folds:  # a search that asks again has further candidates
            if groups is not None:
                parameters["groups"] = groups
            self._folds = list(self.splitter.split(X, y, **parameters))
            self.remember([test for _, test in self._folds], groups, len(y))
        return iter(self._folds)

    def __getstate__(self):
        # Every fit on another machine is sent the search, of which it needs no rows.
        return {**vars(self), "_folds": [], "tested": []}

    def forget(self) -> None:
        """The splitter is as new."""
        self._folds = []
        self.tested = []  # by fold: the unit of each test row
        self.n_units = 0

    def remember(self, tests, groups, n_rows: int) -> None:
        """These rows were tested."""
        units = np.arange(n_rows) if groups is None else pd.factorize(np.asarray(groups))[0]
        self.n_units = units.max() + 1
        self.tested = [units[np.asarray(test)] for test in tests]

    def get_n_splits(self, *args, **parameters):
        self.n_splits = self.splitter.get_n_splits(*args, **parameters)
        return self.n_splits

    def get_metadata_routing(self):
        return get_routing_for_object(self.splitter)

    @property
    def in_time(self) -> bool:
        """Whether neighbouring rows may be alike, and are no evidence of their own."""
        return isinstance(self.splitter, TimeSeriesSplit)


def row_scores(out: list[dict], folds: Folds) -> np.ndarray | None:
    """Contributions (candidates, units, scores) to the means over the folds.

    ``out`` is what scikit-learn gathered: of the first candidate in every fold, of the
    second, and so on. None if some fit failed, or if the scores are not made of rows.
    """
    fold_scores = [of_fold["test_scores"] for of_fold in out]
    parts: list[Any] = [getattr(scores, "rows", None) for scores in fold_scores]
    if folds.in_time or any(part is None for part in parts):
        return None
    n_folds, n_scores = len(folds.tested), parts[0].shape[1]
    n_candidates = len(parts) // n_folds
    portion = _portions(folds.n_units, n_candidates * n_scores)
    shape = n_candidates, portion.max() + 1, n_scores
    total, n_parts = np.zeros(shape), np.zeros(shape, dtype=np.int32)
    n_scored = np.zeros((n_candidates, 1, n_scores))
    for k, (part, scores) in enumerate(zip(parts, fold_scores, strict=True)):
        candidate, tested = k // n_folds, portion[folds.tested[k % n_folds]]
        np.add.at(total[candidate], tested, np.nan_to_num(part))
        np.add.at(n_parts[candidate], tested, ~np.isnan(part))
        n_scored[candidate] += ~np.isnan(list(scores.values()))
    return np.where(n_parts, total / np.maximum(n_scored, 1), np.nan).astype(np.float32)


def _portions(n_units: int, n_numbers: int) -> np.ndarray:
    """The portion that each unit goes into, if there is no room for each on its own.

    Units that are independent have independent sums, whose variance says as much.
    """
    n_portions = max(FEWEST_PORTIONS, MOST_NUMBERS // n_numbers)
    return _dealt(n_units, 1 << (n_portions.bit_length() - 1))


def _dealt(n_units: int, n_portions: int) -> np.ndarray:
    """Units, dealt to portions. If their numbers are powers of two, portions nest."""
    if n_units <= n_portions:
        return np.arange(n_units)
    return np.random.default_rng(0).permutation(n_units) % n_portions


def of_equal_portions(tables: list[np.ndarray], n_units: int) -> list[np.ndarray] | None:
    """Tables of `row_scores`, over the portions of the one that has the fewest.

    None if one of them is not of so many units.
    """
    sizes = [table.shape[1] for table in tables]
    if any(n != n_units and (n > n_units or n.bit_count() > 1) for n in sizes):
        return None
    fewest = min(sizes)
    return [
        _summed(table, _dealt(n_units, fewest) if n == n_units else np.arange(n) % fewest)
        for table, n in zip(tables, sizes, strict=True)
    ]


def _summed(table: np.ndarray, portion: np.ndarray) -> np.ndarray:
    """Sums of a table (candidates, units, scores) over portions, NaN where all are."""
    shape = len(table), portion.max() + 1, table.shape[2]
    total, n_parts = np.zeros(shape), np.zeros(shape, dtype=np.int32)
    for k, of_candidate in enumerate(table):
        np.add.at(total[k], portion, np.nan_to_num(of_candidate))
        np.add.at(n_parts[k], portion, ~np.isnan(of_candidate))
    return np.where(n_parts, total, np.nan).astype(np.float32)


def n_cut_off(out: list[dict], n_folds: int) -> np.ndarray:
    """How many fits of each candidate time has ended too early, as far as it is known."""
    fold_scores = [of_fold["test_scores"] for of_fold in out]
    cut_off = [getattr(scores, "cut_off", False) for scores in fold_scores]
    return np.reshape(cut_off, (-1, n_folds)).sum(axis=1)


def gathered_as_expected(out, results: dict, folds: Folds, with_rows: bool) -> bool:
    """Whether `row_scores` can read what scikit-learn gathered, and made results of.

    Scores come in the order of the candidates and folds, and, if made ``with_rows``, still
    have them: a version of scikit-learn may copy them, or pass on something else.
    """
    try:
        fold_scores = [of_fold["test_scores"] for of_fold in out]
    except (KeyError, TypeError):
        return False
    have_rows = [hasattr(scores, "rows") for scores in fold_scores]
    if not any(have_rows):  # a fit that failed has none, but one at least did not
        return not (with_rows and any(isinstance(scores, dict) for scores in fold_scores))
    for k in np.flatnonzero(have_rows):
        candidate, fold = divmod(k, len(folds.tested))
        scores, rows = fold_scores[k], fold_scores[k].rows
        kept = [results[f"split{fold}_test_{name}"][candidate] for name in scores]
        if not np.array_equal(kept, list(scores.values()), equal_nan=True):
            return False
        if rows is not None and len(rows) != len(folds.tested[fold]):
            return False
    return True
