"""Categories: the levels of a column, and which one each cell is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._messages import listed
from .arrays import kind_of
from .labels import index_of

MOST_UNREPEATED = 20  # rows, from which on levels that occur but once are no categories
_PLAIN = (str, int, float, bool, NoneType, type(pd.NA))


class Coded(NamedTuple):
    """A column of categories."""

    codes: np.ndarray  # position of each cell's level, -1 where it is missing
    levels: np.ndarray  # in order of first appearance


class Categories(dict[Hashable, np.ndarray]):
    """Levels of each categorical column, by its name or position, and ways to find them.

    In files it is a dictionary.
    """

    @classmethod
    def of(cls, levels: Mapping) -> Categories:
        return levels if isinstance(levels, cls) else cls(levels)

    def __reduce__(self):
        return dict, (dict(self),)

    @cached_property
    def indices(self) -> list[pd.Index]:
        """For each column, what finds the positions of many levels."""
        return [index_of(levels) for levels in self.values()]

    @cached_property
    def positions(self) -> list[dict[type, dict]]:
        """For each column, the position of a level among those of its type: for few."""
        return [_by_type(levels) for levels in self.values()]


def _by_type(levels: np.ndarray) -> dict[type, dict]:
    """Positions by level, by types: True equals 1, but is another level."""
    positions = {level: float(i) for i, level in enumerate(levels.tolist())}
    own: tuple = (int, float)
    if levels.dtype.kind in "Ob":
        own = (bool,) if levels.dtype == bool else _PLAIN
    return {kind: positions if kind in own else {} for kind in _PLAIN}


def coded(column: pd.Series) -> Coded | None:
    """The levels of a column and which of them each cell is, or None if it has no levels.

    Dates and the like have none, nor have values that are not hashable.
    """
    if column.dtype in (np.float16, np.longdouble):  # pandas has no index of these
        column = column.astype(np.float64)
    try:
        codes, found = pd.factorize(column)
    except TypeError:
        return None
    levels = np.asarray(found)
    if levels.dtype == object:
        codes, levels = _without_bytes(codes, levels)
    if kind_of(levels):
        return None
    return Coded(codes, _in_one_type(levels))


def _without_bytes(codes: np.ndarray, levels: np.ndarray) -> Coded:
    """Text is the same whether it is encoded or not, as in NumPy's arrays of bytes."""
    if any(issubclass(kind, bytes) for kind in set(map(type, levels))):
        texts = np.empty_like(levels)
        texts[:] = [
            level.decode(errors="backslashreplace") if isinstance(level, bytes) else level
            for level in levels
        ]
        again, levels = pd.factorize(texts)
        codes = np.append(again, -1)[codes]
    return Coded(codes, levels)


def _in_one_type(levels: np.ndarray) -> np.ndarray:
    """Whole numbers as integers, other numbers in double precision, text as objects."""
    if levels.dtype == object:
        levels = np.asarray(pd.Series(levels, dtype=object).infer_objects())
    if levels.dtype.kind == "f":
        levels = levels.astype(np.float64)
        whole = (levels == np.floor(levels)) & (np.abs(levels) < 2**53)
        return levels.astype(np.int64) if whole.all() and len(levels) else levels
    if levels.dtype.kind in "iu" and not (levels > np.iinfo(np.int64).max).any():
        return levels.astype(np.int64)
    return levels


def positions_among(index: pd.Index, column: Coded) -> np.ndarray:
    """Position of each cell's level among these, NaN where it is missing or not there."""
    return as_floats(
        np.append(index.get_indexer(index_of(column.levels)), -1)[column.codes]
    )


def recoded(
    X: np.ndarray, own: Categories, known: Categories, is_categorical: np.ndarray
) -> np.ndarray:
    """The table with the codes that ``known`` has for these levels, NaN where it has none.

    ``X`` (n, d) has codes by ``own``; both have the same columns.
    """
    X = X.copy()
    columns = np.flatnonzero(is_categorical)
    for j, index, levels in zip(columns, known.indices, own.values(), strict=True):
        missing = np.isnan(X[:, j])
        codes = np.where(missing, -1, X[:, j]).astype(int)
        X[:, j] = positions_among(index, Coded(codes, levels))
    return X


def as_floats(codes: np.ndarray) -> np.ndarray:
    """Codes as numbers in a table, NaN for those that are none."""
    return np.where(codes < 0, np.nan, codes)


def code_few(rows: Iterable[list], columns: Iterable[int], categories: Categories) -> None:
    """Put codes in place of levels in these rows, which are quicker without pandas.

    A KeyError says that a value is of a type that takes more than a look to find.
    """
    lookups = list(zip(columns, categories.positions, strict=True))
    for row in rows:
        for j, by_type in lookups:
            row[j] = by_type[type(row[j])].get(row[j], np.nan)


def all_levels(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Levels that are in any of these, in order of first appearance."""
    objects = [np.asarray(levels, dtype=object) for levels in parts]
    return _in_one_type(pd.unique(np.concatenate(objects)))


def only_levels_in(
    X: np.ndarray, categories: Mapping[Any, np.ndarray], is_categorical: np.ndarray | None
) -> tuple[np.ndarray, Categories]:
    """The table and the levels without those that no row has.

    What is left is numbered by first appearance in these rows, as if there were no others.
    """
    kept = Categories.of(categories)
    if is_categorical is None:
        return X, kept
    own = X
    for j, (name, levels) in zip(
        np.flatnonzero(is_categorical), categories.items(), strict=True
    ):
        codes, old = pd.factorize(X[:, j])
        if len(old) == len(levels) and (old == np.arange(len(levels))).all():
            continue
        own = X.copy() if own is X else own
        own[:, j] = as_floats(codes)
        kept = Categories(kept | {name: _in_one_type(levels[old.astype(np.int64)])})
    return own, kept


def check_levels_repeat(
    X: np.ndarray, categories: Mapping[Any, np.ndarray], is_categorical: np.ndarray | None
) -> None:
    """Nothing can be learnt of levels that occur once each, such as the names of rows."""
    if is_categorical is None:
        return
    columns = np.flatnonzero(is_categorical)
    for j, (name, levels) in zip(columns, categories.items(), strict=True):
        n_values = np.count_nonzero(~np.isnan(X[:, j]))
        if MOST_UNREPEATED <= n_values <= len(levels):
            raise ValueError(
                f"X has a category of its own for every row in {listed('column', [name])}: "
                f"each of its {n_values} values occurs once, so nothing can be learnt of "
                "it. Drop it, make it the index, or encode it in a Pipeline: skrub's "
                "TableVectorizer makes numbers of free text."
            )
