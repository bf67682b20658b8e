"""Scores for targets with names and holes.

Each metric is scikit-learn's on the observed cells of y_true (n, T): NaN leaves a cell
out, and a weight may be given per cell. `target_scorers` makes one a scorer for
`cross_validate` and its kin, with one entry per target::

    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.metrics import target_scorers
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> scores = cross_validate(LinearRegression(), X, y, scoring=target_scorers())
    >>> [name for name in scores if name.startswith("test_")]
    ['test_mean', 'test_heating_load', 'test_cooling_load']
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn import metrics as _sklearn
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from ._features import did_you_mean, listed
from ._targets import target_names

__all__ = [
    "average_relative_rmse",
    "mean_absolute_error",
    "r2_score",
    "root_mean_squared_error",
    "target_scorers",
]


def r2_score(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """Coefficient of determination on the observed cells.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, T)
        True values; NaN means "not observed" and leaves the cell out.
    y_pred : array-like of the same shape
        Predictions.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        Weight of each row or cell. In a table with holes or with weights per cell,
        weight 0 is the same as leaving the cell out.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (T,), \
            default="uniform_average"
        Mean over the targets, one score per target, or a mean with these weights. A
        target with fewer than two observed rows scores NaN, which the mean passes over.

    Returns
    -------
    float or ndarray of shape (T,)
        Equal to `sklearn.metrics.r2_score` of every target's observed rows.

    Raises
    ------
    ValueError
        If the shapes do not agree, or if y_pred is not finite.
    """
    return _score(_sklearn.r2_score, y_true, y_pred, sample_weight, multioutput, fewest=2)


def root_mean_squared_error(
    y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"
):
    """Root of the mean squared error on the observed cells.

    Parameters
    ----------
    y_true, y_pred, sample_weight
        As for `r2_score`.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (T,), \
            default="uniform_average"
        Mean over the targets, one error per target, or a mean with these weights. A
        target without an observed row gets NaN, which the mean passes over.

    Returns
    -------
    float or ndarray of shape (T,)
        In the units of the targets. Equal to `sklearn.metrics.root_mean_squared_error`
        of every target's observed rows.
    """
    return _score(
        _sklearn.root_mean_squared_error, y_true, y_pred, sample_weight, multioutput
    )


def mean_absolute_error(
    y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"
):
    """Mean absolute error on the observed cells.

    Parameters
    ----------
    y_true, y_pred, sample_weight, multioutput
        As for `root_mean_squared_error`.

    Returns
    -------
    float or ndarray of shape (T,)
        In the units of the targets. Equal to `sklearn.metrics.mean_absolute_error` of
        every target's observed rows.
    """
    return _score(_sklearn.mean_absolute_error, y_true, y_pred, sample_weight, multioutput)


def average_relative_rmse(
    y_true,
    y_pred,
    *,
    y_train_mean,
    sample_weight=None,
    multioutput="uniform_average",
):
    """Root mean squared error relative to predicting the training mean (aRRMSE).

    For target t, over the observed cells::

        RRMSE_t = sqrt( sum_i (y_it - f_it)^2 / sum_i (y_it - m_t)^2 )

    with the predictions f and the mean m of the training rows. So 0 is perfect, 1 is no
    better than the training mean, and targets in unlike units can be averaged: the usual
    measure of the literature on multi-target regression.

    Parameters
    ----------
    y_true, y_pred, sample_weight, multioutput
        As for `root_mean_squared_error`.
    y_train_mean : array-like of shape (T,), or float for one target
        Mean of each target over the rows that the model was trained on, such as
        ``target_means_`` of a `MultiTaskRegressor`.

    Returns
    -------
    float or ndarray of shape (T,)
        Where all true values equal the training mean: 0 for perfect predictions, else 1,
        in keeping with what scikit-learn's R2 says of constant targets.

    References
    ----------
    E. Spyromitros-Xioufis, G. Tsoumakas, W. Groves and I. Vlahavas, "Multi-target
    regression via input space expansion: treating targets as inputs", Machine Learning
    104, 55-98 (2016).
    """
    errors = root_mean_squared_error(
        y_true, y_pred, sample_weight=sample_weight, multioutput="raw_values"
    )
    means = np.ravel(np.asarray(y_train_mean, dtype=float))
    if len(means) != len(errors):
        raise ValueError(
            f"y_train_mean has {len(means)} entries, expected one for each of the "
            f"{len(errors)} targets."
        )
    baseline = root_mean_squared_error(
        y_true,
        np.tile(means, (len(y_true), 1)),
        sample_weight=sample_weight,
        multioutput="raw_values",
    )
    constant = np.where(errors == 0, 0.0, 1.0)
    ratios = np.divide(errors, baseline, out=constant, where=baseline != 0)
    return _averaged(ratios, _check_multioutput(multioutput, len(ratios)))


def target_scorers(names=None, metric="r2"):
    """Scorer with one entry per target and their mean, for any multi-output regressor.

    For ``scoring=`` of `cross_validate`, of `permutation_importance` and, together with
    ``refit="mean"``, of `GridSearchCV` and other searches.

    Parameters
    ----------
    names : sequence of T str, default=None
        What to call the targets. None means the column names of y, or the name of a
        Series, or ``target_0``, ``target_1``, ...
    metric : {"r2", "neg_root_mean_squared_error", "neg_mean_absolute_error", \
            "neg_average_relative_rmse"}, default="r2"
        Metric of this module; as in scikit-learn, greater is better and errors are
        negative. "neg_average_relative_rmse" reads the training mean from the
        attribute ``target_means_`` of shape (T,) of the fitted estimator, of the last
        step of a Pipeline or of a search's best estimator; any estimator that stores it
        can be scored.

    Returns
    -------
    callable
        Called with (estimator, X, y, sample_weight=None), it returns
        ``{"mean": float, <name>: float, ...}``. A target with too few observed rows
        among those scored gets NaN, which "mean" passes over, and a warning names it.

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


_METRICS = {
    "r2": (r2_score, 1),
    "neg_root_mean_squared_error": (root_mean_squared_error, -1),
    "neg_mean_absolute_error": (mean_absolute_error, -1),
    "neg_average_relative_rmse": (average_relative_rmse, -1),
}


@dataclass(frozen=True)
class TargetScorer:
    """What `target_scorers` returns."""

    names: tuple[str, ...] | None = None
    metric: str = "r2"

    def __call__(self, estimator, X, y, sample_weight=None) -> dict[str, float]:
        names = self.names_of(y)
        error, sign = _METRICS[self.metric]
        options = {}
        if error is average_relative_rmse:
            options["y_train_mean"] = _training_means(estimator)
        scores = sign * error(
            y,
            estimator.predict(X),
            sample_weight=sample_weight,
            multioutput="raw_values",
            **options,
        )
        undefined = [name for name, s in zip(names, scores, strict=True) if np.isnan(s)]
        if undefined:
            warnings.warn(
                f"Too few observed rows, of {np.shape(y)[0]}, to score "
                f"{listed('target', undefined)} by {self.metric}: NaN, and 'mean' is over "
                "the other targets.",
                UndefinedMetricWarning,
                stacklevel=2,
            )
        by_name = dict(zip(names, scores.tolist(), strict=True))
        return {"mean": _averaged(scores, "uniform_average"), **by_name}

    def names_of(self, y) -> tuple[str, ...]:
        """The names of the targets in y, checked."""
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
    inner = estimator
    while not hasattr(inner, "target_means_"):
        # Not out of TransformedTargetRegressor: its regressor knows other units.
        if isinstance(inner, Pipeline):
            inner = inner[-1]
        elif hasattr(inner, "best_estimator_"):
            inner = inner.best_estimator_
        else:
            raise AttributeError(
                f"neg_average_relative_rmse needs the targets' means in training, but "
                f"{type(inner).__name__} has no attribute target_means_: let fit set it, "
                "call average_relative_rmse(..., y_train_mean=y_train.mean(axis=0)) "
                "yourself, or choose another metric."
            )
    return inner.target_means_


def _score(metric, y_true, y_pred, sample_weight, multioutput, fewest: int = 1):
    """A metric of scikit-learn on the observed cells; NaN for fewer than `fewest`."""
    Y, P = _table("y_true", y_true), _table("y_pred", y_pred)
    if Y.shape != P.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape, got {Y.shape} and {P.shape}."
        )
    multioutput = _check_multioutput(multioutput, Y.shape[1])
    weight = _check_weight(sample_weight, Y.shape)
    if len(Y) >= fewest and not np.isnan(Y).any() and np.ndim(weight) < 2:
        # All targets at once, so that sums are rounded as scikit-learn does.
        return metric(Y, P, sample_weight=weight, multioutput=multioutput)
    observed = ~np.isnan(Y)
    if weight is not None:
        weight = np.broadcast_to(weight.reshape(len(Y), -1), Y.shape)
        observed &= weight != 0
    scores = np.full(Y.shape[1], np.nan)
    for t, seen in enumerate(observed.T):
        if seen.sum() >= fewest:
            w = None if weight is None else weight[seen, t]
            scores[t] = metric(Y[seen, t], P[seen, t], sample_weight=w)
    return _averaged(scores, multioutput)


def _table(argument: str, values) -> np.ndarray:
    """Values as floats (n, T), in the precision they have."""
    table = check_array(
        values,
        dtype=(np.float64, np.float32),
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name=argument,
    )
    return table.reshape(len(table), -1)


def _check_weight(sample_weight, shape: tuple[int, int]) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=float)
    if weight.shape not in {shape[:1], shape}:
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, expected {shape[:1]} or {shape}."
        )
    return weight


def _check_multioutput(multioutput, n_targets: int):
    if isinstance(multioutput, str):
        if multioutput in ("uniform_average", "raw_values"):
            return multioutput
    elif np.shape(multioutput) == (n_targets,):
        return np.asarray(multioutput, dtype=float)
    raise ValueError(
        "multioutput must be 'uniform_average', 'raw_values' or an array of "
        f"{n_targets} weights, one per target; got {multioutput!r}."
    )


def _averaged(scores: np.ndarray, multioutput):
    """Mean of the scores that are not NaN, or the scores themselves."""
    if isinstance(multioutput, str) and multioutput == "raw_values":
        return scores
    defined = ~np.isnan(scores)
    if not defined.any():
        return float("nan")
    weights = None if isinstance(multioutput, str) else multioutput[defined]
    return float(np.average(scores[defined], weights=weights))
