"""What each row contributes to the score of each target."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .._tables.containers import as_frame
from .._tables.labels import index_of
from ._cells import check_weight


class Scores(dict):
    """Scores by name; ``rows``, if known, is what each row contributes to each of them.

    An array (n, number of scores) whose sum over the rows is the score, up to a constant:
    R2 is 1 less a sum over rows. NaN where a row has no part in a score. ``cut_off`` says
    whether time has ended the training of what is scored too early.
    """

    rows: np.ndarray | None = None
    cut_off: bool = False


def contributions(metric: str, y, predicted, sample_weight, classes) -> np.ndarray | None:
    """Of each cell (n, T), to the score of its target; None if the metric has no such.

    ``predicted`` are values, labels, or probabilities as `predict_proba` gives them.
    """
    if metric not in SUMS_OVER_ROWS:
        return None
    true = as_frame(y, "y")
    weight = true.notna().to_numpy().astype(float)
    given = check_weight(sample_weight, y, true.shape)
    if given is not None:
        weight *= given.reshape(len(true), -1)
    loss = np.column_stack(list(SUMS_OVER_ROWS[metric](true, predicted, classes)))
    loss = np.where(weight > 0, loss, 0.0)
    total = weight.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # no cell, or all alike: NaN
        share = weight * loss / (total * _scale(metric, true, weight))
    return np.where((weight > 0) & np.isfinite(share), -share, np.nan)


def with_mean(cells: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The contributions (n, 1 + T) to the mean of the scores that are not NaN, and each."""
    cells = np.where(np.isnan(scores), np.nan, cells)
    mean = np.nansum(cells, axis=1) / max(np.isfinite(scores).sum(), 1)
    return np.column_stack([np.where(np.isnan(cells).all(axis=1), np.nan, mean), cells])


def _scale(metric: str, true: pd.DataFrame, weight: np.ndarray):
    """What a metric divides the mean loss of each target by."""
    if metric == "r2":
        Y = np.nan_to_num(true.to_numpy(dtype=float, na_value=np.nan))
        total = weight.sum(axis=0)
        center = (weight * Y).sum(axis=0) / total
        return (weight * (Y - center) ** 2).sum(axis=0) / total
    return 1.0


def _errors(true: pd.DataFrame, predicted) -> np.ndarray:
    Y = true.to_numpy(dtype=float, na_value=np.nan)
    return (Y - np.asarray(predicted, dtype=float).reshape(Y.shape)).T


def _squared(true, predicted, classes):
    return _errors(true, predicted) ** 2


def _absolute(true, predicted, classes):
    return np.abs(_errors(true, predicted))


def _wrong(true, predicted, classes):
    labels = pd.DataFrame(predicted)
    for t in range(true.shape[1]):
        pair = (np.asarray(c.iloc[:, t], dtype=object) for c in (true, labels))
        codes, _ = pd.factorize(np.concatenate(list(pair)))
        a, b = np.split(codes, 2)
        yield a != b


def _minus_log(true, predicted, classes):
    if not isinstance(predicted, list):
        predicted, classes = [predicted], [classes]
    for t, (proba, labels) in enumerate(zip(predicted, classes, strict=True)):
        column = np.asarray(true.iloc[:, t], dtype=object)
        yield minus_log(column, np.asarray(proba, dtype=float), labels)


def minus_log(true, proba: np.ndarray, labels) -> np.ndarray:
    """Minus the logarithm of the probability of each true label."""
    position = index_of(np.asarray(labels)).get_indexer(index_of(true))
    of_true = np.where(position < 0, 0.0, proba[np.arange(len(true)), position])
    return -np.log(np.maximum(of_true, np.finfo(proba.dtype).eps))


SUMS_OVER_ROWS = {
    "r2": _squared,
    "neg_mean_absolute_error": _absolute,
    "accuracy": _wrong,
    "neg_log_loss": _minus_log,
}
