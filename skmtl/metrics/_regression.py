"""Scores of numbers."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics as _sklearn
from sklearn.utils import check_array

from .._tables.arrays import as_numbers
from .._types import Floats, OneScore, Targets
from ._cells import averaged, check_multioutput, check_weight, in_order_of, score_targets


@overload
def r2_score(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def r2_score(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def r2_score(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
    """Coefficient of determination on the observed cells.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, T)
        True values; NaN, None, or a mask means "not observed" and leaves the cell out.
    y_pred : array-like of the same shape
        Predictions.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        Weight of each row or cell; columns of a DataFrame are matched with those of
        `y_true` by name. In a table with holes or with weights per cell, weight 0 is the
        same as leaving the cell out.
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

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import r2_score
    >>> y_true = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 20.0]])
    >>> y_pred = np.array([[1.0, 12.0], [2.0, 15.0], [4.0, 20.0]])
    >>> r2_score(y_true, y_pred, multioutput="raw_values").round(2)
    array([0.5 , 0.92])
    """
    return _score(_sklearn.r2_score, y_true, y_pred, sample_weight, multioutput, fewest=2)


@overload
def root_mean_squared_error(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def root_mean_squared_error(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def root_mean_squared_error(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
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

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import root_mean_squared_error
    >>> y_true = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 20.0]])
    >>> y_pred = np.array([[1.0, 12.0], [2.0, 15.0], [4.0, 20.0]])
    >>> root_mean_squared_error(y_true, y_pred, multioutput="raw_values").round(2)
    array([0.58, 1.41])
    """
    return _score(
        _sklearn.root_mean_squared_error, y_true, y_pred, sample_weight, multioutput
    )


@overload
def mean_absolute_error(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def mean_absolute_error(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def mean_absolute_error(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
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

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import mean_absolute_error
    >>> y_true = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 20.0]])
    >>> y_pred = np.array([[1.0, 12.0], [2.0, 15.0], [4.0, 20.0]])
    >>> mean_absolute_error(y_true, y_pred, multioutput="raw_values").round(2)
    array([0.33, 1.  ])
    """
    return _score(_sklearn.mean_absolute_error, y_true, y_pred, sample_weight, multioutput)


@overload
def average_relative_rmse(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    y_train_mean: ArrayLike,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def average_relative_rmse(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    y_train_mean: ArrayLike,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def average_relative_rmse(
    y_true: Targets,
    y_pred: ArrayLike,
    *,
    y_train_mean: ArrayLike,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
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

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import average_relative_rmse
    >>> y_true = np.array([[1.0, 10.0], [2.0, np.nan], [3.0, 20.0]])
    >>> y_pred = np.array([[1.0, 12.0], [2.0, 15.0], [4.0, 20.0]])
    >>> round(average_relative_rmse(y_true, y_pred, y_train_mean=[2.0, 15.0]), 2)
    0.49
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
        np.tile(means, (np.shape(y_true)[0], 1)),
        sample_weight=sample_weight,
        multioutput="raw_values",
    )
    constant = np.where(errors == 0, 0.0, 1.0)
    ratios = np.divide(errors, baseline, out=constant, where=baseline != 0)
    return averaged(ratios, check_multioutput(multioutput, len(ratios)))


def _score(metric, y_true, y_pred, sample_weight, multioutput, fewest: int = 1):
    """A metric of scikit-learn on the observed cells; NaN for fewer than `fewest`."""
    Y, P = _table("y_true", y_true), _table("y_pred", in_order_of(y_true, y_pred))
    if Y.shape != P.shape:
        raise ValueError(
            f"y_true and y_pred must have the same shape, got {Y.shape} and {P.shape}."
        )
    weight = check_weight(sample_weight, y_true, Y.shape)
    of_rows = weight is None or weight.ndim < 2
    if len(Y) >= fewest and not np.isnan(Y).any() and of_rows:
        # All targets at once, so that sums are rounded as scikit-learn does.
        multioutput = check_multioutput(multioutput, Y.shape[1])
        return metric(Y, P, sample_weight=weight, multioutput=multioutput)

    def of_target(t, seen, weights):
        return metric(Y[seen, t], P[seen, t], sample_weight=weights)

    return score_targets(of_target, ~np.isnan(Y), weight, multioutput, fewest)


def _table(argument: str, values) -> np.ndarray:
    """Values as floats (n, T), in the precision they have."""
    table = check_array(
        as_numbers(values, argument, "Expected numbers, one column per target."),
        dtype=(np.float64, np.float32),
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name=argument,
    )
    return table.reshape(len(table), -1)
