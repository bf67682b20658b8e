"""Tables that `fit` is given, read as its estimator knows them."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.utils import check_consistent_length

from .._tables.categories import only_levels_in
from .._tables.features import categories_of, check_features
from .._tables.holes_and_weights import cell_weights, check_observed
from .._tables.known_levels import known_levels, with_known_levels
from .._tables.table import Table
from .._tables.targets import check_same_targets, target_names
from .init_trunk import codes_of, unfrozen, unmet_levels_of
from .validation import Given, check_all_validated, reading_own_rows


def read_table(estimator, X, y, sample_weight, resume, announced=None) -> Table:
    """The rows that have any weight, with targets in numbers.

    With ``resume``, the table must be one of those that the network was fitted to.
    """
    X = check_features(estimator, X, reset=not resume)
    columns, Y, one_dimensional = estimator._check_y(y)
    check_consistent_length(X, Y)
    if resume:
        check_same_targets(y, Y, estimator.target_names_)
        names = estimator.target_names_
    else:
        names = target_names(y, Y.shape[1])
    W = cell_weights(Y, sample_weight, names)
    check_observed(Y, W, names, all_of=not resume)
    table = Table(X, Y, W, names, one_dimensional)
    table = estimator._in_numbers(table, columns, resume, announced).counted()
    return table if resume else _with_levels(estimator, table)


def read_own_rows(estimator, given: Given, table: Table) -> Table:
    """The rows to validate on, of the features and targets of the table."""
    with reading_own_rows():
        X = check_features(estimator, given.X_val, reset=False)
        columns, Y, _ = estimator._check_y(given.y_val)
        check_consistent_length(X, Y)
        check_same_targets(given.y_val, Y, table.names)
        W = cell_weights(Y, given.sample_weight_val, table.names)
        own = dataclasses.replace(table, X=X, Y=Y, W=W, numbers=None)
        own = estimator._in_numbers(own, columns, True, None).counted()
        check_all_validated(own, table)
    return own


def _with_levels(estimator, table: Table) -> Table:
    """The table with codes of the levels that rows with any weight have."""
    X, estimator.categories_ = only_levels_in(
        table.X, estimator.categories_, estimator.is_categorical_
    )
    estimator._unmet_levels = unmet_levels_of(unfrozen(estimator.init_trunk))
    if estimator.init_trunk is not None:
        X = _in_levels_of_trunk(estimator, X)
    return dataclasses.replace(table, X=X)


def with_later_levels(estimator, table: Table, X, categories) -> Table:
    """The table with codes of levels that later chunks may have, besides its own."""
    known = known_levels(estimator, X, categories)
    if estimator.init_trunk is not None:
        return table
    X, estimator.categories_ = with_known_levels(
        table.X, estimator.categories_, estimator.is_categorical_, known
    )
    n_rows = sum(len(levels) + 1 for levels in estimator.categories_.values())
    estimator._unmet_levels = np.arange(n_rows)
    return dataclasses.replace(table, X=X)


def _in_levels_of_trunk(estimator, X: np.ndarray) -> np.ndarray:
    """The table in codes of the levels that the trunk knows."""
    source = unfrozen(estimator.init_trunk)
    own = codes_of(source, X, estimator.categories_, estimator.is_categorical_)
    if own is None:
        return X
    estimator.categories_ = categories_of(source)
    return own
