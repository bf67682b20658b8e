"""The weights of a stack's parts are those of other solvers, and their errors are right."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skmtl.ensemble._weights import (
    bootstrap_std,
    log_loss_weights,
    of_products,
    squared_error_weights,
)


def solved(loss, n_parts):
    """By a solver that knows nothing of the loss, from two starts."""
    starts = [np.full(n_parts, 1 / n_parts), np.eye(n_parts)[0]]
    found = [
        minimize(
            loss,
            start,
            method="SLSQP",
            bounds=[(0, 1)] * n_parts,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        for start in starts
    ]
    return min(found, key=lambda result: result.fun).x


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("precision", [0.0, 0.3])
def test_weights_by_squared_errors_are_those_of_another_solver(seed, precision):
    rng = np.random.default_rng(seed)
    E = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 4)) + rng.normal(size=4)
    weight = rng.random(30)

    w = squared_error_weights(E, weight, precision)

    def square(w):
        return np.average((E @ w) ** 2, weights=weight)

    noise = square(solved(square, 4))
    alone = np.average(E**2, axis=0, weights=weight) ** -8.0
    alone /= alone.sum()
    expected = solved(lambda w: square(w) + precision * noise * ((w - alone) ** 2).sum(), 4)
    np.testing.assert_allclose(w, expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("precision", [0.0, 0.3])
def test_weights_by_log_loss_are_those_of_another_solver(seed, precision):
    rng = np.random.default_rng(seed)
    P, weight = rng.random((40, 3)) ** 2, rng.random(40)

    w = log_loss_weights(P, weight, precision)

    alone = np.exp(-16 * -np.average(np.log(P), axis=0, weights=weight))
    alone /= alone.sum()

    def loss(w):
        away = ((w - alone) ** 2).sum()
        return -np.average(np.log(P @ w), weights=weight) + precision / 2 * away

    np.testing.assert_allclose(w, solved(loss, 3), atol=1e-4)


@pytest.mark.parametrize("precision", [1e2, 1e4, 1e7, 1e12])
def test_much_shrinkage_comes_near_to_what_no_end_of_it_is(precision):
    P = np.random.default_rng(0).dirichlet(np.ones(4), size=100)[:, :4]
    weight = np.ones(100)

    w = log_loss_weights(P, weight, precision)

    own = log_loss_weights(P, weight, np.inf)
    np.testing.assert_allclose(w, own, atol=5 / precision + 1e-6)
    assert np.ptp(own) > 0.1


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_weights_do_not_depend_on_the_unit(scale):
    E = np.random.default_rng(0).normal([0, 1, 2], size=(20, 3))

    w = squared_error_weights(E * scale, np.ones(20), 0.1)

    np.testing.assert_allclose(w, squared_error_weights(E, np.ones(20), 0.1), rtol=1e-9)


@pytest.mark.parametrize("precision", [1e-6, 0.1])
def test_equal_parts_have_equal_weights(precision):
    e = np.random.default_rng(0).normal(size=(20, 1))
    E = np.hstack([e, e, e + 1, e])

    for w in (
        squared_error_weights(E, np.ones(20), precision),
        squared_error_weights(E * 0, np.ones(20), precision),
        log_loss_weights(np.exp(-(E**2)), np.ones(20), precision),
    ):
        np.testing.assert_allclose(w[[1, 3]], w[0], rtol=1e-3)


def test_the_part_without_errors_has_all_weight():
    G = np.diag([0.0, 1.0, 4.0])

    np.testing.assert_allclose(of_products(G, 0.1), [1, 0, 0], atol=1e-9)


def test_shrinkage_fades_with_rows():
    rng = np.random.default_rng(0)
    E = rng.normal(size=(30, 2)) * [1, 1.5]
    found = [
        squared_error_weights(
            np.tile(E, (times, 1)), np.ones(30 * times), 40 / (30 * times)
        )
        for times in (1, 10, 1000)
    ]
    best = squared_error_weights(E, np.ones(30), 0.0)

    away = [np.abs(w - best).max() for w in found]
    assert away[0] > away[1] > away[2]
    assert away[2] < 1e-2


@pytest.mark.parametrize("n", [300, 15_000])
@pytest.mark.parametrize("group_size", [1, 10])
def test_standard_errors_are_the_spread_over_new_tables(n, group_size):
    """Rows of a group are alike: they are no evidence of their own."""
    rng = np.random.default_rng(0)
    units = np.arange(n) // group_size

    def of_new_table():
        common = rng.normal(size=(n // group_size, 3))[units]
        return (common + 0.1 * rng.normal(size=(n, 3))) * [1, 1.2, 1.1]

    def weights(E, weight):
        return squared_error_weights(E, weight, 0.0)

    expected = np.std([weights(of_new_table(), np.ones(n)) for _ in range(60)], axis=0)
    E = of_new_table()
    std = bootstrap_std(lambda w: weights(E, w), np.ones(n), units, rng)

    np.testing.assert_allclose(std, expected, rtol=0.4)
