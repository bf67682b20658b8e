"""Labels with holes: the classes of every target, and which one each cell is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_list_like
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets

from .._messages import listed
from .arrays import array_of, kind_of
from .containers import as_table
from .per_target import per_target
from .targets import target_names

_LABELS = "Expected one column of labels per target."


def check_labels(y, *, estimator) -> tuple[list[pd.Series], bool]:
    """The columns of y, with NaN, None and pd.NA as missing, and whether y was 1-D."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the "
            "target y is None."
        )
    y = as_table(y, "y")
    if not hasattr(y, "iloc"):
        A = array_of(y, "y", _LABELS)
        if A.ndim == 0:
            raise ValueError(f"y is the single value {A}. {_LABELS}")
        y = check_array(
            y if hasattr(y, "dtype") else A,
            dtype=None,
            ensure_2d=False,
            ensure_all_finite=False,
            input_name="y",
            estimator=estimator,
        )
    one_dimensional = np.ndim(y) == 1
    table = y.to_frame() if isinstance(y, pd.Series) else pd.DataFrame(y)
    names = target_names(y, table.shape[1])
    columns = [table.iloc[:, t].reset_index(drop=True) for t in range(table.shape[1])]
    for name, column in zip(names, columns, strict=True):
        _check_classes(name, column)
    return columns, one_dimensional


def _check_classes(name: str, column: pd.Series) -> None:
    """Numbers that are measured, not named, are for the regressor."""
    labels = _labels_of(column)
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(
            f"y contains infinity in target {name!r}. Mark labels that were not observed "
            "with NaN."
        )
    if kind_of(labels):
        raise ValueError(
            f"y holds {kind_of(labels)} in target {name!r}, which are measured, not named. "
            "Make labels of them, as in y.astype(str), or numbers, such as parts of a date."
        )
    _check_one_kind(name, labels)
    named = isinstance(column.dtype, pd.CategoricalDtype) or all(
        isinstance(label, pd.Interval) for label in labels
    )
    try:
        if not named:
            check_classification_targets(labels)
    except ValueError as error:
        raise ValueError(
            f"{error} In target {name!r}: labels are whole numbers, strings, bools, "
            "intervals or categories, of one kind. For measured numbers take "
            "MultiTaskRegressor."
        ) from error


def _check_one_kind(name: str, labels: np.ndarray) -> None:
    """Labels have an order among each other."""
    try:
        np.unique(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels})
        raise ValueError(
            f"y has labels of several kinds, {' and '.join(kinds)}, in target {name!r}: "
            "make them all of one."
        ) from error


def _labels_of(column: pd.Series) -> np.ndarray:
    """The observed labels, in their own type."""
    return np.asarray(column.dropna().infer_objects())


def classes_of(column: pd.Series, observed: np.ndarray) -> np.ndarray:
    """The distinct labels of these rows, in order."""
    return np.unique(_labels_of(column[observed]))


def codes_of(columns: Sequence[pd.Series], classes: Sequence[np.ndarray]) -> np.ndarray:
    """Position of each label among its target's classes (n, T); NaN if it is not there."""
    positions = [
        index_of(own).get_indexer(index_of(column))
        for column, own in zip(columns, classes, strict=True)
    ]
    codes = np.stack(positions, axis=1).astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


def index_of(labels) -> pd.Index:
    """An index that finds labels by being equal to them."""
    if labels.dtype in (np.float16, np.longdouble):  # pandas has no index of these
        return pd.Index(labels.astype(np.float64))
    if isinstance(labels.dtype, (pd.CategoricalDtype, pd.IntervalDtype)):
        labels = np.asarray(labels)
    # An index of intervals would look for those that hold a number.
    return pd.Index(labels, dtype=object if labels.dtype == object else None)


def observed_cells(columns: Sequence[pd.Series]) -> np.ndarray:
    """1 where a label is there, else NaN, (n, T)."""
    return np.where(np.stack([column.notna() for column in columns], axis=1), 1.0, np.nan)


def announced_classes(announced, names: Sequence[str]) -> list[np.ndarray]:
    """The classes that a first `partial_fit` names, of every target."""
    if not is_list_like(announced) or isinstance(announced, Iterator):
        raise TypeError(
            "classes must be a list of labels, of all targets alike, or a list of them for "
            f"each target, or a mapping by target name; got {announced!r}."
        )
    of_targets = per_target("classes", announced, names, _is_for_every_target)
    for name, labels in zip(names, of_targets, strict=True):
        if not is_list_like(labels):
            raise TypeError(
                f"classes has {labels!r} for the target {name!r}, expected a list of "
                "labels."
            )
    columns = [pd.Series(list(labels)) for labels in of_targets]
    for name, column in zip(names, columns, strict=True):
        _check_classes(name, column)
    return [classes_of(column, column.notna().to_numpy()) for column in columns]


def _is_for_every_target(classes) -> bool:
    """Whether these are labels, not lists of them."""
    return not isinstance(classes, Mapping) and not any(map(is_list_like, classes))


def check_known(
    columns: Sequence[pd.Series],
    classes: Sequence[np.ndarray],
    observed: np.ndarray,
    names: Sequence[str],
) -> None:
    """Labels must be among the classes of the first fit."""
    unknown = observed & np.isnan(codes_of(columns, classes))
    for t in np.flatnonzero(unknown.any(axis=0)):
        found = np.unique(columns[t][unknown[:, t]].astype(str))
        raise ValueError(
            f"y has the {listed('label', found)} in target {names[t]!r}, but the estimator "
            f"was fitted with the {listed('label', classes[t])}. Leave such "
            "rows out, name all classes in the first partial_fit(classes=...), or call fit "
            "with warm_start=False."
        )


def labels_from(codes: np.ndarray, classes: Sequence[np.ndarray]) -> np.ndarray:
    """Labels (n, T) of codes, in their own type; objects where targets have several."""
    columns = [own[codes[:, t]] for t, own in enumerate(classes)]
    types = {column.dtype for column in columns}
    if len(types) > 1 and {dtype.kind for dtype in types} != {"U"}:
        columns = [column.astype(object) for column in columns]
    return np.stack(columns, axis=1)


def class_weights(
    value, classes: Sequence[np.ndarray], codes: np.ndarray, W: np.ndarray, names
) -> np.ndarray:
    """Weights of the cells (n, T), times those of their classes."""
    of_targets = per_target("class_weight", value, names, is_for_all)
    if is_for_all(value):
        _check_labels(value, classes)
    else:
        for own, of_target, name in zip(of_targets, classes, names, strict=True):
            _check_labels(own, [of_target], f" of target {name!r}")
    W = W.copy()
    for t, (weights, own) in enumerate(zip(of_targets, classes, strict=True)):
        seen = W[:, t] > 0
        code = codes[seen, t].astype(int)
        if weights is not None:
            W[seen, t] *= _by_class(weights, own, code, W[seen, t], names[t])[code]
    return W


def _by_class(weights, classes, code, cell_weights, name) -> np.ndarray:
    """The weight of each class of one target."""
    if isinstance(weights, str) and weights == "balanced":
        total = np.bincount(code, weights=cell_weights, minlength=len(classes))
        return total.sum() / (len(classes) * np.where(total > 0, total, 1.0))
    if not isinstance(weights, Mapping):
        raise ValueError(
            f"class_weight must be None, 'balanced' or a mapping from label to weight, or "
            f"one of these per target; got {weights!r} for {name!r}."
        )
    by_class = np.array([weights.get(label, 1.0) for label in classes.tolist()], float)
    if not np.isfinite(by_class).all() or (by_class < 0).any() or not by_class.any():
        raise ValueError(
            "Weights of classes must be finite, not negative and not all 0, got "
            f"{dict(weights)} for target {name!r}."
        )
    return by_class


def _check_labels(value, classes, of_target: str = "") -> None:
    """A mapping may name the labels of a target that it is for, and nothing else."""
    known = {label for own in classes for label in own.tolist()}
    unknown = set(value) - known if isinstance(value, Mapping) else set()
    if unknown:
        raise ValueError(
            f"class_weight has {listed('unknown label', sorted(map(str, unknown)))}; the "
            f"classes{of_target} are {', '.join(sorted(map(repr, known)))}."
        )


def is_for_all(value) -> bool:
    """Whether it is one for all targets: the values of a mapping are numbers then."""
    if isinstance(value, Mapping):
        return not any(v is None or isinstance(v, (str, Mapping)) for v in value.values())
    return value is None or isinstance(value, str)
