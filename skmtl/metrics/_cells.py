"""Scores over the observed cells of each target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._tables.containers import as_table, column_labels, name_of
from .._tables.holes_and_weights import weights_of
from .._tables.targets import target_names


def score_targets(
    score: Callable,
    observed: np.ndarray,
    weight: np.ndarray | None,
    multioutput,
    fewest: int = 1,
):
    """``score(t, rows, weights)`` of the observed rows of every target t, averaged.

    ``observed`` is (n, T). NaN where fewer than ``fewest`` rows have a weight.
    """
    multioutput = check_multioutput(multioutput, observed.shape[1])
    if weight is not None:
        weight = np.broadcast_to(weight.reshape(len(observed), -1), observed.shape)
        observed = observed & (weight != 0)
    scores = np.full(observed.shape[1], np.nan)
    for t, seen in enumerate(observed.T):
        if seen.sum() >= fewest:
            scores[t] = score(t, seen, None if weight is None else weight[seen, t])
    return averaged(scores, multioutput)


def check_weight(sample_weight, y_true, shape: tuple[int, int]) -> np.ndarray | None:
    """The weights (n,) or (n, T) of these targets, matched by name if both have names."""
    if sample_weight is None:
        return None
    weight = weights_of(sample_weight, list(target_names(y_true, shape[1])))
    if weight.shape not in {shape[:1], shape}:
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected {shape[:1]} or {shape}."
        )
    return weight


def check_multioutput(multioutput, n_targets: int):
    if isinstance(multioutput, str):
        if multioutput in ("uniform_average", "raw_values"):
            return multioutput
    elif np.shape(multioutput) == (n_targets,):
        return np.asarray(multioutput, dtype=float)
    raise ValueError(
        "multioutput must be 'uniform_average', 'raw_values' or an array of "
        f"{n_targets} weights, one per target; got {multioutput!r}."
    )


def averaged(scores: np.ndarray, multioutput):
    """Mean of the scores that are not NaN, or the scores themselves."""
    if isinstance(multioutput, str) and multioutput == "raw_values":
        return scores
    defined = ~np.isnan(scores)
    if not defined.any():
        return float("nan")
    weights = None if isinstance(multioutput, str) else multioutput[defined]
    return float(np.average(scores[defined], weights=weights))


def in_order_of(y_true, y_pred):
    """Predictions with the columns of the true values, if both are frames of the same."""
    names, own = column_labels(y_true), column_labels(y_pred)
    if names is None or own is None or len(own) < 2:
        return y_pred
    names, own = list(map(name_of, names)), list(map(name_of, own))
    if names == own or sorted(names) != sorted(own):
        return y_pred
    return as_table(y_pred, "y_pred").iloc[:, [own.index(name) for name in names]]
