"""Predictions of rows by estimators that were not trained on them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.model_selection import cross_validate
from sklearn.utils import _safe_indexing

from .._estimators.fit_parameters import fit_parameters
from .._messages import did_you_mean, shortened
from .._third_party import HasMethods
from .._types import Targets, validate_params
from ._row_scores import Folds, splitter_for

ABSENT = {"predict_proba": 0.0, "predict_log_proba": -np.inf}  # of a class unknown to a fit


@validate_params(
    {
        "estimator": [HasMethods(["fit"])],
        "X": "no_validation",  # checked by the estimator
        "y": "no_validation",  # likewise
        "groups": ["array-like", None],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
        "params": [dict, None],
        "method": [str],
    },
    prefer_skip_nested_validation=False,
)
def cross_val_predict(
    estimator: Any,
    X: ArrayLike,
    y: Targets,
    *,
    groups: ArrayLike | None = None,
    cv: Any = 5,
    n_jobs: int | None = None,
    params: dict[str, Any] | None = None,
    method: str = "predict",
) -> NDArray[Any] | list[NDArray[Any]]:
    """Predict every row by an estimator that was fitted without its fold.

    The same as `sklearn.model_selection.cross_val_predict`, for targets with holes too.
    For probabilities, scikit-learn's numbers the labels before the fits, and a missing
    label becomes a class of its own. Here estimators get y as it is.

    Parameters
    ----------
    estimator : estimator
        Such as a `MultiTaskClassifier`, a `MultiTaskRegressor`, or a Pipeline or search
        that ends in one. It is cloned for every fold, and not changed.
    X : array-like or DataFrame of shape (n, d)
        Features.
    y : array-like or DataFrame of shape (n, T), or (n,)
        Targets; missing ones are not observed. Rows without any are predicted as well.
    groups : array-like of shape (n,), default=None
        No row of a group is on both sides: of folds, if `cv` is an int or a splitter such
        as ``GroupKFold``, and of the rows that networks hold out for early stopping. With
        scikit-learn's metadata routing, for all that request them.
    cv : int, splitter or iterable of splits, default=5
        Folds that test each row exactly once. An int makes folds of neighbouring rows, or
        of whole `groups`, for classifiers too. For a table that is in some order, or has
        rare classes or seldom observed targets, give
        ``MultiTargetStratifiedKFold(5, random_state=0)``.
    n_jobs : int, default=None
        Number of fits at the same time, as for `SharingDepthSearchCV`.
    params : dict, default=None
        What `fit` gets besides, such as ``{"sample_weight": weights}``, where an array of n
        rows is cut into folds; with metadata routing, what is routed to fits and splitter.
    method : str, default="predict"
        Method that predicts: "predict", "predict_proba", "predict_quantiles", ...

    Returns
    -------
    ndarray, or list of T ndarrays
        As the method gives them, with n rows in the order of X. Of "predict_proba" and
        "predict_log_proba", the columns are all classes that any of the fits knew, in
        order: a class that is not among the training rows of a fold has the probability 0
        there.

    Raises
    ------
    ValueError
        If the folds do not test each row exactly once.

    See Also
    --------
    MultiTargetStratifiedKFold : Folds without a class or target missing.
    skmtl.metrics.log_loss, skmtl.metrics.roc_auc_score : Scores of such probabilities.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmtl import MultiTaskClassifier
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.metrics import log_loss
    >>> from skmtl.model_selection import cross_val_predict
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> labels = (y > 25).astype(object)
    >>> labels.iloc[::3, 0] = None
    >>> model = MultiTaskClassifier(epochs=5, random_state=0)
    >>> proba = cross_val_predict(model, X, labels, cv=3, method="predict_proba")
    >>> [p.shape for p in proba]
    [(768, 2), (768, 2)]
    >>> log_loss(labels, proba, classes=[[False, True]] * 2) < 0.7
    True
    """
    if not hasattr(estimator, method):
        raise AttributeError(
            f"{type(estimator).__name__} has no method {method!r}."
            f"{did_you_mean(method, [m for m in dir(estimator) if m[:7] == 'predict'])}"
        )
    splitter = Partition(splitter_for(cv, groups))
    if groups is not None and get_config()["enable_metadata_routing"]:
        params, groups = {**(params or {}), "groups": groups}, None
    elif groups is not None:
        params = {**(params or {}), **fit_parameters(estimator, groups=groups)}
    fits = cross_validate(
        estimator,
        X,
        y,
        groups=groups,
        cv=splitter,
        n_jobs=n_jobs,
        params=params,
        scoring=_no_score,
        return_estimator=True,
        return_indices=True,
        error_score="raise",
    )
    fitted, tested = fits["estimator"], fits["indices"]["test"]
    parts = [
        getattr(model, method)(_safe_indexing(X, rows))
        for model, rows in zip(fitted, tested, strict=True)
    ]
    order = np.argsort(np.concatenate([_numbers(rows) for rows in tested]))
    single = not isinstance(parts[0], list)
    of_targets: Iterable[Any] = _by_target(parts, single)
    if method in ABSENT:
        known = _by_target([model.classes_ for model in fitted], single)
        of_targets = map(_with_all_classes, of_targets, known, repeat(ABSENT[method]))
    found = [np.concatenate(of_folds)[order] for of_folds in of_targets]
    return found[0] if single else found


class Partition(Folds):
    """A splitter that must test every row once."""

    def split(self, X, y=None, groups=None, **parameters):
        folds = list(super().split(X, y, groups, **parameters))
        n_tests = np.bincount(
            np.concatenate([_numbers(test) for _, test in folds]), minlength=len(y)
        )
        if (n_tests != 1).any():
            raise ValueError(
                f"cv must test each row exactly once, but of {len(n_tests)} rows it tests "
                f"{(n_tests == 0).sum()} never and {(n_tests > 1).sum()} more than once: "
                f"{shortened(self.splitter, 60)}. Give an int, or a splitter such as KFold "
                "or MultiTargetStratifiedKFold."
            )
        return iter(folds)


def _by_target(parts: list, single: bool) -> list[tuple]:
    """What is known of each fold, per target, as what is known of each target, per fold."""
    return [tuple(parts)] if single else list(zip(*parts, strict=True))


def _numbers(rows) -> np.ndarray:
    """The numbers of rows, which may be given as a mask."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def _no_score(estimator, X, y, sample_weight=None) -> float:
    return 0.0


def _with_all_classes(of_folds, classes, absent: float) -> list[np.ndarray]:
    """A target's predictions, with a column for every class that any fit knew."""
    labels = np.unique(np.concatenate(classes))
    aligned = []
    for part, own in zip(of_folds, classes, strict=True):
        whole = np.full((len(part), len(labels)), absent)
        whole[:, np.searchsorted(labels, own)] = part
        aligned.append(whole)
    return aligned
