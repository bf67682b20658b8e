"""Columns of a table as `check_features` reads them: positions in place of levels."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from skl2onnx.common.data_types import BooleanTensorType, StringTensorType

from .._tables.containers import name_of
from .tensor import BOOL, DOUBLE, INT64, Tensor


def features(operator, opset: int) -> Tensor:
    """The operator's inputs side by side (n, d), in double precision."""
    model = operator.raw_operator
    parts = [Tensor(A, 2, opset) for A in operator.inputs]
    if model.is_categorical_ is None:
        return _side_by_side([part.cast(DOUBLE) for part in parts])
    types = [A.type for A in operator.inputs]
    if len(parts) == 1:
        columns = [parts[0].column(j) for j in range(model.n_features_in_)]
        types *= len(columns)
    else:
        columns = _one_by_one(parts, types)
    known = iter(model.categories_.items())
    return _side_by_side(
        [
            _positions(column, kind, *next(known)) if categorical else column.cast(DOUBLE)
            for column, kind, categorical in zip(
                columns, types, model.is_categorical_, strict=True
            )
        ]
    )


def _side_by_side(parts: list[Tensor]) -> Tensor:
    return parts[0].then("Concat", *parts[1:], axis=1) if len(parts) > 1 else parts[0]


def _positions(column: Tensor, kind, name, levels: np.ndarray) -> Tensor:
    """Position of each cell's level (n, 1), NaN where it is missing or unknown."""
    if isinstance(kind, StringTensorType):
        return _looked_up(column, "strings", _as_texts(name, levels), range(len(levels)))
    of_bools = isinstance(kind, BooleanTensorType)
    found = [
        (level, i)
        for i, level in enumerate(levels.tolist())
        if isinstance(level, Real) and isinstance(level, bool) == of_bools
    ]
    if not found:
        return column.cast(DOUBLE) * np.array([np.nan])
    keys, positions = zip(*found, strict=True)
    if of_bools:
        return _looked_up(column.cast(INT64), "int64s", map(int, keys), positions)
    column = column.cast(DOUBLE)
    if levels.dtype == np.int64:
        return _positions_of_whole(column, keys, positions)
    return _positions_of_equal(column, keys, positions)


def _as_texts(name, levels: np.ndarray) -> list[str]:
    texts = list(map(str, levels.tolist()))
    if len(set(texts)) < len(texts):
        raise ValueError(
            f"column {name_of(name)!r} has levels that are written alike but are not "
            "equal, such as 1 and '1', which a graph's input of strings does not tell "
            "apart. Make all of them strings before `fit`."
        )
    return texts


def _looked_up(column: Tensor, kind: str, keys, positions) -> Tensor:
    by: dict[str, Any] = {f"keys_{kind}": list(keys)}
    encoded = column.then(
        "LabelEncoder",
        **by,
        values_floats=list(map(float, positions)),
        default_float=np.nan,
    )
    return encoded.cast(DOUBLE)


def _positions_of_whole(column: Tensor, keys, positions) -> Tensor:
    whole = column.cast(INT64)
    found = _looked_up(whole, "int64s", keys, positions)
    same = column.then("Equal", whole.cast(DOUBLE))
    return same.then("Where", found, np.array([np.nan]))


def _positions_of_equal(column: Tensor, keys, positions) -> Tensor:
    """By comparison with every level: there is no operator to look up such numbers."""
    equal = column.then("Equal", np.array([keys], np.float64))
    position = equal.cast(DOUBLE) @ np.array(positions, np.float64)[:, None]
    found = equal.cast(INT64).then("ReduceMax", np.array([1]), keepdims=1, rank=2)
    return found.cast(BOOL).then("Where", position, np.array([np.nan]))


def _one_by_one(parts: list[Tensor], types: list) -> list[Tensor]:
    for kind in types:
        if kind.shape[1] != 1:
            raise NotImplementedError(
                f"a step of the Pipeline puts out {kind.shape[1]} columns at once, beside "
                "others: an estimator with categorical columns needs one input for each "
                "column, or a single one for all"
            )
    return parts
