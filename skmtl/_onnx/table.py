"""A row of a table, of whose types those of a graph's inputs are made."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import (
    infer_dtype,
    is_bool_dtype,
    is_numeric_dtype,
    is_object_dtype,
)

from .._tables.containers import as_table

_NUMBERS = {"floating", "integer", "mixed-integer-float", "decimal"}


def first_row(X):
    """The first row, in types that there are tensors of: of a frame numbers and texts."""
    X = as_table(X, "X")
    if not isinstance(X, pd.DataFrame):
        return X[:1]
    row = X[:1].copy(deep=False)
    for j in range(X.shape[1]):
        row.isetitem(j, _in_numpy(row.iloc[:, j], _kind(X.iloc[:, j])))
    return row


def _in_numpy(column: pd.Series, kind: str | None) -> pd.Series:
    if kind == "numbers":
        return column.astype(np.float64)
    if kind == "text":
        texts = column.astype(object).map(str, na_action="ignore").astype(object)
        return texts.where(column.notna(), "")
    return column


def _kind(column: pd.Series) -> str | None:
    """Numbers or text, which tensors are to hold; None if the column is of one already."""
    dtype = column.dtype
    if is_object_dtype(dtype):
        return "numbers" if infer_dtype(column) in _NUMBERS else "text"
    if isinstance(dtype, np.dtype):
        return None
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    of_numbers = is_numeric_dtype(dtype) and not is_bool_dtype(dtype)
    return "numbers" if of_numbers else "text"
