"""Scores of estimators that predict numbers, on the cells that are observed."""

from __future__ import annotations

import numpy as np

from .._tables.holes_and_weights import weights_of
from .._tables.targets import check_same_targets, check_targets
from ..metrics import r2_score


def r2_of(estimator, X, y, sample_weight) -> float:
    """Mean over targets of the coefficient of determination of a fitted estimator."""
    Y, _ = check_targets(y, estimator=estimator)
    predicted = estimator.predict(X)
    predicted = predicted.reshape(len(predicted), -1)
    check_same_targets(y, Y, estimator.target_names_)
    if np.isnan(Y).all():
        raise ValueError("y has no observed value (all are NaN): there is no score.")
    if sample_weight is not None:
        sample_weight = weights_of(sample_weight, list(estimator.target_names_))
    return r2_score(Y, predicted, sample_weight=sample_weight)
