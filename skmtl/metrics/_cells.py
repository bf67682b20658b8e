"""Scores over the observed cells of each target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def score_targets(
    score: Callable, observed: np.ndarray, sample_weight, multioutput, fewest: int = 1
):
    """``score(t, rows, weights)`` of the observed rows of every target t, averaged.

    ``observed`` is (n, T). NaN where fewer than ``fewest`` rows have a weight.
    """
    multioutput = check_multioutput(multioutput, observed.shape[1])
    weight = check_weight(sample_weight, observed.shape)
    if weight is not None:
        weight = np.broadcast_to(weight.reshape(len(observed), -1), observed.shape)
        observed = observed & (weight != 0)
    scores = np.full(observed.shape[1], np.nan)
    for t, seen in enumerate(observed.T):
        if seen.sum() >= fewest:
            scores[t] = score(t, seen, None if weight is None else weight[seen, t])
    return averaged(scores, multioutput)


def check_weight(sample_weight, shape: tuple[int, int]) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=float)
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
