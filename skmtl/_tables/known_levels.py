"""Levels that a first chunk of rows may lack: named beforehand, or declared by a type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_list_like

from .._messages import listed
from .categorical_features import positions_of
from .categories import Categories, all_levels, coded, recoded
from .containers import as_table, column_labels, name_of
from .features import column_names
from .labels import index_of

Levels = dict[Any, np.ndarray]


def known_levels(estimator, X, named: Mapping[Any, Any] | None) -> Levels:
    """The levels of columns of X whose type declares them, or that are named, by column."""
    return _declared_levels(estimator, X) | _named_levels(estimator, X, named)


def with_known_levels(
    X: np.ndarray, own: Categories, is_categorical: np.ndarray | None, known: Levels
) -> tuple[np.ndarray, Categories]:
    """The table and its levels with those that are known besides, behind its own.

    Other levels than those known are missing.
    """
    if not known or is_categorical is None:
        return X, own
    pairs = ((column, levels, known.get(column)) for column, levels in own.items())
    joined = Categories(
        {
            column: levels if more is None else _joined(column, levels, more)
            for column, levels, more in pairs
        }
    )
    return recoded(X, own, joined, is_categorical), joined


def check_named_again(estimator, X, named: Mapping[Any, Any] | None) -> None:
    """A later call may name levels again, but no others."""
    for column, levels in _named_levels(estimator, X, named).items():
        known = index_of(estimator.categories_[column])
        new = levels[known.get_indexer(index_of(levels)) < 0]
        if len(new):
            raise ValueError(
                f"categories names the {listed('level', new.tolist())} of "
                f"{_shown(column)}, unknown to the estimator: levels are fixed by the "
                "first partial_fit, or by fit. Name all of them there."
            )


def _joined(column, own: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The known levels, first those that are there."""
    found = index_of(known).get_indexer(index_of(own)) >= 0
    if len(own) and len(known) and not found.any():
        raise ValueError(
            f"categories names {_such_as(known)} for {_shown(column)}, but X has none of "
            f"these there: it has {_such_as(own)}. Give levels as X has them, numbers as "
            "numbers and text as text."
        )
    return all_levels([own[found], known])


def _shown(column) -> str:
    return listed("column", [name_of(column)])


def _such_as(levels: np.ndarray) -> str:
    shown = ", ".join(map(repr, levels[:3].tolist()))
    return shown if len(levels) <= 3 else f"{shown}, ..."


def _declared_levels(estimator, X) -> Levels:
    table = as_table(X, "X")
    if not isinstance(table, pd.DataFrame) or estimator.is_categorical_ is None:
        return {}
    names, found = column_names(estimator), {}
    for j in np.flatnonzero(estimator.is_categorical_).tolist():
        declared = _of_type(table.iloc[:, j])
        levels = None if declared is None else _as_levels(declared)
        if levels is not None:
            found[names[j]] = levels
    return found


def _of_type(column: pd.Series) -> Iterable | None:
    """What the type of a column says of its levels, if anything."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.dtype.categories
    if str(getattr(column.dtype, "pyarrow_dtype", "")).startswith("dictionary"):
        return column.array.__arrow_array__().to_pandas().cat.categories
    return [False, True] if is_bool_dtype(column.dtype) else None


def _as_levels(values: Iterable) -> np.ndarray | None:
    column = coded(pd.Series(list(values)))
    return None if column is None else column.levels


def _named_levels(estimator, X, named) -> Levels:
    if named is None:
        return {}
    if not isinstance(named, Mapping):
        raise ValueError(
            f"categories must be a dict of column name or position to levels, got "
            f"{type(named).__name__}: for example {{'town': ['Bern', 'Basel']}}."
        )
    names, is_categorical = column_names(estimator), estimator.is_categorical_
    positions = positions_of(list(named), column_labels(X), len(names), "categories")
    found = {}
    for j, values in zip(positions, named.values(), strict=True):
        shown = _shown(names[j])
        if is_categorical is None or not is_categorical[j]:
            raise ValueError(
                f"categories names levels of {shown}, which is not categorical: name it in "
                "categorical_features, too, or leave its levels out."
            )
        levels = _as_levels(values) if is_list_like(values) else None
        if levels is None:
            raise ValueError(
                f"categories has {values!r} for {shown}, expected a list of levels: text, "
                "numbers or bools."
            )
        found[names[j]] = levels
    return found
