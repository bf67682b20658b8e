"""Predictions of rows by estimators that were fitted without their fold."""

import inspect

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.model_selection import cross_val_predict as scikit_learns
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.metrics import log_loss
from skmtl.model_selection import cross_val_predict
from tests._asserts import raises_naming
from tests._inputs import as_frames, make_table, small, small_classifier, with_holes

X, Y = as_frames(*make_table())
N = len(X)
CV = KFold(3, shuffle=True, random_state=0)
LABELS = pd.DataFrame(
    {
        "level": pd.cut(Y["cost"], 3, labels=["high", "low", "mid"]).astype(object),
        "late": (Y["time"] > Y["time"].median()).astype(object),
    }
)
HOLED = LABELS.mask(np.isnan(with_holes(np.zeros(LABELS.shape), share=0.4)), None)
CLASSIFIER = small_classifier(epochs=3)


def by_hand(estimator, y, cv=CV, method="predict", **params):
    """What each fold's estimator says of the rows that it has not seen."""
    found = [np.full((N, 3), np.nan), np.full((N, 2), np.nan)]
    if method == "predict":
        found = np.full((N, *np.shape(y)[1:]), np.nan)
    for train, test in cv.split(X, y):
        own = {name: value[train] for name, value in params.items()}
        model = clone(estimator).fit(X.iloc[train], y.iloc[train], **own)
        predicted = getattr(model, method)(X.iloc[test])
        if method == "predict":
            found[test] = predicted
        else:
            for whole, part in zip(found, predicted, strict=True):
                whole[test] = part
    return found


def test_a_hole_is_not_a_class():
    found = cross_val_predict(CLASSIFIER, X, HOLED, cv=CV, method="predict_proba")

    expected = by_hand(CLASSIFIER, HOLED, method="predict_proba")
    assert [p.shape for p in found] == [(N, 3), (N, 2)]
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)
    theirs = scikit_learns(CLASSIFIER, X, HOLED, cv=CV, method="predict_proba")
    assert theirs[0].shape == (N, 4), "no longer so: the note in the docs may go"
    classes = [np.unique(HOLED[name].dropna()) for name in HOLED]
    assert np.isfinite(log_loss(HOLED, found, classes=classes))


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_without_holes_it_is_scikit_learn_s(method):
    for y in (LABELS["level"].astype(str), LABELS.astype(str)):
        estimator = LogisticRegression()
        if y.ndim == 2:
            estimator = MultiOutputClassifier(estimator)
        found = cross_val_predict(estimator, X, y, cv=CV, method=method)
        expected = scikit_learns(estimator, X, y, cv=CV, method=method)
        pairs = zip(found, expected, strict=True) if y.ndim == 2 else [(found, expected)]
        for own, other in pairs:
            np.testing.assert_array_equal(own, other)
    for y in (Y, Y["cost"], Y.to_numpy()):
        found = cross_val_predict(LinearRegression(), X, y, cv=3)
        expected = scikit_learns(LinearRegression(), X, y, cv=3)
        np.testing.assert_array_equal(found, expected)


def test_has_scikit_learn_s_parameters():
    own, other = (
        inspect.signature(f).parameters for f in (cross_val_predict, scikit_learns)
    )
    assert set(other) - set(own) == {"verbose", "pre_dispatch"}
    assert set(own) <= set(other)


def test_a_class_that_a_fold_has_not_seen_has_no_probability():
    y = pd.DataFrame({"a": list("uvw") * (N // 3) + ["u"] * (N % 3)}, dtype=object)
    first = next(KFold(3).split(X))[1]
    y.loc[first, "a"] = "rare"
    model = small_classifier(epochs=3)

    for target, cv in ((y, KFold(3)), (y["a"], 3)):
        found = cross_val_predict(model, X, target, cv=cv, method="predict_proba")
        proba = found[0] if target.ndim == 2 else found
        assert proba.shape == (N, 4)
        np.testing.assert_array_equal(np.flatnonzero(proba[:, 0] == 0), first)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_rows_without_any_label_are_predicted():
    y = HOLED.copy()
    y.iloc[::6] = None

    with pytest.warns(UserWarning, match="no observed target"):
        found = cross_val_predict(CLASSIFIER, X, y, cv=CV, method="predict_proba")

    assert all(len(p) == N and np.isfinite(p).all() for p in found)


def test_pipelines_and_weights():
    holed = Y.where(~np.isnan(with_holes(Y.to_numpy(), share=0.2)))
    W = np.linspace(0, 2, Y.size).reshape(Y.shape)
    model = small(epochs=3)
    expected = by_hand(model, holed, sample_weight=W)
    scaler = StandardScaler(with_mean=False, with_std=False)
    pipeline = make_pipeline(scaler.set_output(transform="pandas"), model)

    found = cross_val_predict(model, X, holed, cv=CV, params={"sample_weight": W})
    np.testing.assert_array_equal(found, expected)
    name = "multitaskregressor__sample_weight"
    found = cross_val_predict(pipeline, X, holed, cv=CV, params={name: W})
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with config_context(enable_metadata_routing=True):
        routed = clone(model).set_fit_request(sample_weight=True)
        found = cross_val_predict(routed, X, holed, cv=CV, params={"sample_weight": W})
    np.testing.assert_array_equal(found, expected)


def test_groups_and_listed_folds():
    groups = np.repeat(["a", "b", "c", "d"], N // 4)
    folds = list(GroupKFold(4).split(X, Y, groups))
    masks = [(np.isin(range(N), a), np.isin(range(N), b)) for a, b in folds]
    model = LinearRegression()
    expected = scikit_learns(model, X, Y, cv=folds)

    by_splitter = cross_val_predict(model, X, Y, groups=groups, cv=GroupKFold(4))
    np.testing.assert_array_equal(by_splitter, expected)
    for cv in (folds, masks, iter(folds)):
        np.testing.assert_array_equal(cross_val_predict(model, X, Y, cv=cv), expected)
    with config_context(enable_metadata_routing=True):
        routed = cross_val_predict(model, X, Y, cv=GroupKFold(4), params={"groups": groups})
    np.testing.assert_array_equal(routed, expected)
    with parallel_config("threading"):
        in_threads = cross_val_predict(model, X, Y, cv=folds, n_jobs=2)
    np.testing.assert_array_equal(in_threads, expected)


@pytest.mark.parametrize("container", ["array", "list", "frame"])
def test_other_containers(container):
    convert = {
        "array": lambda A: A.to_numpy(),
        "list": lambda A: A.to_numpy().tolist(),
        "frame": lambda A: A,
    }[container]

    found = cross_val_predict(LinearRegression(), convert(X), convert(Y), cv=CV)

    expected = scikit_learns(LinearRegression(), X.to_numpy(), Y.to_numpy(), cv=CV)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_folds_that_leave_rows_out_or_repeat_them_are_refused_before_any_fit():
    class Unfitted(LinearRegression):
        def fit(self, X, y):
            raise AssertionError("fitted")

    for cv, words in (
        (RepeatedKFold(n_splits=2, n_repeats=2), ("0 never", f"{N} more than once")),
        (ShuffleSplit(2, test_size=0.5, random_state=0), ("never", "ShuffleSplit")),
        (TimeSeriesSplit(3), ("TimeSeriesSplit", "KFold")),
    ):
        with raises_naming("cv", "exactly once", *words):
            cross_val_predict(Unfitted(), X, Y, cv=cv)
    with raises_naming(
        "'predict_probas'", "Did you mean 'predict_proba'", error=AttributeError
    ):
        cross_val_predict(CLASSIFIER, X, LABELS, method="predict_probas")
