"""Tasks with rows of their own, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .._messages import listed
from .._types import Targets
from .arrays import array_of, kind_of
from .containers import as_table

Task: TypeAlias = tuple[ArrayLike, Targets]  # features and target


def stack_tasks(
    tasks: Mapping[Any, Task] | Sequence[Task],
) -> tuple[NDArray[Any] | pd.DataFrame, NDArray[Any] | pd.DataFrame]:
    """Stack tasks that have their own rows into one X and one Y with holes.

    Parameters
    ----------
    tasks : mapping from name to (X, y), or sequence of (X, y)
        For each task its features (m, d), array or DataFrame, and its one target, (m,)
        or (m, 1), of numbers or labels. The tasks may have different numbers of rows m.
        Columns of DataFrames are matched by name.

    Returns
    -------
    X : ndarray or DataFrame of shape (n, d)
        The rows of all tasks, one task after the other; n is the sum of their m. A
        DataFrame if the tasks' features are DataFrames.
    Y : ndarray or DataFrame of shape (n, T)
        Column t holds the target of task t in its rows, NaN in all others and where the
        target is missing or masked. A DataFrame
        with the tasks' names if `tasks` is a mapping. Of objects if not all targets are
        numbers.

    Raises
    ------
    ValueError
        If features or lengths do not match; the message lists the columns.

    Notes
    -----
    Plain folds may leave a small task without rows. Folds that give each its share::

        from sklearn.model_selection import cross_validate
        from skmtl.model_selection import MultiTargetStratifiedKFold

        folds = MultiTargetStratifiedKFold(5, random_state=0)
        cross_validate(MultiTaskRegressor(), X, Y, cv=folds)

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl import stack_tasks
    >>> X, Y = stack_tasks([([[0.0], [1.0]], [5.0, 6.0]), ([[2.0]], [7.0])])
    >>> X.ravel().tolist(), Y.tolist()
    ([0.0, 1.0, 2.0], [[5.0, nan], [6.0, nan], [nan, 7.0]])
    """
    named = isinstance(tasks, Mapping)
    if not named and not isinstance(tasks, Sequence):
        raise TypeError(
            f"tasks must be a mapping or a sequence of pairs (X, y), got {type(tasks)}."
        )
    if not len(tasks):
        raise ValueError("tasks is empty: expected at least one pair (X, y).")
    names = list(tasks) if named else [f"target_{t}" for t in range(len(tasks))]
    pairs = list(tasks.values()) if isinstance(tasks, Mapping) else list(tasks)
    for name, pair in zip(names, pairs, strict=True):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(
                f"Task {str(name)!r} is {type(pair).__name__}, expected a pair (X, y)."
            )
    features = [
        as_table(X, f"X of task {str(name)!r}")
        for name, (X, _) in zip(names, pairs, strict=True)
    ]
    X = _stacked_features(names, features)
    targets = [
        _one_target(name, X, y)
        for name, X, (_, y) in zip(names, features, pairs, strict=True)
    ]
    Y = np.full((sum(map(len, targets)), len(targets)), np.nan, np.result_type(*targets))
    start = 0
    for task, y in enumerate(targets):
        Y[start : start + len(y), task] = y
        start += len(y)
    return X, pd.DataFrame(Y, columns=names) if named else Y


def _stacked_features(names: list, parts: list):
    frames = [isinstance(X, pd.DataFrame) for X in parts]
    if any(frames) and not all(frames):
        others = [name for name, frame in zip(names, frames, strict=True) if not frame]
        raise ValueError(
            "The features must be DataFrames in all tasks or in none; they are not in "
            f"{listed('task', others)}."
        )
    if not all(frames):
        arrays = [
            array_of(X, f"X of task {str(name)!r}", "Expected as many features in each.")
            for name, X in zip(names, parts, strict=True)
        ]
        for name, X in zip(names, arrays, strict=True):
            if X.dtype.kind in "mM":
                raise ValueError(
                    f"The features of task {str(name)!r} are {kind_of(X)}: make numbers of "
                    "them first, such as days since a first one."
                )
            if X.ndim != 2 or X.shape[1] != arrays[0].shape[1]:
                raise ValueError(
                    f"The features of task {str(name)!r} have the shape {X.shape}, those "
                    f"of {str(names[0])!r} {arrays[0].shape}: expected the same columns."
                )
        return np.concatenate(arrays)
    columns = parts[0].columns
    for name, X in zip(names, parts, strict=True):
        missing, extra = columns.difference(X.columns), X.columns.difference(columns)
        if len(missing) or len(extra):
            problems = [f"lack {listed('column', missing)}"] if len(missing) else []
            problems += [f"add {listed('column', extra)}"] if len(extra) else []
            raise ValueError(
                f"The features of task {str(name)!r} {' and '.join(problems)}, compared "
                f"with {str(names[0])!r}."
            )
    return pd.concat([X[columns] for X in parts], ignore_index=True)


def _one_target(name, X, y) -> np.ndarray:
    """Numbers as float64, labels as objects, with NaN where they are missing."""
    y = as_table(y, f"The target of task {str(name)!r}")
    shape = np.shape(y)
    if shape not in {(len(X),), (len(X), 1)}:
        raise ValueError(
            f"The target of task {str(name)!r} has the shape {shape}, expected "
            f"({len(X)},): one value for each row of its features."
        )
    column = pd.DataFrame(y).iloc[:, 0]
    other = kind_of(np.asarray(column))
    if other:
        raise ValueError(
            f"The target of task {str(name)!r} holds {other}: "
            "expected numbers or labels. Make either of them first, such as "
            ".dt.total_seconds() of durations."
        )
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in {"integer", "floating", "mixed-integer-float", "empty"}:
        return pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
    return column.astype(object).where(column.notna(), np.nan).to_numpy()
