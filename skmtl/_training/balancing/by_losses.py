"""Weights of the targets that follow from their losses, step by step.

All have the mean 1 over the targets that a batch observes, as equal weights have, or about
that if some targets are preferred. Preferences have the mean 1 over all targets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ..dropout import uniform

DWA_TEMPERATURE = 2.0  # of Liu et al. 2019
FAMO_RATE, FAMO_DECAY = 0.025, 1e-3  # of Liu et al. 2023
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # of FAMO's Adam
SMALLEST_LOSS = 1e-8  # before a logarithm or a quotient


@dataclass(frozen=True)
class LossWeighting:
    """How weights follow from losses.

    ``weights(balance, losses, seen, preferences, key)`` are those (T,) of a step, for the
    mean losses of its batch, the targets that it observes (1 or 0), how much each is
    preferred, and a key of random numbers. What it remembers, ``balance`` (k, T), is zero
    at first.
    """

    weights: Callable
    n_rows: int = 0  # k
    after_step: Callable | None = (
        None  # of (balance, losses, losses_after, seen, preferences)
    )
    after_epoch: Callable | None = None  # of (balance, losses)


def _shared_out(z, preferences):
    """In proportion to z times preferences, and with the sum of these."""
    z = z * preferences
    return z * tf.reduce_sum(preferences) / tf.maximum(tf.reduce_sum(z), 1e-12)


def _random(balance, losses, seen, preferences, key):
    """RLW: the softmax of normal numbers, new in every step (Lin et al. 2022, eq. 3)."""
    u = uniform((2, losses.shape[0]), key)
    # Box & Muller 1958; 1 - u is not 0.
    normal = tf.sqrt(-2 * tf.math.log(1 - u[0])) * tf.cos(2 * np.pi * u[1])
    return _shared_out(tf.exp(normal), seen * preferences)


def _geometric(balance, losses, seen, preferences, key):
    """GLS: the gradient of the losses' geometric mean (Chennupati et al. 2019, eq. 1).

    That of M = (L_1 ... L_T)^(1/T) is the mean of M / L_t times that of L_t. Preferences
    are the powers of the losses in a weighted mean.
    """
    logs = tf.math.log(tf.maximum(losses, SMALLEST_LOSS))
    powers = seen * preferences
    mean = tf.math.divide_no_nan(tf.reduce_sum(powers * logs), tf.reduce_sum(powers))
    return tf.exp(mean - logs) * powers


def _dwa(balance, losses, seen, preferences, key):
    """DWA: the softmax of r_t / 2, r_t the quotient of the last two epochs' losses.

    Where a loss falls slowly, r_t is large (Liu et al. 2019, eq. 7). Equal at first.
    """
    last, before = balance[0], balance[1]
    # ``before`` is zero until two epochs have passed.
    known = (before > 0) & (preferences > 0)
    r = tf.where(known, last / tf.maximum(before, SMALLEST_LOSS), 1.0)
    return _shared_out(tf.nn.softmax(r / DWA_TEMPERATURE), preferences)


def _remember_epoch(balance, losses):
    return tf.stack([losses, balance[0]])


def _famo(balance, losses, seen, preferences, key):
    """FAMO: weights proportional to z_t / L_t, z a softmax (Liu et al. 2023, eq. 9)."""
    z = tf.nn.softmax(balance[0])
    return _shared_out(z / tf.maximum(losses, SMALLEST_LOSS), seen * preferences)


def _famo_after_step(balance, losses, losses_after, seen, preferences):
    """One step of Adam on z's logits, against the fall of each logarithm (eq. 8).

    Falls are to be in proportion to preferences, so these divide them.
    """
    logits, m, v, n_steps = tf.unstack(balance)
    z = tf.nn.softmax(logits)
    fall = tf.math.log(tf.maximum(losses, SMALLEST_LOSS))
    fall -= tf.math.log(tf.maximum(losses_after, SMALLEST_LOSS))
    fall = tf.math.divide_no_nan(fall, preferences)
    seen = seen * tf.sign(preferences)
    mean_fall = tf.reduce_sum(z * seen * fall) / tf.maximum(tf.reduce_sum(z * seen), 1e-12)
    gradient = z * (fall - mean_fall) * seen + FAMO_DECAY * logits
    n_steps += 1
    m = BETA_1 * m + (1 - BETA_1) * gradient
    v = BETA_2 * v + (1 - BETA_2) * gradient**2
    m_hat, v_hat = m / (1 - BETA_1**n_steps), v / (1 - BETA_2**n_steps)
    logits -= FAMO_RATE * m_hat / (tf.sqrt(v_hat) + EPSILON)
    return tf.stack([logits, m, v, n_steps])


BY_LOSSES = {
    "dwa": LossWeighting(_dwa, n_rows=2, after_epoch=_remember_epoch),
    "random": LossWeighting(_random),
    "geometric": LossWeighting(_geometric),
    "famo": LossWeighting(_famo, n_rows=4, after_step=_famo_after_step),
}
