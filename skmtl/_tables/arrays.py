"""Tables of any container as arrays of numbers, or an error that names the column."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd

from .._messages import listed, shortened
from .containers import as_table, name_of

_OF_TIMES = (
    "Make numbers of them first: .dt.total_seconds() of durations, "
    "(dates - dates.min()).dt.total_seconds() or parts such as .dt.month of dates."
)


# What NumPy or Python would turn into numbers without a word, or refuse without a name.
_OTHER_KINDS = (
    ("dates", (datetime.date, np.datetime64), _OF_TIMES),
    ("periods", (pd.Period,), _OF_TIMES),
    ("durations", (datetime.timedelta, np.timedelta64, pd.offsets.BaseOffset), _OF_TIMES),
    ("times of day", (datetime.time,), "Make numbers of them first, such as hours."),
    (
        "complex numbers",
        (complex, np.complexfloating),
        "Complex data not supported: take real and imaginary parts.",
    ),
)


def as_numbers(values, argument: str, remedy: str, unnamed: str = "{}"):
    """A table as an array or frame of numbers, NaN where there is none.

    An error names the columns that hold anything else, by position in ``unnamed`` where
    they have no names.
    """
    table = as_table(values, argument)
    if isinstance(table, pd.Series):
        name = unnamed.format(0) if table.name is None else table.name
        frame = as_numbers(table.to_frame(name), argument, remedy)
        return frame.iloc[:, 0].rename(table.name)
    if not isinstance(table, pd.DataFrame):
        return _as_array_of_numbers(table, argument, remedy, unnamed)
    check_names_differ(table, argument)
    others = [i for i, dtype in enumerate(table.dtypes) if not _is_of_numbers(dtype)]
    columns = [np.asarray(table.iloc[:, i]) for i in others]
    names = [name_of(table.columns[i]) for i in others]
    numbers = _columns_of_numbers(columns, names, argument, remedy)
    if others:
        table = table.copy(deep=False)
    for i, column in zip(others, numbers, strict=True):
        table.isetitem(i, column)
    return _in_one_array(table)


def check_names_differ(table: pd.DataFrame, argument: str) -> None:
    """Raise an error that says which columns are called alike."""
    repeated = table.columns[table.columns.duplicated()].unique()
    if len(repeated):
        raise ValueError(
            f"{argument} has more than one column of the {listed('name', repeated)}: "
            "rename or drop one."
        )


def array_of(table, argument: str, expected: str) -> np.ndarray:
    """A table as an array of one type, or an error that says why it is none."""
    try:
        A = np.asarray(table)
    except ValueError as error:
        raise ValueError(f"{argument} holds rows of unequal length. {expected}") from error
    except TypeError:  # numbers beside dates have no type in common
        A = np.asarray(table, dtype=object)
    if A.dtype.names:
        raise ValueError(
            f"{argument} holds records: take its columns, as in pandas.DataFrame(records). "
            f"{expected}"
        )
    return A


def _as_array_of_numbers(table, argument: str, remedy: str, unnamed: str) -> np.ndarray:
    A = array_of(table, argument, remedy)
    if A.dtype.kind in "fiub" or A.ndim not in (1, 2) or not A.size:
        return table if hasattr(table, "dtype") else A
    columns = A.reshape(len(A), -1).T
    names = [unnamed.format(i) for i in range(len(columns))]
    numbers = _columns_of_numbers(columns, names, argument, remedy, of_objects=TypeError)
    # Whether text that spells numbers will do is left to scikit-learn.
    return A if A.dtype.kind in "US" else np.stack(numbers, axis=1).reshape(A.shape)


def _is_of_numbers(dtype) -> bool:
    """Whether a column of this type holds real numbers or NaN, and nothing else."""
    dtype = getattr(dtype, "numpy_dtype", dtype)  # of nullable columns
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub"


def _columns_of_numbers(
    columns, names, argument: str, remedy: str, of_objects: type[Exception] = ValueError
) -> list[np.ndarray]:
    """The columns as numbers, or an error that names those that hold anything else.

    For arrays of objects scikit-learn expects a TypeError.
    """
    found = [_numbers_or_words(column) for column in columns]
    bad = [i for i, column in enumerate(found) if isinstance(column, str)]
    if not bad:
        return found
    words = list(dict.fromkeys(found[i] for i in bad))
    remedies = dict.fromkeys(text for kind, _, text in _OTHER_KINDS if kind in words)
    error = of_objects if any("argument must be" in kind for kind in words) else ValueError
    raise error(
        f"{argument} is not numeric in {listed('column', [names[i] for i in bad])}: "
        f"{argument} holds {' and '.join(words[:3])}. {' '.join([*remedies, remedy])}"
    )


def _numbers_or_words(column: np.ndarray) -> np.ndarray | str:
    """The numbers in a column, NaN for None and the like, or in words what it holds."""
    if column.dtype.kind in "fiub":
        return column
    kind = kind_of(column)
    if kind:
        return kind
    missing = pd.isna(column)
    try:
        return np.where(missing, np.nan, column.astype(object)).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return _first_that_is_no_number(column[~missing])


def kind_of(column: np.ndarray) -> str | None:
    """Dates, durations and the like, if that is what a column holds."""
    types = {column.dtype.type}
    if column.dtype.kind == "O":
        types |= set(map(type, column[~pd.isna(column)]))
    for kind, known, _ in _OTHER_KINDS:
        if any(issubclass(own, known) for own in types):
            return kind
    return None


def _first_that_is_no_number(values) -> str:
    for value in values:
        try:
            float(value)
        except (TypeError, ValueError, OverflowError) as error:
            if isinstance(value, (str, bytes)):
                value = str(value) if isinstance(value, str) else bytes(value)
                return f"text such as {shortened(repr(value), 40)}"
            return f"values of the type {type(value).__name__} ({error})"
    return "values that are no numbers"


def _in_one_array(table: pd.DataFrame) -> pd.DataFrame:
    """A DataFrame of pandas' or pyarrow's nullable numbers, over an array that holds them.

    scikit-learn's checks would go by way of double precision, and of a second copy.
    """
    dtypes = list(table.dtypes)
    numpy_dtypes = [getattr(dtype, "numpy_dtype", dtype) for dtype in dtypes]
    pairs = zip(dtypes, numpy_dtypes, strict=True)
    of_extensions = any(dtype is not own for dtype, own in pairs)
    if not of_extensions:
        return table
    single = all(dtype.kind == "f" and dtype.itemsize <= 4 for dtype in numpy_dtypes)
    array = table.to_numpy(np.float32 if single else np.float64, na_value=np.nan)
    return type(table)(array, columns=table.columns, copy=False)
