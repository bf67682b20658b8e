"""One score per target, for scikit-learn's tools."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.pipeline import Pipeline

from .._messages import did_you_mean, listed
from .._tables.targets import target_names
from .._types import Targets
from ._cells import averaged
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
from ._rows import Scores, contributions, with_mean
from ._undefined import undefined_scores


def target_scorers(names: Sequence[str] | None = None, metric: str = "r2") -> TargetScorer:
    """Scorer with one entry per target and their mean, for any multi-output estimator.

    For ``scoring=`` of `cross_validate`, of `permutation_importance` and, together with
    ``refit="mean"``, of `GridSearchCV` and other searches.

    Parameters
    ----------
    names : sequence of T str, default=None
        What to call the targets. None means the column names of y, or the name of a
        Series, or ``target_0``, ``target_1``, ...
    metric : {"r2", "neg_root_mean_squared_error", "neg_mean_absolute_error", \
            "neg_average_relative_rmse", "accuracy", "balanced_accuracy", "roc_auc", \
            "neg_log_loss"}, default="r2"
        Metric of this module, the last four for classifiers; as in scikit-learn, greater
        is better and errors are negative. "neg_average_relative_rmse" reads the training
        mean from the attribute ``target_means_`` of shape (T,) of the fitted estimator, of
        the last step of a Pipeline or of a search's best estimator; any estimator that
        stores it can be scored.

    Returns
    -------
    callable
        Called with (estimator, X, y, sample_weight=None), it returns
        ``{"mean": float, <name>: float, ...}``. A target with too few observed rows
        or classes among those scored gets NaN, which "mean" passes over, and a warning
        says why.

    Raises
    ------
    ValueError
        If the metric is unknown, or names are not distinct, are called "mean", or (when
        called) are not as many as the targets.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.metrics import target_scorers
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> search = GridSearchCV(
    ...     LinearRegression(),
    ...     {"positive": [False, True]},
    ...     scoring=target_scorers(metric="neg_mean_absolute_error"),
    ...     refit="mean",
    ... ).fit(X, y)
    >>> search.cv_results_["mean_test_heating_load"].shape
    (2,)
    """
    if metric not in _METRICS:
        raise ValueError(
            f"metric must be one of {', '.join(map(repr, _METRICS))}, got {metric!r}."
            f"{did_you_mean(str(metric), _METRICS)}"
        )
    if isinstance(names, str):
        raise ValueError(
            f"names must be a sequence with a name per target, such as ['a', 'b'], got "
            f"the string {names!r}.{did_you_mean(names, _METRICS, 'metric={!r}'.format)}"
        )
    if names is not None:
        names = _check_names(tuple(str(name) for name in names))
    return TargetScorer(names, metric)


_METRICS: dict[str, tuple[Callable[..., Any], int]] = {
    "r2": (r2_score, 1),
    "neg_root_mean_squared_error": (root_mean_squared_error, -1),
    "neg_mean_absolute_error": (mean_absolute_error, -1),
    "neg_average_relative_rmse": (average_relative_rmse, -1),
    "accuracy": (accuracy_score, 1),
    "balanced_accuracy": (balanced_accuracy_score, 1),
    "roc_auc": (roc_auc_score, 1),
    "neg_log_loss": (log_loss, -1),
}


@dataclass(frozen=True)
class TargetScorer:
    """What `target_scorers` returns.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.metrics import TargetScorer
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> scores = TargetScorer()(LinearRegression().fit(X, y), X, y)
    >>> list(scores)
    ['mean', 'heating_load', 'cooling_load']
    """

    names: tuple[str, ...] | None = None
    metric: str = "r2"

    def __call__(
        self,
        estimator: Any,
        X: ArrayLike,
        y: Targets,
        sample_weight: ArrayLike | None = None,
    ) -> dict[str, float]:
        names = self.names_of(y)
        error, sign = _METRICS[self.metric]
        options: dict[str, Any] = {}
        method = "predict"
        if error is average_relative_rmse:
            options["y_train_mean"] = _training_means(estimator)
        if error in (log_loss, roc_auc_score):
            options["classes"] = estimator.classes_
            method = "predict_proba"
        predicted = getattr(estimator, method)(X)
        scores = sign * error(
            y, predicted, sample_weight=sample_weight, multioutput="raw_values", **options
        )
        classes = options.get("classes")
        if np.isnan(scores).any():
            reasons = undefined_scores(
                self.metric, names, scores, y, sample_weight, classes
            )
            warnings.warn(reasons, UndefinedMetricWarning, stacklevel=2)
        by_name = dict(zip(names, scores.tolist(), strict=True))
        found = Scores({"mean": averaged(scores, "uniform_average"), **by_name})
        cells = contributions(self.metric, y, predicted, sample_weight, classes)
        if cells is not None:
            found.rows = with_mean(cells, scores)
        found.cut_off = getattr(_holder_of("cut_off_", estimator), "cut_off_", False)
        return found

    def names_of(self, y: Targets) -> tuple[str, ...]:
        """The names of the targets in y, checked.

        Examples
        --------
        >>> from skmtl.metrics import TargetScorer
        >>> TargetScorer().names_of([[1.0, 2.0], [3.0, 4.0]])
        ('target_0', 'target_1')
        """
        shape = np.asarray(y).shape
        n_targets = shape[1] if len(shape) > 1 else 1
        if self.names is None:
            return _check_names(tuple(target_names(y, n_targets)))
        if len(self.names) != n_targets:
            raise ValueError(
                f"names has {len(self.names)} entries ({listed('target', self.names)}), "
                f"but y has {n_targets} target{'s' if n_targets > 1 else ''}."
            )
        return self.names


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"Names of targets must be distinct, got {list(names)}.")
    if "mean" in names:
        raise ValueError(
            "A target is called 'mean', which is the name of the mean over targets: call "
            "it otherwise, in y or by target_scorers(names=...)."
        )
    return names


def _training_means(estimator) -> np.ndarray:
    """Mean of each target in training, from the estimator that a wrapper holds."""
    inner = _holder_of("target_means_", estimator)
    if not hasattr(inner, "target_means_"):
        raise AttributeError(
            f"neg_average_relative_rmse needs the targets' means in training, but "
            f"{type(inner).__name__} has no attribute target_means_: let fit set it, "
            "call average_relative_rmse(..., y_train_mean=y_train.mean(axis=0)) "
            "yourself, or choose another metric."
        )
    return inner.target_means_


def _holder_of(attribute: str, estimator):
    """The first estimator that has it, of a wrapper and what it holds, or else the last."""
    while not hasattr(estimator, attribute):
        # Not out of TransformedTargetRegressor: its regressor knows other units.
        if isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            break
    return estimator
