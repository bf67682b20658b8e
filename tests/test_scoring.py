"""Early stopping by a metric: the same one as `skmtl.metrics` has, of the rows held out."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning

from skmtl import merge_tasks
from skmtl._network.heads import Classes, Mean, Probability
from skmtl._tables.per_target import with_new_score
from skmtl._training import PROGRAMS
from skmtl._training.scoring import (
    OF_CLASSES,
    OF_NUMBERS,
    ScoreUnits,
    TaskScore,
    scores_of,
)
from skmtl.metrics import target_scorers
from tests._asserts import assert_same_predictions, raises_naming
from tests._inputs import (
    TARGETS,
    as_frames,
    make_table,
    small,
    small_classifier,
    with_holes,
)

X, Y = make_table(n=96, n_targets=3)
RNG = np.random.default_rng(1)
Y += Y.std(axis=0) * RNG.normal(size=Y.shape)  # so that the best epoch is not the last
X_FRAME, Y_FRAME = as_frames(X, with_holes(Y))
W_VAL = RNG.uniform(0.5, 2.0, size=(48, 3)) * (RNG.random((48, 3)) > 0.1)
LABELS = pd.DataFrame(
    {
        "cost": np.digitize(Y[:, 0], np.quantile(Y[:, 0], [0.4, 0.8])).astype(object),
        "time": np.where(Y[:, 1] > np.median(Y[:, 1]), "late", "early").astype(object),
        "risk": (Y[:, 2] > np.quantile(Y[:, 2], 0.7)).astype(object),
    }
)
LABELS = LABELS.mask(np.isnan(with_holes(Y, seed=1)))
SLOW = {"epochs": 40, "n_iter_no_change": 6, "refit": False}


def halves(y):
    """Rows to train on, and to validate on with weights."""
    own = {"X_val": X_FRAME[48:], "y_val": y[48:], "sample_weight_val": W_VAL}
    return {"X": X_FRAME[:48], "y": y[:48], **own}


def at_best_epochs(model):
    """The score of each target in the epoch that was kept."""
    names = model.target_names_
    return [
        model.history_[f"val_score_{name}"][epoch - 1]
        for name, epoch in zip(names, model.best_epoch_[0], strict=True)
    ]


class Scores(keras.callbacks.Callback):
    """Keeps what each training logs."""

    def __init__(self):
        super().__init__()
        self.runs = []

    def on_train_begin(self, logs=None):
        self.runs.append([])

    def on_epoch_end(self, epoch, logs=None):
        self.runs[-1].append(logs["val_score"])

    def __deepcopy__(self, memo):
        return self


# The formulas


def scored(name, kind, y, f, w, scale=1.0, center=0.0):
    """One compiled score of one target."""
    units = ScoreUnits(*(np.array([u], np.float32) for u in (scale, center, 1.0)))
    columns = (np.asarray(A, np.float32)[:, None] for A in (y, f, w))
    return float(scores_of([TaskScore(name, kind)], None, *columns, units)[0])


class Fixed:
    """Predicts what it is told."""

    def __init__(self, predicted, classes=None, mean=0.0):
        self.predicted, self.classes_, self.target_means_ = predicted, classes, [mean]

    def predict(self, X):
        return self.predicted

    predict_proba = predict


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_scores_of_numbers_are_those_of_the_metrics(name):
    y, f, w = RNG.normal(size=(3, 50))
    w = np.maximum(w, 0.0)  # half of the cells are not observed
    mean, scale = 5.0, 20.0
    expected = target_scorers(metric=name)(
        Fixed(f * scale + mean, mean=7.0),
        None,
        np.where(w > 0, y * scale + mean, np.nan),
        w,
    )

    own = scored(name, Mean(), np.where(w > 0, y, 0.0), f[:, None], w, scale, 2.0 / scale)

    assert own == pytest.approx(expected["mean"], rel=1e-5)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_scores_of_classes_are_those_of_the_metrics(name, n_classes):
    kind = Classes(n_classes)
    y, w = RNG.integers(n_classes, size=60), np.maximum(RNG.normal(size=60), 0.0)
    f = RNG.normal(size=(60, kind.n_outputs)).round(1)  # many are equal
    proba = kind.probabilities(f)
    labels = proba.argmax(axis=1)
    known = np.arange(n_classes)
    by_labels = name in ("accuracy", "balanced_accuracy")
    model = Fixed(labels if by_labels else proba, known)
    expected = target_scorers(metric=name)(model, None, np.where(w > 0, y, np.nan), w)

    own = scored(name, kind, np.where(w > 0, y, 0), f, w)

    assert own == pytest.approx(expected["mean"], rel=1e-5)


def test_a_class_without_rows_has_no_part_in_the_balanced_accuracy():
    y, f, w = [0, 0, 1, 1], np.eye(3)[[0, 1, 1, 1]], np.ones(4)

    assert scored("balanced_accuracy", Classes(3), y, f, w) == pytest.approx(0.75)


def test_probabilities_of_1_are_scored_like_two_classes():
    y, f, w = [0, 1, 1, 0], np.array([[-1.0], [2.0], [-0.5], [0.5]]), np.ones(4)

    for name in OF_CLASSES:
        own = scored(name, Probability(), y, f, w)
        assert own == pytest.approx(scored(name, Classes(2), y, f, w))


# In training


@pytest.mark.parametrize("sharing_depth", [0, 1])
def test_the_history_has_the_score_of_what_predict_gives(sharing_depth):
    names = ["neg_mean_absolute_error", "r2", "neg_root_mean_squared_error"]
    loss = {"cost": "normal", "time": ("quantile", (0.1, 0.5, 0.9)), "risk": "huber"}
    model = small(loss=loss, scoring=names, sharing_depth=sharing_depth, **SLOW)

    model.fit(**halves(Y_FRAME))

    for name, target, own in zip(names, TARGETS, at_best_epochs(model), strict=True):
        scores = target_scorers(metric=name)(model, X_FRAME[48:], Y_FRAME[48:], W_VAL)
        assert own == pytest.approx(scores[target], rel=1e-4)
        history = model.history_[f"val_score_{target}"]
        if sharing_depth == 0:  # each target has a best epoch of its own
            assert own == max(history)
    if sharing_depth:
        mean = model.history_["val_score"]
        assert model.best_epoch_[0, 0] == np.argmax(mean) + 1
        assert len(mean) == np.argmax(mean) + 1 + SLOW["n_iter_no_change"]
        assert max(mean) == pytest.approx(np.mean(at_best_epochs(model)))


def test_the_history_has_the_score_of_predicted_labels():
    names = {"cost": "roc_auc", "time": "accuracy", "risk": "balanced_accuracy"}
    model = small_classifier(scoring=names, **SLOW).fit(**halves(LABELS))

    for target, own in zip(TARGETS, at_best_epochs(model), strict=True):
        scorer = target_scorers(metric=names[target])
        scores = scorer(model, X_FRAME[48:], LABELS[48:], W_VAL)
        assert own == pytest.approx(scores[target], rel=1e-4)
    assert model.best_epoch_[0, 0] == np.argmax(model.history_["val_score"]) + 1


def test_numbers_and_labels_side_by_side():
    y = Y_FRAME.assign(risk=(Y_FRAME["risk"] > 5).where(Y_FRAME["risk"].notna()) * 1.0)
    loss = {"cost": "squared_error", "time": "poisson", "risk": "log_loss"}
    y["time"] = y["time"].abs()
    scoring = {"cost": "loss", "time": "neg_mean_absolute_error", "risk": "roc_auc"}

    model = small(loss=loss, scoring=scoring, **SLOW).fit(**halves(y))

    cost, time, risk = at_best_epochs(model)
    best = model.best_epoch_[0, 0] - 1
    assert cost == -model.history_["val_loss_cost"][best]
    predicted = model.predict(X_FRAME[48:])
    errors = target_scorers(metric="neg_mean_absolute_error")
    scores = errors(model, X_FRAME[48:], y[48:], W_VAL)
    assert time == pytest.approx(scores["time"], rel=1e-4)
    p = predicted[:, 2]
    sold = Fixed(np.column_stack([1 - p, p]), np.array([0.0, 1.0]))
    area = target_scorers(metric="roc_auc")(sold, None, y["risk"][48:], W_VAL[:, 2])
    assert risk == pytest.approx(area["mean"], rel=1e-4)


def test_every_member_keeps_its_best_score_and_callbacks_see_it():
    log = Scores()
    model = small(scoring="r2", n_members=2, callbacks=[log], **SLOW)

    model.fit(**halves(Y_FRAME))

    assert len(log.runs) == 2
    for i, scores in enumerate(log.runs):
        assert model.best_epoch_[i, 0] == np.argmax(scores) + 1
        one = clone(model).set_params(callbacks=None)
        vars(one).update({**vars(model), "_members": model._members[i : i + 1]})
        score = target_scorers()(one, X_FRAME[48:], Y_FRAME[48:], W_VAL)["mean"]
        assert score == pytest.approx(max(scores), rel=1e-4)


def test_loss_weights_say_how_much_each_score_counts():
    weights = {"cost": 0.0, "time": 3.0, "risk": 1.0}
    history = (
        small(scoring="r2", loss_weights=weights, **SLOW).fit(**halves(Y_FRAME)).history_
    )

    expected = (3 * np.array(history["val_score_time"]) + history["val_score_risk"]) / 4
    np.testing.assert_allclose(history["val_score"], expected)


def test_going_on_with_all_rows_has_no_scores():
    model = small(scoring="r2", **{**SLOW, "n_iter_no_change": 3, "refit": True})
    model.fit(X, Y)

    best = model.best_epoch_[0, 0]
    stopped = np.argmax(np.isnan(model.history_["val_score"]))
    assert model.n_iter_ == stopped + best
    assert np.isnan(model.history_["val_score"][stopped:]).all()


def test_minus_the_log_loss_is_the_loss():
    by_loss = small_classifier(**SLOW).fit(**halves(LABELS))
    by_score = small_classifier(scoring="neg_log_loss", **SLOW).fit(**halves(LABELS))

    np.testing.assert_array_equal(by_score.best_epoch_, by_loss.best_epoch_)
    for ours, theirs in zip(
        by_score.predict_proba(X_FRAME), by_loss.predict_proba(X_FRAME), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_without_a_metric_the_program_is_that_of_the_loss():
    expected = small(**SLOW).fit(**halves(Y_FRAME))
    n_built = PROGRAMS.n_built

    for scoring in ("loss", ["loss"] * 3, dict.fromkeys(TARGETS, "loss")):
        model = small(scoring=scoring, **SLOW).fit(**halves(Y_FRAME))
        np.testing.assert_array_equal(model.predict(X_FRAME), expected.predict(X_FRAME))
        assert model.history_ == expected.history_
    without = {"early_stopping": False, "epochs": 2}
    stopped = [small(scoring=s, **without).fit(X[:48], Y[:48]) for s in ("loss", "r2")]
    assert_same_predictions(*stopped, X, atol=0)
    assert PROGRAMS.n_built == n_built


# Targets without a score


def test_a_network_without_a_score_goes_by_its_loss():
    one_class = LABELS.copy()
    one_class.loc[48:, "time"] = "late"
    model = small_classifier(scoring="roc_auc", sharing_depth=0, **SLOW)

    with pytest.warns(UndefinedMetricWarning, match="roc_auc of the target 'time'"):
        model.fit(**halves(one_class))

    history = model.history_
    assert np.isnan(history["val_score_time"]).all()
    best = dict(zip(TARGETS, model.best_epoch_[0] - 1, strict=True))
    assert best["time"] == np.argmin(history["val_loss_time"])
    assert best["cost"] == np.argmax(history["val_score_cost"])
    others = [history["val_score_cost"], history["val_score_risk"]]
    np.testing.assert_allclose(history["val_score"], np.mean(others, axis=0))


# Parameters


def test_a_new_target_goes_by_its_loss_where_each_has_a_score_of_its_own():
    model = small(scoring=["r2", "loss"], epochs=2).fit(X, Y[:, :2])

    assert model.add_task(X, Y[:, 2], "new").scoring == ["r2", "loss", "loss"]
    assert with_new_score("r2", "new") == "r2"
    assert with_new_score({"a": "r2"}, "new") == {"a": "r2", "new": "loss"}


def test_merged_estimators_keep_their_scores():
    parts = [
        small(scoring=scoring, epochs=2).fit(X, pd.Series(Y[:, t], name=name))
        for t, (name, scoring) in enumerate([("cost", "r2"), ("time", "loss")])
    ]

    assert merge_tasks(parts).scoring == ["r2", "loss"]
    assert merge_tasks([parts[0]]).scoring == "r2"


@pytest.mark.parametrize(
    ("model", "scoring", "words"),
    [
        (small, "mae", ["'mae'", "neg_mean_absolute_error", "Known are", "'r2'"]),
        (small, "R2", ["Did you mean 'r2'"]),
        (small, "accuracy", ["numbers", "'cost'", "'r2'", "loss='log_loss'"]),
        (small, None, ["None", "'loss'"]),
        (small, {"cost": "r2"}, ["scoring", "lacks", "'time'"]),
        (small, ["r2"], ["scoring has the length 1", "3 targets"]),
        (small_classifier, "r2", ["labels", "'accuracy'"]),
    ],
)
def test_errors_name_what_there_is(model, scoring, words):
    y = Y_FRAME if model is small else LABELS

    with raises_naming(*words):
        model(scoring=scoring).fit(X_FRAME, y)


def test_functions_are_refused_with_what_to_do_instead():
    for scoring in (target_scorers(), ["r2", target_scorers(), "r2"]):
        with raises_naming("TargetScorer", "function", "callbacks", error=TypeError):
            small(scoring=scoring).fit(X_FRAME, Y_FRAME)


def test_errors_in_huge_units_do_not_overflow():
    huge = Y * [1e150, 1e-150, 1.0]
    model = small(scoring=["r2", "neg_mean_absolute_error", "r2"], **SLOW)

    model.fit(X, huge)

    assert model.best_epoch_[0, 0] > 0
    assert np.isfinite(model.history_["val_score"]).all()
