"""Regressors fitted to parts of a table, and the scores of the rows that these lack."""

from __future__ import annotations

from numbers import Real
from typing import Any

from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    check_cv,
)
from sklearn.utils import _safe_indexing

from .._estimators.fit_parameters import fit_parameters
from .._number_checks import is_int
from .._types import Floats
from ..model_selection._predictions import Partition
from ._bands import band, spread_of, units


def splits_of(cv: Any, X: Any, y: Any, groups: Any, random_state: Any) -> list[tuple]:
    """The rows to fit to and to calibrate with; several splits test each row once."""
    if is_int(cv):
        kind = KFold if groups is None else GroupKFold
        cv = kind(cv, shuffle=True, random_state=random_state)
    elif isinstance(cv, Real) and not isinstance(cv, bool):
        kind = ShuffleSplit if groups is None else GroupShuffleSplit
        cv = kind(1, test_size=cv, random_state=random_state)
    else:
        cv = check_cv(cv)
    if cv.get_n_splits(X, y, groups) > 1:
        cv = Partition(cv)
    return list(cv.split(X, y, groups))


def fit_and_score(
    estimator: Any,
    X: Any,
    y: Any,
    Y: Floats,
    sample_weight: Any,
    groups: Any,
    split: tuple,
    spread: str,
) -> tuple[Any, str, Floats, Floats]:
    """A fitted clone, its spread, the units (T,) of scores, and those of the other rows."""
    train, test = split
    X_train = _safe_indexing(X, train)
    own_weights, own_groups = (
        None if of_rows is None else _safe_indexing(of_rows, train)
        for of_rows in (sample_weight, groups)
    )
    model = clone(estimator)
    given = fit_parameters(model, sample_weight=own_weights, groups=own_groups)
    model.fit(X_train, _safe_indexing(y, train), **given)
    if spread == "auto":
        spread = spread_of(model)
    of_targets = units(band(model, X_train, spread), Y[train])
    of_others = band(model, _safe_indexing(X, test), spread)
    return model, spread, of_targets, of_others.scores(Y[test])
