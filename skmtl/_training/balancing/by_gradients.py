"""Weights of targets from the Gramian of their gradients.

J (T, p) has the gradients of the targets' losses for the trunk as rows, G = J J^T. Every
function gives weights w (T,) such that w J is the direction of the trunk's step. A target
without an observed cell in the batch has weight 0, and the others have the weights that
they would have without it; where all gradients are 0, all weights are equal.

All but the length of Nash's step depends on G up to a factor, so each function gets G with
a mean of 1 on its diagonal, and the mean's weights, 1 / T for each observed target. Equal
targets at right angles have these weights, but for "cagrad", which goes further.

Where some targets are preferred, the mean's weights are the preferences, with sum 1. What
is a mean of some gradients is then weighted by them; what a method makes equal for all
targets is made proportional to them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import tensorflow as tf

from ..dropout import _hash, _hash_key
from .small_systems import nonnegative_minimum, product, solution, spectrum

RIDGE = 1e-6  # of a diagonal: single precision leaves a tenth of it of a zero eigenvalue
# Parallel gradients have no weights of equal projections, or many: more decides that alike
# in single precision, whatever the units.
IMTL_RIDGE = 3e-5
CAGRAD_RADIUS = 0.5  # of the ball around the mean gradient, in units of its norm


def _of_observed(weights_of: Callable) -> Callable:
    @wraps(weights_of)
    def weights(G, preferences, seed=0):
        """``preferences`` (T,) are 0 for targets that the batch does not observe."""
        mean = tf.math.divide_no_nan(preferences, tf.reduce_sum(preferences))
        seen = tf.sign(preferences)
        mean_square = tf.reduce_sum(mean * tf.linalg.diag_part(G))
        is_something = mean_square > 0
        G = tf.where(is_something, G / mean_square, 0.0) * seen[:, None] * seen
        return tf.where(is_something, seen * weights_of(G, mean, seed), mean)

    return weights


@_of_observed
def pcgrad(G, mean, seed):
    """Each gradient, without what runs against the others (Yu et al. 2020, algorithm 1).

    For every other target j in random order, g -= min(g . g_j, 0) / |g_j|^2 g_j; the step
    is the mean of what is left of them (the paper's is the sum).
    """
    n_targets = G.shape[0]
    index = tf.range(n_targets)
    # Each target meets the others in an order of its own: row i of ``place`` (T, T) has the
    # ranks of T random numbers, which follow from the key alone.
    bits = tf.cast(index, tf.uint32)
    keys = _hash(_hash(bits ^ _hash_key([seed]))[:, None] ^ bits)
    place = tf.reduce_sum(tf.cast(keys[:, :, None] > keys[:, None, :], tf.int32), axis=2)
    inverse_squares = tf.math.divide_no_nan(1.0, tf.linalg.diag_part(G))

    def project(n_done, W):
        is_next = place == n_done
        other = tf.reduce_sum(tf.where(is_next, index, 0), axis=1)
        along = tf.reduce_sum(tf.gather(G, other) * W, axis=1)
        along = tf.where(other == index, 0.0, tf.minimum(along, 0.0))
        along *= tf.gather(inverse_squares, other)
        return n_done + 1, W - tf.where(is_next, along[:, None], 0.0)

    _, W = tf.while_loop(
        lambda n_done, W: n_done < n_targets,
        project,
        (tf.constant(0), tf.linalg.diag(mean)),
    )
    return tf.reduce_sum(W, axis=0)


@_of_observed
def mgda(G, mean, seed):
    """The shortest step in the gradients' convex hull (Désidéri 2012).

    min w^T G w over w >= 0, 1^T w = 1 (Sener & Koltun 2018, equation 4). Up to a factor, w
    is the minimum of w^T (G + 1 1^T) w / 2 - 1^T w over w >= 0, by the same conditions.
    The step comes forward alike along all g_t of positive weight. It is to be in proportion
    to preferences, so these divide the gradients first.
    """
    seen = tf.sign(mean)
    inverse = tf.math.divide_no_nan(1 / tf.reduce_sum(seen), mean)  # 1 if all are equal
    G = G * inverse[:, None] * inverse
    w = inverse * nonnegative_minimum(_with_ridge(G + seen[:, None] * seen), -seen)
    return w / tf.reduce_sum(w)


@_of_observed
def cagrad(G, mean, seed):
    """The step near the mean with the largest worst improvement (Liu et al. 2021a).

    max_d min_i g_i . d over |d - g_0| <= c |g_0|, with the mean g_0 (equation 1), is at
    d = g_0 + J^T v with v >= 0. For the value m of the maximum, v is the minimum of
    v^T G v / 2 + (G 1/T - m)^T v. |J^T v|, a convex function of m whose slope is
    1^T v / |J^T v|, must be c |g_0|: Newton's method finds m.
    """
    seen = tf.sign(mean)
    M = _with_ridge(G)
    along_mean = product(G, mean)
    radius = CAGRAD_RADIUS * tf.sqrt(tf.maximum(tf.reduce_sum(mean * along_mean), 0.0))

    def is_off(n_steps, m, v, length):
        return (n_steps < 20) & (tf.abs(length - radius) > 1e-5 * radius)

    def newton(n_steps, m, v, length):
        v = nonnegative_minimum(M, along_mean - m * seen)
        length = tf.sqrt(tf.reduce_sum(v * product(M, v)))
        m += tf.math.divide_no_nan((radius - length) * length, tf.reduce_sum(v))
        return n_steps + 1, m, v, length

    m = tf.reduce_min(tf.where(seen > 0, along_mean, float("inf"))) + radius
    _, _, v, _ = tf.while_loop(is_off, newton, (tf.constant(0), m, 0.0 * mean, 0.0))
    return mean + v


@_of_observed
def imtl_g(G, mean, seed):
    """The step with equal projections on all gradients (Liu et al. 2021b, equation 3).

    G w = |g| up to a factor, or |g| times the preference. The weights' absolute values sum
    to 1: where all are positive that is the paper's sum of 1, which else may be 0, or turn
    the step round.
    """
    # With cosines, so that the ridge weighs the same for large and for small gradients.
    C, inverse_norms = _cosines(G)
    C = tf.linalg.set_diag(C, tf.fill([C.shape[0]], 1 + IMTL_RIDGE))
    w = inverse_norms * solution(C, mean)
    return tf.math.divide_no_nan(w, tf.reduce_sum(tf.abs(w)))


@_of_observed
def nash(G, mean, seed):
    """The targets' bargain: G w = p / w (Navon et al. 2022, equation 3, for p = 1).

    That is the minimum of w^T G w / 2 - sum p log w, by damped Newton steps; preferences p
    are the powers of an asymmetric bargain (Kalai 1977). The step keeps its direction
    whatever a gradient is scaled by, so the cosines will do for G. The paper's step has
    length sqrt(T); this one is as long as the mean of gradients of the mean square, were
    they at right angles.
    """
    C, inverse_norms = _cosines(G)
    C = _with_ridge(C)
    seen = tf.sign(mean)
    smallest = tf.reduce_min(tf.where(seen > 0, mean, float("inf")))
    # Steps are damped as Newton's method needs it where no power is below 1.
    powers = tf.where(seen > 0, mean / smallest, 1.0)
    most_steps = tf.cast(60 * tf.sqrt(tf.reduce_max(powers)), tf.int32)

    def is_off(n_steps, w, decrement):
        return (n_steps < most_steps) & (decrement > 1e-4)

    def newton(n_steps, w, decrement):
        gradient = product(C, w) - powers / w
        step = solution(C + tf.linalg.diag(powers * w**-2), -gradient)
        decrement = tf.sqrt(tf.maximum(-tf.reduce_sum(gradient * step), 0.0))
        damping = tf.where(decrement < 0.25, 1.0, 1 / (1 + decrement))
        return n_steps + 1, w + damping * step, decrement

    w = tf.sqrt(powers)  # of gradients at right angles
    _, w, _ = tf.while_loop(is_off, newton, (tf.constant(0), w, float("inf")))
    n_seen = tf.reduce_sum(seen)
    return seen * tf.sqrt(smallest * n_seen) / n_seen * inverse_norms * w


@_of_observed
def aligned(G, mean, seed):
    """The mean of gradients made orthogonal (Senushkin et al. 2023, algorithm 1).

    With G = V^T diag(s) V, w = sqrt(min s) V^T diag(s)^(-1/2) V 1/T, over the s above what
    rounding makes of 0.
    """
    # An eigenvalue that is rounding alone would make the step all but vanish.
    s, V = spectrum(G)
    is_zero = s <= tf.reduce_max(s) * G.shape[0] * G.dtype.as_numpy_dtype(2.0**-23)
    smallest = tf.reduce_min(tf.where(is_zero, float("inf"), s))
    roots = tf.where(is_zero, 0.0, tf.sqrt(smallest / s))
    return product(tf.transpose(V), roots * product(V, mean))


@_of_observed
def upgrad(G, mean, seed):
    """The mean of gradients moved to where no target loses (Quinton & Rey 2024).

    The projection of g_i on the dual cone of the gradients is v J, v being the minimum of
    v^T G v over v >= e_i (proposition 1).
    """
    M = _with_ridge(G)

    def add(i, w):
        unit = tf.one_hot(i, G.shape[0])
        of_target = unit + nonnegative_minimum(M, tf.gather(M, i))
        return i + 1, w + tf.gather(mean, i) * of_target

    _, w = tf.while_loop(
        lambda i, w: i < G.shape[0], add, (tf.constant(0), tf.zeros_like(mean))
    )
    return w


def _with_ridge(M):
    diagonal = tf.linalg.diag_part(M)
    return tf.linalg.set_diag(M, diagonal + RIDGE * tf.maximum(diagonal, 1e-3))


def _cosines(G):
    """Of the angles between gradients, with 1 on the diagonal, and 1 / |g|, or 0."""
    squares = tf.linalg.diag_part(G)
    inverse_norms = tf.where(squares > 0, tf.math.rsqrt(squares), 0.0)
    C = G * inverse_norms[:, None] * inverse_norms
    return tf.linalg.set_diag(C, tf.ones_like(squares)), inverse_norms


GRAMIAN_WEIGHTS: dict[str, Callable] = {
    "pcgrad": pcgrad,
    "mgda": mgda,
    "cagrad": cagrad,
    "imtl_g": imtl_g,
    "nash": nash,
    "aligned": aligned,
    "upgrad": upgrad,
}
