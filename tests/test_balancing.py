"""Weights of the targets that adapt in training, beside the same by hand."""

import pickle
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skmtl._estimators.parameter_constraints import BALANCING, BY_GRADIENTS, BY_LOSSES
from skmtl._estimators.reading import read_table
from skmtl._training import build_keras_model
from skmtl._training.balancing.by_gradients import GRAMIAN_WEIGHTS
from skmtl._training.balancing.by_losses import BY_LOSSES as LOSS_WEIGHTINGS
from tests._asserts import raises_naming, weights_of
from tests._inputs import full_batch, make_table, small, with_holes

X, Y = make_table()
OPPOSED = np.column_stack([Y[:, 0], Y[:, 1], -Y[:, 0] + 0.1 * Y[:, 2]])
RATE = 0.1


def stepping(**parameters):
    """Plain gradient steps on all rows."""
    return full_batch(optimizer=keras.optimizers.SGD(RATE), n_bins=0, **parameters)


def one_epoch(**parameters):
    return stepping(epochs=1, **parameters)


def course(model, name="loss_weight_") -> np.ndarray:
    """What history has under this name, epochs by targets."""
    return np.array([model.history_[f"{name}{t}"] for t in model.target_names_]).T


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def stepped_by_hand(method, start, x, Y, n_shared):
    """Weights after a step written for Keras: a backward pass for every target."""
    model = build_keras_model(start, scaled_outputs=True)
    variables = model.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(x)
        losses = [tf.reduce_mean((Y[:, t] - outputs[:, t]) ** 2) for t in range(3)]
    gradients = [tape.gradient(loss, variables) for loss in losses]
    task_weights = GRAMIAN_WEIGHTS[method]
    J = np.array(
        [np.concatenate([g.numpy().ravel() for g in of[:n_shared]]) for of in gradients]
    )
    w = task_weights(tf.constant(J @ J.T), tf.ones(3), 0).numpy()
    mean = np.full(3, 1 / 3)
    stepped = []
    for i, variable in enumerate(variables):
        direction = sum(
            weight * of[i].numpy()
            for weight, of in zip(w if i < n_shared else mean, gradients, strict=True)
        )
        stepped.append(variable.numpy() - RATE * direction)
    return stepped, w


def test_every_name_has_its_weights():
    """The names are known without TensorFlow, what they stand for is not."""
    assert set(BY_GRADIENTS) == set(GRAMIAN_WEIGHTS)
    assert set(BY_LOSSES) == set(LOSS_WEIGHTINGS)


@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_a_step_by_gradients_is_that_written_for_keras(method):
    # Gradients that fight, but for the order in which pcgrad takes them.
    targets = Y if method == "pcgrad" else OPPOSED
    model = one_epoch(loss_weights=method).fit(X, targets)
    plain = one_epoch().fit(X, targets)
    start = one_epoch(loss_weights=method)
    table = read_table(start, X, targets, None, resume=False)
    start._start(table)
    _, y, _ = start._network.encode(table.X, table.Y, table.W)

    expected, w = stepped_by_hand(
        method, start._network, X.astype(np.float32), y.astype(np.float32), n_shared=4
    )

    for mine, theirs in zip(weights_of(model), expected, strict=True):
        np.testing.assert_allclose(mine.reshape(theirs.shape), theirs, atol=2e-5)
    np.testing.assert_allclose(model.loss_weights_, 3 * w, rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(
        weights_of(model)[4:],
        weights_of(plain)[4:],
        strict=True,
    ):  # heads learn their own loss
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_a_step_of_groups_is_balanced_within_each():
    """What fights with a target of another group is no conflict."""
    opposed = OPPOSED.copy()
    opposed[:, 1] = -OPPOSED[:, 0]
    model = stepping(epochs=20, loss_weights="upgrad")

    together = model.fit(X, opposed).loss_weights_
    apart = model.set_params(target_groups=[[0, 2], [1]]).fit(X, opposed).loss_weights_

    assert together.max() > 1.05
    np.testing.assert_allclose(apart, 1, rtol=1e-3)


def test_without_shared_weights_there_is_nothing_to_balance():
    balanced = one_epoch(loss_weights="upgrad", sharing_depth=0).fit(X, Y)

    plain = one_epoch(sharing_depth=0).fit(X, Y)
    np.testing.assert_array_equal(balanced.predict(X), plain.predict(X))


def test_experts_of_all_targets_are_balanced_and_own_ones_are_not():
    options = {"n_experts": 2, "n_task_experts": 1}
    balanced = one_epoch(loss_weights="mgda", **options).fit(X, OPPOSED)
    plain = one_epoch(**options).fit(X, OPPOSED)

    for mine, theirs in zip(
        weights_of(balanced)[:4],
        weights_of(plain)[:4],
        strict=True,
    ):
        assert np.abs(mine[:2] - theirs[:2]).max() > 1e-4
        np.testing.assert_allclose(mine[2:], theirs[2:], atol=1e-6)


# By losses: history has the losses of a step and the weights that they got.


@pytest.fixture(scope="module")
def courses():
    """Of full batches: an epoch is a step, whose losses after it are the next one's."""
    methods = ("geometric", "dwa", "famo", "random")
    return {m: full_batch(loss_weights=m, epochs=12).fit(X, Y) for m in methods}


def test_geometric_weights_are_the_geometric_mean_over_each_loss(courses):
    L = course(courses["geometric"], "loss_")

    expected = np.exp(np.log(L).mean(axis=1, keepdims=True)) / L

    np.testing.assert_allclose(course(courses["geometric"]), expected, rtol=1e-3)


def test_holes_have_no_part_in_the_losses_that_weights_go_by(courses):
    holed = with_holes(Y)
    model = clone(courses["geometric"]).set_params(warm_start=True, epochs=1)

    errors = holed - model.fit(X, holed).predict(X)
    L = np.nanmean(errors**2, axis=0) / np.nanvar(holed, axis=0)
    model.fit(X, holed)  # a step from there

    np.testing.assert_allclose(course(model, "loss_")[1], L, rtol=1e-4)
    expected = np.exp(np.log(L).mean()) / L
    np.testing.assert_allclose(model.loss_weights_, expected, rtol=1e-3)


def test_dwa_looks_at_the_last_two_epochs(courses):
    L = course(courses["dwa"], "loss_")

    weights = course(courses["dwa"])

    np.testing.assert_allclose(weights[:2], 1, rtol=1e-5)
    np.testing.assert_allclose(weights[2:], 3 * softmax(L[1:-1] / L[:-2] / 2), rtol=1e-3)


def test_famo_makes_logarithms_fall_alike(courses):
    L = course(courses["famo"], "loss_")
    logits, m, v = np.zeros((3, 3))
    expected = []
    for step, (before, after) in enumerate(pairwise(L), start=1):
        z = softmax(logits)
        expected.append(3 * z / before / (z / before).sum())
        fall = np.log(before) - np.log(after)
        gradient = z * (fall - (z * fall).sum()) + 1e-3 * logits
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        logits -= 0.025 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)

    np.testing.assert_allclose(course(courses["famo"])[:-1], expected, rtol=2e-3)


def test_random_weights_are_new_in_every_step_and_have_mean_one(courses):
    weights = course(courses["random"])

    np.testing.assert_allclose(weights.mean(axis=1), 1, rtol=1e-5)
    assert len(np.unique(weights)) == weights.size
    assert (weights > 0).all()


def test_what_they_remember_is_kept(courses):
    model = pickle.loads(pickle.dumps(courses["dwa"]))
    L = course(model, "loss_")

    model.partial_fit(X, Y)

    expected = 3 * softmax(L[-1] / L[-2] / 2)
    np.testing.assert_allclose(model.loss_weights_, expected, rtol=1e-3)


# Estimators


def test_no_target_s_name_hides_a_course(courses):
    """The weight of "a" and the loss of "weight_a" have one name, the second's."""
    names = ["a", "weight_a", "weight_weight_a"]
    plain = courses["dwa"]

    model = clone(plain).fit(X, pd.DataFrame(Y, columns=names))

    np.testing.assert_array_equal(course(model, "loss_"), course(plain, "loss_"))
    keys = [f"weight_of_loss_{name}" for name in names[:2]] + [f"loss_weight_{names[2]}"]
    weights = np.array([model.history_[key] for key in keys]).T
    np.testing.assert_array_equal(weights, course(plain))
    np.testing.assert_array_equal(model.loss_weights_, plain.loss_weights_)


def test_a_new_target_s_name_hides_no_course(courses):
    model = clone(courses["dwa"]).set_params(sharing_depth=1)
    model.fit(X, pd.DataFrame(Y[:, :2], columns=["a", "b"]))
    before = model.history_["loss_weight_a"]

    model.add_task(X, Y[:, 2], name="weight_a").partial_fit(
        X, pd.DataFrame(Y, columns=["a", "b", "weight_a"])
    )

    np.testing.assert_array_equal(model.history_["weight_of_loss_a"][:-1], before)
    assert np.isnan(model.history_["loss_weight_a"]).tolist() == [True] * 12 + [False]
    assert model.history_["weight_of_loss_a"][-1] == model.loss_weights_[0]


@pytest.mark.parametrize("method", BALANCING)
def test_targets_with_holes_are_learnt(method):
    model = small(loss_weights=method, epochs=20, refit=False).fit(X, with_holes(Y))

    assert np.isfinite(model.loss_weights_).all()
    assert np.ptp(model.loss_weights_) > 1e-3, "not those of the plain mean"
    assert (course(model) >= -1e-6).all() or method == "imtl_g"
    assert model.score(X, Y) > 0.2


def test_a_target_that_is_not_observed_has_no_say():
    unseen = Y.copy()
    unseen[:, 1] = np.nan
    model = small(loss_weights="mgda", early_stopping=False).fit(X, Y)
    both = small(loss_weights="mgda", early_stopping=False).fit(X, Y[:, [0, 2]])
    before = [w.copy() for w in weights_of(model)]

    model.partial_fit(X, unseen)
    both.partial_fit(X, Y[:, [0, 2]])

    assert model.loss_weights_[1] == 0
    assert model.loss_weights_.sum() == pytest.approx(2, rel=1e-3)
    assert (weights_of(model)[0] != before[0]).any()


@pytest.mark.parametrize("method", ["dwa", "geometric", "famo"])
def test_losses_that_may_be_negative_have_no_quotient(method):
    with raises_naming(f"loss_weights='{method}'", "'normal'", "target_0"):
        small(loss="normal", loss_weights=method).fit(X, Y)


def test_an_unknown_method_is_named():
    with raises_naming("loss_weights", "upgrad", "'upgrade'"):
        small(loss_weights="upgrade").fit(X, Y)


# Preferences


@pytest.mark.parametrize("method", BALANCING)
def test_equal_preferences_change_nothing(method):
    holed = with_holes(Y)
    alone = full_batch(loss_weights=method).fit(X, holed)

    equal = full_batch(loss_weights=(method, [0.3, 0.3, 0.3])).fit(X, holed)

    np.testing.assert_array_equal(equal.predict(X), alone.predict(X))
    np.testing.assert_array_equal(equal.loss_weights_, alone.loss_weights_)
    assert equal.history_ == alone.history_


@pytest.mark.parametrize("sharing_depth", [0, 2])
@pytest.mark.parametrize("method", BALANCING)
def test_a_preference_of_zero_switches_a_target_off(method, sharing_depth):
    other = Y.copy()
    other[:, 2] = np.random.default_rng(5).permutation(Y[:, 2] ** 3)
    pair = (method, [2, 1, 0])
    model = full_batch(loss_weights=pair, sharing_depth=sharing_depth)

    models = [clone(model).fit(X, targets) for targets in (Y, other)]

    predicted, changed = (model.predict(X)[:, :2] for model in models)
    np.testing.assert_array_equal(changed, predicted)
    assert models[0].loss_weights_[2] == 0
    assert (models[0].loss_weights_[:2] > 0).all()


@pytest.mark.parametrize("method", BALANCING)
def test_what_is_preferred_weighs_more(method):
    def weights(preferences):
        pair = (method, preferences)
        return full_batch(loss_weights=pair, epochs=1).fit(X, OPPOSED).loss_weights_

    share = [weights(p)[0] / weights(p).sum() for p in ([1, 1, 1], [4, 1, 1])]
    assert share[1] > share[0]


@pytest.mark.parametrize("method", ["pcgrad", "upgrad"])
def test_a_preferred_target_is_one_of_a_larger_loss(method):
    """Of what compares no lengths, and for the heads."""

    def scaled(factor):
        return lambda y, f: factor * (y - f) ** 2

    losses = [scaled(1.5), scaled(0.75), scaled(0.75)]
    larger = stepping(loss_weights=method, loss=losses).fit(X, OPPOSED)
    preferred = stepping(loss_weights=(method, [2, 1, 1])).fit(X, OPPOSED)
    alone = stepping(loss_weights=method).fit(X, OPPOSED)

    for mine, theirs in zip(weights_of(preferred), weights_of(larger), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5)
    assert np.abs(preferred.predict(X) - alone.predict(X)).max() > 1e-3


def test_preferred_losses_weigh_in_the_geometric_mean():
    p = np.array([1.5, 0.5, 1.0])
    model = full_batch(loss_weights=("geometric", 2 * p), epochs=5).fit(X, Y)
    L = course(model, "loss_")

    expected = p * np.exp((p * np.log(L)).mean(axis=1, keepdims=True)) / L

    np.testing.assert_allclose(course(model), expected, rtol=1e-3)
    np.testing.assert_allclose(model.loss_weights_, expected[-1], rtol=1e-3)
    np.testing.assert_allclose(model.history_["loss"], (p * L).mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize("method", ["dwa", "random"])
def test_preferences_multiply_these_weights(method, courses):
    p = np.array([1.5, 0.5, 1.0])
    model = full_batch(loss_weights=(method, p), epochs=1).fit(X, Y)

    expected = p * course(courses[method])[0]

    expected *= p.sum() / expected.sum()
    np.testing.assert_allclose(course(model)[0], expected, rtol=1e-4)


def test_famo_makes_logarithms_fall_in_proportion_to_preferences():
    p = np.array([1.5, 0.5, 1.0])
    model = full_batch(loss_weights=("famo", p), epochs=2).fit(X, Y)
    L = course(model, "loss_")

    first = p / L[0]
    np.testing.assert_allclose(course(model)[0], 3 * first / first.sum(), rtol=1e-3)
    fall = np.log(L[0] / L[1]) / p
    logits = -0.025 * np.sign(fall - fall.mean())  # Adam's first step
    second = p * softmax(logits) / L[1]
    np.testing.assert_allclose(course(model)[1], 3 * second / second.sum(), rtol=1e-3)


def test_learnt_weights_end_as_preferences_over_losses():
    """The derivative of p (exp(-s) L + s) by s is zero where exp(-s) L = 1."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(256, 3))
    table = x + rng.normal(size=(256, 3)) * [0.3, 1, 3]
    model = full_batch(
        trunk_sizes=(),
        head_sizes=(),
        loss_weights=("uncertainty", [3, 2, 1]),
        batch_size=256,
        epochs=1500,
        learning_rate=0.02,
        n_bins=0,
    ).fit(x, table)

    losses = [model.history_[f"loss_target_{t}"][-1] for t in range(3)]

    np.testing.assert_allclose(model.loss_weights_ * losses, [1.5, 1, 0.5], rtol=0.02)


def test_validation_losses_are_weighted_by_preferences():
    model = small(loss_weights=("upgrad", [0, 1, 2]), refit=False).fit(X, Y)

    expected = (course(model, "val_loss_") * [0, 1, 2]).mean(axis=1)
    np.testing.assert_allclose(model.history_["val_loss"], expected, rtol=1e-5)


def test_preferences_are_a_parameter_like_others():
    names = ["a", "b", "c"]
    frame = pd.DataFrame(Y, columns=names)
    pair = ("famo", {"c": 1, "a": 2, "b": 0.5})
    by_position = small(loss_weights=("famo", [2, 0.5, 1])).fit(X, frame)
    grid = {"loss_weights": [None, "famo", pair, [1, 2, 3]]}

    search = GridSearchCV(small(), grid, cv=2).fit(X, frame)

    assert search.best_params_["loss_weights"] in grid["loss_weights"]
    model = pickle.loads(pickle.dumps(clone(small(loss_weights=pair)).fit(X, frame)))
    assert model.loss_weights == pair
    np.testing.assert_array_equal(model.predict(X), by_position.predict(X))
    model.add_task(X, Y[:, 0], name="d").partial_fit(X, frame.assign(d=Y[:, 0]))
    assert model.loss_weights == ("famo", {**pair[1], "d": 1.0})
    by_position.add_task(X, Y[:, 0], name="d")
    assert by_position.loss_weights == ("famo", [2, 0.5, 1, 1.0])


@pytest.mark.parametrize(
    ("pair", "messages"),
    [
        (("upgrade", [1, 1, 1]), ["'upgrade'", "Did you mean 'upgrad'?"]),
        (("famo", [1, 1]), ["loss_weights", "2", "3 targets"]),
        (("famo", {"a": 1}), ["loss_weights", "'a'"]),
        (("famo", [1, -1, 1]), ["loss_weights", "not negative", "-1"]),
        (("famo", [0, 0, 0]), ["loss_weights", "not all 0"]),
        (("famo", None), ["'famo'", "weight for each target"]),
        (("famo", "dwa"), ["'famo'", "weight for each target"]),
    ],
)
def test_preferences_that_cannot_be_used(pair, messages):
    with raises_naming(*messages):
        small(loss_weights=pair).fit(X, Y)


def test_preferred_losses_that_may_be_negative_have_no_quotient():
    with raises_naming("loss_weights='famo'", "'normal'", "target_0"):
        small(loss="normal", loss_weights=("famo", [1, 2, 3])).fit(X, Y)
