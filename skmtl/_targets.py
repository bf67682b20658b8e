"""Targets with holes: names, the weight of every cell, rows held out for validation."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.utils import check_array

from ._features import check_numeric_columns, listed


def target_names(y, n_targets: int) -> np.ndarray:
    """Column names of a DataFrame, the name of a Series, or target_0, target_1, ..."""
    names = getattr(y, "columns", None)
    if names is None and getattr(y, "name", None) is not None:
        names = [y.name]
    if names is None:
        names = [f"target_{t}" for t in range(n_targets)]
    return np.array([str(name) for name in names], dtype=object)


def check_targets(y, *, estimator) -> tuple[np.ndarray, bool]:
    """y as float64 (n, T), and whether it was 1-D. NaN means "not observed"."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the "
            "target y is None."
        )
    check_numeric_columns(y, "y", "Targets are numbers: encode or drop such columns.")
    Y = check_array(
        y,
        dtype=np.float64,
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
            f"y has {Y.shape[1]} targets, but the estimator was fitted with {len(names)}: "
            f"{listed('target', names)}."
        )
    if hasattr(y, "columns") and list(target_names(y, len(names))) != list(names):
        raise ValueError(
            f"y has {listed('column', y.columns)}, but the estimator was fitted with "
            f"{listed('target', names)}, in this order."
        )


def cell_weights(Y: np.ndarray, sample_weight=None) -> np.ndarray:
    """How much each cell of Y (n, T) counts: its sample weight, or 0 where Y is NaN."""
    W = np.ones_like(Y)
    if sample_weight is not None:
        W = W * _check_sample_weight(sample_weight, Y.shape)
    return np.where(np.isnan(Y), 0.0, W)


def _check_sample_weight(sample_weight, shape: tuple[int, int]) -> np.ndarray:
    """Sample weights as (n, 1) or (n, T)."""
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape not in {shape[:1], shape}:
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected {shape[:1]}, one weight "
            f"per row, or {shape}, one weight per row and target."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            "sample_weight must be finite and not negative, got values from "
            f"{weight.min()} to {weight.max()}."
        )
    if not weight.any():
        raise ValueError("All values of sample_weight are zero: nothing is left to fit.")
    return weight.reshape(len(weight), -1)


def check_observed(Y: np.ndarray, W: np.ndarray, names: np.ndarray) -> None:
    """Every target needs a cell that counts; rows without any are counted in a warning."""
    empty = ~(W > 0).any(axis=0)
    if empty.any():
        raise ValueError(
            f"No observed value (not NaN, with a positive sample weight) in "
            f"{listed('target', names[empty])}: drop such columns of y."
        )
    n_unobserved = int(np.isnan(Y).all(axis=1).sum())
    if n_unobserved:
        warnings.warn(
            f"{n_unobserved} of {len(Y)} rows have no observed target and are left out.",
            UserWarning,
            stacklevel=4,
        )


def hold_out(
    W: np.ndarray, fraction: float, names: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers for training and for validation, drawn at random.

    Every target keeps a cell that counts on each side. Where a plain draw does not give
    that, rows of the rarest targets are drawn first, and the validation part may get
    larger than asked for.
    """
    if len(W) < 2:
        raise ValueError(
            "early_stopping=True holds out rows and needs at least two of them, got "
            f"n_samples={len(W)}. Set early_stopping=False."
        )
    observed = W > 0
    rare = observed.sum(axis=0) < 2
    if rare.any():
        raise ValueError(
            "early_stopping=True needs two observed rows of every target, one to train on "
            f"and one to validate on; there is one for {listed('target', names[rare])}. "
            "Set early_stopping=False or drop such columns of y."
        )
    order = rng.permutation(len(W))
    n_validation = max(1, round(fraction * len(W)))
    is_validation = np.zeros(len(W), dtype=bool)
    is_validation[order[:n_validation]] = True
    covered = observed[is_validation].any(axis=0) & observed[~is_validation].any(axis=0)
    if not covered.all():
        chosen = _cover_targets(observed[order], n_validation)
        is_validation[order] = chosen
        missing = ~observed[is_validation].any(axis=0)
        if missing.any():
            raise ValueError(
                "early_stopping=True found no rows to hold out that leave "
                f"{listed('target', names[missing])} observed on each side: there are too "
                "few. Set early_stopping=False or drop such columns of y."
            )
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def _cover_targets(observed: np.ndarray, n_wanted: int) -> np.ndarray:
    """Which rows to hold out: at least one per target if possible, then up to n_wanted.

    Rows come in random order. The rarest target chooses first, and no row is taken that
    is the last one left to train some target on.
    """
    held_out = np.zeros(len(observed), dtype=bool)
    n_left = observed.sum(axis=0)

    def take_first(rows) -> None:
        for row in rows:
            if not held_out[row] and (n_left[observed[row]] > 1).all():
                held_out[row] = True
                n_left[observed[row]] -= 1
                return

    for target in np.argsort(n_left):
        if not observed[held_out, target].any():
            take_first(np.flatnonzero(observed[:, target]))
    for row in range(len(observed)):
        if held_out.sum() < n_wanted:
            take_first([row])
    return held_out
