"""The folds of a table, and what they leave of it to train on and to score."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, RepeatedKFold

from .._messages import listed
from .._tables.categories import MOST_UNREPEATED
from .._types import Splitter
from . import InputError
from .table import Table, check_any_left

MIN_ROWS_PER_FOLD = 2  # R2 is not defined for fewer


@dataclass(frozen=True)
class RepeatedGroupKFold:
    """As scikit-learn's RepeatedKFold, which knows no groups."""

    n_splits: int
    n_repeats: int
    random_state: int

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        seeds = np.random.default_rng(self.random_state).integers(
            2**31, size=self.n_repeats
        )
        for seed in seeds.tolist():
            folds = GroupKFold(self.n_splits, shuffle=True, random_state=seed)
            yield from folds.split(X, y, groups)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.n_splits * self.n_repeats


def choose_folds(table: Table, n_folds: int, n_repeats: int, seed: int) -> Splitter:
    """Folds, in each of which every target can be scored.

    Those of the first repeat are the same for any number of repeats.
    """
    _check_enough_groups(table, n_folds)
    if len(table.Y) < MIN_ROWS_PER_FOLD * n_folds:
        raise InputError(
            f"{table.name} has {len(table.Y)} rows with an observed target, but {n_folds} "
            f"folds need at least {MIN_ROWS_PER_FOLD * n_folds}: use fewer --folds"
        )
    kind = RepeatedKFold if table.groups is None else RepeatedGroupKFold
    folds = kind(n_splits=n_folds, n_repeats=n_repeats, random_state=seed)
    n_observed = [test.notna().sum() for test in _test_targets(table, folds)]
    fewest = np.min(n_observed, axis=0)
    for name in table.Y.columns[fewest < MIN_ROWS_PER_FOLD]:
        raise InputError(
            f"target {name!r} is observed in {table.Y[name].notna().sum()} of "
            f"{len(table.Y)} rows, and in fewer than {MIN_ROWS_PER_FOLD} of one fold: use "
            "fewer --folds or leave it out"
        )
    return folds


def without_unrepeated(table: Table, folds: Splitter) -> Table:
    """The table without texts of which some fold has no two that are alike to train on."""
    texts = table.X.select_dtypes(exclude="number")
    splits = [train for train, _ in _splits(table, folds)]
    useless = [
        name
        for name, column in texts.items()
        if any(_is_unrepeated(column.iloc[train].dropna()) for train in splits)
    ]
    if not useless:
        return table
    X = table.X.drop(columns=useless)
    check_any_left(X, table.name)
    names = ", ".join(map(repr, useless))
    note = f"left out {names} (text, different in every row of a fold)"
    return dataclasses.replace(table, X=X, notes=[*table.notes, note])


def _is_unrepeated(values: pd.Series) -> bool:
    return len(values) >= MOST_UNREPEATED and values.is_unique


def undefined_scores(table: Table, folds: Splitter) -> list[str]:
    """Notes on rare targets, whose R2 is not defined where all test rows are alike.

    Or, of labels, on classes that training rows lack: their log loss counts in full.
    """
    if table.of_classes:
        return _unseen_classes(table, folds)
    n_values = pd.DataFrame([test.nunique() for test in _test_targets(table, folds)])
    n_constant = (n_values == 1).sum()
    return [
        f"target {name!r} has a single value in {n} of {len(n_values)} test folds, where "
        "its R2 counts as 0"
        for name, n in n_constant[n_constant > 0].items()
    ]


def _unseen_classes(table: Table, folds: Splitter) -> list[str]:
    """Notes on classes that are among the test rows of a fold alone."""
    splits = [train for train, _ in _splits(table, folds)]
    notes = []
    for name, column in table.Y.items():
        every = set(column.dropna())
        unseen = set().union(*(every - set(column.iloc[train]) for train in splits))
        if unseen:
            notes.append(
                f"target {name!r} has the {listed('label', sorted(unseen))} in none "
                "of the training rows of a fold, where the log loss counts as very large"
            )
    return notes


def _test_targets(table: Table, folds: Splitter) -> Iterator[pd.DataFrame]:
    return (table.Y.iloc[test] for _, test in _splits(table, folds))


def _check_enough_groups(table: Table, n_folds: int) -> None:
    if table.groups is None or table.groups.nunique() > n_folds:
        return
    n_groups = table.groups.nunique()
    raise InputError(
        f"column {table.groups.name!r} of --groups has {n_groups} groups in rows with an "
        f"observed target, but {n_folds} folds of whole groups need at least "
        f"{n_folds + 1}: use fewer --folds"
    )


def _splits(table: Table, folds: Splitter) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(folds.split(table.X, groups=table.groups))
