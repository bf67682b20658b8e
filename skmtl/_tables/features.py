"""Tables of features as numbers, and as positions among the levels of categories."""

from __future__ import annotations

from types import NoneType

import numpy as np
import pandas as pd
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from .._messages import listed
from .arrays import as_numbers, check_names_differ
from .categorical_features import categorical_columns
from .categories import Categories, as_floats, code_few, coded, positions_among
from .containers import as_table, name_of

FEW = 256  # rows that are quicker read cell by cell
_NUMBERS = {float, int, NoneType}  # None becomes NaN


def check_features(estimator, X, *, reset: bool) -> np.ndarray:
    """X as an (n, d) array; sets or checks the estimator's feature names and categories.

    Categorical columns hold the positions of levels. NaN is what is missing, and a level
    that the estimator does not know.
    """
    X = as_table(X, "X")
    table = _with_own_cells(X, estimator, reset)
    quick = None if reset else _read_quickly(estimator, table)
    if quick is not None:
        return quick
    if isinstance(X, pd.DataFrame):
        check_names_differ(X, "X")
    is_categorical, categories = _is_categorical(estimator, table, reset), Categories()
    if is_categorical is not None:
        # First, for a column that is elsewhere than at the fit is of other levels.
        validate_data(estimator, table, reset=reset, skip_check_array=True)
        known = None if reset else categories_of(estimator)
        names = column_names(estimator)
        X, categories = _in_codes(table, is_categorical, known, names)
    X = _numbers(estimator, X, _remedy(estimator, table, reset), reset, is_categorical)
    _check_no_infinity(estimator, X)
    if reset:
        estimator.is_categorical_, estimator.categories_ = is_categorical, categories
    return X


def _numbers(estimator, X, remedy: str, reset: bool, is_categorical) -> np.ndarray:
    X = as_numbers(X, "X", remedy)
    if is_categorical is None:
        return validate_data(
            estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False
        )
    return check_array(
        X,
        dtype="numeric",
        ensure_all_finite=False,
        input_name="X",
        estimator=estimator,
    )


def categories_of(estimator) -> Categories:
    """The levels that a fitted estimator knows; of a dictionary if it comes from a file."""
    known = estimator.categories_
    if not isinstance(known, Categories):
        known = estimator.categories_ = Categories(known)
    return known


def _wanted(estimator):
    return getattr(estimator, "categorical_features", "from_dtype")


def _remedy(estimator, X, reset: bool) -> str:
    if not reset:
        return "There were numbers at the fit: expected numbers again."
    if isinstance(X, pd.DataFrame) and isinstance(_wanted(estimator), str):
        return "Features are numbers, or categories: text, bools or of the type category."
    return (
        "Features are numbers, or categories: name columns of these in "
        "categorical_features, or encode them in a Pipeline, for example with "
        "OneHotEncoder."
    )


def _with_own_cells(X, estimator, reset: bool):
    """X with cells of the types that they came in, if categories may be among them.

    In an array of numbers and texts, numbers would be texts.
    """
    if reset:
        of_numbers = _wanted(estimator) is None or isinstance(_wanted(estimator), str)
    else:
        of_numbers = getattr(estimator, "is_categorical_", None) is None
    if of_numbers or isinstance(X, pd.DataFrame):
        return X
    try:
        A = np.asarray(X) if hasattr(X, "dtype") else np.array(X, dtype=object)
    except ValueError:  # rows of unequal length
        return X
    return A.astype(object) if A.dtype.kind in "US" else A


def _is_categorical(estimator, table, reset: bool) -> np.ndarray | None:
    if getattr(table, "ndim", None) != 2 or not table.shape[1]:  # left to scikit-learn
        return None
    if not reset:
        return getattr(estimator, "is_categorical_", None)
    return categorical_columns(_wanted(estimator), table)


def column_names(estimator) -> list:
    """What the columns are called, or their positions."""
    return list(getattr(estimator, "feature_names_in_", range(estimator.n_features_in_)))


def _in_codes(table, is_categorical, known: Categories | None, names: list):
    """The table with codes in place of levels, and the levels.

    Columns without levels, such as dates, stay as they are, to be refused as no numbers.
    """
    columns = np.flatnonzero(is_categorical)
    levels, codes = {}, {}
    for k, j in enumerate(columns.tolist()):
        own = table.iloc[:, j] if isinstance(table, pd.DataFrame) else table[:, j]
        column = coded(pd.Series(own, dtype=own.dtype))
        if column is None or (known is None and _holds_infinity(column.levels)):
            continue
        levels[names[j]] = column.levels
        codes[j] = (
            as_floats(column.codes)
            if known is None
            else positions_among(known.indices[k], column)
        )
    return _replaced(table, codes), known or Categories(levels)


def _replaced(table, columns: dict[int, np.ndarray]):
    """A table with these columns in place of its own."""
    if isinstance(table, np.ndarray) and table.dtype.kind == "f":
        table = table.astype(np.result_type(table.dtype, np.float32))
        for j, column in columns.items():
            table[:, j] = column
        return table
    table = pd.DataFrame(table).copy(deep=False)
    for j, column in columns.items():
        table.isetitem(j, column)
    return table


def _read_quickly(estimator, X) -> np.ndarray | None:
    """What the checks would make of a table that is plainly alright, or None.

    They take longer than the network does for a few rows.
    """
    if not _has_the_columns(estimator, X):
        return None
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None:
        A = X.to_numpy() if isinstance(X, pd.DataFrame) and len(X) <= FEW else X
        plain = isinstance(A, np.ndarray) and A.dtype.kind == "f"
        return A if plain and not _holds_infinity(A) else None
    if len(X) <= FEW:
        return _few_in_codes(estimator, X, np.flatnonzero(is_categorical).tolist())
    if isinstance(X, pd.DataFrame) or X.dtype.kind != "f" or _holds_infinity(X):
        return None
    names = column_names(estimator)
    return _in_codes(X, is_categorical, categories_of(estimator), names)[0]


def _has_the_columns(estimator, X) -> bool:
    """Whether scikit-learn's checks would pass X on as it is."""
    names = getattr(estimator, "feature_names_in_", None)
    if type(X) is pd.DataFrame:
        return len(X) > 0 and names is not None and X.columns.tolist() == names.tolist()
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.shape[1] == estimator.n_features_in_
        and len(X) > 0
        and names is None
    )


def _few_in_codes(estimator, X, columns: list[int]) -> np.ndarray | None:
    if isinstance(X, pd.DataFrame):
        X = X.to_numpy(dtype=object)
    of_numbers = X.dtype.kind == "f"
    if of_numbers and _holds_infinity(X):
        return None
    rows = X.tolist()
    try:
        code_few(rows, columns, categories_of(estimator))
        if of_numbers:
            return np.array(rows, dtype=np.result_type(X.dtype, np.float32))
        cells = [None if cell is pd.NA else cell for row in rows for cell in row]
        if not set(map(type, cells)) <= _NUMBERS:
            return None
        A = np.array(cells, dtype=np.float64).reshape(X.shape)
    except (KeyError, OverflowError):
        return None
    return None if _holds_infinity(A) else A


def _holds_infinity(X: np.ndarray) -> bool:
    if X.dtype.kind != "f":
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without a temporary array; only the sum may have overflowed.
        return not np.isfinite(np.sum(X, dtype=np.float64)) and bool(np.isinf(X).any())


def _check_no_infinity(estimator, X: np.ndarray) -> None:
    if not _holds_infinity(X):
        return
    names = np.array(column_names(estimator), dtype=object)[np.isinf(X).any(axis=0)]
    raise ValueError(
        f"X contains infinity in {listed('column', [name_of(name) for name in names])}. "
        "Make it NaN, which is missing, or the largest finite number of its column."
    )
