"""The user's table: which columns are features, targets as numbers, rows of use."""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
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

from .._messages import did_you_mean, listed
from ..datasets import load_energy
from . import InputError

# What pandas raises for a file that is missing, not text, not CSV or damaged.
UNREADABLE = (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
MIN_ROWS_PER_CLASS = 3  # on average
SEMICOLONS_AND_COMMAS = {"sep": ";", "decimal": ","}
WITH_COMMA = r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*"
COMMAS_REMEDY = "write decimal points, and nothing between thousands"
MOST_ODD = 3  # cells that a note names


@dataclass(frozen=True)
class Table:
    name: str
    X: pd.DataFrame
    Y: pd.DataFrame  # float64, or labels as they are; NaN where not observed
    of_classes: bool = False  # whether the targets are labels
    notes: list[str] = field(default_factory=list)  # what was left out, and why
    groups: pd.Series | None = None  # what each row belongs to; has the column's name
    marks: dict[str, str] = field(default_factory=dict)  # other than pandas' in the file


def bundled_table() -> Table:
    X, Y = load_energy(return_X_y=True, as_frame=True)
    return Table("energy (bundled)", X, Y)


def read_table(
    path: str,
    targets: Sequence[str] | None,
    dropped: Sequence[str],
    grouping: str | None = None,
    *,
    classify: bool = False,
) -> Table:
    """A table from a CSV file, without rows and columns that nothing can be learnt of.

    Targets are numbers or, if they are text or if it is asked for, labels. The column
    ``grouping`` has the groups of rows.
    """
    frame, marks = _read_csv(path)
    by = [] if grouping is None else [grouping]
    _check_columns(frame, path, targets, dropped, by)
    if not classify:
        _check_decimal_commas(frame[list(targets)])
    classify = classify or _are_labels(frame[list(targets)])
    as_target = _as_labels if classify else _as_numbers
    Y = pd.DataFrame({name: as_target(frame[name]) for name in targets})
    X = frame.drop(columns=[*targets, *dropped, *by])
    groups = None if grouping is None else _as_groups(frame[grouping])
    left_out, notes = _row_numbers(X)
    X = X.drop(columns=left_out)

    observed = Y.notna().any(axis=1)
    if not observed.all():
        notes.append(
            f"{(~observed).sum()} of {len(Y)} rows have no observed target and are left out"
        )
        X, Y = X[observed], Y[observed]
        groups = None if groups is None else groups[observed]
    notes += _notes_on_odd_cells(X)
    useless = _useless_features(X)
    if useless:
        notes.append(f"left out {', '.join(useless.values())}")
        X = X.drop(columns=list(useless))
    check_any_left(X, path)
    _check_finite(X)
    notes += _notes_on_dates(X)
    X, Y = X.reset_index(drop=True), Y.reset_index(drop=True)
    groups = None if groups is None else groups.reset_index(drop=True)
    return Table(path, X, Y, classify, notes, groups, marks)


def _read_csv(path: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table of a file, and what pandas is to be told to read it."""
    try:
        frame, marks = _parsed(path)
        twice = _named_twice(path, frame, marks)
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except UNREADABLE as error:
        remedy = ""
        if isinstance(error, UnicodeDecodeError):
            remedy = ": save it as UTF-8"
        raise InputError(f"{path} cannot be read as CSV: {error}{remedy}") from error
    if twice:
        raise InputError(
            f"{path} has more than one {listed('column', twice)}: rename all but one, or "
            "remove them"
        )
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.astype(str)
    return frame, marks


def _named_twice(path: str, frame: pd.DataFrame, marks: dict[str, str]) -> list[str]:
    """Names in the header that pandas has told apart, as in ``a``, ``a.1``."""
    known = set(map(str, frame.columns))
    renamed = (re.fullmatch(r"(.*)\.\d+", name, re.DOTALL) for name in known)
    # Only then is the file read again, which a pipe cannot be.
    if not any(match and match[1] in known for match in renamed):
        return []
    sep = marks.get("sep", ",")
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, na_filter=False, sep=sep)
    names = header.iloc[0]
    return list(names[names.duplicated() & (names != "")].unique())


def _parsed(path: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Columns between commas, or else between semicolons."""
    # In one piece: in pieces, a column can get numbers in one and text in the next.
    read = partial(pd.read_csv, path, low_memory=False)
    try:
        by_commas = read()
    except ParserError:  # decimal commas, perhaps, of which rows have more or fewer
        by_semicolons = _semicolon_separated(read)
        if by_semicolons[0].shape[1] == 1:
            raise
        return by_semicolons
    if by_commas.shape[1] > 1:
        return by_commas, {}
    by_semicolons = _semicolon_separated(read)
    return by_semicolons if by_semicolons[0].shape[1] > 1 else (by_commas, {})


def _semicolon_separated(read: Callable[..., pd.DataFrame]):
    """With decimal points or commas, whichever makes more columns numeric."""
    found = [(read(**marks), marks) for marks in ({"sep": ";"}, SEMICOLONS_AND_COMMAS)]
    return max(found, key=lambda pair: pair[0].select_dtypes("number").shape[1])


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


def _check_columns(frame, path, targets, dropped, by) -> None:
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
    asked = [*targets, *dropped, *by]
    for name in asked:
        if name not in frame.columns:
            has = f" It has the {listed('column', frame.columns)}."
            hint = did_you_mean(name, frame.columns) or has
            raise InputError(f"{path} has no column {name!r}.{hint}")
        if asked.count(name) > 1:
            options = "--targets, --drop and --groups" if by else "--targets and --drop"
            raise InputError(f"column {name!r} is named twice in {options}")
    if "mean" in targets:
        raise InputError(
            "target 'mean' is called as the mean over targets is: rename the column"
        )
    if len(targets) < 2:
        raise InputError("--targets names one column: sharing needs at least two targets")


def _as_groups(column: pd.Series) -> pd.Series:
    missing = int(column.isna().sum())
    if missing:
        raise InputError(
            f"column {column.name!r} of --groups is empty in {missing} of {len(column)} "
            "rows: say what each row belongs to, or give rows that belong to no other a "
            "group of their own"
        )
    return column


def _check_decimal_commas(targets: pd.DataFrame) -> None:
    for name, column in targets.items():
        found = _with_commas(column)
        if found is not None:
            raise InputError(
                f"target {name!r} looks like numbers with decimal commas, such as "
                f"{found!r}: {COMMAS_REMEDY}, or --classify if these are classes"
            )


def _with_commas(column: pd.Series) -> str | None:
    """The first number with a comma, if most values of the column are such."""
    texts = column.dropna().astype(str)
    found = texts[texts.str.fullmatch(WITH_COMMA)]
    return found.iloc[0] if len(found) > len(texts) / 2 else None


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


def _notes_on_odd_cells(X: pd.DataFrame) -> list[str]:
    """Notes on columns that are text for want of points, or for few of their cells."""
    notes = []
    for name, column in X.select_dtypes(exclude="number").items():
        values = column.dropna()
        odd = values[pd.to_numeric(values, errors="coerce").isna()]
        comma = _with_commas(values)
        if comma is not None:
            notes.append(
                f"feature {name!r} looks like numbers with decimal commas, such as "
                f"{comma!r}, and is read as text: {COMMAS_REMEDY}"
            )
        elif 0 < len(odd) < len(values) / 2:
            notes.append(
                f"{len(values) - len(odd)} of {len(values)} cells of feature {name!r} are "
                f"numbers, but {_cells(odd)} made it text: leave cells empty that were not "
                "observed"
            )
    return notes


def _cells(values: pd.Series) -> str:
    """``'?' in row 8, 'none' in row 9``, by rows below the header, the first of them 1."""
    first = values.iloc[:MOST_ODD]
    named = ", ".join(f"{text!r} in row {row + 1}" for row, text in first.items())
    more = len(values) - len(first)
    return f"{named} and {more} more" if more else named


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


def check_any_left(X: pd.DataFrame, path: str) -> None:
    if X.shape[1] == 0:
        raise InputError(f"{path} has no column left to predict the targets from")


def _check_finite(X: pd.DataFrame) -> None:
    numbers = X.select_dtypes("number")
    infinite = np.isinf(numbers).any()
    if infinite.any():
        raise InputError(f"infinity in {listed('column', numbers.columns[infinite])}")
