"""Targets with holes: names, the weight of every cell, rows held out for validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.utils import check_array

from .._messages import listed
from .arrays import as_numbers
from .containers import column_labels, name_of

_NUMBERS = (
    "Expected numbers, one column per target, and NaN where one was not observed: encode "
    "or drop other columns."
)


def target_names(y, n_targets: int) -> np.ndarray:
    """Column names of a DataFrame, the name of a Series, or target_0, target_1, ..."""
    labels = column_labels(y)
    if labels is None or len(labels) != n_targets:
        labels = [f"target_{t}" for t in range(n_targets)]
    names = np.array([name_of(label) for label in labels], dtype=object)
    unique, counts = np.unique(names.astype(str), return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"y has more than one column of the {listed('name', unique[counts > 1])}: "
            "targets need names of their own."
        )
    return names


def loss_weight_entries(names: Sequence[str]) -> list[str]:
    """What `history_` calls the course of each target's loss weight."""
    taken = {f"loss_{name}" for name in names}  # by the loss of a target weight_<name>
    usual = [f"loss_weight_{name}" for name in names]
    pairs = zip(usual, names, strict=True)
    return [f"weight_of_loss_{name}" if key in taken else key for key, name in pairs]


def check_targets(y, *, estimator) -> tuple[np.ndarray, bool]:
    """y as floats (n, T), and whether it was 1-D. NaN means "not observed"."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the "
            "target y is None."
        )
    y = as_numbers(y, "y", _NUMBERS, unnamed="target_{}")
    if np.ndim(y) == 0:
        raise ValueError(f"y is the single value {y}. {_NUMBERS}")
    Y = check_array(
        y,
        dtype=[np.float64, np.float32],
        ensure_2d=False,
        ensure_all_finite=False,
        input_name="y",
        estimator=estimator,
    )
    one_dimensional = Y.ndim == 1
    Y = Y.reshape(len(Y), -1)
    infinite = np.isinf(Y).any(axis=0)
    if infinite.any():
        names = target_names(y, Y.shape[1])[infinite]
        raise ValueError(
            f"y contains infinity in {listed('target', names)}. Mark values that were not "
            "observed with NaN."
        )
    return Y, one_dimensional


def check_same_targets(y, Y: np.ndarray, names: np.ndarray) -> None:
    """Targets must be those of the first fit: as many, and under the same column names."""
    if Y.shape[1] != len(names):
        raise ValueError(
            f"y has {Y.shape[1]} target{'s' if Y.shape[1] > 1 else ''}, but the estimator "
            f"was fitted with {len(names)}: {listed('target', names)}."
        )
    own, no_names = target_names(y, len(names)), target_names(None, len(names))
    both_named = (own != no_names).any() and (names != no_names).any()
    if both_named and (own != names).any():
        raise ValueError(
            f"y has {listed('column', own)}, but the estimator was fitted with "
            f"{listed('target', names)}, in this order."
        )


def new_target_name(y, n_columns: int, name: str | None, names: np.ndarray) -> str:
    """The name of one more target: as given, that of its column, or target_<T>."""
    if n_columns != 1:
        raise ValueError(f"y must be one target, got {n_columns} columns.")
    if name is None:
        own = target_names(y, 1)[0]
        name = f"target_{len(names)}" if own == "target_0" else own
    if name in names:
        raise ValueError(
            f"There is a target {name!r} already; give the new one another name."
        )
    return str(name)


def check_values(Y: np.ndarray, W: np.ndarray, kinds: Sequence, names: np.ndarray) -> None:
    """The values of every target must suit the kind of its head."""
    for kind in dict.fromkeys(kinds):
        of_kind = np.array([other == kind for other in kinds])
        bad = (W > 0) & of_kind & kind.misfits(Y)
        wrong = bad.any(axis=0)
        if wrong.any():
            expected, others = kind.expects
            raise ValueError(
                f"loss={kind.own_loss!r} needs {expected}, but there are {others} values, "
                f"such as {Y[bad][0]:g}, in {listed('target', names[wrong])}. Use another "
                "loss there."
            )
