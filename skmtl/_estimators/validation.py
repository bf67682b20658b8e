"""Which rows to validate on: some of those that `fit` is given, or rows of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import PredefinedSplit
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from .._messages import listed
from .._tables.groups import as_groups
from .._tables.held_out import Part, hold_out, split_by
from .._tables.table import Table
from .automatic import share_held_out


@dataclass(frozen=True, eq=False)
class Given:
    """What `fit` was given, as far as it decides which rows to validate on."""

    X: Any
    y: Any
    groups: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None

    @property
    def has_own_rows(self) -> bool:
        return self.X_val is not None

    def check(self, early_stopping: bool) -> None:
        """Rows of their own have targets, and something to stop."""
        names = ("X_val", "y_val", "sample_weight_val")
        found = [name for name in names if getattr(self, name) is not None]
        if not found:
            return
        absent = [name for name in names[:2] if name not in found]
        if absent:
            raise ValueError(
                f"fit was given {' and '.join(found)} without {' and '.join(absent)}: rows "
                "to validate on are both X_val and y_val."
            )
        if not early_stopping:
            raise ValueError(
                "fit was given X_val and y_val, which nothing reads with "
                "early_stopping=False. Set early_stopping=True; with n_iter_no_change no "
                "smaller than epochs, training goes on for all of them."
            )


def parts_of(
    given: Given, table: Table, fraction: Any, rng: np.random.Generator, n_members: int
) -> list[Part]:
    """Rows of the table to train on and to validate on, for each member."""
    if isinstance(fraction, str):  # which can be split, too
        fraction = share_held_out(len(table.W))
    if hasattr(fraction, "split"):
        X, y, groups = _counted(given, table)
        splitter = _of_counted(fraction, given, table)
        return split_by(splitter, X, y, groups, table.W, table.names, n_members)
    groups = _group_numbers(given, table)
    return hold_out(table.W, fraction, table.names, rng, n_members, groups)


def _counted(given: Given, table: Table) -> list:
    """X, y and groups as they were given, without rows that have no weight."""
    if given.groups is not None:
        as_groups(given.groups, _num_samples(given.X))
    columns = [given.X, given.y, given.groups]
    if table.numbers is None:
        return columns
    return [None if A is None else _safe_indexing(A, table.numbers) for A in columns]


def _of_counted(splitter: Any, given: Given, table: Table) -> Any:
    """A splitter that has stored positions of rows, for those that have a weight."""
    if not isinstance(splitter, PredefinedSplit) or table.numbers is None:
        return splitter
    if len(splitter.test_fold) != _num_samples(given.X):
        return splitter
    return PredefinedSplit(splitter.test_fold[table.numbers])


def _group_numbers(given: Given, table: Table) -> np.ndarray | None:
    """The group of each row of the table, from 0 on."""
    if given.groups is None:
        return None
    groups = as_groups(given.groups, _num_samples(given.X))
    numbers, _ = pd.factorize(groups if table.numbers is None else groups[table.numbers])
    return numbers


@contextmanager
def reading_own_rows() -> Iterator[None]:
    """Errors say that they are about the rows to validate on."""
    try:
        yield
    except (ValueError, TypeError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Of X_val, y_val and sample_weight_val: {error}") from error


def check_all_validated(own: Table, table: Table) -> None:
    """Each target that is trained needs a cell to validate on."""
    absent = table.W.any(axis=0) & ~own.W.any(axis=0)
    if absent.any():
        names = list(table.names[absent])
        raise ValueError(
            "there is no observed value to validate on (not NaN, with a positive weight) "
            f"in {listed('target', names)}. Give some, or leave X_val and "
            "y_val away, so that rows of X are held out."
        )
