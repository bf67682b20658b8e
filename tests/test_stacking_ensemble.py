"""Stacks: weights that are right, parts that are fitted to the right rows."""

import pickle
import weakref
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedKFold,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl import MultiTaskClassifier, MultiTaskRegressor
from skmtl._training.ensemble import MOST_ROWS_TO_REFIT
from skmtl.ensemble import MultiTaskStackingClassifier, MultiTaskStackingRegressor
from skmtl.ensemble._parts import FEW_ROWS
from skmtl.metrics import log_loss, r2_score
from tests._inputs import FEATURES, TARGETS, as_frames, make_table, with_holes

TINY = {"trunk_sizes": (8,), "head_sizes": (), "epochs": 3}


def parts() -> list:
    return [("tree", DecisionTreeRegressor(max_depth=3)), ("ridge", Ridge())]


def stack(estimators=None, **parameters) -> MultiTaskStackingRegressor:
    parameters = {"cv": 3, "random_state": 0} | parameters
    return MultiTaskStackingRegressor(estimators or parts(), **parameters)


def classifier_parts() -> list:
    return [("tree", DecisionTreeClassifier(max_depth=3)), ("bayes", GaussianNB())]


def classifier(estimators=None, **parameters) -> MultiTaskStackingClassifier:
    parameters = {"cv": 3, "random_state": 0} | parameters
    return MultiTaskStackingClassifier(estimators or classifier_parts(), **parameters)


@pytest.fixture(scope="module")
def labels(table) -> pd.DataFrame:
    _, Y = table
    return pd.DataFrame(
        {
            "cost": pd.cut(Y[:, 0], 3, labels=["low", "medium", "high"]),
            "time": Y[:, 1] > np.median(Y[:, 1]),
            "risk": np.digitize(Y[:, 2], np.quantile(Y[:, 2], [0.3, 0.6])),
        }
    )


@parametrize_with_checks(
    [stack(), stack(shrinkage=0, refit=False), classifier(), classifier(shrinkage=0)],
    expected_failed_checks=lambda estimator: (
        {}
        if estimator.shrinkage == 0
        else {
            "check_sample_weight_equivalence_on_dense_data": (
                "a row of weight 2 is less evidence than two rows, so that weights are "
                "drawn more to those of parts alone: the unit of weights does not count"
            )
        }
    ),
)
def test_common_checks(estimator, check):
    check(estimator)


def test_weights_are_not_negative_and_sum_to_1(table, labels):
    X, Y = table
    for model in (stack().fit(X, Y), classifier().fit(X, labels)):
        weights = model.weights_.to_numpy()

        assert weights.shape == (3, 2)
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        assert (model.weights_std_.to_numpy() > 0).all()


def test_shrinkage_leads_from_the_best_weights_to_those_of_parts_alone(table):
    X, Y = table
    models = [stack(shrinkage=s).fit(X, Y) for s in (0, 1, 10, 1e9, np.inf)]

    scores = models[0].out_of_fold_scores_[["tree", "ridge"]].to_numpy()
    alone = (1 - scores) ** -8.0
    alone /= alone.sum(axis=1, keepdims=True)
    away = [np.abs(model.weights_.to_numpy() - alone) for model in models]
    for less, more in pairwise(away):
        assert (more <= less + 1e-9).all()
    assert away[-2].max() < 1e-3
    assert away[-1].max() < 1e-9


def test_a_part_that_knows_nothing_has_next_to_no_weight(table):
    X, Y = table
    mean = DummyRegressor()

    weights = stack([("ridge", Ridge()), ("mean", mean)]).fit(X, Y).weights_

    assert (weights["mean"] < 0.1).all()


# What is predicted.


def test_a_stack_of_one_part_is_that_part(table):
    X, Y = table
    model = stack([("ridge", Ridge())]).fit(X, Y)

    np.testing.assert_allclose(model.predict(X), Ridge().fit(X, Y).predict(X))
    assert (model.weights_ == 1).all(axis=None)
    assert (model.weights_std_ == 0).all(axis=None)


def test_a_stack_whose_weights_are_all_on_one_part_predicts_what_that_part_does(table):
    X, _ = table
    Y = X[:, :3] * 2 + 1  # which a line knows without an error

    model = stack([("line", LinearRegression()), ("mean", DummyRegressor())]).fit(X, Y)

    line = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(model.predict(X), line.predict(X), atol=1e-6)


def test_a_stack_predicts_the_mean_of_its_parts_by_its_weights(table):
    X, Y = table
    Y = with_holes(Y)
    model = stack().fit(X, Y)

    for t in range(3):
        seen = ~np.isnan(Y[:, t])
        trees = clone(model.named_estimators_["tree"][t]).fit(X[seen], Y[seen, t])
        ridge = Ridge().fit(X[seen], Y[seen, t])
        w = model.weights_.iloc[t]
        expected = w["tree"] * trees.predict(X) + w["ridge"] * ridge.predict(X)
        np.testing.assert_allclose(model.predict(X)[:, t], expected)


def test_without_a_refit_the_models_of_the_folds_are_averaged(table):
    X, Y = table
    model = stack([("ridge", Ridge())], refit=False, cv=KFold(3)).fit(X, Y)

    folds = [Ridge().fit(X[train], Y[train]).predict(X) for train, _ in KFold(3).split(X)]
    np.testing.assert_allclose(model.predict(X), np.mean(folds, axis=0))
    assert [len(of_fold) for of_fold in model.estimators_[0]] == [3, 3, 3]


def test_out_of_fold_scores_are_those_of_cross_validation(table):
    X, Y = table
    frame, targets = as_frames(X, with_holes(Y))
    model = stack(cv=KFold(3)).fit(frame, targets)

    predicted = np.full(Y.shape, np.nan)
    for train, test in KFold(3).split(X):
        for t, name in enumerate(TARGETS):
            seen = train[targets[name].notna().to_numpy()[train]]
            ridge = Ridge().fit(X[seen], targets[name].to_numpy()[seen])
            predicted[test, t] = ridge.predict(X[test])
    expected = r2_score(targets, predicted, multioutput="raw_values")
    np.testing.assert_allclose(model.out_of_fold_scores_["ridge"], expected)


def test_the_weighted_mean_is_better_than_any_part(table):
    """Errors of unlike parts cancel each other."""
    X, _ = make_table(n=900)
    y = X[:, 0] + np.sign(X[:, 1])
    model = stack().fit(X[:300], y[:300])

    each = [stack([part]).fit(X[:300], y[:300]).score(X[300:], y[300:]) for part in parts()]
    assert model.score(X[300:], y[300:]) > max(each) + 0.02


def test_one_dimensional_targets_give_one_dimensional_predictions(table, labels):
    X, Y = table

    assert stack().fit(X, Y[:, 0]).predict(X).shape == (64,)
    model = classifier().fit(X, labels["cost"])
    assert model.predict(X).shape == (64,)
    assert model.predict_proba(X).shape == (64, 3)
    assert model.classes_.tolist() == ["high", "low", "medium"]


def test_names_come_from_frames(table):
    frame, targets = as_frames(*table)
    model = stack().fit(frame, targets)

    assert model.target_names_.tolist() == TARGETS
    assert model.feature_names_in_.tolist() == FEATURES
    assert model.weights_.index.tolist() == TARGETS
    assert model.weights_.columns.tolist() == ["tree", "ridge"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[FEATURES[::-1]])


# Holes, weights, folds.


@pytest.mark.parametrize("network", [False, True])
def test_masking_a_cell_is_leaving_it_out(table, network):
    """With a weight of 0, or by another value under the mask."""
    X, Y = table
    own = [("net", MultiTaskRegressor(**TINY))] if network else parts()
    holes = np.isnan(with_holes(Y))
    first = stack(own).fit(X, np.where(holes, np.nan, Y)).predict(X)

    weighted = stack(own).fit(X, np.where(holes, 1e6, Y), sample_weight=1.0 * ~holes)

    np.testing.assert_allclose(weighted.predict(X), first, rtol=1e-9)


def test_a_row_without_targets_is_left_out(table):
    X, Y = table
    Y = Y.copy()
    Y[:7] = np.nan

    with pytest.warns(UserWarning, match="7 of 64 rows"):
        model = stack().fit(X, Y)

    np.testing.assert_allclose(model.predict(X), stack().fit(X[7:], Y[7:]).predict(X))


def test_a_target_does_not_depend_on_the_others(table):
    X, Y = table
    alone = stack([("ridge", Ridge()), ("near", KNeighborsRegressor())]).fit(X, Y[:, 1])
    together = clone(alone).fit(X, Y)

    np.testing.assert_allclose(together.predict(X)[:, 1], alone.predict(X))


def test_sample_weights_reach_the_parts_and_the_weights(table):
    X, Y = table
    folds = [(np.arange(32), np.arange(32, 64)), (np.arange(32, 64), np.arange(32))]
    twice = np.r_[np.arange(32), np.arange(16), np.arange(32, 64), np.arange(32, 64)]
    weight = np.bincount(twice).astype(float)
    of_twice = [(np.arange(48), np.arange(48, 112)), (np.arange(48, 112), np.arange(48))]
    own = [("line", LinearRegression()), ("mean", DummyRegressor())]

    weighted = stack(own, cv=folds, shrinkage=0).fit(X, Y, sample_weight=weight)
    repeated = stack(own, cv=of_twice, shrinkage=0).fit(X[twice], Y[twice])

    np.testing.assert_allclose(weighted.weights_, repeated.weights_, atol=1e-6)
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6)


@pytest.mark.parametrize("routing", [False, True])
def test_sample_weights_reach_the_last_step_of_pipelines_and_searches(table, routing):
    X, Y = table
    weight = np.linspace(0.1, 2, 64)
    with config_context(enable_metadata_routing=routing):
        scaler = StandardScaler()
        if routing:  # what else is weighted is for the user to say
            scaler.set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, Ridge())
        search = GridSearchCV(pipeline, {"ridge__alpha": [1.0]}, cv=2)
        own = [("pipeline", pipeline)] if routing else [("search", search)]
        model = stack(own).fit(X, Y, sample_weight=weight)

    scaled = StandardScaler().fit_transform(X)
    expected = Ridge().fit(scaled, Y, sample_weight=weight).predict(scaled)
    np.testing.assert_allclose(model.predict(X), expected)


def test_a_part_that_takes_no_weights_is_named(table):
    X, Y = table
    model = stack([("near", KNeighborsRegressor()), ("ridge", Ridge())])

    with pytest.raises(TypeError, match="KNeighborsRegressor takes no sample_weight") as e:
        model.fit(X, Y, sample_weight=np.linspace(1, 2, 64))
    assert "'near'" in e.value.__notes__[0]
    model.fit(X, Y, sample_weight=np.ones(64))


class Spy(RegressorMixin, BaseEstimator):
    """Keeps which rows it has seen: the first column of X."""

    seen: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        Spy.seen.append((set(X[:, 0]), set()))
        self.rows = Spy.seen[-1]
        return self

    def predict(self, X):
        self.rows[1].update(X[:, 0])
        return X[:, 0]


@pytest.mark.parametrize("cv", [3, GroupKFold(3)])
def test_rows_of_a_group_are_never_on_both_sides(table, cv):
    groups = np.arange(64) % 13
    X = np.column_stack([groups, np.arange(64)]).astype(float)
    Spy.seen.clear()

    stack([("spy", Spy())], cv=cv).fit(X, table[1][:, 0], groups=groups)

    assert len(Spy.seen) == 4
    *folds, whole = Spy.seen
    for fitted, predicted in folds:
        assert fitted
        assert predicted
        assert not fitted & predicted
    assert set.union(*(predicted for _, predicted in folds)) == set(range(13))
    assert whole == (set(range(13)), set())


def test_no_row_is_predicted_by_a_fit_to_it(table):
    X = np.column_stack([np.arange(64.0), np.zeros(64)])
    Spy.seen.clear()

    stack([("spy", Spy())], cv=4).fit(X, table[1][:, 0])

    assert all(not fitted & predicted for fitted, predicted in Spy.seen)


@pytest.mark.parametrize("times", [2, 5])
def test_a_row_that_several_folds_test_counts_once(table, labels, times):
    """The same folds again say nothing new."""
    X, Y = table
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    for make, y in ((stack, Y), (classifier, labels)):
        once, again = (make(cv=folds * n).fit(X, y) for n in (1, times))

        for name in ("weights_", "weights_std_", "out_of_fold_scores_"):
            found, expected = getattr(again, name), getattr(once, name)
            pd.testing.assert_frame_equal(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "cv", [RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), TimeSeriesSplit(3)]
)
def test_rows_may_be_tested_several_times_or_never(table, cv):
    X, Y = table
    model = stack(cv=cv).fit(X, Y)

    assert model.out_of_fold_scores_["ridge"].gt(0).all()
    np.testing.assert_allclose(model.weights_.sum(axis=1), 1)


@pytest.fixture
def many(monkeypatch):
    """The 64 rows of the table are taken for many."""
    monkeypatch.setattr("skmtl.ensemble._parts.FEW_ROWS", 63)
    monkeypatch.setattr("skmtl.ensemble._parts.FEW_CELLS", 63)


def test_of_few_rows_there_are_five_folds(table):
    X, Y = table
    five = stack(cv=5).fit(X, Y)

    np.testing.assert_array_equal(stack(cv="auto").fit(X, Y).predict(X), five.predict(X))


def test_of_many_rows_an_eighth_is_predicted_by_a_fit_to_the_others(table, many):
    X = np.column_stack([np.arange(64.0), np.zeros(64)])
    Spy.seen.clear()

    stack([("spy", Spy())], cv="auto").fit(X, table[1][:, 0])

    (fitted, predicted), whole = Spy.seen
    assert len(predicted) == 8
    assert fitted | predicted == set(range(64))
    assert not fitted & predicted
    assert whole == (set(range(64)), set())


@pytest.mark.parametrize("few", ["cells", "groups"])
def test_a_target_of_few_rows_or_groups_has_folds(table, many, few):
    X, Y = table
    groups = np.arange(64) % 20 if few == "groups" else None
    if few == "cells":
        Y = with_holes(Y)
    Spy.seen.clear()

    stack([("spy", Spy())], cv="auto").fit(X, Y, groups=groups)

    assert len(Spy.seen) == 6 * Y.shape[1]


def test_a_network_is_fitted_to_many_rows_once_and_has_not_seen_those_it_is_weighed_by(
    table, many
):
    X, Y = table
    network = MultiTaskRegressor(**TINY, refit=False)
    parts = [("network", network), ("ridge", Ridge())]
    fits = []

    class Counted(MultiTaskRegressor):
        def fit(self, X, y, **rows):
            fits.append(self.validation_fraction.test_fold)
            return super().fit(X, y, **rows)

    parts[0] = ("network", Counted(**network.get_params()))
    model = stack(parts, cv="auto").fit(X, Y)

    (test_fold,) = fits
    assert np.isin(test_fold, [-1, 0]).all()
    fitted = model.named_estimators_["network"]
    assert fitted.validation_fraction == "auto"
    assert not hasattr(fitted, "test_fold")
    seed = fitted.random_state
    told = clone(network).set_params(
        random_state=seed, validation_fraction=PredefinedSplit(test_fold)
    )
    held_out = test_fold == 0
    predicted = told.fit(X, Y).predict(X)
    np.testing.assert_array_equal(fitted.predict(X), predicted)
    expected = r2_score(Y[held_out], predicted[held_out], multioutput="raw_values")
    np.testing.assert_allclose(model.out_of_fold_scores_["network"], expected)


def test_a_single_part_of_the_rows_tells_how_good_the_stack_is(table, many):
    """By weights that have not seen what they predict, which are no equal ones."""
    X, Y = table
    parts = [("ridge", Ridge()), ("mean", DummyRegressor())]

    scores = stack(parts, cv="auto", shrinkage=0).fit(X, Y).out_of_fold_scores_

    assert (scores["stack"] > scores["equal weights"]).all()


def test_of_many_rows_networks_do_not_learn_from_what_they_held_out():
    """The weights would be found on rows that are no longer new to them."""
    assert FEW_ROWS >= MOST_ROWS_TO_REFIT


def test_a_sorted_table_is_shuffled(table):
    X, _ = make_table(n=200)
    order = np.argsort(X[:, 0])

    model = stack([("tree", DecisionTreeRegressor())]).fit(X[order], X[order, :1] * 5)

    assert model.out_of_fold_scores_.loc["target_0", "tree"] > 0.9


def test_a_target_without_a_cell_to_fit_to_is_named(table):
    frame, targets = as_frames(*table)
    targets.loc[1:, "time"] = np.nan

    with pytest.raises(ValueError, match=r"leaves no observed value .* target 'time'"):
        stack().fit(frame, targets)
    late = TimeSeriesSplit(3)
    with pytest.raises(ValueError, match=r"test no observed value, .* target 'time'"):
        stack(cv=late).fit(frame, targets)


# Parts.


def test_networks_are_fitted_once_and_others_to_each_target(table):
    frame, targets = as_frames(table[0], with_holes(table[1]))
    net = MultiTaskRegressor(**TINY, loss=dict.fromkeys(TARGETS, "huber"))
    own = [
        ("net", make_pipeline(StandardScaler(), net)),
        ("boost", HistGradientBoostingRegressor(max_iter=5)),
    ]
    model = stack(own, cv=2).fit(frame, targets)

    pipeline, boosted = model.estimators_
    assert pipeline[-1].target_names_.tolist() == TARGETS
    assert len(boosted) == 3
    assert model.predict(frame).shape == (64, 3)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_a_network_that_is_alone_predicts_what_it_does(table, labels):
    X, Y = table
    Y = with_holes(Y)
    net = MultiTaskRegressor(**TINY, random_state=3)
    expected = net.fit(X, Y).predict(X)
    np.testing.assert_allclose(stack([("net", net)], cv=2).fit(X, Y).predict(X), expected)

    holes = labels.astype(object)
    holes.iloc[::4, 1] = None
    net = MultiTaskClassifier(**TINY, random_state=3).fit(X, holes)
    model = classifier([("net", net)], cv=2).fit(X, holes)
    for own, alone in zip(model.predict_proba(X), net.predict_proba(X), strict=True):
        np.testing.assert_allclose(own, alone)
    assert (model.predict(X) == net.predict(X)).all()


def test_a_stack_in_a_stack(table):
    X, Y = table
    Y = with_holes(Y)

    model = stack([("inner", stack()), ("near", KNeighborsRegressor())]).fit(X, Y)

    assert model.named_estimators_["inner"].n_outputs_ == 3


def test_a_part_for_several_targets_only_needs_targets_without_holes(table):
    X, Y = table
    own = [("lasso", MultiTaskLasso(0.01))]

    model = stack(own).fit(X, Y)

    np.testing.assert_allclose(model.predict(X), own[0][1].fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="MultiTaskLasso is fitted to all targets"):
        stack(own).fit(X, with_holes(Y))


def test_a_failed_fit_leaves_all_as_it_was(table):
    X, Y = table
    model = stack().fit(X, Y)
    before = model.predict(X)

    with pytest.raises(ValueError, match="NaN") as error:
        model.fit(np.full((64, 7), np.nan), Y[:, 0])

    assert "'ridge'" in error.value.__notes__[0]
    np.testing.assert_array_equal(model.predict(X), before)


def test_predictions_that_are_no_numbers_are_named(table):
    X, Y = table
    X = np.where(np.arange(5) == 0, np.inf, X)

    with pytest.raises(ValueError, match=r"'spy' predicts .* not finite .* 'target_0'"):
        stack([("spy", Spy())]).fit(X, Y[:, 0])


def test_dropped_parts_are_left_out(table):
    X, Y = table
    model = stack().set_params(tree="drop").fit(X, Y)

    assert model.weights_.columns.tolist() == ["ridge"]
    assert len(model.estimators_) == 1
    assert model.named_estimators_["tree"] == "drop"
    with pytest.raises(ValueError, match="All estimators are dropped"):
        model.set_params(ridge="drop").fit(X, Y)


def test_nested_parameters(table):
    X, Y = table
    model = stack().set_params(ridge__alpha=1e6, tree__max_depth=1, shrinkage=2.0)
    assert model.get_params()["ridge__alpha"] == 1e6
    assert stack().get_params()["ridge"].alpha == 1.0
    assert MultiTaskStackingRegressor().get_params()["estimators"] is None
    search = GridSearchCV(stack(), {"ridge": ["drop", Ridge()], "tree__max_depth": [1, 2]})
    assert search.fit(X, Y).best_params_["ridge"] != "drop"


@pytest.mark.parametrize(
    ("estimators", "match"),
    [
        ([], "non-empty list"),
        ([Ridge()], "non-empty list"),
        ([("a", Ridge()), ("a", Ridge())], "not unique"),
        ([("cv", Ridge())], "conflict"),
        ([("a__b", Ridge())], "must not contain __"),
        ([("a", GaussianNB())], "GaussianNB.*'a', should be a regressor"),
        ([("a", Ridge)], "should be a regressor, of which"),
        ([("a", StandardScaler())], "should be a regressor"),
    ],
)
def test_parts_that_are_none(table, estimators, match):
    with pytest.raises(ValueError, match=match):
        MultiTaskStackingRegressor(estimators).fit(*table)


def test_a_classifier_without_probabilities_is_refused(table, labels):
    with pytest.raises(ValueError, match=r"'a', has no predict_proba.*Calibrated"):
        classifier([("a", RidgeClassifier())]).fit(table[0], labels)


def test_a_classifier_for_several_targets_only_is_refused(table, labels):
    with pytest.raises(ValueError, match="'a', knows only several targets at once"):
        classifier([("a", MultiOutputClassifier(GaussianNB()))]).fit(table[0], labels)


def test_weights_of_cells_reach_classifiers(table, labels):
    X, _ = table
    weight = np.ones(labels.shape)
    weight[::3, 1] = 0
    holes = labels.astype(object)
    holes.iloc[::3, 1] = None

    weighted = classifier().fit(X, labels, sample_weight=weight)

    for own, other in zip(
        weighted.predict_proba(X), classifier().fit(X, holes).predict_proba(X), strict=True
    ):
        np.testing.assert_allclose(own, other)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_the_same_random_state_gives_the_same_predictions(table, n_jobs):
    X, Y = table
    own = [
        ("net", MultiTaskRegressor(**TINY)),
        ("tree", DecisionTreeRegressor(max_features=1)),
    ]
    first = stack(own).fit(X, Y)

    again = stack(own, n_jobs=n_jobs).fit(X, Y)

    np.testing.assert_array_equal(again.predict(X), first.predict(X))
    np.testing.assert_array_equal(again.weights_std_, first.weights_std_)
    other = stack(own, random_state=1).fit(X, Y)
    assert np.abs(other.predict(X) - first.predict(X)).max() > 0


def test_the_seeds_of_parts_are_kept(table):
    tree = DecisionTreeRegressor(random_state=7, max_features=1)
    model = stack([("tree", tree), ("pipeline", make_pipeline(clone(tree)))]).fit(*table)

    assert model.estimators_[0][0].random_state == 7
    assert model.estimators_[1][0][-1].random_state == 7


def test_groups_and_weights_are_routed(table):
    X, Y = table
    groups = np.arange(64) % 8
    with config_context(enable_metadata_routing=True):
        model = stack().set_fit_request(groups=True, sample_weight=True)
        model.set_score_request(sample_weight=True)
        scores = cross_validate(
            model,
            X,
            Y,
            cv=GroupKFold(2),
            params={"groups": groups, "sample_weight": np.linspace(1, 2, 64)},
            error_score="raise",
        )
    assert np.isfinite(scores["test_score"]).all()


# Labels.


def test_probabilities_are_the_mean_of_the_parts_by_the_weights(table, labels):
    X, _ = table
    labels = labels.astype(object)
    labels.iloc[::3, 0] = None
    model = classifier().fit(X, labels)

    for t, name in enumerate(labels):
        seen = labels[name].notna().to_numpy()
        y = labels.loc[seen, name].infer_objects().to_numpy()
        tree = clone(model.named_estimators_["tree"][t]).fit(X[seen], y)
        bayes = GaussianNB().fit(X[seen], y)
        w = model.weights_.iloc[t]
        expected = w["tree"] * tree.predict_proba(X) + w["bayes"] * bayes.predict_proba(X)
        np.testing.assert_allclose(model.predict_proba(X)[t], expected)
        assert model.classes_[t].tolist() == tree.classes_.tolist()
        predicted = model.classes_[t][expected.argmax(axis=1)]
        assert (model.predict(X)[:, t] == predicted).all()


class KnownClasses(ClassifierMixin, BaseEstimator):
    """Keeps how many classes each fit has seen."""

    counts: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        KnownClasses.counts.append(len(self.classes_))
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_a_class_that_is_not_in_every_fold_has_its_column(table):
    X, _ = table
    y = np.array(["b"] * 40 + ["c"] * 23 + ["a"])
    KnownClasses.counts.clear()

    model = classifier([("known", KnownClasses()), ("tree", DecisionTreeClassifier())])
    model.fit(X, y)

    assert sorted(KnownClasses.counts) == [2, 3, 3, 3]
    assert model.predict_proba(X).shape == (64, 3)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    bagged = model.set_params(refit=False).fit(X, y)
    np.testing.assert_allclose(bagged.predict_proba(X).sum(axis=1), 1)


def test_a_fold_with_a_single_class(table):
    X, _ = table
    y = pd.DataFrame({"rare": [True] + [False] * 63, "only": ["x"] * 64})

    model = classifier([("logistic", LogisticRegression())]).fit(X, y)

    assert model.predict_proba(X)[1].shape == (64, 1)
    assert isinstance(model.estimators_[0][1], DummyClassifier)
    assert (model.predict(X)[:, 1] == "x").all()


def test_labels_that_scikit_learn_refuses(table):
    X, Y = table
    y = pd.DataFrame({"cost": pd.cut(Y[:, 0], 2), "time": pd.cut(Y[:, 1], 3)})

    model = classifier().fit(X, y)

    assert (model.classes_[0] == np.unique(np.asarray(y["cost"]))).all()
    assert model.score(X, y) > 0.6


def test_out_of_fold_scores_of_a_classifier_are_log_losses(table, labels):
    X, _ = table
    y = labels["risk"].to_numpy()
    model = classifier([("near", KNeighborsClassifier(20))], cv=KFold(3)).fit(X, y)

    predicted = np.zeros((64, 3))
    for train, test in KFold(3).split(X):
        near = KNeighborsClassifier(20).fit(X[train], y[train])
        predicted[test] = near.predict_proba(X[test])
    expected = -log_loss(y, predicted, classes=[0, 1, 2])
    np.testing.assert_allclose(model.out_of_fold_scores_["near"], expected)


def test_networks_of_folds_choose_as_that_of_all_rows_does():
    """Of the 50 rows of a fold alone, a network would have no bins."""
    X, Y = make_table(100)
    network = MultiTaskRegressor(**TINY, batch_size=16)

    model = stack([("network", network)], cv=2, refit=False).fit(X, Y)

    for of_fold in model.estimators_[0]:
        chosen = of_fold.get_params()
        assert (chosen["n_bins"], chosen["learning_rate"]) == (8, 1e-3)
        assert (chosen["batch_size"], chosen["epochs"]) == (16, TINY["epochs"])


class Living(LinearRegression):
    """Knows how many fitted ones there have been at a time."""

    now: ClassVar[weakref.WeakSet] = weakref.WeakSet()
    most = 0

    def fit(self, X, y, sample_weight=None):
        Living.now.add(self)
        Living.most = max(Living.most, len(Living.now))
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(("refit", "most"), [(True, 2 * 3), (False, 5 * 3)])
def test_models_of_folds_do_not_stay_longer_than_they_are_needed(table, refit, most):
    """Of 5 folds and 3 targets: extra trees of all together take gigabytes."""
    Living.now.clear()
    Living.most = 0

    model = MultiTaskStackingRegressor([("line", Living())], cv=5, refit=refit)
    model.fit(*table)

    assert Living.most <= most
    assert len(Living.now) == (3 if refit else 15)
