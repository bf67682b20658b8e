"""The user's table: which columns are features, targets as numbers, rows of use."""

from __future__ import annotations

import dataclasses
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_float_dtype,
    is_integer_dtype,
    is_numeric_dtype,
)
from pandas.errors import ParserError
from sklearn.model_selection import RepeatedKFold

from .._messages import did_you_mean, listed
from .._tables.categories import MOST_UNREPEATED
from ..datasets import load_energy
from . import InputError

# What pandas raises for a file that is missing, not text, not CSV or damaged.
UNREADABLE = (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
MIN_ROWS_PER_FOLD = 2  # R2 is not defined for fewer
MIN_ROWS_PER_CLASS = 3  # on average


@dataclass(frozen=True)
class Table:
    name: str
    X: pd.DataFrame
    Y: pd.DataFrame  # float64, or labels as they are; NaN where not observed
    of_classes: bool = False  # whether the targets are labels
    notes: list[str] = field(default_factory=list)  # what was left out, and why


def bundled_table() -> Table:
    X, Y = load_energy(return_X_y=True, as_frame=True)
    return Table("energy (bundled)", X, Y)


def read_table(
    path: str,
    targets: Sequence[str] | None,
    dropped: Sequence[str],
    *,
    classify: bool = False,
) -> Table:
    """A table from a CSV file, without rows and columns that nothing can be learnt of.

    Targets are numbers or, if they are text or if it is asked for, labels.
    """
    frame = _read_csv(path)
    _check_columns(frame, path, targets, dropped)
    classify = classify or _are_labels(frame[list(targets)])
    as_target = _as_labels if classify else _as_numbers
    Y = pd.DataFrame({name: as_target(frame[name]) for name in targets})
    X = frame.drop(columns=[*targets, *dropped])
    left_out, notes = _row_numbers(X)
    X = X.drop(columns=left_out)

    observed = Y.notna().any(axis=1)
    if not observed.all():
        notes.append(
            f"{(~observed).sum()} of {len(Y)} rows have no observed target and are left out"
        )
        X, Y = X[observed], Y[observed]
    useless = _useless_features(X)
    if useless:
        notes.append(f"left out {', '.join(useless.values())}")
        X = X.drop(columns=list(useless))
    _check_any_left(X, path)
    _check_finite(X)
    notes += _notes_on_dates(X)
    return Table(path, X.reset_index(drop=True), Y.reset_index(drop=True), classify, notes)


def choose_folds(table: Table, n_folds: int, n_repeats: int, seed: int) -> RepeatedKFold:
    """Folds, in each of which every target can be scored.

    Those of the first repeat are the same for any number of repeats.
    """
    if len(table.Y) < MIN_ROWS_PER_FOLD * n_folds:
        raise InputError(
            f"{table.name} has {len(table.Y)} rows with an observed target, but {n_folds} "
            f"folds need at least {MIN_ROWS_PER_FOLD * n_folds}: use fewer --folds"
        )
    folds = RepeatedKFold(n_splits=n_folds, n_repeats=n_repeats, random_state=seed)
    n_observed = [test.notna().sum() for test in _test_targets(table, folds)]
    fewest = np.min(n_observed, axis=0)
    for name in table.Y.columns[fewest < MIN_ROWS_PER_FOLD]:
        raise InputError(
            f"target {name!r} is observed in {table.Y[name].notna().sum()} of "
            f"{len(table.Y)} rows, and in fewer than {MIN_ROWS_PER_FOLD} of one fold: use "
            "fewer --folds or leave it out"
        )
    return folds


def without_unrepeated(table: Table, folds: RepeatedKFold) -> Table:
    """The table without texts of which some fold has no two that are alike to train on."""
    texts = table.X.select_dtypes(exclude="number")
    splits = [train for train, _ in folds.split(table.X)]
    useless = [
        name
        for name, column in texts.items()
        if any(_is_unrepeated(column.iloc[train].dropna()) for train in splits)
    ]
    if not useless:
        return table
    X = table.X.drop(columns=useless)
    _check_any_left(X, table.name)
    names = ", ".join(map(repr, useless))
    note = f"left out {names} (text, different in every row of a fold)"
    return dataclasses.replace(table, X=X, notes=[*table.notes, note])


def _is_unrepeated(values: pd.Series) -> bool:
    return len(values) >= MOST_UNREPEATED and values.is_unique


def undefined_scores(table: Table, folds: RepeatedKFold) -> list[str]:
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


def _unseen_classes(table: Table, folds: RepeatedKFold) -> list[str]:
    """Notes on classes that are among the test rows of a fold alone."""
    splits = [train for train, _ in folds.split(table.Y)]
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


def _test_targets(table: Table, folds: RepeatedKFold) -> Iterator[pd.DataFrame]:
    return (table.Y.iloc[test] for _, test in folds.split(table.Y))


def _read_csv(path: str) -> pd.DataFrame:
    try:
        frame = _parsed(path)
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.astype(str)
    return frame


def _parsed(path: str) -> pd.DataFrame:
    """Columns between commas, or else between semicolons."""
    # In one piece: in pieces, a column can get numbers in one and text in the next.
    read = partial(pd.read_csv, path, low_memory=False)
    try:
        by_commas = read()
    except ParserError:  # decimal commas, perhaps, of which rows have more or fewer
        by_semicolons = _semicolon_separated(read)
        if by_semicolons.shape[1] == 1:
            raise
        return by_semicolons
    if by_commas.shape[1] > 1:
        return by_commas
    return _semicolon_separated(read)


def _semicolon_separated(read: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """With decimal points or commas, whichever makes more columns numeric."""
    frames = [read(sep=";", decimal=mark) for mark in ".,"]
    return max(frames, key=lambda frame: frame.select_dtypes("number").shape[1])


def _row_numbers(X: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns that count the rows and have no name, and notes on all that count them."""
    counting = [
        name
        for name, column in X.items()
        if is_integer_dtype(column)
        and column.iloc[:1].isin([0, 1]).all()
        and (column.diff()[1:] == 1).all()
    ]
    unnamed = [name for name in counting if name.startswith("Unnamed: ")]
    notes = [f"left out {name!r} (row numbers)" for name in unnamed]
    notes += [
        f"feature {name!r} counts the rows: --drop it if it says nothing else"
        for name in counting
        if name not in unnamed
    ]
    return unnamed, notes


def _check_columns(frame, path, targets, dropped) -> None:
    if frame.shape[1] == 1:
        raise InputError(
            f"{path} has one column only, {frame.columns[0]!r}: separate columns by commas "
            "or semicolons"
        )
    if targets is None:
        raise InputError(
            "name the columns to predict, as in --targets A B: "
            f"{path} has the {listed('column', frame.columns)}"
        )
    asked = [*targets, *dropped]
    for name in asked:
        if name not in frame.columns:
            has = f" It has the {listed('column', frame.columns)}."
            hint = did_you_mean(name, frame.columns) or has
            raise InputError(f"{path} has no column {name!r}.{hint}")
        if asked.count(name) > 1:
            raise InputError(f"column {name!r} is named twice in --targets and --drop")
    if "mean" in targets:
        raise InputError(
            "target 'mean' is called as the mean over targets is: rename the column"
        )
    if len(targets) < 2:
        raise InputError("--targets names one column: sharing needs at least two targets")


def _are_labels(targets: pd.DataFrame) -> bool:
    """Whether all targets are text; what is true or false goes with the others."""
    kinds = {name: _kind(column.dropna()) for name, column in targets.items()}
    texts, numbers = (
        [name for name, kind in kinds.items() if kind == which]
        for which in ("text", "numbers")
    )
    if texts and numbers:
        raise InputError(
            f"{listed('target', texts)} of text and {listed('target', numbers)} of numbers "
            "are not predicted by one network: name targets of one kind, or --classify "
            "to take numbers as classes, too"
        )
    return not numbers


def _kind(column: pd.Series) -> str:
    if is_bool_dtype(column) or set(column) <= {True, False}:
        return "either"
    if is_numeric_dtype(column) or pd.to_numeric(column, errors="coerce").notna().any():
        return "numbers"
    return "text"


def _as_labels(column: pd.Series) -> pd.Series:
    """A target's labels: text, whole numbers, or true and false."""
    labels = column.dropna()
    classes = labels.unique().tolist()
    if len(classes) == 0:
        raise InputError(f"target {column.name!r} has no observed value")
    if len(classes) == 1:
        raise InputError(
            f"target {column.name!r} has a single class, {classes[0]!r}: there is nothing "
            "to predict"
        )
    if is_float_dtype(column) and (labels % 1 != 0).any():
        raise InputError(
            f"target {column.name!r} holds {labels[labels % 1 != 0].iloc[0]:g}, which is "
            "no class: leave --classify out"
        )
    if len(classes) > len(labels) / MIN_ROWS_PER_CLASS:
        raise InputError(
            f"target {column.name!r} has {len(classes)} classes in {len(labels)} rows: too "
            "many to learn any"
        )
    if is_float_dtype(column):  # whole numbers with holes
        column = column.astype("Int64").astype(object)
    return column.where(column.notna(), np.nan)


def _as_numbers(column: pd.Series) -> pd.Series:
    """A target in float64."""
    numbers = column
    if not is_numeric_dtype(column):
        numbers = pd.to_numeric(column, errors="coerce")
        text = column[numbers.isna() & column.notna()]
        if len(text):
            raise InputError(
                f"target {column.name!r} is not numeric: it holds {text.iloc[0]!r} (leave "
                "cells empty that were not observed)"
            )
    numbers = numbers.astype(np.float64)
    if np.isinf(numbers).any():
        raise InputError(
            f"target {column.name!r} holds infinity: leave cells empty that were not "
            "observed"
        )
    n_values = numbers.nunique()
    if n_values == 0:
        raise InputError(f"target {column.name!r} has no observed value")
    if n_values == 1:
        raise InputError(
            f"target {column.name!r} is constant, always {numbers.max():g}: there is "
            "nothing to predict"
        )
    return numbers


def _useless_features(X: pd.DataFrame) -> dict[str, str]:
    """Columns without any value, or with another text in every row, and the reason."""
    reasons = {}
    for name, column in X.items():
        values = column.dropna()
        if not len(values):
            reasons[name] = f"{name!r} (no values)"
        elif not is_numeric_dtype(column) and values.is_unique:
            kind = "dates" if _are_dates(values) else "text"
            reasons[name] = f"{name!r} ({kind}, different in every row)"
    return reasons


def _notes_on_dates(X: pd.DataFrame) -> list[str]:
    texts = X.select_dtypes(exclude="number")
    return [
        f"feature {name!r} holds dates, which are read as categories: put numbers in their "
        "place, such as year and month, or --drop it"
        for name, column in texts.items()
        if _are_dates(column.dropna())
    ]


def _are_dates(values: pd.Series) -> bool:
    """Whether these are texts such as 2026-01-31."""
    texts = values.unique()
    if not all(isinstance(text, str) for text in texts):
        return False
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    return bool(dates.notna().all())


def _check_any_left(X: pd.DataFrame, path: str) -> None:
    if X.shape[1] == 0:
        raise InputError(f"{path} has no column left to predict the targets from")


def _check_finite(X: pd.DataFrame) -> None:
    numbers = X.select_dtypes("number")
    infinite = np.isinf(numbers).any()
    if infinite.any():
        raise InputError(f"infinity in {listed('column', numbers.columns[infinite])}")
