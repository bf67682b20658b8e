"""Scores of labels and of probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import metrics as _sklearn

from .._tables.containers import as_frame
from .._types import Floats, OneScore, Targets
from ._cells import check_weight, in_order_of, score_targets
from ._rows import minus_log


@overload
def accuracy_score(
    y_true: Targets,
    y_pred: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def accuracy_score(
    y_true: Targets,
    y_pred: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def accuracy_score(
    y_true: Targets,
    y_pred: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
    """Share of observed cells whose label is right.

    Parameters
    ----------
    y_true : array-like or DataFrame of shape (n,) or (n, T)
        True labels; NaN, None, pd.NA and a mask mean "not observed" and leave the cell
        out.
    y_pred : array-like of the same shape
        Predicted labels.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        Weight of each row or cell; weight 0 is the same as leaving the cell out. Columns
        of a DataFrame are matched with those of `y_true` by name.
    multioutput : {"uniform_average", "raw_values"} or array-like of shape (T,), \
            default="uniform_average"
        Mean over the targets, one score per target, or a mean with these weights. A
        target without an observed row scores NaN, which the mean passes over.

    Returns
    -------
    float or ndarray of shape (T,)
        Equal to `sklearn.metrics.accuracy_score` of every target's observed rows.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import accuracy_score
    >>> y_true = np.array([["a", "x"], ["b", None], ["b", "y"]], dtype=object)
    >>> y_pred = np.array([["a", "x"], ["b", "x"], ["a", "y"]], dtype=object)
    >>> accuracy_score(y_true, y_pred, multioutput="raw_values").round(2)
    array([0.67, 1.  ])
    """
    return _of_labels(_sklearn.accuracy_score, y_true, y_pred, sample_weight, multioutput)


@overload
def balanced_accuracy_score(
    y_true: Targets,
    y_pred: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def balanced_accuracy_score(
    y_true: Targets,
    y_pred: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def balanced_accuracy_score(
    y_true: Targets,
    y_pred: Targets,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
    """Mean over a target's classes of the share of observed cells that are right.

    Parameters
    ----------
    y_true, y_pred, sample_weight, multioutput
        As for `accuracy_score`.

    Returns
    -------
    float or ndarray of shape (T,)
        Equal to `sklearn.metrics.balanced_accuracy_score` of every target's observed rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import balanced_accuracy_score
    >>> y_true = np.array([["a", "x"], ["b", None], ["b", "y"]], dtype=object)
    >>> y_pred = np.array([["a", "x"], ["b", "x"], ["a", "y"]], dtype=object)
    >>> balanced_accuracy_score(y_true, y_pred, multioutput="raw_values").round(2)
    array([0.75, 1.  ])
    """
    return _of_labels(
        _sklearn.balanced_accuracy_score, y_true, y_pred, sample_weight, multioutput
    )


@overload
def log_loss(
    y_true: Targets,
    y_proba: ArrayLike | Sequence[ArrayLike],
    *,
    classes: Targets,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def log_loss(
    y_true: Targets,
    y_proba: ArrayLike | Sequence[ArrayLike],
    *,
    classes: Targets,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def log_loss(
    y_true: Targets,
    y_proba: ArrayLike | Sequence[ArrayLike],
    *,
    classes: Targets,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
    """Mean of minus the logarithm of the probability of the true label.

    Parameters
    ----------
    y_true, sample_weight, multioutput
        As for `accuracy_score`.
    y_proba : list of T arrays of shape (n, C_t), or array of shape (n, C) for 1-D `y_true`
        Probabilities, as ``predict_proba`` gives them.
    classes : list of T arrays, or array for 1-D `y_true`
        What the columns of `y_proba` stand for, such as ``classes_``. A label that is not
        among them has the probability 0, which counts as the smallest above it.

    Returns
    -------
    float or ndarray of shape (T,)
        In nats.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import log_loss
    >>> y_true = np.array([["a", "x"], ["b", None], ["b", "y"]], dtype=object)
    >>> y_proba = [np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])] * 2
    >>> classes = [["a", "b"], ["x", "y"]]
    >>> round(log_loss(y_true, y_proba, classes=classes), 2)
    0.37
    """

    def of_target(true, proba, labels, weights):
        return np.average(minus_log(true, proba, labels), weights=weights)

    return _of_probabilities(
        of_target, y_true, y_proba, classes, sample_weight, multioutput
    )


@overload
def roc_auc_score(
    y_true: Targets,
    y_proba: ArrayLike | Sequence[ArrayLike],
    *,
    classes: Targets,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore = "uniform_average",
) -> float: ...


@overload
def roc_auc_score(
    y_true: Targets,
    y_proba: ArrayLike | Sequence[ArrayLike],
    *,
    classes: Targets,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> Floats: ...


def roc_auc_score(
    y_true: Targets,
    y_proba: ArrayLike | Sequence[ArrayLike],
    *,
    classes: Targets,
    sample_weight: ArrayLike | None = None,
    multioutput: OneScore | Literal["raw_values"] = "uniform_average",
) -> float | Floats:
    """Area under the receiver operating characteristic.

    Parameters
    ----------
    y_true, y_proba, classes, sample_weight, multioutput
        As for `log_loss`.

    Returns
    -------
    float or ndarray of shape (T,)
        Equal to `sklearn.metrics.roc_auc_score` of every target's observed rows; of more
        than two classes, the mean of each against the rest. NaN for a target with a class
        of which no row, or every row, was observed.

    Examples
    --------
    >>> import numpy as np
    >>> from skmtl.metrics import roc_auc_score
    >>> y_true = np.array([["a", "x"], ["b", None], ["b", "y"]], dtype=object)
    >>> y_proba = [np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])] * 2
    >>> classes = [["a", "b"], ["x", "y"]]
    >>> roc_auc_score(y_true, y_proba, classes=classes)
    1.0
    """

    def of_target(true, proba, labels, weights):
        areas = []
        for column, label in enumerate(labels):
            is_class = np.asarray(true == label, dtype=bool)
            if is_class.all() or not is_class.any():
                return np.nan
            areas.append(
                _sklearn.roc_auc_score(is_class, proba[:, column], sample_weight=weights)
            )
        return np.mean(areas)

    return _of_probabilities(
        of_target, y_true, y_proba, classes, sample_weight, multioutput
    )


def _of_labels(metric, y_true, y_pred, sample_weight, multioutput):
    true = as_frame(y_true, "y_true")
    predicted = as_frame(in_order_of(y_true, y_pred), "y_pred")
    if true.shape != predicted.shape:
        raise ValueError(
            "y_true and y_pred must have the same shape, got "
            f"{true.shape} and {predicted.shape}."
        )

    def of_target(t, seen, weights):
        labels = true.iloc[:, t][seen], predicted.iloc[:, t][seen]
        # Numbers of labels: of any kind, and unknown ones among them.
        codes, _ = pd.factorize(np.concatenate([np.asarray(c, object) for c in labels]))
        with warnings.catch_warnings():
            # A prediction that is not among the true labels is simply wrong.
            warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")
            # Nor does a single class need a confusion matrix, of which this would speak.
            warnings.filterwarnings("ignore", "A single label was found")
            return metric(*np.split(codes, 2), sample_weight=weights)

    weight = check_weight(sample_weight, y_true, true.shape)
    return score_targets(of_target, true.notna().to_numpy(), weight, multioutput)


def _of_probabilities(metric, y_true, y_proba, classes, sample_weight, multioutput):
    true = as_frame(y_true, "y_true")
    if np.ndim(y_true) == 1 and not isinstance(y_proba, Sequence):
        y_proba, classes = [y_proba], [classes]
    if not len(y_proba) == len(classes) == true.shape[1]:
        raise ValueError(
            f"y_true has {true.shape[1]} targets, y_proba {len(y_proba)} and classes "
            f"{len(classes)}: expected as many."
        )

    def of_target(t, seen, weights):
        proba = np.asarray(y_proba[t], dtype=np.float64)
        return metric(np.asarray(true.iloc[:, t][seen]), proba[seen], classes[t], weights)

    weight = check_weight(sample_weight, y_true, true.shape)
    return score_targets(of_target, true.notna().to_numpy(), weight, multioutput)
