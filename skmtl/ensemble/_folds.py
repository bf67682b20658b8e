"""The folds that a stack's parts predict, each by a fit without it."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, check_cv

from .._messages import listed
from .._number_checks import is_int
from ._parts import are_many
from ._targets import Targets

N_FOLDS = 5
HELD_OUT = 8  # of many rows one in so many is held out, as networks do for early stopping


def folds_of(cv, X, y, targets: Targets, seed: int) -> list[tuple]:
    """Numbers of the rows to fit to and to predict; only rows that count are among them.

    An int is folds in random order, of whole groups if there are any; "auto" of many rows
    is the first of eight.
    """
    counts, groups = targets.counted, targets.groups
    if isinstance(cv, str):  # "auto"
        many = are_many(targets)
        folds = _in_random_order(HELD_OUT if many else N_FOLDS, targets, seed)
        folds = folds[:1] if many else folds
    elif is_int(cv) or cv is None:
        folds = _in_random_order(N_FOLDS if cv is None else cv, targets, seed)
    else:
        numbers = np.arange(len(counts))
        found = [
            (numbers[train], numbers[test])
            for train, test in check_cv(cv).split(X, y, groups)
        ]
        folds = [(train[counts[train]], test[counts[test]]) for train, test in found]
    _check_folds(folds, targets)
    return folds


def is_one_part(cv, folds: list[tuple]) -> bool:
    """Whether "auto" has come to a single part of many rows."""
    return isinstance(cv, str) and len(folds) == 1


def _in_random_order(n_folds: int, targets: Targets, seed: int) -> list[tuple]:
    rows, groups = np.flatnonzero(targets.counted), targets.groups
    kind = KFold if groups is None else GroupKFold
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    found = splitter.split(rows, groups=None if groups is None else groups[rows])
    return [(rows[train], rows[test]) for train, test in found]


def _check_folds(folds: list[tuple], targets: Targets) -> None:
    """Every target is there to fit to, and to predict at least once."""
    observed, names = targets.observed, targets.names
    remedy = "Drop such columns of y, or choose folds that leave some rows of each."
    for k, (train, _) in enumerate(folds):
        absent = ~observed[train].any(axis=0)
        if absent.any():
            raise ValueError(
                f"The fold {k} of {len(folds)} leaves no observed value to fit to in "
                f"{listed('target', names[absent])}. {remedy}"
            )
    tested = np.concatenate([test for _, test in folds])
    absent = ~observed[tested].any(axis=0)
    if absent.any():
        raise ValueError(
            "The folds test no observed value, by which parts could be weighed, in "
            f"{listed('target', names[absent])}. {remedy}"
        )
