"""What a fitted regressor says of where targets are: two ends, and how uncertain it is."""

from __future__ import annotations

from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from .._estimators.regressor import MultiTaskRegressor
from .._types import Floats

LEAST = 1e-100  # of a standard deviation: that of a constant is 0
ROUNDING = 1e-9  # of a target's size


class Band(NamedTuple):
    """From ``low`` to ``high``, and wider by multiples of ``scale``; each (n, T)."""

    low: Floats
    high: Floats
    scale: Floats

    def scores(self, Y: Floats) -> Floats:
        """By how many scales each value is outside; negative inside. NaN where Y is."""
        return np.maximum(self.low - Y, Y - self.high) / self.scale


def band(estimator: Any, X: Any, spread: str) -> Band:
    """The band of a fitted regressor; see `ConformalRegressor` on ``spread``."""
    if spread == "std":
        estimator, X = _innermost(estimator, X)
        _check(estimator, spread, "return_std" in signature(estimator.predict).parameters)
        mean, std = map(_as_table, estimator.predict(X, return_std=True))
        return Band(mean, mean, np.maximum(std, LEAST))
    mean = _as_table(estimator.predict(X))
    low = high = mean
    if spread == "quantiles":
        estimator, X = _innermost(estimator, X)
        _check(estimator, spread, hasattr(estimator, "predict_quantiles"))
        Q = estimator.predict_quantiles(X).reshape(*mean.shape, -1)
        # Targets with another loss have no quantiles.
        low, high = (np.where(np.isnan(q), mean, q) for q in (Q[..., 0], Q[..., -1]))
    return Band(low, high, np.ones_like(mean))


def _check(estimator: Any, spread: str, can: bool) -> None:
    if not can:
        needed = {"std": "predict(X, return_std=True)", "quantiles": "predict_quantiles(X)"}
        raise ValueError(
            f"spread={spread!r} needs a regressor that has {needed[spread]}, but "
            f"{type(estimator).__name__} has not: take spread='constant'."
        )


def units(of_training: Band, Y: Floats) -> Floats:
    """What makes the scores of targets comparable (T,), by the rows that were trained on.

    Widths; where there are none, scores; where these are rounding, those of the mean.
    """
    low, high, scale = of_training
    candidates = [high - low, of_training.scores(Y), (Y - _mean(Y)) / scale, Y / scale]
    means = np.sqrt([_mean(np.where(np.isnan(Y), np.nan, c**2)) for c in candidates])
    least = np.where(means[-1] > 0, ROUNDING * means[-1], 1.0)
    return np.select([m > least for m in means[:-1]], list(means[:-1]), least)


def spread_of(estimator: Any) -> str:
    """What "auto" means for a fitted regressor."""
    network, _ = _innermost(estimator, None)
    kinds = network._network.kinds if isinstance(network, MultiTaskRegressor) else []
    if any(kind.levels for kind in kinds):
        return "quantiles"
    return "std" if kinds and all(kind.has_variance for kind in kinds) else "constant"


def _innermost(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The regressor inside of Pipelines, searches and the like, and what it gets for X."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, Pipeline):
            if X is not None and len(estimator) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator[-1]
        else:
            return estimator, X


def _as_table(predicted: Any) -> Floats:
    predicted = np.asarray(predicted, dtype=np.float64)
    return predicted.reshape(len(predicted), -1)


def _mean(Y: Floats) -> Floats:
    """Over the observed cells of each target; 0 without any."""
    observed = ~np.isnan(Y)
    return np.where(observed, Y, 0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
