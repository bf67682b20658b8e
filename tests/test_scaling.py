"""Weighted standardisation, against NumPy and scikit-learn."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skmtl._network.scaling import Scaling

rng = np.random.default_rng(0)
A = rng.normal(size=(30, 3)) * [1, 100, 1e-9] + [0, 5, 1e-3]


def test_without_weights_it_is_standardisation():
    scaling = Scaling.fit(A, np.ones((30, 1)))

    np.testing.assert_allclose(
        scaling.apply(A), StandardScaler().fit_transform(A), rtol=1e-6
    )
    np.testing.assert_allclose(scaling.undo(scaling.apply(A)), A, rtol=1e-12)


def test_integer_weights_are_repeated_cells():
    W = rng.integers(0, 4, A.shape)

    scaling = Scaling.fit(A, W)

    for column, weights, mean, scale in zip(
        A.T, W.T, scaling.mean, scaling.scale, strict=True
    ):
        repeated = np.repeat(column, weights)
        np.testing.assert_allclose(
            [mean, scale], [repeated.mean(), repeated.std()], rtol=1e-9
        )


def test_a_cell_without_weight_may_hold_anything():
    W = np.ones_like(A)
    W[0] = 0
    holed = A.copy()
    holed[0] = np.nan

    expected = Scaling.fit(A[1:], np.ones((29, 1)))

    np.testing.assert_allclose(Scaling.fit(holed, W).mean, expected.mean)
    np.testing.assert_allclose(Scaling.fit(holed, W).scale, expected.scale)


@pytest.mark.parametrize("n", [30, 300, 359])
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 2020.0, -1e8, 1e300])
def test_a_constant_column_keeps_the_scale_one(value, n):
    scaling = Scaling.fit(np.full((n, 1), value), np.full((n, 1), 0.1))

    np.testing.assert_array_equal(scaling.scale, [1.0])
    np.testing.assert_allclose(
        scaling.apply(np.full((2, 1), value)), 0, atol=1e-6 * abs(value)
    )
