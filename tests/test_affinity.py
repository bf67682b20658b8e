"""Affinity of tasks, against steps in a plain Keras model and where its sign is known."""

import copy

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._training.affinity import program
from skmtl.model_selection import task_affinity
from tests._asserts import leaves_unchanged, raises_naming
from tests._inputs import TARGETS, T, as_frames, make_table, small, with_holes

UNSCALED = {"scale_features": False, "scale_targets": False}
STEP = {"learning_rate": 0.1}
ONE_BATCH = {**STEP, "batch_size": 64}
X, Y = make_table()
Y = Y / 10.0 ** np.arange(T)


def squared_error(Y, outputs):
    return (Y - outputs) ** 2


def affinity_in_keras(estimator, X, Y, W=None, cell_losses=squared_error):
    """By steps in a copy of the estimator's Keras model, with all rows in one batch."""
    model = copy.deepcopy(estimator).model_
    shared = ("trunk_", "outputs/") if estimator.share_output else "trunk_"
    shared = [w for w in model.trainable_weights if w.path.startswith(shared)]
    W = np.where(np.isnan(Y), 0, 1 if W is None else W).astype("float32")
    Y, X = np.nan_to_num(Y).astype("float32"), X.astype("float32")

    def cells():
        return W * cell_losses(Y, tf.reshape(model(X), Y.shape))

    before, start, table = cells(), [w.numpy() for w in shared], []
    for task in range(Y.shape[1]):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(cells()[:, task]) / W[:, task].sum()
        for w, gradient in zip(shared, tape.gradient(loss, shared), strict=True):
            w.assign_sub(STEP["learning_rate"] * gradient)
        falls = before - cells()  # cell by cell: the sums are nearly the same
        table.append(tf.reduce_sum(falls, axis=0) / tf.reduce_sum(before, axis=0))
        for w, value in zip(shared, start, strict=True):
            w.assign(value)
    return np.array(table)


def assert_same_affinity(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-6)


@pytest.fixture(scope="module")
def unscaled():
    return small(**UNSCALED).fit(X, Y)


@pytest.fixture(scope="module")
def singles():
    """Two equal networks of one task each."""
    targets = [pd.Series(Y[:, 0], name=name) for name in ("one", "other")]
    return [small(**UNSCALED).fit(X, y) for y in targets]


@pytest.fixture(scope="module")
def twins(singles):
    """Two tasks with the same head on the same trunk."""
    return merge_tasks(singles, sharing_depth=1)


# The numbers


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"sharing_depth": 2, "activation": "tanh"},
        {"sharing_depth": 0, "share_output": True},
        {"head_sizes": (4, 3), "share_output": True, "activation": "tanh"},
    ],
    ids=str,
)
def test_is_that_of_steps_in_keras(parameters):
    estimator = small(**UNSCALED, **parameters).fit(X, Y)

    affinity = task_affinity(estimator, X, Y, **ONE_BATCH)

    assert_same_affinity(affinity, affinity_in_keras(estimator, X, Y))
    assert (np.abs(affinity) > 1e-5).all(axis=None)


@pytest.mark.parametrize("weights", [None, "rows", "cells"])
def test_holes_and_weights(unscaled, weights):
    rng = np.random.default_rng(0)
    W = {
        None: None,
        "rows": rng.uniform(0.1, 2, (64, 1)),
        "cells": rng.uniform(0, 2, Y.shape),
    }
    W, holed = W[weights], with_holes(Y)
    sample_weight = W[:, 0] if weights == "rows" else W

    affinity = task_affinity(unscaled, X, holed, sample_weight=sample_weight, **ONE_BATCH)

    assert_same_affinity(affinity, affinity_in_keras(unscaled, X, holed, W))


def test_own_losses():
    loss = {TARGETS[0]: "huber", TARGETS[1]: ("quantile", 0.9), TARGETS[2]: "squared_error"}
    frame, targets = as_frames(X, Y)
    estimator = small(**UNSCALED, loss=loss).fit(frame, targets)

    def cell_losses(Y, outputs):
        error = Y - outputs
        size = tf.abs(error)
        huber = tf.where(size < 1, size**2 / 2, size - 0.5)
        columns = [
            huber[:, 0],
            tf.maximum(0.9 * error, -0.1 * error)[:, 1],
            error[:, 2] ** 2,
        ]
        return tf.stack(columns, axis=1)

    affinity = task_affinity(estimator, frame, targets, **ONE_BATCH)

    expected = affinity_in_keras(estimator, X, Y, cell_losses=cell_losses)
    assert_same_affinity(affinity, expected)


def test_a_negative_loss_that_falls_is_a_gain(unscaled):
    below_zero = small(**UNSCALED, loss=_minus_likeness, epochs=1).fit(X, Y)

    affinity = task_affinity(below_zero, X, Y, **ONE_BATCH)

    expected = affinity_in_keras(below_zero, X, Y, cell_losses=_minus_likeness)
    assert_same_affinity(affinity, -expected)
    assert (np.diag(affinity) > 0).all()


def _minus_likeness(y_true, y_pred):
    return -keras.ops.exp(-((y_true - y_pred) ** 2))


def test_batches_are_pooled(unscaled):
    """Batches of one row, so that it does not matter which rows come together."""
    rows = [slice(row, row + 1) for row in range(9)]
    before = [(Y[row] - unscaled.predict(X[row])) ** 2 for row in rows]
    shares = [affinity_in_keras(unscaled, X[row], Y[row]) for row in rows]

    affinity = task_affinity(unscaled, X[:9], Y[:9], batch_size=1, **STEP)

    falls = sum(share * loss for share, loss in zip(shares, before, strict=True))
    assert_same_affinity(affinity, falls / sum(before))


def test_padding_weighs_nothing(unscaled):
    """All batches of a table of equal rows have the same affinity, the short one too."""
    rows = np.zeros(65, dtype=int)

    affinity = task_affinity(unscaled, X[rows], Y[rows], batch_size=32, **STEP)

    assert_same_affinity(affinity, affinity_in_keras(unscaled, X[rows], Y[rows]))


def test_the_learning_rate_and_batch_size_are_the_estimators(table, fitted):
    """Standardised data as in training, where the learning rate is 0.01."""
    own = task_affinity(fitted, *table)

    pd.testing.assert_frame_equal(
        own, task_affinity(fitted, *table, learning_rate=0.01, batch_size=32)
    )
    instance = copy.deepcopy(fitted)
    for rate in (0.01, keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.5)):
        instance.optimizer = keras.optimizers.SGD(rate)
        instance.learning_rate = 1.0
        pd.testing.assert_frame_equal(own, task_affinity(instance, *table))


def test_small_steps_have_affinities_in_proportion(table, fitted):
    small_step, smaller = (
        task_affinity(fitted, *table, learning_rate=rate) for rate in (1e-3, 1e-4)
    )

    np.testing.assert_allclose(small_step / 10, smaller, rtol=0.05, atol=1e-6)


# The meaning


def test_a_small_step_helps_the_task_that_takes_it(table, fitted):
    affinity = task_affinity(fitted, *table, learning_rate=1e-3)

    assert (np.diag(affinity) > 0).all()


def test_equal_tasks_have_equal_rows_and_columns(twins):
    affinity = task_affinity(twins, X, Y[:, [0, 0]], **ONE_BATCH).to_numpy()

    np.testing.assert_allclose(affinity, affinity[0, 0], rtol=1e-6)
    assert affinity[0, 0] > 0


def test_opposite_tasks_hurt_each_other(twins):
    """With equal heads and opposite residuals the steps of the two are opposite."""
    residual = 1 + X[:, 0]

    targets = twins.predict(X) + np.column_stack([residual, -residual])
    affinity = task_affinity(twins, X, targets, learning_rate=1e-2, batch_size=64)

    own, other = np.diag(affinity), np.diag(affinity.iloc[::-1])
    assert (own > 0).all()
    np.testing.assert_allclose(other, -own, rtol=0.02)


def test_one_task(singles):
    affinity = task_affinity(singles[0], X, Y[:, 0], **ONE_BATCH)

    assert affinity.shape == (1, 1)
    assert_same_affinity(affinity, affinity_in_keras(singles[0], X, Y[:, :1]))


# Holes


def test_a_missing_cell_is_a_cell_without_weight(unscaled):
    holed = with_holes(Y)
    spoiled = np.where(np.isnan(holed), 1e6, Y)
    weights = np.isfinite(holed).astype(float)

    masked = task_affinity(unscaled, X, holed, **STEP)

    weighted = task_affinity(unscaled, X, spoiled, sample_weight=weights, **STEP)
    pd.testing.assert_frame_equal(masked, weighted)


def test_unobserved_targets_have_no_affinity(unscaled):
    holed = Y.copy()
    holed[:, 1] = np.nan

    affinity = task_affinity(unscaled, X, holed, **ONE_BATCH).to_numpy()

    undefined = np.isnan(affinity)
    assert undefined[1].all()
    assert undefined[:, 1].all()
    assert undefined.sum() == 5
    full = task_affinity(unscaled, X, Y, **ONE_BATCH).to_numpy()
    np.testing.assert_allclose(affinity[~undefined], full[~undefined], rtol=1e-5)


def test_rows_sorted_by_task_share_batches(unscaled):
    """As `stack_tasks` makes them: every row is observed in one target only."""
    holed = np.where(np.arange(T) == np.sort(np.arange(64) % T)[:, None], Y, np.nan)

    affinity = task_affinity(unscaled, X, holed, batch_size=32, **STEP)

    assert np.isfinite(affinity).all(axis=None)


def test_rows_without_observed_target_are_left_out_with_a_warning(unscaled):
    holed = Y.copy()
    holed[5] = np.nan

    with pytest.warns(UserWarning, match="^1 of 64 rows have no observed") as caught:
        affinity = task_affinity(unscaled, X, holed, **ONE_BATCH)

    assert caught[0].filename == __file__
    kept = np.arange(64) != 5
    assert_same_affinity(affinity, task_affinity(unscaled, X[kept], Y[kept], **ONE_BATCH))


# The interface


def test_names(table, fitted_on_frames):
    affinity = task_affinity(fitted_on_frames, *as_frames(*table))

    assert affinity.index.tolist() == affinity.columns.tolist() == TARGETS
    assert (affinity.index.name, affinity.columns.name) == ("step_on", "changes")


def test_leaves_the_estimator_unchanged(table, fitted_on_frames):
    frame, targets = as_frames(*table)
    with leaves_unchanged(fitted_on_frames, frame):
        task_affinity(fitted_on_frames, frame, targets)


def test_in_a_pipeline(table):
    scaled = StandardScaler().fit_transform(table[0])
    pipeline = make_pipeline(StandardScaler(), small()).fit(*table)

    affinity = task_affinity(pipeline, *table)

    expected = task_affinity(pipeline[-1], scaled, table[1])
    pd.testing.assert_frame_equal(affinity, expected)
    pd.testing.assert_frame_equal(expected, task_affinity(pipeline[-1:], scaled, table[1]))


def test_another_network_of_the_same_shape_compiles_nothing(table, fitted):
    task_affinity(fitted, *table)
    before = program.cache_info().misses
    other = small(random_state=1, weight_decay=0.1).fit(*table)

    for estimator, rows in ((other, slice(None)), (fitted, slice(50))):
        task_affinity(estimator, table[0][rows], table[1][rows], learning_rate=1)

    assert program.cache_info().misses == before


def test_separate_networks_are_refused(singles):
    separate = merge_tasks(singles, sharing_depth=0)

    with raises_naming("no shared layer", "sharing_depth=0"):
        task_affinity(separate, X, Y[:, :2])


def test_a_step_that_is_too_large_is_refused(unscaled):
    with raises_naming("learning_rate=1e+30", "not finite", "lower it"):
        task_affinity(unscaled, X, Y, learning_rate=1e30)


def test_what_is_no_fitted_regressor_is_refused(table):
    with raises_naming("estimator", "MultiTaskRegressor", error=TypeError):
        task_affinity(LinearRegression().fit(*table), *table)
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(*table)
    with raises_naming("ends in LinearRegression()", error=TypeError):
        task_affinity(pipeline, *table)
    with pytest.raises(NotFittedError):
        task_affinity(MultiTaskRegressor(), *table)


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"learning_rate": 0}, ["learning_rate"]),
        ({"batch_size": 2.5}, ["batch_size"]),
        ({"sample_weight": np.ones(3)}, ["sample_weight", "(3,)"]),
    ],
)
def test_unusable_parameters_are_named(table, fitted, parameters, parts):
    with raises_naming(*parts):
        task_affinity(fitted, *table, **parameters)


def test_other_targets_are_refused(table, fitted):
    with raises_naming("2 targets", "fitted with 3"):
        task_affinity(fitted, table[0], table[1][:, :2])
