"""Scores for targets with names and holes.

Each metric is scikit-learn's on the observed cells of y_true (n, T): NaN, or a missing
label, leaves a cell out, and a weight may be given per cell. `target_scorers` makes one a
scorer for `cross_validate` and its kin, with one entry per target::

    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.metrics import target_scorers
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> scores = cross_validate(LinearRegression(), X, y, scoring=target_scorers())
    >>> [name for name in scores if name.startswith("test_")]
    ['test_mean', 'test_heating_load', 'test_cooling_load']
"""

from ._classification import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    roc_auc_score,
)
from ._regression import (
    average_relative_rmse,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from ._scorers import TargetScorer, target_scorers

__all__ = [
    "TargetScorer",
    "accuracy_score",
    "average_relative_rmse",
    "balanced_accuracy_score",
    "log_loss",
    "mean_absolute_error",
    "r2_score",
    "roc_auc_score",
    "root_mean_squared_error",
    "target_scorers",
]
