"""Scores of targets with names and holes."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import metrics
from skmtl.metrics import average_relative_rmse, target_scorers
from tests._asserts import raises_naming
from tests._inputs import TARGETS, as_frames, make_table, small, with_holes

NAMES = ["r2_score", "root_mean_squared_error", "mean_absolute_error"]
ERRORS = [
    "neg_root_mean_squared_error",
    "neg_mean_absolute_error",
    "neg_average_relative_rmse",
]
CONTAINERS = {
    "float64": lambda Y: Y,
    "float32": lambda Y: Y.astype(np.float32),
    "integers": lambda Y: Y.astype(int),
    "F-ordered": np.asfortranarray,
    "DataFrame": pd.DataFrame,
    "list": lambda Y: Y.tolist(),
    "one column": lambda Y: Y[:, :1],
    "1-D": lambda Y: Y[:, 0],
}
rng = np.random.default_rng(0)
Y_TRUE = make_table(n=50)[1]
Y_PRED = Y_TRUE + rng.normal(size=Y_TRUE.shape) * Y_TRUE.std(axis=0)
ROW_WEIGHTS = rng.uniform(0, 2, 50)
CELL_WEIGHTS = rng.uniform(0, 2, Y_TRUE.shape)
Y_HOLES = with_holes(Y_TRUE)


class MeanKeeper(LinearRegression):
    """An estimator that stores the means of its training targets."""

    def fit(self, X, y):
        self.target_means_ = np.atleast_1d(np.mean(y, axis=0))
        return super().fit(X, y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("weights", [None, ROW_WEIGHTS], ids=["no weights", "weights"])
def test_without_holes_equal_to_scikit_learn_to_the_last_bit(name, container, weights):
    y_true, y_pred = (CONTAINERS[container](Y) for Y in (Y_TRUE, Y_PRED))
    for multioutput in ("uniform_average", "raw_values", [0.2, 0.5, 0.3]):
        if not isinstance(multioutput, str) and container in ("one column", "1-D"):
            continue
        options = {"sample_weight": weights, "multioutput": multioutput}

        score = getattr(metrics, name)(y_true, y_pred, **options)

        expected = getattr(sklearn_metrics, name)(y_true, y_pred, **options)
        np.testing.assert_array_equal(score, expected, strict=True)
        assert type(score) is type(expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "weights", [None, ROW_WEIGHTS, CELL_WEIGHTS], ids=["none", "rows", "cells"]
)
def test_with_holes_equal_to_scikit_learn_on_the_observed_rows(name, weights):
    columns = np.ones((50, 1)) if weights is None else weights.reshape(50, -1)
    columns = np.broadcast_to(columns, Y_TRUE.shape)
    metric = getattr(sklearn_metrics, name)
    expected = [
        metric(Y_TRUE[seen, t], Y_PRED[seen, t], sample_weight=columns[seen, t])
        for t, seen in enumerate(~np.isnan(Y_HOLES).T)
    ]

    def score(multioutput):
        return getattr(metrics, name)(
            Y_HOLES, Y_PRED, sample_weight=weights, multioutput=multioutput
        )

    np.testing.assert_allclose(score("raw_values"), expected, rtol=1e-12)
    assert score("uniform_average") == pytest.approx(np.mean(expected))
    assert score([1, 0, 3]) == pytest.approx((expected[0] + 3 * expected[2]) / 4)


@pytest.mark.parametrize("name", NAMES)
def test_cells_of_weight_zero_count_as_holes(name):
    metric = getattr(metrics, name)
    weights = np.where(np.isnan(Y_HOLES), 0, CELL_WEIGHTS)

    assert metric(Y_TRUE, Y_PRED, sample_weight=weights) == pytest.approx(
        metric(Y_HOLES, Y_PRED, sample_weight=CELL_WEIGHTS)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_target_that_cannot_be_scored_is_passed_over(name):
    holed = Y_TRUE.copy()
    holed[:, 1] = np.nan
    metric = getattr(metrics, name)

    raw = metric(holed, Y_PRED, multioutput="raw_values")

    np.testing.assert_array_equal(np.isnan(raw), [False, True, False])
    assert metric(holed, Y_PRED) == pytest.approx(np.mean(raw[[0, 2]]))
    assert metric(holed, Y_PRED, multioutput=[1, 5, 0]) == pytest.approx(raw[0])
    assert np.isnan(metric(np.full_like(Y_TRUE, np.nan), Y_PRED))


def test_r2_needs_two_rows_and_errors_one():
    y_true, y_pred = [[1.0, np.nan], [np.nan, np.nan]], [[1.5, 0.0], [0.0, 0.0]]

    assert np.isnan(metrics.r2_score(y_true, y_pred))
    assert np.isnan(metrics.r2_score([1.0], [2.0]))
    assert metrics.root_mean_squared_error(y_true, y_pred) == 0.5
    assert metrics.mean_absolute_error([1.0], [2.0]) == 1


def test_relative_rmse_is_the_formula():
    means = Y_TRUE.mean(axis=0) + 1
    W = np.where(np.isnan(Y_HOLES), 0, CELL_WEIGHTS)
    expected = np.sqrt(
        (W * (Y_TRUE - Y_PRED) ** 2).sum(axis=0) / (W * (Y_TRUE - means) ** 2).sum(axis=0)
    )

    def score(multioutput):
        return average_relative_rmse(
            Y_HOLES,
            Y_PRED,
            y_train_mean=means,
            sample_weight=CELL_WEIGHTS,
            multioutput=multioutput,
        )

    np.testing.assert_allclose(score("raw_values"), expected)
    assert score("uniform_average") == pytest.approx(expected.mean())
    assert score([1, 1, 0]) == pytest.approx(expected[:2].mean())


def test_relative_rmse_and_r2_say_the_same_about_the_mean_of_the_test_rows():
    relative = average_relative_rmse(
        Y_TRUE, Y_PRED, y_train_mean=Y_TRUE.mean(axis=0), multioutput="raw_values"
    )

    r2 = metrics.r2_score(Y_TRUE, Y_PRED, multioutput="raw_values")
    np.testing.assert_allclose(1 - relative**2, r2)


def test_relative_rmse_of_the_extremes():
    means = Y_TRUE.mean(axis=0)
    at_mean = np.tile(means, (4, 1))

    assert average_relative_rmse(Y_TRUE, Y_TRUE, y_train_mean=means) == 0
    assert average_relative_rmse(Y_TRUE[:4], at_mean, y_train_mean=means) == 1
    assert average_relative_rmse(at_mean, at_mean, y_train_mean=means) == 0
    assert average_relative_rmse(at_mean, at_mean + 1, y_train_mean=means) == 1
    assert average_relative_rmse([1.0, 3.0], [1.0, 2.0], y_train_mean=2) == 0.5**0.5


def test_bad_arguments_are_named():
    with raises_naming("y_true", "y_pred", "(50, 3)", "(50, 2)"):
        metrics.r2_score(Y_TRUE, Y_PRED[:, :2])
    with raises_naming("sample_weight", "(3,)", "(50,)", "(50, 3)"):
        metrics.mean_absolute_error(Y_TRUE, Y_PRED, sample_weight=np.ones(3))
    with raises_naming("multioutput", "raw_values", "'mean'"):
        metrics.r2_score(Y_TRUE, Y_PRED, multioutput="mean")
    with raises_naming("multioutput", "3 weights", "[1, 2]"):
        metrics.r2_score(Y_TRUE, Y_PRED, multioutput=[1, 2])
    with raises_naming("y_train_mean", "2 entries", "3 targets"):
        average_relative_rmse(Y_TRUE, Y_PRED, y_train_mean=[0, 1])
    with raises_naming("y_pred", "infinity"):
        metrics.r2_score(Y_TRUE, np.full_like(Y_PRED, np.inf))


@pytest.fixture(scope="module")
def linear():
    X, Y = as_frames(*make_table())
    return MeanKeeper().fit(X, Y), X, Y


@pytest.mark.parametrize("metric", ["r2", *ERRORS])
def test_scorer_gives_each_target_and_the_mean(linear, metric):
    model, X, Y = linear

    scores = target_scorers(metric=metric)(model, X, Y)

    assert list(scores) == ["mean", *TARGETS]
    assert scores["mean"] == pytest.approx(np.mean([scores[name] for name in TARGETS]))
    if metric in sklearn_metrics.get_scorer_names():
        scorer = sklearn_metrics.get_scorer(metric)
        for name in TARGETS:
            alone = LinearRegression().fit(X, Y[name])
            assert scores[name] == pytest.approx(scorer(alone, X, Y[name]))


def test_greater_is_better(linear):
    model, X, Y = linear
    worse = clone(model).fit(X, Y.sample(frac=1, random_state=0).to_numpy())

    for metric in ("r2", *ERRORS):
        scorer = target_scorers(metric=metric)
        assert scorer(model, X, Y)["mean"] > scorer(worse, X, Y)["mean"]


def test_names_of_targets(linear):
    model, X, Y = linear
    values = Y.to_numpy()
    alone = LinearRegression().fit(X, Y["time"])

    assert list(target_scorers()(model, X, values))[1:] == [f"target_{t}" for t in range(3)]
    assert list(target_scorers(["a", "b", "c"])(model, X, Y)) == ["mean", "a", "b", "c"]
    assert list(target_scorers()(alone, X, Y["time"])) == ["mean", "time"]
    assert list(target_scorers()(alone, X, values[:, 1])) == ["mean", "target_0"]


def test_holes_and_weights_reach_the_metric(linear):
    model, X, Y = linear
    holed = with_holes(Y) + 0 * Y
    W = np.linspace(0, 1, Y.size).reshape(Y.shape)

    scores = target_scorers()(model, X, holed, sample_weight=W)

    expected = metrics.r2_score(holed, model.predict(X), sample_weight=W)
    assert scores["mean"] == expected


@pytest.mark.parametrize("regressor", [LinearRegression(), RandomForestRegressor(3)])
def test_in_cross_validation_of_any_regressor(table, regressor):
    X, Y = as_frames(*table)
    cv = KFold(3)

    results = cross_validate(
        regressor, X, Y, cv=cv, scoring=target_scorers(), return_estimator=True
    )

    for fold, (_, test) in enumerate(cv.split(X)):
        predicted = results["estimator"][fold].predict(X.iloc[test])
        scores = sklearn_metrics.r2_score(Y.iloc[test], predicted, multioutput="raw_values")
        for name, score in zip(TARGETS, scores, strict=True):
            assert results[f"test_{name}"][fold] == score
        assert results["test_mean"][fold] == scores.mean()


def test_in_a_search(table):
    X, Y = as_frames(*table)

    search = GridSearchCV(
        RandomForestRegressor(random_state=0),
        {"n_estimators": [1, 10]},
        scoring=target_scorers(),
        refit="mean",
    ).fit(X, Y)

    assert search.best_params_ == {"n_estimators": 10}
    assert search.best_score_ == pytest.approx(
        np.mean([search.cv_results_[f"mean_test_{name}"][1] for name in TARGETS])
    )
    assert search.score(X, Y) == target_scorers()(search, X, Y)["mean"]


def test_in_permutation_importance(linear):
    model, X, Y = linear

    importances = permutation_importance(
        model, X, Y, scoring=target_scorers(), n_repeats=2, random_state=0
    )

    assert list(importances) == ["mean", *TARGETS]
    of_each = [importances[name].importances_mean for name in TARGETS]
    np.testing.assert_allclose(importances["mean"].importances_mean, np.mean(of_each, 0))


def test_a_fold_without_a_target_warns_and_scores_the_others(table):
    X, Y = as_frames(*table)
    Y.loc[len(Y) * 2 // 3 :, "time"] = np.nan

    with pytest.warns(UndefinedMetricWarning, match="target 'time' by r2") as caught:
        results = cross_validate(small(), X, Y, cv=KFold(3), scoring=target_scorers())

    assert len(caught) == 1, "only for the last fold"
    np.testing.assert_array_equal(np.isnan(results["test_time"]), [False, False, True])
    others = (results["test_cost"] + results["test_risk"]) / 2
    assert results["test_mean"][2] == pytest.approx(others[2])


def test_equal_when_built_alike_and_picklable():
    scorer = target_scorers(["a", "b"], metric="neg_mean_absolute_error")

    assert scorer == target_scorers(("a", "b"), metric="neg_mean_absolute_error")
    assert scorer != target_scorers()
    assert pickle.loads(pickle.dumps(scorer)) == scorer
    assert clone(scorer, safe=False) == scorer


def test_bad_names_and_metrics_are_refused(linear):
    model, X, Y = linear
    with raises_naming("metric", "'r2'", "Did you mean 'neg_mean_absolute_error'"):
        target_scorers(metric="mean_absolute_error")
    with raises_naming("names", "2 entries", "'a', 'b'", "3 targets"):
        target_scorers(["a", "b"])(model, X, Y)
    with raises_naming("distinct", "'a', 'a'"):
        target_scorers(["a", "a"])
    with raises_naming("sequence", "'cost'"):
        target_scorers("cost")
    with raises_naming("names", "'r3'", "Did you mean metric='r2'?"):
        target_scorers("r3")
    with raises_naming("'mean'", "names="):
        target_scorers(["mean", "b"])
    with raises_naming("'mean'", "names="):
        target_scorers()(model, X, Y.rename(columns={"cost": "mean"}))


def test_relative_rmse_takes_the_training_mean_from_the_estimator(linear):
    _, X, Y = linear
    train, test = slice(40), slice(40, None)
    pipeline = make_pipeline(StandardScaler(), MeanKeeper())
    search = GridSearchCV(pipeline, {"meankeeper__fit_intercept": [True]}, cv=2)
    scorer = target_scorers(metric="neg_average_relative_rmse")
    means = Y[train].mean()

    for model in (MeanKeeper(), pipeline, search, small()):
        model.fit(X[train], Y[train])
        expected = average_relative_rmse(
            Y[test], model.predict(X[test]), y_train_mean=means
        )
        assert scorer(model, X[test], Y[test])["mean"] == pytest.approx(-expected)


def test_relative_rmse_of_an_estimator_that_does_not_know_its_training_mean(linear):
    _, X, Y = linear
    scorer = target_scorers(metric="neg_average_relative_rmse")
    # The mean of the logarithms is not the logarithm of the mean.
    in_other_units = TransformedTargetRegressor(
        MeanKeeper(), func=np.cbrt, inverse_func=_cube
    )

    for model in (LinearRegression(), in_other_units):
        model.fit(X, Y)
        with raises_naming("target_means_", type(model).__name__, error=AttributeError):
            scorer(model, X, Y)


def _cube(Y):
    return Y**3


def test_nothing_is_warned_of_where_all_is_well(linear):
    model, X, Y = linear
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        target_scorers()(model, X, Y)


class Labeller(ClassifierMixin, BaseEstimator):
    """Gives every class of a target the same probability."""

    def fit(self, X, y):
        self.classes_ = [np.unique(y[name].dropna()) for name in y]
        return self

    def predict_proba(self, X):
        return [np.full((len(X), len(c)), 1 / len(c)) for c in self.classes_]

    def predict(self, X):
        return np.tile([c[0] for c in self.classes_], (len(X), 1))


LABELS = pd.DataFrame({"a": list("xyzx"), "b": list("pqpq"), "c": list("uvuv")})


def undefined(metric, y, sample_weight=None) -> str:
    """What the scorer says of scores that are not defined."""
    model = Labeller().fit(LABELS, LABELS)
    with pytest.warns(UndefinedMetricWarning) as caught:
        target_scorers(metric=metric)(model, LABELS, y, sample_weight=sample_weight)
    (warning,) = caught
    return str(warning.message)


def test_a_score_that_lacks_classes_says_which():
    y = LABELS.assign(a=list("xyxy"), b="p")

    says = undefined("roc_auc", y)

    assert "'b' by roc_auc: all observed rows, 4 of 4, are of the class 'p'" in says
    assert "'a' by roc_auc: none of the observed rows, 4 of 4, has the label 'z'" in says
    assert "too few" not in says
    assert "'mean' is over the other targets" in says
    alone = undefined("roc_auc", LABELS.assign(a=["x", None, None, None]))
    assert "all observed rows, 1 of 4, are of the class 'x'" in alone


def test_a_score_that_lacks_rows_says_so():
    for metric in ("roc_auc", "neg_log_loss", "accuracy", "balanced_accuracy"):
        says = undefined(metric, LABELS.assign(a=None))
        assert f"target 'a' by {metric}: too few observed rows, 0 of 4" in says
    weightless = undefined("accuracy", LABELS, sample_weight=np.zeros(4))
    assert "targets 'a', 'b', 'c'" in weightless
    assert "too few observed rows with a weight, 0 of 4" in weightless
    assert "so is 'mean'" in weightless


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "neg_log_loss"])
def test_other_scores_need_no_second_class(metric):
    model = Labeller().fit(LABELS, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = target_scorers(metric=metric)(model, LABELS, LABELS.assign(a="x"))
    assert np.isfinite(list(scores.values())).all()
