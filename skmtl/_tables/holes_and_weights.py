"""How much every cell counts: one matrix W of sample weights and holes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .._messages import listed
from .arrays import as_numbers
from .containers import name_of
from .per_target import _differences
from .targets import target_names


def cell_weights(Y: np.ndarray, sample_weight=None, names=None) -> np.ndarray:
    """How much each cell of Y (n, T) counts: its sample weight, or 0 where Y is NaN.

    To be read only: cells that count alike may share their memory. ``names`` are those of
    the targets.
    """
    W = np.ones((1, 1))
    if sample_weight is not None:
        names = target_names(None, Y.shape[1]) if names is None else names
        W = _check_sample_weight(weights_of(sample_weight, names), Y.shape)
    missing = np.isnan(Y)
    return np.where(missing, 0.0, W) if missing.any() else np.broadcast_to(W, Y.shape)


def weights_of(sample_weight, names: Sequence[str]) -> np.ndarray:
    """Sample weights as an array, a frame's columns in the order of the targets' names."""
    remedy = "Expected numbers, one per row, or one per row and target."
    weight = as_numbers(sample_weight, "sample_weight", remedy)
    if isinstance(weight, pd.DataFrame) and weight.shape[1] > 1:
        weight = _in_order(weight, list(names))
    return np.asarray(weight, dtype=np.float64)


def _in_order(weight: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The columns as the targets are; by position where either have no names."""
    own = list(map(name_of, weight.columns))
    if own == names:
        return weight
    if sorted(own) == sorted(names):
        return weight.iloc[:, [own.index(name) for name in names]]
    unnamed = names == [f"target_{t}" for t in range(len(names))]
    if unnamed or list(weight.columns) == list(range(len(own))):
        return weight
    raise ValueError(
        f"sample_weight {_differences('column', names, own)}; expected one column for each "
        f"of the {listed('target', names)}, or one weight per row."
    )


def _check_sample_weight(weight: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Sample weights as (n, 1) or (n, T)."""
    if weight.shape not in {shape[:1], shape}:
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected {shape[:1]}, one weight "
            f"per row, or {shape}, one weight per row and target."
        )
    bad = weight[~(np.isfinite(weight) & (weight >= 0))]
    if bad.size:
        raise ValueError(
            f"sample_weight must be finite and not negative, got {bad.size} other values "
            f"such as {bad[0]}."
        )
    if not weight.any():
        raise ValueError("All values of sample_weight are zero: nothing is left to fit.")
    return weight.reshape(len(weight), -1)


def check_observed(Y: np.ndarray, W: np.ndarray, names: np.ndarray, *, all_of=True) -> None:
    """Each target, or any, needs a cell that counts; a warning counts rows without one."""
    empty = ~(W > 0).any(axis=0)
    if empty.all() or (all_of and empty.any()):
        raise ValueError(
            f"No observed value (not NaN, with a positive sample weight) in "
            f"{listed('target', names[empty])}: drop such columns of y, or choose folds "
            "that leave some rows of each to train on, such as "
            "skmtl.model_selection.MultiTargetStratifiedKFold()."
        )
    n_unobserved = int(np.isnan(Y).all(axis=1).sum())
    if n_unobserved:
        warnings.warn(
            f"{n_unobserved} of {len(Y)} rows have no observed target and are left out.",
            UserWarning,
            stacklevel=5,  # the caller of fit
        )
