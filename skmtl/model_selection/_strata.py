"""Strata of several targets: the class, the bin or the hole that each cell is in."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from scipy.sparse import csr_array

from .._tables.containers import as_frame


def strata_of_rows(y, n_bins: int, n_splits: int) -> csr_array:
    """Which strata each row is in, 0 or 1, of shape (n, S).

    The first stratum is all rows. Then each target has one for each class or bin, one for
    its holes, and, if it has holes, one for all that is observed: the classes of a target
    that is seldom observed are rare each, and say nothing of it as a whole.
    """
    table = as_frame(y, "y")
    columns = [np.zeros(len(table), dtype=int)]
    for t in range(table.shape[1]):
        codes = _codes(table.iloc[:, t], n_bins, n_splits)
        columns.append(np.unique(codes, return_inverse=True)[1])
        if (codes < 0).any():
            columns.append(np.where(codes < 0, -1, 0))
    n_strata = [column.max(initial=-1) + 1 for column in columns]
    numbers = np.stack(columns) + (np.cumsum(n_strata) - n_strata)[:, None]
    inside = np.stack(columns) >= 0
    rows = np.nonzero(inside)[1]
    shape = len(table), int(sum(n_strata))
    ones = np.ones(len(rows), dtype=np.int64)
    return csr_array((ones, (rows, numbers[inside])), shape=shape)


def _codes(column: pd.Series, n_bins: int, n_splits: int) -> np.ndarray:
    """Class or bin of every cell of a target, counted from 0; -1 for holes."""
    observed = column.notna().to_numpy()
    seen = column[observed].infer_objects()
    codes, distinct = pd.factorize(seen)
    if is_numeric_dtype(seen.dtype) and not is_bool_dtype(seen.dtype):
        values = np.asarray(distinct, dtype=np.float64)
        whole = (values == np.round(values)).all()
        if len(values) > n_bins and not (whole and len(values) * n_splits <= len(seen)):
            codes = _bins(values[codes], n_bins, n_splits)
    found = np.full(len(column), -1)
    found[observed] = codes
    return found


def _bins(values: np.ndarray, n_bins: int, n_splits: int) -> np.ndarray:
    """Bins of equally many numbers, at least one for each fold; equal ones together."""
    n_bins = max(1, min(n_bins, len(values) // n_splits))
    first = np.arange(1, n_bins) * len(values) // n_bins
    edges = np.unique(np.sort(values)[first])
    bins = np.searchsorted(edges, values, side="right")
    return np.unique(bins, return_inverse=True)[1]  # without empty ones
