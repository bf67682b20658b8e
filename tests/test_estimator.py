"""Fitting: rows held out, the epoch that is kept, going on, the Keras model."""

import copy

import keras
import numpy as np
import pytest
import tqdm.auto

import skmtl._estimators.validation
from tests._asserts import (
    assert_close,
    assert_differ,
    assert_history_is_complete,
    assert_same_predictions,
    raises_naming,
)
from tests._inputs import make_table, small, with_holes

# Noise is learnt by heart: the loss on other rows soon rises.
OVERFITS = {
    "trunk_sizes": (64,),
    "learning_rate": 0.03,
    "epochs": 300,
    "n_iter_no_change": 4,
    "validation_fraction": 0.25,
    "refit": False,
}
STANDS_STILL = {"learning_rate": 1e-12}


@pytest.fixture(scope="module")
def noise():
    """Less and more of it, with holes."""
    X, Y = make_table()
    rng = np.random.default_rng(0)
    return X, with_holes(Y + rng.normal(size=Y.shape) * Y.std(axis=0) * [0.1, 1, 10])


@pytest.fixture
def held_out(monkeypatch):
    """Collects the row numbers of every validation part."""
    drawn = []
    hold_out = skmtl._estimators.validation.hold_out

    def recorded(*args):
        parts = hold_out(*args)
        drawn.extend(validation for _, validation in parts)
        return parts

    monkeypatch.setattr(skmtl._estimators.validation, "hold_out", recorded)
    return drawn


def losses(estimator, X, Y, W, rows):
    """Loss of each target on these rows, in units of its variance over all rows."""
    W = np.where(np.isfinite(Y), W, 0)
    Y = np.nan_to_num(Y)
    mean = np.average(Y, axis=0, weights=W)
    variance = np.average((Y - mean) ** 2, axis=0, weights=W)
    errors = (Y - estimator.predict(X)) ** 2 / variance
    return np.average(errors[rows], axis=0, weights=W[rows])


# Early stopping


@pytest.mark.parametrize("sharing_depth", [1, 2])
def test_the_best_epoch_is_kept(noise, held_out, sharing_depth):
    X, Y = noise
    W = np.random.default_rng(1).uniform(0.5, 2, Y.shape)
    estimator = small(**OVERFITS, sharing_depth=sharing_depth)

    estimator.fit(X, Y, sample_weight=W)

    loss = losses(estimator, X, Y, W, *held_out)
    history = estimator.history_
    assert loss.mean() == pytest.approx(min(history["val_loss"]), rel=1e-4)
    best = int(np.argmin(history["val_loss"]))
    for t in range(3):
        expected = history[f"val_loss_target_{t}"][best]
        assert loss[t] == pytest.approx(expected, rel=1e-4)
    assert estimator.n_iter_ == best + 1 + 4 < 300


def test_separate_networks_keep_their_own_best_epochs(noise, held_out):
    X, Y = noise
    estimator = small(**OVERFITS, sharing_depth=0).fit(X, Y)

    loss = losses(estimator, X, Y, np.ones_like(Y), *held_out)

    stopped = []
    for t in range(3):
        history = np.array(estimator.history_[f"val_loss_target_{t}"])
        best = np.minimum.accumulate(history)
        waited = [np.ptp(best[max(0, i - 4) : i + 1]) == 0 for i in range(len(best))]
        stop = waited.index(True, 4)
        assert loss[t] == pytest.approx(history[: stop + 1].min(), rel=1e-4)
        stopped.append(stop + 1)
    assert len(set(stopped)) > 1
    assert estimator.n_iter_ == max(stopped)


@pytest.mark.parametrize("patience", [1, 4, 9])
def test_patience(noise, patience):
    estimator = small(**{**OVERFITS, "n_iter_no_change": patience}).fit(*noise)

    best = int(np.argmin(estimator.history_["val_loss"]))
    assert estimator.n_iter_ == best + 1 + patience


@pytest.mark.parametrize("sharing_depth", [1, 0])
def test_in_the_end_training_goes_on_with_all_rows(noise, sharing_depth):
    """From the best epoch, for as many epochs: as a warm start does with full batches."""
    X, Y = noise
    options = OVERFITS | {"batch_size": 256, "sharing_depth": sharing_depth}
    if sharing_depth == 0:
        Y = np.nan_to_num(Y[:, :1])
    stopped = small(**options).fit(X, Y)
    best = int(np.argmin(stopped.history_["val_loss"])) + 1
    by_hand = copy.deepcopy(stopped).set_params(
        warm_start=True, early_stopping=False, epochs=best
    )

    refitted = small(**options | {"refit": True}).fit(X, Y)

    assert refitted.n_iter_ == stopped.n_iter_ + best
    assert_same_predictions(refitted, by_hand.fit(X, Y), X, atol=1e-4)
    assert_differ(refitted, stopped, X)


@pytest.mark.parametrize("reason", ["early", "many rows", "callbacks"])
def test_training_does_not_go_on_where_that_would_not_pay(noise, monkeypatch, reason):
    options = OVERFITS
    if reason == "early":
        options = OVERFITS | {"n_iter_no_change": 80, "epochs": 100}
    if reason == "many rows":
        monkeypatch.setattr("skmtl._training.ensemble.MOST_ROWS_TO_REFIT", 10)
    if reason == "callbacks":
        options = OVERFITS | {"callbacks": [keras.callbacks.Callback()]}

    stopped = small(**options).fit(*noise)
    refitted = small(**options | {"refit": True}).fit(*noise)

    assert refitted.n_iter_ == stopped.n_iter_
    assert_same_predictions(refitted, stopped, noise[0], atol=0)


def test_rows_held_out_are_not_trained_on(table, held_out):
    X, Y = table
    expected = small(n_iter_no_change=100, scale_targets=False).fit(X, Y)
    spoiled = Y.copy()
    spoiled[held_out[0]] += 1e3

    estimator = small(n_iter_no_change=100, scale_targets=False).fit(X, spoiled)

    assert estimator.history_["loss"] == expected.history_["loss"]
    assert estimator.history_["val_loss"] != expected.history_["val_loss"]


def test_share_of_rows_held_out(table, held_out):
    for fraction in (0.1, 0.5):
        small(validation_fraction=fraction).fit(*table)

    assert [len(rows) for rows in held_out] == [6, 32]


def test_without_early_stopping_all_rows_train_for_all_epochs(table, held_out):
    estimator = small(early_stopping=False, n_iter_no_change=1).fit(*table)

    assert held_out == []
    assert estimator.n_iter_ == 4
    assert set(estimator.history_) == {
        "loss",
        "loss_target_0",
        "loss_target_1",
        "loss_target_2",
    }
    assert_history_is_complete(estimator)


def test_history_holds_means_over_the_targets(fitted):
    assert_history_is_complete(fitted)
    for prefix in ("", "val_"):
        per_target = [fitted.history_[f"{prefix}loss_target_{t}"] for t in range(3)]
        np.testing.assert_allclose(
            fitted.history_[f"{prefix}loss"], np.mean(per_target, axis=0), rtol=1e-6
        )
    assert all(type(x) is float for values in fitted.history_.values() for x in values)


def test_the_training_loss_is_that_of_the_predictions(table):
    X, Y = table
    holed = with_holes(Y)
    W = np.random.default_rng(1).uniform(0.5, 2, Y.shape)
    estimator = small(early_stopping=False, **STANDS_STILL)

    estimator.fit(X, holed, sample_weight=W)

    loss = losses(estimator, X, holed, W, slice(None))
    history = [estimator.history_[f"loss_target_{t}"][-1] for t in range(3)]
    np.testing.assert_allclose(loss, history, rtol=1e-4)


def test_training_learns():
    X, Y = make_table(n=300)

    estimator = small(epochs=100).fit(X, Y)

    assert estimator.score(X, Y) > 0.9
    for n in (150, 299):  # a divisor of the number of rows, and none
        with pytest.raises(ValueError, match=rf"got \({n}, 3\) and \(300, 3\)"):
            estimator.score(X, Y[:n])


# Going on


def test_partial_fit_adds_an_epoch(table):
    X, Y = table
    estimator = small()

    for n_epochs in (1, 2, 3):
        before = vars(estimator).get("n_iter_", 0)
        assert estimator.partial_fit(X, Y) is estimator
        assert estimator.n_iter_ == before + 1 == n_epochs
        assert_history_is_complete(estimator)

    assert not [name for name in estimator.history_ if name.startswith("val_")]
    expected = small(early_stopping=False)
    for _ in range(3):
        expected.partial_fit(X, Y)
    assert_same_predictions(estimator, expected, X, atol=0)


def test_partial_fit_starts_like_fit(table):
    X, Y = table

    once = small().partial_fit(X, Y)

    assert_same_predictions(once, small(epochs=1, early_stopping=False).fit(X, Y), X)


def test_the_first_call_fixes_the_scaling(table):
    X, Y = table
    estimator = small(**STANDS_STILL).partial_fit(X, Y)
    before = estimator.predict(X)

    estimator.partial_fit(1000 * X + 50, 1000 * Y + 50)

    assert_close(estimator.predict(X), before)


def test_partial_fit_learns_from_what_it_is_given(table):
    X, Y = table
    estimator = small().fit(X, Y)
    before = estimator.score(X[:20], Y[:20])

    for _ in range(30):
        estimator.partial_fit(X[:20], Y[:20])

    assert estimator.score(X[:20], Y[:20]) > before + 0.1


def test_partial_fit_after_fit(fitted, table):
    X, Y = table

    estimator = small().fit(X, Y).partial_fit(X, Y)

    assert estimator.n_iter_ == 5
    assert_history_is_complete(estimator)
    assert estimator.history_["loss"][:4] == fitted.history_["loss"]
    assert np.isnan(estimator.history_["val_loss"]).tolist() == [False] * 4 + [True]


def test_warm_start_goes_on(table):
    X, Y = table
    estimator = small(warm_start=True, early_stopping=False).fit(X, Y)
    first = estimator.history_["loss"]

    estimator.fit(X, Y)

    assert estimator.n_iter_ == 8
    assert_history_is_complete(estimator)
    assert estimator.history_["loss"][:4] == first
    assert max(estimator.history_["loss"][4:]) < min(first)
    estimator.set_params(epochs=2).fit(X, Y)
    assert estimator.n_iter_ == 10


def test_what_changed_since_the_fit_is_named(table):
    warm = small(epochs=1, warm_start=True).fit(*table)
    warm.set_params(trunk_sizes=(9,), activation="gelu")

    with raises_naming("trunk_sizes + head_sizes=(9, 4), which was (8, 4)", "'gelu'"):
        warm.fit(*table)


def test_epochs_in_parts_are_epochs_in_one(table):
    """With full batches, whose order does not matter, nothing is lost in between."""
    X, Y = table
    parameters = {"batch_size": 128, "early_stopping": False}
    in_one = small(epochs=12, **parameters).fit(X, Y)

    warm = small(epochs=4, warm_start=True, **parameters)
    for _ in range(3):
        warm.fit(X, Y)
    single = small(**parameters)
    for _ in range(12):
        single.partial_fit(X, Y)

    for in_parts in (warm, single):
        assert_same_predictions(in_parts, in_one, X, atol=1e-4)
        np.testing.assert_allclose(
            in_parts.history_["loss"], in_one.history_["loss"], rtol=1e-4
        )


def test_warm_start_keeps_weights_and_scaling(table):
    X, Y = table
    estimator = small(warm_start=True).fit(X, Y)
    before = estimator.predict(X)

    estimator.set_params(**STANDS_STILL).fit(1000 * X, 1000 * Y)

    assert_close(estimator.predict(X), before)


def test_fit_starts_afresh(table):
    X, Y = table
    estimator = small().fit(1000 * X[:30, :4], 1000 * Y[:30, 0]).fit(X, Y)
    fresh = small().fit(X, Y)

    assert estimator.n_iter_ == 4
    assert estimator.history_ == fresh.history_
    assert_same_predictions(estimator, fresh, X, atol=0)


def test_dropout_and_weight_decay_have_an_effect(table):
    X, Y = table
    parameters = {"early_stopping": False, "epochs": 30}
    expected = small(**parameters).fit(X, Y)

    for changed in ({"dropout": 0.5}, {"weight_decay": 0.5}):
        estimator = small(**parameters, **changed).fit(X, Y)
        assert_differ(estimator, expected, X, at_least=0.01)
        assert estimator.history_["loss"][-1] > expected.history_["loss"][-1]


# The Keras model


@pytest.mark.parametrize("sharing_depth", [0, 1, 2])
def test_model_predicts_the_same(table, sharing_depth):
    X, Y = table
    estimator = small(sharing_depth=sharing_depth).fit(X, with_holes(Y))

    model = estimator.model_

    assert isinstance(model, keras.Model)
    assert model is estimator.model_
    assert_close(model.predict(X, verbose=0), estimator.predict(X), atol=1e-4)
    names = [layer.name for layer in model.layers]
    assert [sum(kind in name for name in names) for kind in ("trunk_", "heads_")] == [
        sharing_depth,
        2 - sharing_depth,
    ]
    assert model.count_params() == sum(w.size for w in model.get_weights())


def test_model_of_a_vector(table):
    X, Y = table
    estimator = small().fit(X, Y[:, 0])

    predicted = estimator.model_.predict(X, verbose=0)

    assert predicted.shape == (len(X),)
    assert_close(predicted, estimator.predict(X), atol=1e-4)


def test_model_is_of_the_last_fit(table):
    X, Y = table
    estimator = small().fit(X, Y)
    first = estimator.model_
    before = first.get_weights()

    estimator.partial_fit(X, Y)

    assert estimator.model_ is not first
    predicted = estimator.model_.predict(X, verbose=0)
    assert_close(predicted, estimator.predict(X), atol=1e-4)
    for now, then in zip(first.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_model_can_be_trained_on_by_keras(table):
    X, Y = table
    estimator = small(dropout=0.2).fit(X, Y)
    before = estimator.predict(X)
    model = estimator.model_

    model.compile("adam", "mse")
    model.fit(X, Y, epochs=1, verbose=0)

    np.testing.assert_array_equal(estimator.predict(X), before)


# Progress


def test_the_progress_bar_ends_where_training_does(noise, monkeypatch):
    bars = []

    class Recorded(tqdm.auto.tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            bars.append(self)

    monkeypatch.setattr("skmtl._training.train.tqdm", Recorded)

    estimator = small(**OVERFITS, verbose=1).fit(*noise)

    (bar,) = bars
    assert bar.n == estimator.n_iter_
    assert bar.total == 300
    assert f"val_loss={estimator.history_['val_loss'][-1]:.3g}" in bar.postfix


@pytest.mark.parametrize("n", [64, 300, 359])
def test_a_feature_that_was_constant_may_change_later(n):
    """By as little as one standard deviation of the others, not by 1e13 of them."""
    X, Y = make_table(n=n)
    before, after = (np.column_stack([X, np.full(n, value)]) for value in (1.0, 2.0))
    estimator = small(epochs=1).fit(before, Y)

    change = np.abs(estimator.predict(after) - estimator.predict(before)).max(axis=0)

    assert (change < 10 * Y.std(axis=0)).all()
