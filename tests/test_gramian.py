"""Weights from the Gramian of gradients, against TorchJD, SciPy and what is known."""

from functools import lru_cache
from itertools import permutations, product

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import nnls

from skmtl._training.balancing.by_gradients import CAGRAD_RADIUS, GRAMIAN_WEIGHTS

METHODS = list(GRAMIAN_WEIGHTS)
SIZES = [1, 2, 3, 5, 30]  # few: compiling is most of the time


@lru_cache
def compiled(method):
    """One program per number of targets."""
    return tf.function(GRAMIAN_WEIGHTS[method], jit_compile=True, autograph=False)


def weights_of(method, J, seen=None, seed=0):
    J = np.asarray(J, np.float32)
    seen = np.ones(len(J)) if seen is None else np.asarray(seen)
    G = (J * seen[:, None]) @ (J * seen[:, None]).T
    arguments = tf.constant(G, tf.float32), tf.constant(seen, tf.float32), tf.constant(seed)
    return compiled(method)(*arguments).numpy().astype(float)


def regular_zoo():
    """Gradients of which none is a combination of others, their mean square being 1."""
    rng = np.random.default_rng(0)
    for T in SIZES:
        J = rng.normal(size=(T, 3 * T + 2))
        yield f"{T} at random", J
        yield f"{T} with much in common", J + rng.normal(size=J.shape[1])
        yield f"{T} at right angles", np.eye(T)
        yield f"{T} at right angles of other lengths", np.diag(1.0 + np.arange(T))
        if T > 1:
            yield f"{T} in conflict", J - 0.8 * J.mean(axis=0)
            yield f"{T} of other lengths", J * np.logspace(-0.5, 0.5, T)[:, None]


def singular_zoo():
    rng = np.random.default_rng(1)
    for T in SIZES[1:]:
        J = rng.normal(size=(T, 2 * T + 2))
        g = rng.normal(size=(1, 7))
        yield f"{T} parallel", rng.uniform(0.5, 2, (T, 1)) * g
        yield f"{T} parallel, both ways", np.linspace(-1, 1.5, T)[:, None] * g
        yield f"{T} with a pair alike", np.vstack([J[:1], J[:1], J[2:]])
        yield f"{T} with a pair opposed", np.vstack([J[:1], -J[:1], J[2:]])
        if T > 3:
            yield f"{T} of low rank", J[:, : T // 2] @ rng.normal(size=(T // 2, 40))


def unit(J):
    return J / np.sqrt((J**2).sum(axis=1).mean())


def by_name(zoo):
    return [pytest.param(unit(J), id=name) for name, J in zoo]


REGULAR = by_name(regular_zoo())
SINGULAR = by_name(singular_zoo())
ANY = [*REGULAR, *SINGULAR]


def shortest_in_hull(J):
    """Weights of the shortest vector in the convex hull of the rows, by active sets."""
    one_more = np.vstack([J.T, np.ones(len(J))])
    w, _ = nnls(one_more, np.append(np.zeros(J.shape[1]), 1.0), maxiter=1000)
    return w / w.sum()


def mean_of_projections(J):
    """Weights of the mean projection of the rows on their dual cone, by active sets."""
    more = [nnls(J.T, -g, maxiter=1000)[0] for g in J]
    return (np.eye(len(J)) + more).mean(axis=0)


# ---------------------------------------------------------------------------------------
# What holds for all of them


@pytest.mark.parametrize("J", ANY)
@pytest.mark.parametrize("method", METHODS)
def test_weights_do_not_depend_on_units(method, J):
    w = weights_of(method, J)

    assert np.isfinite(w).all()
    if method == "imtl_g" and len(J) == 30 and np.linalg.matrix_rank(J) == 1:
        return  # equal projections on parallel gradients: none, but for what rounding says
    for factor in (1e-12, 1e12):
        scaled = weights_of(method, factor * J)
        np.testing.assert_allclose(scaled @ J, w @ J, atol=2e-3 * np.abs(w).max())


@pytest.mark.parametrize("T", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_zero_have_equal_weights(method, T):
    np.testing.assert_allclose(weights_of(method, np.zeros((T, 4))), 1 / T, rtol=1e-6)


@pytest.mark.parametrize("T", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_equal_gradients_at_right_angles_have_equal_weights(method, T):
    further = 1 + CAGRAD_RADIUS if method == "cagrad" else 1
    np.testing.assert_allclose(weights_of(method, np.eye(T)), further / T, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("T", SIZES[1:])
def test_weights_are_finite_whatever_the_lengths(method, T):
    J = np.random.default_rng(2).normal(size=(T, 40))

    for smallest in (0, 1e-12, 1e-6, 1e-3):
        J[0] *= smallest / np.linalg.norm(J[0]) if smallest else 0
        w = weights_of(method, J)
        assert np.isfinite(w).all()
        assert np.isfinite(w @ J).all()
        J[0] = np.random.default_rng(3).normal(size=40)


@pytest.mark.parametrize("method", METHODS)
def test_targets_unseen_have_no_say(method):
    """Last among five, so that the others keep their numbers, which name their orders."""
    J = unit(np.random.default_rng(4).normal(size=(5, 6)) - 0.3)

    w = weights_of(method, J, seen=[1, 1, 1, 0, 0])

    np.testing.assert_array_equal(w[3:], 0)
    np.testing.assert_allclose(w[:3], weights_of(method, J[:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_other_values_compile_nothing(method):
    """XLA makes a constant of an argument, unasked, where an operation wants one.

    Then each value of it has a program of its own, which differs by the constant.
    """

    def programs(function):
        texts = set()
        for i in range(3):
            J = np.random.default_rng(i).normal(size=(4, 6)).astype(np.float32)
            seen = tf.constant([i % 2, 1, 1, 1], tf.float32)
            arguments = tf.constant(J @ J.T), seen, tf.constant(i)
            texts.add(function.experimental_get_compiler_ir(*arguments)(stage="hlo"))
        return texts

    of_each_value = tf.function(lambda G, seen, seed: G[:seed], jit_compile=True)
    assert len(programs(of_each_value)) == 3
    assert len(programs(compiled(method))) == 1


@pytest.mark.parametrize("method", METHODS)
def test_of_nothing_seen_nothing_is_made(method):
    J = np.random.default_rng(4).normal(size=(3, 6))
    np.testing.assert_array_equal(weights_of(method, J, seen=[0, 0, 0]), 0)


@pytest.mark.parametrize("method", ["mgda", "upgrad", "imtl_g", "nash", "cagrad"])
@pytest.mark.parametrize("J", REGULAR)
def test_no_target_loses(method, J):
    """But by "cagrad", which stays near the mean, no more than by the mean."""
    gains = J @ (weights_of(method, J) @ J)
    at_least = min((J @ J.mean(axis=0)).min(), 0) if method == "cagrad" else 0
    assert gains.min() > at_least - 1e-4


@pytest.mark.parametrize("method", ["mgda", "upgrad", "cagrad"])
def test_descent_ends_at_a_pareto_point(method):
    """Of convex quadratics: where a convex combination of their gradients is zero."""
    rng = np.random.default_rng(5)
    optima, curvatures = rng.normal(size=(3, 4)), rng.uniform(0.5, 2, size=(3, 4))
    x = np.full(4, 5.0)

    def gradients():
        return curvatures * (x - optima)

    def shortest():
        return np.linalg.norm(shortest_in_hull(gradients()) @ gradients())

    assert shortest() > 1
    for _ in range(400):
        x = x - 0.1 * weights_of(method, gradients()) @ gradients()
    assert shortest() < 1e-3


# ---------------------------------------------------------------------------------------
# One by one


@pytest.mark.parametrize("J", ANY)
def test_mgda_is_the_shortest_step(J):
    w = weights_of("mgda", J)

    np.testing.assert_allclose(w.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(w @ J, shortest_in_hull(J) @ J, atol=1e-3)


@pytest.mark.parametrize("J", ANY)
def test_upgrad_is_the_mean_of_projections_on_the_dual_cone(J):
    expected = mean_of_projections(J)
    np.testing.assert_allclose(weights_of("upgrad", J) @ J, expected @ J, atol=1e-3)


@pytest.mark.parametrize("J", REGULAR)
def test_cagrad_lies_on_the_ball_and_gives_weight_to_the_worst(J):
    """Those with weight above the mean's gain the same, and no target gains less."""
    mean = J.mean(axis=0)
    w = weights_of("cagrad", J)
    gains = J @ (w @ J)

    radius = CAGRAD_RADIUS * np.linalg.norm(mean)
    np.testing.assert_allclose(np.linalg.norm(w @ J - mean), radius, rtol=1e-3)
    assert (w > 1 / len(J) - 1e-5).all()
    weighted = w > 1 / len(J) + 1e-3
    np.testing.assert_allclose(gains[weighted], gains.min(), atol=1e-4)


@pytest.mark.parametrize("J", REGULAR)
def test_imtl_g_has_equal_projections_on_all_gradients(J):
    w = weights_of("imtl_g", J)
    projections = J @ (w @ J) / np.linalg.norm(J, axis=1)

    np.testing.assert_allclose(projections, projections.mean(), rtol=1e-3)
    np.testing.assert_allclose(np.abs(w).sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("J", REGULAR)
def test_nash_weights_are_the_inverse_of_what_targets_gain(J):
    w = len(J) * weights_of("nash", J)
    np.testing.assert_allclose(w * (J @ (w @ J)), 1, rtol=1e-3)


def test_nash_ignores_what_a_target_is_scaled_by():
    """The direction of the step; its length follows the gradients'."""
    J = unit(np.random.default_rng(6).normal(size=(3, 8)))

    def direction(J):
        step = weights_of("nash", J) @ J
        return step / np.linalg.norm(step)

    for factor in (1e-2, 1e2):
        scaled = J * [[factor], [1], [1]]
        np.testing.assert_allclose(direction(scaled), direction(J), atol=1e-4)


@pytest.mark.parametrize("J", REGULAR)
def test_aligned_is_the_mean_of_the_singular_vectors(J):
    U, s, Vt = np.linalg.svd(J, full_matrices=False)
    expected = s.min() * U.mean(axis=0) @ Vt

    np.testing.assert_allclose(weights_of("aligned", J) @ J, expected, atol=1e-3)


@pytest.mark.parametrize("T", SIZES)
def test_pcgrad_without_conflicts_is_the_mean(T):
    J = np.abs(np.random.default_rng(7).normal(size=(T, 8)))
    np.testing.assert_allclose(weights_of("pcgrad", J), 1 / T, rtol=1e-6)


def pcgrad(J, orders):
    """Algorithm 1 with gradients themselves, the mean instead of the sum."""
    projected = J.copy()
    for g, order in zip(projected, orders, strict=True):
        for j in order:
            g -= min(g @ J[j], 0) / (J[j] @ J[j]) * J[j]
    return projected.mean(axis=0)


def test_pcgrad_takes_each_order_of_the_others_now_and_then():
    J = unit(np.random.default_rng(8).normal(size=(3, 3)))
    J = unit(J - 0.8 * J.mean(axis=0))
    orders = product(*(permutations({0, 1, 2} - {i}) for i in range(3)))
    possible = np.array([pcgrad(J, order) for order in orders])

    steps = np.array([weights_of("pcgrad", J, seed=seed) @ J for seed in range(100)])

    distances = np.abs(steps[:, None] - possible).max(axis=2)
    assert (distances.min(axis=1) < 1e-4).all()
    assert (distances.min(axis=0) < 1e-4).all()


# ---------------------------------------------------------------------------------------
# Preferences


def preferred(method, J, p):
    """Weights where targets are preferred, and these preferences with the sum 1."""
    J, p = np.asarray(J, np.float32), np.asarray(p, np.float32)
    arguments = tf.constant(J @ J.T), tf.constant(p), tf.constant(0)
    return compiled(method)(*arguments).numpy().astype(float), p / p.sum()


def preferences_of(J):
    return np.random.default_rng(9).permutation(np.linspace(0.5, 2, len(J)))


@pytest.mark.parametrize("method", METHODS)
def test_equal_preferences_are_none(method):
    J = unit(np.random.default_rng(4).normal(size=(4, 6)) - 0.3)

    for p in (0.1, 7):
        w, _ = preferred(method, J, np.full(4, p))
        np.testing.assert_allclose(w, weights_of(method, J), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_at_right_angles_what_is_preferred_has_more_weight(method):
    w, share = preferred(method, np.eye(4), [1, 2, 3, 4])

    powers = np.sqrt(share / 4) if method == "nash" else share
    if method == "cagrad":  # whatever the mean, the worst target is to gain more
        assert (np.diff(w) >= 0).all()
        assert w[-1] > w[0]
    else:
        np.testing.assert_allclose(w, powers, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_preference_of_zero_leaves_the_target_out(method):
    """Last, so that the others keep their numbers, which name their orders."""
    J = unit(np.random.default_rng(4).normal(size=(5, 6)) - 0.3)

    w, _ = preferred(method, J, [1, 2, 3, 0, 0])

    np.testing.assert_array_equal(w[3:], 0)
    fewer, _ = preferred(method, J[:3], [1, 2, 3])
    np.testing.assert_allclose(w[:3], fewer, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["pcgrad", "upgrad"])
@pytest.mark.parametrize("J", REGULAR)
def test_a_preferred_gradient_is_a_longer_one(method, J):
    """Of these methods, which do not compare how long gradients are."""
    w, share = preferred(method, J, preferences_of(J))

    scaled = len(J) * share[:, None] * J
    np.testing.assert_allclose(w @ J, weights_of(method, scaled) @ scaled, atol=2e-3)


@pytest.mark.parametrize("J", REGULAR)
def test_mgda_gains_in_proportion_to_preferences(J):
    """For the targets that it weighs, and no less for the others."""
    w, share = preferred("mgda", J, preferences_of(J))
    gains = J @ (w @ J) / share

    np.testing.assert_allclose(w.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(gains[w > 1e-3], gains.min(), atol=2e-3 * len(J))


@pytest.mark.parametrize("J", REGULAR)
def test_imtl_g_projects_in_proportion_to_preferences(J):
    w, share = preferred("imtl_g", J, preferences_of(J))
    projections = J @ (w @ J) / np.linalg.norm(J, axis=1) / share

    np.testing.assert_allclose(projections, projections.mean(), rtol=2e-3)


@pytest.mark.parametrize("J", REGULAR)
@pytest.mark.parametrize("ratio", [2, 1000])
def test_nash_bargains_with_preferences_as_powers(J, ratio):
    p = preferences_of(J) ** (np.log(ratio) / np.log(4))
    w, share = preferred("nash", J, p)

    bargain = w * (J @ (w @ J)) / share
    np.testing.assert_allclose(bargain, bargain.mean(), rtol=1e-2)


# ---------------------------------------------------------------------------------------
# Against TorchJD


def torchjd_weights(method, J):
    """Of TorchJD in double precision, and of the mean where it has the sum."""
    torchjd = pytest.importorskip("torchjd.aggregation", reason="TorchJD is in 'bench'")
    linalg = pytest.importorskip("torchjd.linalg")
    torch = pytest.importorskip("torch")
    G = torch.tensor(J @ J.T)
    if method == "nash":  # it has no public weighting, and keeps the last weights
        nash = torchjd.NashMTL(len(J), max_norm=0.0, optim_niter=50).weighting
        return nash(torch.tensor(J)).numpy()
    weighting = {
        "pcgrad": lambda: torchjd.PCGradWeighting(),
        "mgda": lambda: torchjd.MGDAWeighting(epsilon=1e-9, max_iters=5000),
        "cagrad": lambda: torchjd.CAGradWeighting(c=CAGRAD_RADIUS),
        "imtl_g": lambda: torchjd.IMTLGWeighting(),
        "aligned": lambda: torchjd.AlignedMTLWeighting(),
        "upgrad": lambda: torchjd.UPGradWeighting(
            projector=linalg.QuadprogProjector(reg_eps=1e-7)
        ),
    }[method]()
    w = weighting(G).numpy()
    return w / len(J) if method == "pcgrad" else w


@pytest.mark.parametrize("J", REGULAR)
@pytest.mark.parametrize("method", ["aligned", "upgrad"])
def test_preferences_are_those_of_torchjd(method, J):
    torchjd = pytest.importorskip("torchjd.aggregation", reason="TorchJD is in 'bench'")
    linalg = pytest.importorskip("torchjd.linalg")
    torch = pytest.importorskip("torch")
    w, share = preferred(method, J, preferences_of(J))
    vector = torch.tensor(share.astype(float))
    if method == "aligned":
        weighting = torchjd.AlignedMTLWeighting(pref_vector=vector)
    else:
        projector = linalg.QuadprogProjector(reg_eps=1e-7)
        weighting = torchjd.UPGradWeighting(pref_vector=vector, projector=projector)

    theirs = weighting(torch.tensor(J @ J.T)).numpy()

    np.testing.assert_allclose(w @ J, theirs @ J, atol=2e-3)


def normalised(w):
    return w / np.abs(w).sum()


# Frank-Wolfe converges slowly (mgda, of thirty), the order is random (pcgrad, of three).
COMPARED = {"mgda": 3, "pcgrad": 2}


@pytest.mark.filterwarnings("ignore")  # CVXPY and ECOS warn of themselves (2026-11)
@pytest.mark.parametrize("J", REGULAR)
@pytest.mark.parametrize("method", METHODS)
def test_weights_are_those_of_torchjd(method, J):
    T = len(J)
    if COMPARED.get(method, 30) < T:
        pytest.skip("TorchJD does not determine these to 1e-3")
    if method == "nash" and T in (1, 30):
        pytest.skip("TorchJD's solver refuses one target, and gives up on some of thirty")
    expected, w = torchjd_weights(method, J), weights_of(method, J)

    if method == "nash" and np.ptp(J @ J.T @ expected * expected) > 0.1:
        pytest.skip("TorchJD's solver gives up on some: its weights are no bargain")
    if method == "nash":  # as the official code, it goes as far as |G| says
        expected, w = normalised(expected), normalised(w)
    elif method == "imtl_g":  # here the absolute values sum to 1
        expected = np.sign(expected.sum()) * normalised(expected)
    np.testing.assert_allclose(w, expected, atol=1e-3 * max(1, np.abs(expected).max()))


# Of parallel gradients no weights are the only ones, but steps are. "imtl_g" has none in
# general, or many (the pseudo-inverse takes one); TorchJD's "nash" gives up on most.
@pytest.mark.parametrize("J", SINGULAR)
@pytest.mark.parametrize("method", ["cagrad", "aligned", "upgrad"])
def test_steps_of_dependent_gradients_are_those_of_torchjd(method, J):
    expected = torchjd_weights(method, J)
    if not expected.any():
        pytest.skip("TorchJD stops at what it takes for a Pareto point")

    w = weights_of(method, J)

    np.testing.assert_allclose(w @ J, expected @ J, atol=2e-3)
