"""Labels instead of numbers: what stands for what, on the network of the regressor."""

import copy
import inspect
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_validate, learning_curve
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import compute_sample_weight, estimator_html_repr, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from skmtl._estimators.classifier import MultiTaskClassifier
from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._tables.labels import check_labels, classes_of, codes_of
from skmtl._tables.stacking import stack_tasks
from skmtl.inspection import SharingDepthDisplay, SharingGainDisplay, TrainingDisplay
from skmtl.metrics import target_scorers
from skmtl.model_selection import SharingDepthSearchCV, sharing_verdict, task_affinity
from tests._asserts import assert_equal_up_to_rounding, raises_naming
from tests._inputs import FEATURES, small, small_classifier

LEARNS = {"trunk_sizes": (16,), "head_sizes": (), "learning_rate": 0.02, "epochs": 30}
COLOURS = np.array(["blue", "green", "red", "white"])


@parametrize_with_checks(
    [
        MultiTaskClassifier(epochs=30),
        MultiTaskClassifier(**LEARNS, sharing_depth=0, early_stopping=False, dropout=0.1),
    ],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": (
            "compares weights with repeated rows at 1e-7: training is in single precision "
            "and in minibatches, which repeated rows divide otherwise"
        )
    },
)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def labels(table) -> pd.DataFrame:
    """Strings of four classes, bools and whole numbers, in a frame with holes."""
    _, Y = table
    quarter = np.searchsorted(np.quantile(Y[:, 0], [0.25, 0.5, 0.75]), Y[:, 0])
    third = np.searchsorted(np.quantile(Y[:, 2], [1 / 3, 2 / 3]), Y[:, 2])
    frame = pd.DataFrame(
        {
            "colour": COLOURS[quarter],
            "works": pd.array(Y[:, 1] > 5, dtype="boolean"),
            "grade": pd.array([7, 30, 100], dtype="Int64")[third],
        }
    )
    frame.loc[[3, 17, 40], "colour"] = None
    frame.loc[[4, 5], "works"] = pd.NA
    return frame


@pytest.fixture(scope="module")
def fitted(table, labels) -> MultiTaskClassifier:
    return small_classifier().fit(table[0], labels)


def assert_same_probabilities(a, b, X, atol=1e-6):
    for ours, others in zip(a.predict_proba(X), b.predict_proba(X), strict=True):
        np.testing.assert_allclose(ours, others, atol=atol)


# ---------------------------------------------------------------------------------------
# What is predicted


def test_is_a_classifier_for_several_targets():
    tags = get_tags(small_classifier())

    assert is_classifier(small_classifier())
    assert tags.target_tags.multi_output
    assert tags.classifier_tags.multi_class
    assert tags.classifier_tags.multi_label


def test_all_parameters_but_those_of_numbers_are_the_regressors():
    of_classifier = MultiTaskClassifier().get_params()
    of_regressor = MultiTaskRegressor().get_params()

    assert of_classifier.keys() - of_regressor.keys() == {"class_weight"}
    assert of_regressor.keys() - of_classifier.keys() == {"loss", "scale_targets"}
    same = of_classifier.keys() & of_regressor.keys()
    assert {name: of_classifier[name] for name in same} == {
        name: of_regressor[name] for name in same
    }
    parameters = inspect.signature(MultiTaskClassifier).parameters.values()
    assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}


def test_labels_come_back_in_their_own_types(table, fitted):
    X, _ = table

    predicted = fitted.predict(X)

    assert predicted.shape == (len(X), 3)
    assert predicted.dtype == object
    assert [type(label) for label in predicted[0]] == [str, bool, int]
    for t, classes in enumerate([list(COLOURS), [False, True], [7, 30, 100]]):
        assert list(fitted.classes_[t]) == classes
        assert set(predicted[:, t]) <= set(classes)
    assert small_classifier().fit(X, X[:, :2] > 0).predict(X).dtype == bool


def test_a_column_is_as_scikit_learn_has_it(table):
    X, Y = table
    y = COLOURS[np.searchsorted(np.quantile(Y[:, 0], [0.3, 0.6]), Y[:, 0])]

    estimator = small_classifier().fit(X, y)

    probabilities = estimator.predict_proba(X)
    assert probabilities.shape == (len(X), 3)
    assert list(estimator.classes_) == ["blue", "green", "red"]
    predicted = estimator.predict(X)
    assert (predicted == estimator.classes_[probabilities.argmax(axis=1)]).all()
    assert estimator.score(X, y) == accuracy_score(y, predicted)


def test_probabilities_sum_to_one_and_their_largest_is_the_label(table, fitted):
    X, _ = table

    probabilities = fitted.predict_proba(X)

    assert [p.shape for p in probabilities] == [(len(X), 4), (len(X), 2), (len(X), 3)]
    for t, p in enumerate(probabilities):
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert (p >= 0).all()
        assert (fitted.predict(X)[:, t] == fitted.classes_[t][p.argmax(axis=1)]).all()


def test_the_keras_model_gives_the_probabilities(table, fitted):
    X, _ = table
    estimator = small_classifier(n_members=2).fit(X, (X[:, :1] > 0).astype(int)[:, 0])

    for one, X_in in ((fitted, X), (estimator, X)):
        expected = one.predict_proba(X)
        got = one.model_.predict(X_in, verbose=0)
        if one is estimator:
            expected, got = [expected], [got]
        for ours, others in zip(got, expected, strict=True):
            np.testing.assert_allclose(ours, others, atol=1e-5)


def test_members_probabilities_are_averaged(table, labels):
    X, _ = table
    both = small_classifier(n_members=2).fit(X, labels)

    one, other = (copy.copy(both) for _ in range(2))
    one._members, other._members = both._members[:1], both._members[1:]

    for p, p_1, p_2 in zip(*(e.predict_proba(X) for e in (both, one, other)), strict=True):
        np.testing.assert_allclose(p, (p_1 + p_2) / 2)


# ---------------------------------------------------------------------------------------
# The loss


def test_two_classes_are_the_regressors_log_loss(table):
    X, Y = table
    y = (np.median(Y, axis=0) < Y).astype(float)
    y[::5, 1] = np.nan

    classifier = small_classifier().fit(X, y)
    regressor = small(loss="log_loss").fit(X, y)

    np.testing.assert_array_equal(
        np.stack([p[:, 1] for p in classifier.predict_proba(X)], axis=1),
        regressor.predict(X),
    )
    assert classifier.history_ == regressor.history_


def test_the_history_is_the_log_loss_of_scikit_learn(table, labels):
    X, _ = table
    at_rest = {"learning_rate": 1e-12, "epochs": 1, "early_stopping": False}

    estimator = small_classifier(**at_rest).fit(X, labels)

    for t, name in enumerate(labels):
        seen = labels[name].notna().to_numpy()
        truth = labels[name][seen].to_numpy().astype(str)
        order = np.argsort(estimator.classes_[t].astype(str))
        p = estimator.predict_proba(X)[t][seen][:, order]
        expected = log_loss(truth, p)
        assert estimator.history_[f"loss_{name}"][0] == pytest.approx(expected, rel=1e-5)


def test_it_starts_from_the_shares_of_the_classes(table, labels):
    X, _ = table
    linear = {"trunk_sizes": (), "head_sizes": (), "linear_path": False}
    at_rest = {"learning_rate": 1e-12, "epochs": 1, "early_stopping": False}

    estimator = small_classifier(**linear, **at_rest).fit(np.zeros_like(X), labels)

    for t, name in enumerate(labels):
        shares = labels[name].value_counts(normalize=True).sort_index()
        p = estimator.predict_proba(np.zeros_like(X))[t][0]
        np.testing.assert_allclose(p, shares, atol=0.03)


def test_without_hidden_layers_it_is_logistic_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = (X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(400, 3))).argmax(axis=1)

    ours = MultiTaskClassifier(
        trunk_sizes=(),
        head_sizes=(),
        learning_rate=0.05,
        weight_decay=0.0,
        ema_momentum=0.0,
        clip_features=None,
        n_bins=0,
        epochs=150,
        batch_size=400,
        early_stopping=False,
        random_state=0,
    ).fit(X, y)

    theirs = LogisticRegression(C=1e6).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=5e-3)


def test_a_missing_label_is_one_without_weight(table, labels):
    X, _ = table
    filled = labels.copy()
    filled["colour"] = filled["colour"].fillna("red")
    filled["works"] = filled["works"].fillna(True)

    with_holes = small_classifier().fit(X, labels)
    without_weight = small_classifier().fit(
        X, filled, sample_weight=labels.notna().to_numpy().astype(float)
    )

    assert_same_probabilities(with_holes, without_weight, X, atol=0)


def test_missing_labels_may_be_marked_in_any_way(table):
    X, _ = table
    y = np.where(X[:, 0] > 0, "yes", "no").astype(object)
    expected = None
    for missing in (None, np.nan, pd.NA):
        marked = y.copy()
        marked[::7] = missing
        p = small_classifier().fit(X, pd.DataFrame({"a": marked, "b": y})).predict_proba(X)
        expected = p if expected is None else expected
        np.testing.assert_array_equal(p, expected)


@pytest.mark.parametrize(
    ("weights", "of_targets"),
    [
        ("balanced", ["balanced"] * 3),
        ({7: 3.0, 30: 0.5, "red": 2.0}, [{"red": 2.0}, None, {7: 3.0, 30: 0.5}]),
        ([None, "balanced", {7: 3.0}], [None, "balanced", {7: 3.0}]),
        (
            {"grade": {7: 3.0}, "works": "balanced", "colour": None},
            [None, "balanced", {7: 3.0}],
        ),
    ],
)
def test_weights_of_classes_are_weights_of_cells(table, labels, weights, of_targets):
    X, _ = table
    W = np.ones(labels.shape)
    for t, (name, own) in enumerate(zip(labels, of_targets, strict=True)):
        seen = labels[name].notna().to_numpy()
        y = labels[name][seen].tolist()
        W[seen, t] = (
            [own.get(label, 1.0) for label in y]
            if isinstance(own, dict)
            else compute_sample_weight(own, y)
        )

    by_class = small_classifier(class_weight=weights).fit(X, labels)
    by_cell = small_classifier().fit(X, labels, sample_weight=W)

    assert_same_probabilities(by_class, by_cell, X)


def test_a_single_class_is_certain(table):
    X, _ = table
    Y = pd.DataFrame({"same": "yes", "other": np.where(X[:, 0] > 0, "a", "b")})

    estimator = small_classifier().fit(X, Y)

    np.testing.assert_array_equal(estimator.predict_proba(X)[0], np.ones((len(X), 1)))
    assert set(estimator.predict(X)[:, 0]) == {"yes"}
    assert all(np.isfinite(v).all() for v in estimator.history_.values())


def test_a_class_among_the_rows_held_out_alone_is_known(table):
    X, _ = table
    y = np.where(X[:, 0] > 0, "a", "b").astype(object)
    y[0] = "rare"
    seen = set()
    for seed in range(12):
        estimator = small_classifier(random_state=seed, epochs=1).fit(X, y)
        assert list(estimator.classes_) == ["a", "b", "rare"]
        p = estimator.predict_proba(X)
        assert np.isfinite(p).all()
        seen.add(bool(np.isfinite(estimator.history_["val_loss"]).all()))
    assert seen == {True}


# ---------------------------------------------------------------------------------------
# Going on


def test_later_calls_know_the_classes_of_the_first(table):
    X, Y = table
    y = pd.DataFrame(
        {"colour": COLOURS[np.searchsorted([4, 5, 6], Y[:, 0])], "up": Y[:, 1] > 5}
    )
    classes = {"colour": COLOURS, "up": [False, True]}
    few = (y["colour"] == "blue").to_numpy()

    estimator = small_classifier().partial_fit(X[few], y[few], classes=classes)

    assert list(estimator.classes_[0]) == list(COLOURS)
    estimator.partial_fit(X, y)
    assert estimator.predict_proba(X)[0].shape == (len(X), 4)
    listed = small_classifier().partial_fit(X[few], y[few], classes=list(classes.values()))
    assert_same_probabilities(listed.partial_fit(X, y), estimator, X, atol=0)
    column = small_classifier().partial_fit(X[few], y["colour"][few], classes=COLOURS)
    assert column.predict_proba(X).shape == (len(X), 4)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_unknown_label_is_an_error_that_names_it(table, fitted, method):
    X, _ = table
    estimator = copy.deepcopy(fitted).set_params(warm_start=True)
    y = pd.DataFrame({"colour": "violet", "works": True, "grade": 7}, index=range(len(X)))
    before = estimator.predict(X)

    with raises_naming("violet", "'colour'", "blue", "classes="):
        getattr(estimator, method)(X, y)

    np.testing.assert_array_equal(estimator.predict(X), before)


def test_classes_of_all_targets_alike_are_announced_once(table):
    X, Y = table
    two = pd.DataFrame((Y[:, :2] > 5).astype(int))
    expected = small_classifier().partial_fit(X, two, classes=[[0, 1], [0, 1]])

    for classes in ([0, 1], np.unique(two), {0, 1}, {0: [0, 1], 1: [1, 0]}, np.eye(2)):
        found = small_classifier().partial_fit(X, two, classes=classes)
        assert_same_probabilities(found, expected, X, atol=0)
    texts = small_classifier().partial_fit(X, two.astype(str), classes=["0", "1"])
    assert [list(own) for own in texts.classes_] == [["0", "1"], ["0", "1"]]
    for classes in ([0, 1], [[0, 1]], {"only": [0, 1]}):
        one = small_classifier().partial_fit(X, two[0].rename("only"), classes=classes)
        assert list(one.classes_) == [0, 1]


@pytest.mark.parametrize(
    ("classes", "parts"),
    [
        ("01", ["classes must be", "'01'"]),
        (2, ["classes must be", "2"]),
        ((label for label in (0, 1)), ["classes must be", "generator"]),
        ([[0, 1], 2], ["classes has 2", "'target_1'"]),
    ],
)
def test_what_are_no_classes_is_an_error(table, classes, parts):
    X, Y = table
    with raises_naming(*parts, error=TypeError):
        small_classifier().partial_fit(X, (Y[:, :2] > 5).astype(int), classes=classes)


def test_a_learning_curve_in_steps(table):
    X, Y = table
    *_, scores = learning_curve(
        small_classifier(),
        X,
        (Y[:, :2] > 5).astype(int),
        cv=2,
        train_sizes=[0.5, 1.0],
        exploit_incremental_learning=True,
    )

    assert np.isfinite(scores).all()


def test_a_label_missing_from_the_announced_classes_is_an_error(table):
    X, _ = table
    y = np.where(X[:, 0] > 0, "a", "b")

    with raises_naming("'b'", "'a'"):
        small_classifier().partial_fit(X, y, classes=["a", "c"])


def test_an_unknown_label_is_a_miss_in_score(table):
    X, _ = table
    y = np.where(X[:, 0] > 0, "a", "b").astype(object)
    estimator = small_classifier().fit(X, y)
    other = y.copy()
    other[:10] = "z"

    hits = (estimator.predict(X) == y)[10:].sum()

    assert estimator.score(X, other) == pytest.approx(hits / len(X))


def test_the_score_is_the_mean_accuracy_on_observed_cells(table, labels, fitted):
    X, _ = table
    accuracies = []
    for t, name in enumerate(labels):
        seen = labels[name].notna().to_numpy()
        hits = fitted.predict(X)[seen, t] == labels[name][seen].to_numpy()
        accuracies.append(hits.mean())

    assert fitted.score(X, labels) == pytest.approx(np.mean(accuracies))


def test_two_warm_fits_are_one_of_as_many_epochs(table, labels):
    X, _ = table
    options = {"early_stopping": False, "warm_start": True}
    twice = small_classifier(**options, epochs=2).fit(X, labels).fit(X, labels)
    once = small_classifier(**options, epochs=4).fit(X, labels)

    assert twice.n_iter_ == once.n_iter_ == 4
    assert_same_probabilities(twice, twice, X)
    assert twice.history_["loss"][0] == once.history_["loss"][0]


# ---------------------------------------------------------------------------------------
# Trunks and heads


def test_a_trunk_of_either_kind_starts_the_other(table, labels, fitted):
    X, Y = table
    at_rest = {"learning_rate": 1e-12, "epochs": 1, "early_stopping": False}
    regressor = small().fit(X, Y)

    as_classifier = small_classifier(init_trunk=regressor, **at_rest).fit(X, labels)
    as_regressor = small(init_trunk=FrozenEstimator(fitted), **at_rest).fit(X, Y)

    for started, source in ((as_classifier, regressor), (as_regressor, fitted)):
        np.testing.assert_allclose(
            started.trunk_.predict(X, verbose=0),
            source.trunk_.predict(X, verbose=0),
            atol=1e-6,
        )


@pytest.mark.parametrize("sharing_depth", [0, 1, 2])
def test_an_added_task_leaves_the_others_as_they_were(table, labels, sharing_depth):
    X, _ = table
    first = small_classifier(sharing_depth=sharing_depth).fit(X, labels[["grade"]])
    before = first.predict_proba(X)[0]

    first.add_task(X, labels["colour"].fillna("red"), class_weight={"red": 2.0})

    assert list(first.target_names_) == ["grade", "colour"]
    assert_equal_up_to_rounding(first.predict_proba(X)[0], before)
    assert first.predict_proba(X)[1].shape == (len(X), 4)
    assert first.class_weight == [None, {"red": 2.0}]
    alone = first.model_.predict(X, verbose=0)
    for ours, others in zip(alone, first.predict_proba(X), strict=True):
        np.testing.assert_allclose(ours, others, atol=1e-5)
    first.partial_fit(X, labels[["grade", "colour"]])


def test_networks_are_merged(table, labels):
    X, _ = table
    parts = [
        small_classifier(random_state=t, class_weight=weight).fit(X, labels[columns])
        for t, (columns, weight) in enumerate(
            [(["grade"], None), (["colour", "works"], "balanced")]
        )
    ]

    merged = merge_tasks(parts)

    assert isinstance(merged, MultiTaskClassifier)
    assert merged.class_weight == [None, "balanced", "balanced"]
    expected = [*parts[0].predict_proba(X), *parts[1].predict_proba(X)]
    for ours, others in zip(merged.predict_proba(X), expected, strict=True):
        np.testing.assert_allclose(ours, others, atol=1e-6)
    merged.partial_fit(X, labels[["grade", "colour", "works"]])
    shared = merge_tasks(parts, sharing_depth=1)
    assert [len(classes) for classes in shared.classes_] == [3, 4, 2]


def test_kinds_are_not_merged(table, labels, fitted):
    X, Y = table

    with raises_naming("one kind", "MultiTaskRegressor", error=TypeError):
        merge_tasks([fitted, small().fit(X, Y)])


def test_tasks_with_rows_of_their_own_are_stacked(table):
    X, _ = table
    north = (X[:40], np.where(X[:40, 0] > 0, "high", "low"))
    south = (X[30:], X[30:, 1] > 0)

    stacked, y = stack_tasks({"north": north, "south": south})
    estimator = small_classifier().fit(stacked, y)

    assert [list(c) for c in estimator.classes_] == [["high", "low"], [False, True]]
    assert y.notna().sum().tolist() == [40, len(X) - 30]
    assert type(y["south"].iloc[-1]) is bool


# ---------------------------------------------------------------------------------------
# scikit-learn's tools


@pytest.mark.parametrize("how", ["pickle", "deepcopy", "for_prediction"])
def test_copies_predict_the_same(table, fitted, how):
    X, _ = table
    copied = {
        "pickle": lambda e: pickle.loads(pickle.dumps(e)),
        "deepcopy": copy.deepcopy,
        "for_prediction": lambda e: e.for_prediction(),
    }[how](fitted)

    assert_same_probabilities(copied, fitted, X, atol=0)
    np.testing.assert_array_equal(copied.predict(X), fitted.predict(X))


def test_a_search_over_the_depth_in_a_pipeline(table, labels):
    X, _ = table
    pipeline = make_pipeline(StandardScaler(), small_classifier())
    depths = {"multitaskclassifier__sharing_depth": [0, 1]}

    search = GridSearchCV(pipeline, depths, cv=KFold(2)).fit(X, labels)

    for i, depth in enumerate([0, 1]):
        by_hand = cross_validate(
            small_classifier(sharing_depth=depth), X, labels, cv=KFold(2)
        )["test_score"].mean()
        assert search.cv_results_["mean_test_score"][i] == pytest.approx(by_hand, abs=0.05)


@pytest.fixture(scope="module")
def searched(table, labels) -> SharingDepthSearchCV:
    return SharingDepthSearchCV(small_classifier(), cv=3).fit(table[0], labels)


def test_the_search_over_depths_goes_by_the_log_loss(table, labels, searched):
    X, _ = table
    results = searched.cv_results_

    by_hand = cross_validate(
        small_classifier(sharing_depth=1),
        X,
        labels,
        cv=KFold(3),
        scoring=target_scorers(metric="neg_log_loss"),
    )

    assert is_classifier(searched)
    assert list(searched.sharing_gain_["gain"].columns) == ["mean", *labels]
    for fold in range(3):
        for name in ("mean", *labels):
            of_fold = results[f"split{fold}_test_{name}"][1]
            assert of_fold == pytest.approx(by_hand[f"test_{name}"][fold], rel=1e-4)
    assert "negative log loss" in sharing_verdict(searched)
    assert len(searched.predict_proba(X)) == 3
    assert searched.score(X, labels) < 0


def test_a_search_by_accuracy_says_so(table, labels):
    X, _ = table
    search = SharingDepthSearchCV(
        small_classifier(), depths=[1], cv=3, scoring=target_scorers(metric="accuracy")
    ).fit(X, labels)

    assert "in accuracy" in sharing_verdict(search)
    assert 0 <= search.best_score_ <= 1


def test_a_single_target_has_nothing_to_share_with(table, labels):
    with raises_naming("single target", "(64,)"):
        SharingDepthSearchCV(small_classifier()).fit(table[0], labels["grade"])


def test_affinities_are_those_of_the_regressors_log_loss(table):
    X, Y = table
    y = (np.median(Y, axis=0) < Y).astype(float)

    of_classes = task_affinity(small_classifier().fit(X, y), X, y)
    of_numbers = task_affinity(small(loss="log_loss").fit(X, y), X, y)

    np.testing.assert_allclose(of_classes, of_numbers, rtol=1e-4, atol=1e-9)


def test_pictures_are_drawn(searched):
    plt = pytest.importorskip("matplotlib.pyplot")
    for display in (SharingDepthDisplay, SharingGainDisplay):
        drawn = display.from_search(searched)
        assert drawn.score_name == "Negative log loss"
    assert TrainingDisplay.from_estimator(searched).figure_ is not None
    plt.close("all")


def test_it_learns_at_least_what_one_per_target_does():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    Z = np.sin(2 * X[:, :1]) + X[:, 1:2] * X[:, 2:3] + 0.3 * rng.normal(size=(600, 3))
    Y = pd.DataFrame({f"t{t}": pd.cut(Z[:, t], 3, labels=COLOURS[:3]) for t in range(3)})
    train, test = slice(400), slice(400, None)

    ours = MultiTaskClassifier(
        trunk_sizes=(64,), head_sizes=(), epochs=60, random_state=0
    ).fit(X[train], Y[train])

    theirs = MultiOutputClassifier(LogisticRegression()).fit(X[train], Y[train].astype(str))
    linear = (theirs.predict(X[test]) == Y[test].astype(str).to_numpy()).mean()
    assert ours.score(X[test], Y[test]) > linear + 0.05


def test_sample_weight_and_classes_are_routed(table):
    X, _ = table
    y = np.where(X[:, 0] > 0, "a", "b")
    weight = np.random.default_rng(0).integers(0, 4, len(X)).astype(float)

    with config_context(enable_metadata_routing=True):
        estimator = small_classifier().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(), clone(estimator))
        pipeline.fit(X, y, sample_weight=weight)
        requested = clone(estimator).set_partial_fit_request(classes=True)
        assert requested.get_metadata_routing().partial_fit.requests["classes"] is True

    expected = small_classifier().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected.predict_proba(X))


def test_the_picture_names_targets(fitted):
    page = estimator_html_repr(fitted)

    assert "MultiTaskClassifier" in page
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        assert "colour" in page  # the picture has no fitted attributes before


def test_callbacks_see_the_losses(table, labels):
    X, _ = table
    seen = []

    class Spy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            seen.append(set(logs))

    small_classifier(callbacks=[Spy()], loss_weights="uncertainty").fit(X, labels)

    assert {"loss", "val_loss", "loss_colour", "val_loss_grade"} <= seen[0]


# ---------------------------------------------------------------------------------------
# Labels of rarer kinds


def test_intervals_are_labels(table):
    X, Y = table
    thirds, halves = (pd.cut(Y[:, t], k) for t, k in ((0, 3), (1, 2)))
    frame = pd.DataFrame({"third": thirds, "half": halves})
    codes = np.stack([thirds.codes, halves.codes], axis=1)

    estimator = small_classifier().fit(X, frame)

    assert [list(own) for own in estimator.classes_] == [
        list(thirds.categories),
        list(halves.categories),
    ]
    of_codes = small_classifier().fit(X, codes)
    assert_same_probabilities(estimator, of_codes, X, atol=0)
    third, half = estimator.predict(X)[0]
    assert third in thirds.categories
    assert half in halves.categories
    assert estimator.score(X, frame) == of_codes.score(X, codes)
    for metric in ("accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss"):
        scorer = target_scorers(metric=metric)
        found, expected = scorer(estimator, X, frame), scorer(of_codes, X, codes)
        assert list(found.values()) == list(expected.values())
    copied = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copied.predict(X), estimator.predict(X))
    other = frame.assign(third=pd.cut(Y[:, 0], 4))
    with raises_naming("label", "'third'", "name all classes"):
        estimator.partial_fit(X, other)


@pytest.mark.parametrize(
    "form",
    [
        lambda cut: cut,
        pd.Series,
        lambda cut: list(cut),
        lambda cut: pd.Series(cut.astype("interval")),
        pd.IntervalIndex,
    ],
    ids=["categories", "Series", "list", "interval type", "index"],
)
def test_intervals_may_be_held_in_any_way(table, form):
    cut = pd.cut(table[1][:, 0], [0, 4, 100])

    columns, one_dimensional = check_labels(form(cut), estimator=small_classifier())

    classes = [classes_of(columns[0], columns[0].notna().to_numpy())]
    assert one_dimensional
    assert list(classes[0]) == list(cut.categories)
    np.testing.assert_array_equal(codes_of(columns, classes)[:, 0], cut.codes)


def test_categories_may_be_of_anything_that_has_an_order(table):
    X, Y = table
    sizes = pd.Series(np.where(Y[:, 0] > 5, 1.5, 0.5), dtype="category")

    for values in (sizes, sizes.array, pd.DataFrame({"size": sizes})):
        columns, _ = check_labels(values, estimator=small_classifier())
        assert classes_of(columns[0], np.ones(len(X), bool)).tolist() == [0.5, 1.5]
    with raises_naming("MultiTaskRegressor"):
        check_labels(sizes.astype(float), estimator=small_classifier())


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.uint8])
def test_labels_may_be_numbers_of_any_size(table, dtype):
    X, Y = table
    labels = (Y[:, :2] > 5).astype(float)
    labels[3, 0] = np.nan if dtype is not np.uint8 else 0
    expected = small_classifier().fit(X, labels)
    labels = labels.astype(dtype)

    for y in (labels, pd.DataFrame(labels)):
        estimator = small_classifier().fit(X, y)
        assert estimator.predict(X).dtype == dtype
        assert_same_probabilities(estimator, expected, X, atol=0)
        assert estimator.score(X, y) == expected.score(X, labels)
        score = target_scorers(metric="neg_log_loss")(estimator, X, y)["mean"]
        assert np.isfinite(score)


# ---------------------------------------------------------------------------------------
# What cannot be fitted


@pytest.mark.parametrize(
    ("y", "parts"),
    [
        (np.linspace(0.1, 0.9, 64), ["'target_0'", "MultiTaskRegressor"]),
        (np.where(np.arange(64) == 3, np.inf, 1.0), ["infinity", "'target_0'"]),
        (np.array(["a", 1] * 32, dtype=object), ["int", "str", "'target_0'"]),
        (None, ["requires y"]),
        ([["a"], ["b", "c"]] * 32, ["unequal length"]),
        (np.full(64, np.nan), ["No observed value", "'target_0'"]),
    ],
)
def test_what_is_no_label_is_an_error(table, y, parts):
    with raises_naming(*parts):
        small_classifier().fit(table[0], y)


@pytest.mark.parametrize(
    ("weight", "parts"),
    [
        ({"red": -1.0}, ["-1", "colour"]),
        ({"violet": 2.0}, ["violet", "red"]),
        (["balanced"], ["class_weight", "length 1", "3 targets"]),
        ({"colour": "balanced"}, ["lacks", "works"]),
        ([3.0, None, None], ["3.0", "'colour'"]),
        ([{"Red": 2.0}, None, None], ["'Red'", "of target 'colour'", "'red'"]),
        ([None, {"red": 2.0}, None], ["unknown label 'red'"]),
    ],
)
def test_weights_that_make_no_sense_are_an_error(table, labels, weight, parts):
    with raises_naming(*parts):
        small_classifier(class_weight=weight).fit(table[0], labels)


def test_a_failed_fit_leaves_all_as_it_was(table, fitted):
    X, _ = table
    estimator = copy.deepcopy(fitted)

    with raises_naming("MultiTaskRegressor"):
        estimator.fit(X, np.linspace(0, 1, len(X)))

    assert_same_probabilities(estimator, fitted, X, atol=0)
    assert [list(c) for c in estimator.classes_] == [list(c) for c in fitted.classes_]


def test_frames_need_their_columns(table, labels):
    X, _ = table
    frame = pd.DataFrame(X, columns=FEATURES)
    estimator = small_classifier().fit(frame, labels)

    with raises_naming("feature names"):
        estimator.predict_proba(frame.rename(columns={"age": "years"}))
