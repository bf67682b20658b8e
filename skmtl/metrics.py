"""Scores for targets with holes."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import r2_score as _sklearn_r2_score


def r2_score(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """Coefficient of determination on the observed cells.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, T)
        True values; NaN means "not observed" and leaves the cell out.
    y_pred : array-like of the same shape
        Predictions.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        Weight of each row or cell.
    multioutput : {"uniform_average", "raw_values"}, default="uniform_average"
        Mean over the targets, or one score per target. A target with fewer than two
        observed rows scores NaN, which the mean passes over.

    Returns
    -------
    float or ndarray of shape (T,)
        Equal to `sklearn.metrics.r2_score` of every target's observed rows.
    """
    y_true, y_pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape, got {y_true.shape} and "
            f"{y_pred.shape}."
        )
    if multioutput not in ("uniform_average", "raw_values"):
        raise ValueError(
            f"multioutput must be 'uniform_average' or 'raw_values', got {multioutput!r}."
        )
    y_true, y_pred = y_true.reshape(len(y_true), -1), y_pred.reshape(len(y_true), -1)
    weights = _columns(sample_weight, y_true.shape)
    scores = np.array(
        [_score(*columns) for columns in zip(y_true.T, y_pred.T, weights, strict=True)]
    )
    if multioutput == "raw_values":
        return scores
    return float("nan") if np.isnan(scores).all() else float(np.nanmean(scores))


def _columns(sample_weight, shape: tuple[int, int]) -> list:
    if sample_weight is None:
        return [None] * shape[1]
    weight = np.asarray(sample_weight, dtype=float)
    if weight.shape not in {shape[:1], shape}:
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected {shape[:1]} or {shape}."
        )
    return list(np.broadcast_to(weight.reshape(len(weight), -1), shape).T)


def _score(y_true, y_pred, weight) -> float:
    seen = ~np.isnan(y_true)
    if seen.sum() < 2:
        return float("nan")
    weight = None if weight is None else weight[seen]
    return _sklearn_r2_score(y_true[seen], y_pred[seen], sample_weight=weight)
