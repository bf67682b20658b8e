"""Which columns are categorical: by their types, or as `categorical_features` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_list_like, is_object_dtype

from .._messages import did_you_mean, listed
from .containers import column_labels, name_of

_EXPECTED = (
    "expected 'from_dtype', None, or a list of names, of positions, or of True and False "
    "for each column"
)


def categorical_columns(wanted, table) -> np.ndarray | None:
    """Which columns of a table are categorical (d,); None if no one is."""
    n_columns = table.shape[1]
    if wanted is None or (isinstance(wanted, str) and wanted == "from_dtype"):
        by_type = wanted is not None and isinstance(table, pd.DataFrame)
        columns = [table.iloc[:, j] for j in range(n_columns)] if by_type else []
        mask = np.array([holds_categories(column) for column in columns], dtype=bool)
    elif not is_list_like(wanted) or isinstance(wanted, (Mapping, Iterator)):
        raise ValueError(f"categorical_features is {wanted!r}, {_EXPECTED}.")
    else:
        mask = _mask_of(list(wanted), column_labels(table), n_columns)
    return mask if mask.any() else None


def holds_categories(column: pd.Series) -> bool:
    """Whether a column of a frame is of categories, text, or True and False."""
    dtype = column.dtype
    arrow = str(getattr(dtype, "pyarrow_dtype", ""))
    if arrow:
        return "string" in arrow.split("<")[0] or arrow.startswith(("dictionary", "bool"))
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)) or is_bool_dtype(dtype):
        return True
    if not is_object_dtype(dtype):
        return getattr(dtype, "kind", "O") in "US"
    types = set(map(type, column.dropna()))
    of_text = any(issubclass(own, (str, bytes)) for own in types)
    return of_text or (bool(types) and types <= {bool, np.bool_})


def _mask_of(wanted: list, labels: list | None, n_columns: int) -> np.ndarray:
    if any(is_list_like(entry) and not isinstance(entry, tuple) for entry in wanted):
        raise ValueError(f"categorical_features is {wanted!r}, {_EXPECTED}.")
    of_bools = [isinstance(entry, (bool, np.bool_)) for entry in wanted]
    if wanted and all(of_bools):
        return _checked_mask(np.array(wanted, dtype=bool), n_columns)
    if any(of_bools):
        raise ValueError(
            f"categorical_features has True or False beside other entries: {_EXPECTED}."
        )
    names = [name for name in wanted if not isinstance(name, Integral)]
    mask = np.zeros(n_columns, dtype=bool)
    chosen = positions_of(wanted, labels, n_columns, "categorical_features")
    mask[chosen] = True
    if mask.sum() < len(chosen):
        repeated = [j for j in np.flatnonzero(mask).tolist() if chosen.count(j) > 1]
        shown = [name_of(labels[j]) if labels and names else j for j in repeated]
        raise ValueError(
            f"categorical_features has {listed('column', shown)} more than once: name each "
            "column once."
        )
    return mask


def positions_of(
    columns: list, labels: list | None, n_columns: int, argument: str
) -> list[int]:
    """Where columns are that an argument names, or gives the positions of."""
    _check_positions([j for j in columns if isinstance(j, Integral)], n_columns, argument)
    names = [name for name in columns if not isinstance(name, Integral)]
    named = iter(_positions_of(names, labels, argument))
    return [int(j) if isinstance(j, Integral) else next(named) for j in columns]


def _checked_mask(mask: np.ndarray, n_columns: int) -> np.ndarray:
    if len(mask) != n_columns:
        raise ValueError(
            f"categorical_features has {len(mask)} entries of True or False, expected one "
            f"for each of the {n_columns} columns of X. Name the columns instead, or give "
            "their positions."
        )
    return mask


def _check_positions(positions: list, n_columns: int, argument: str) -> None:
    outside = [j for j in positions if not 0 <= j < n_columns]
    if outside:
        raise ValueError(
            f"{argument} has {listed('position', outside)}, but X has "
            f"{n_columns} columns: expected positions from 0 to {n_columns - 1}."
        )


def _positions_of(names: list, labels: list | None, argument: str) -> list[int]:
    if names and labels is None:
        raise ValueError(
            f"{argument} has {listed('name', [name_of(n) for n in names])}, but the "
            "columns of X have no names. Give their positions, or X as a DataFrame."
        )
    known = {label: j for j, label in enumerate(labels or [])}
    unknown = [name_of(name) for name in names if name not in known]
    if unknown:
        shown = [name_of(label) for label in known]
        raise ValueError(
            f"{argument} has {listed('unknown name', unknown)}: X has "
            f"{listed('column', shown)}.{did_you_mean(unknown[0], shown)}"
        )
    return [known[name] for name in names]
