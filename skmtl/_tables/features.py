"""Features: a table of finite numbers, or an error that says which column is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

import numpy as np
from sklearn.utils.validation import validate_data


def check_features(estimator, X, *, reset: bool) -> np.ndarray:
    """X as a numeric (n, d) array; sets or checks the estimator's feature names."""
    if not reset and _is_plain(X, estimator) and _is_finite(X):
        return X
    check_numeric_columns(
        X,
        "X",
        "Features are numbers: encode such columns in a Pipeline, for example with "
        "ColumnTransformer and OneHotEncoder.",
    )
    X = in_one_array(X)
    X = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False)
    if not _is_finite(X):
        names = getattr(estimator, "feature_names_in_", np.arange(X.shape[1]))
        nan = np.isnan(X).any(axis=0)
        infinite = np.isinf(X).any(axis=0)
        remedy = (
            "mpute it in a Pipeline, for example make_pipeline(SimpleImputer(), "
            "MultiTaskRegressor())."
        )
        if nan.any():
            raise ValueError(f"X contains NaN in {listed('column', names[nan])}. I{remedy}")
        raise ValueError(
            f"X contains infinity in {listed('column', names[infinite])}. Make it NaN and "
            f"i{remedy}"
        )
    return X


def _is_plain(X, estimator) -> bool:
    """Whether scikit-learn's checks would pass X on: they take longer than the network."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind == "f"
        and X.shape[1] == estimator.n_features_in_
        and len(X) > 0
        and not hasattr(estimator, "feature_names_in_")
    )


def in_one_array(table):
    """A DataFrame of pandas' or pyarrow's nullable numbers, over an array that holds them.

    scikit-learn's checks would go by way of double precision, and of a second copy.
    """
    dtypes = list(getattr(table, "dtypes", [])) if hasattr(table, "select_dtypes") else []
    numpy_dtypes = [getattr(dtype, "numpy_dtype", dtype) for dtype in dtypes]
    pairs = zip(dtypes, numpy_dtypes, strict=True)
    of_extensions = any(dtype is not own for dtype, own in pairs)
    if not of_extensions or not all(
        isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in numpy_dtypes
    ):
        return table
    single = all(dtype.kind == "f" and dtype.itemsize <= 4 for dtype in numpy_dtypes)
    array = table.to_numpy(np.float32 if single else np.float64, na_value=np.nan)
    return type(table)(array, columns=table.columns, copy=False)


def check_numeric_columns(table, argument: str, remedy: str) -> None:
    """Raise an error that names the columns of a DataFrame that are no features or targets.

    Those that hold no numbers, or share a name.
    """
    if hasattr(table, "select_dtypes"):
        repeated = table.columns[table.columns.duplicated()].unique()
        if len(repeated):
            raise ValueError(
                f"{argument} has more than one column of the {listed('name', repeated)}: "
                "rename or drop one."
            )
        candidates = table.select_dtypes(exclude=["number", "bool"])
        bad = [name for name in candidates if not _is_numeric(candidates[name])]
        if bad:
            raise ValueError(
                f"{argument} is not numeric in {listed('column', bad)}. {remedy}"
            )


def _is_numeric(column) -> bool:
    """Whether a column of type object or category holds numbers all the same."""
    try:
        return np.asarray(column).dtype.kind not in "mM" and bool(len(column.astype(float)))
    except (TypeError, ValueError):
        return False


def not_numbers(A) -> str:
    """What an array holds instead of numbers, in words, or nothing."""
    try:
        array = np.asarray(A)
    except ValueError:
        return "rows of unequal length"
    if array.dtype.kind == "c":  # scikit-learn has clear words for these
        return ""
    if array.dtype.names:
        return "records: take its columns, as in pandas.DataFrame(records)"
    try:
        array.astype(np.float64)
    except (TypeError, ValueError):
        texts = (str(value) for value in array.ravel() if isinstance(value, str))
        return f"text such as {next(texts, '')!r}" if array.size else ""
    return ""


def _is_finite(X: np.ndarray) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without a temporary array; only the sum may have overflowed.
        return bool(np.isfinite(np.sum(X, dtype=np.float64)) or np.isfinite(X).all())


def shortened(name, width: int, ellipsis: str = "...") -> str:
    """A name without its middle if it is longer than `width`: names may start alike."""
    name = " ".join(str(name).split())
    if len(name) <= width:
        return name
    kept = width - len(ellipsis)
    return f"{name[: kept - kept // 2]}{ellipsis}{name[len(name) - kept // 2 :]}"


def listed(noun: str, names: Sequence, most: int = 10) -> str:
    """``column 'a'``, ``columns 'a', 'b'``, or the first ten and how many more."""
    quoted = ", ".join(repr(str(name)) for name in list(names)[:most])
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {quoted}{more}"


def did_you_mean(name: str, known: Iterable[str], shown: Callable = repr) -> str:
    """`` Did you mean 'x'?`` with the known name nearest to this one, or nothing."""
    by_lower_case = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    return f" Did you mean {shown(by_lower_case[near[0]])}?" if near else ""
