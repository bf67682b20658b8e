"""Tables of any container, as the arrays and frames of NumPy and pandas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MappingView, Set

import numpy as np
import pandas as pd
from scipy.sparse import issparse


def as_table(values, argument: str):
    """A DataFrame, a Series, an array or a list, of whatever the table came as.

    Masked cells are missing in it, and frames of other libraries are pandas'.
    """
    if isinstance(values, (pd.DataFrame, pd.Series)) or type(values) is np.ndarray:
        return values
    _refuse_other_collections(values, argument)
    if isinstance(values, (list, tuple)):
        values = [None if value is np.ma.masked else value for value in values]
        if any(isinstance(row, np.ma.MaskedArray) for row in values):
            values = np.ma.array(values)
    if isinstance(values, np.ma.MaskedArray):
        return _unmasked(values)
    if isinstance(values, (pd.Index, pd.api.extensions.ExtensionArray)):
        return pd.Series(values, name=getattr(values, "name", None))
    names = _columns_of_other_frames(values)
    if names is not None:
        columns = [_as_column(values[name]) for name in names]
        frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
        return frame.set_axis(list(names), axis=1)
    return values


def as_frame(values, argument: str) -> pd.DataFrame:
    """The columns of a table, whatever they hold."""
    return pd.DataFrame(as_table(values, argument))


def column_labels(table) -> list | None:
    """What the columns of a frame are called, or a series; None if nothing is."""
    if isinstance(table, pd.DataFrame):
        return list(table.columns)
    names = _columns_of_other_frames(table)
    if names is None:
        own = getattr(table, "name", None)
        names = None if own is None or own == "" else [own]  # polars has series called ""
    return names


def name_of(label) -> str:
    """A column's label as a string: an int, a tuple of a MultiIndex, or a name."""
    if isinstance(label, tuple):
        label = tuple(x.item() if isinstance(x, np.generic) else x for x in label)
    return str(label)


def _columns_of_other_frames(values) -> list | None:
    """Names of the columns of polars', pyarrow's and others' frames; else None."""
    if isinstance(values, (pd.Series, np.ndarray, list, tuple)) or not hasattr(
        values, "__getitem__"
    ):
        return None
    # The columns of pyarrow's tables are called column_names.
    for attribute in ("column_names", "columns"):
        names = getattr(values, attribute, None)
        if names is not None and not callable(names):
            return list(names)
    return None


def _as_column(values) -> np.ndarray | pd.Series:
    """A column of polars', pyarrow's or another frame."""
    if str(getattr(values, "type", "")).startswith("dictionary"):
        return values.to_pandas()  # as an array it would be without its missing values
    A = np.asarray(values)
    categories = getattr(getattr(values, "dtype", None), "categories", None)
    if np.iterable(categories):  # an Enum of polars
        return pd.Series(pd.Categorical(A, categories=list(categories)))
    # Cells that are arrays or records themselves are objects for pandas.
    return A if A.ndim == 1 else pd.Series(list(A))


def _unmasked(values: np.ma.MaskedArray) -> np.ndarray:
    """The array, with NaN, or None beside whole numbers and texts, where it was masked."""
    array, mask = np.asarray(values), np.ma.getmaskarray(values)
    # Records and dates have no numbers to be missing.
    if array.dtype.kind in "VMm" or not mask.any():
        return array
    if array.dtype.kind in "fc":
        return np.where(mask, np.nan, array)
    array = array.astype(object)
    array[mask] = None
    return array


def _refuse_other_collections(values, argument: str) -> None:
    """Raise an error for what has rows in no order, or no columns yet."""
    if issparse(values):
        raise TypeError(
            f"Sparse data was passed for {argument}, but dense data is required: use its "
            ".toarray()."
        )
    if isinstance(values, Mapping):
        remedy = "Make a frame of it with pandas.DataFrame(...)."
    elif isinstance(values, (Iterator, MappingView)):
        remedy = "Make a list of it with list(...)."
    elif isinstance(values, Set):
        remedy = "A set has no order: make a list of it that has the order of the rows."
    elif hasattr(values, "collect") and not hasattr(values, "to_numpy"):
        remedy = "Compute it with its .collect()."  # a LazyFrame of polars
    elif values is None or isinstance(values, (str, bytes)):
        remedy = "Give the values themselves."
    else:
        return
    raise TypeError(
        f"{argument} is {_with_article(type(values).__name__)}, expected an array or a "
        f"DataFrame with a row per sample. {remedy}"
    )


def _with_article(noun: str) -> str:
    return f"a{'n' if noun[0].lower() in 'aeio' else ''} {noun}"
