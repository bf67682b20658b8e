"""Columns are taken by a product, and are what they were to the last bit."""

import numpy as np
import pytest
import tensorflow as tf

from skmtl._training.columns import MOST_BY_PRODUCT, columns_of

LARGEST = np.finfo(np.float32).max


@pytest.mark.parametrize("n_features", [1, MOST_BY_PRODUCT, MOST_BY_PRODUCT + 1])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_columns_are_what_a_look_up_gives(n_features, missing, compiled):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, n_features)) * 10.0 ** rng.integers(-30, 30, (50, n_features))
    X = X.astype(np.float32)
    X[0] = LARGEST
    if missing:
        X[rng.random(X.shape) < 0.3] = np.nan
    columns = rng.integers(n_features, size=5 * n_features).astype(np.int32)

    @tf.function(jit_compile=compiled, autograph=False)
    def taken(X, columns):
        return columns_of(X, columns, missing=missing)

    np.testing.assert_array_equal(taken(X, columns), X[:, columns])


def test_what_single_precision_cannot_hold_leaves_other_columns_alone():
    X = np.array([[np.inf, 1.0, -np.inf]], np.float32)
    taken = columns_of(X, np.array([0, 1, 2, 1]), missing=False)
    np.testing.assert_array_equal(taken, [[LARGEST, 1, -LARGEST, 1]])


def test_tasks_have_columns_of_their_own():
    X = np.arange(6, dtype=np.float32).reshape(2, 3)
    columns = np.array([[0, 1], [2, 2]])
    np.testing.assert_array_equal(columns_of(X, columns, missing=False), X[:, columns])
