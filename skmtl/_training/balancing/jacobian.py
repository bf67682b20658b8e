"""The gradient of each task's loss by the shared weights, all in one backward pass.

A backward pass gives the gradient of one number, so T losses would need T passes. Here each
task gets a copy of the shared weights of its own. The gradient of the losses' sum by the
copy of task t is then the gradient of its loss L_t alone. Side by side, the gradients by
the copies are the rows of the Jacobian J (T, p), and the balanced gradient is w J for the
weights w (T,) of the tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from ..._network.architecture import Architecture


def balanced_gradients(
    weights: Sequence,
    architecture: Architecture,
    n_frozen: int,
    losses_of: Callable,
    task_weights_of: Callable,
    own_weights,
):
    """Gradients of all weights but the frozen ones; losses (T,); weights of tasks (T,).

    ``losses_of(architecture, weights)`` computes the losses (T,). ``task_weights_of(G)``
    computes the weights of the tasks from the Gramian G = J J^T of their gradients.
    What a task has for itself is trained on its loss, times its ``own_weights`` (T,).
    """
    trained = weights[n_frozen:]
    # Two tapes, for the two halves of the chain from weights by copies to losses. What
    # happens between them is no gradient of anything: it takes the gradients by the copies
    # apart, finds the tasks' weights, and puts weighted gradients in their place. The first
    # tape then leads these back from the copies to the weights, adding up the tasks.
    with tf.GradientTape() as to_weights:
        to_weights.watch(trained)
        all_copies = [
            _copy(w, use, architecture)
            for w, use in zip(weights, architecture.users, strict=True)
        ]
    copies = all_copies[n_frozen:]
    with tf.GradientTape() as to_copies:
        to_copies.watch(copies)
        losses = losses_of(_unshared(architecture), all_copies)
        total = tf.reduce_sum(losses)
    by_copies = to_copies.gradient(total, copies, unconnected_gradients="zero")
    by_copies = [tf.convert_to_tensor(g) for g in by_copies]  # of look-ups, too
    n_shared = _n_shared(architecture)[n_frozen:]
    n_targets = architecture.n_targets
    stacked = [tf.reshape(g, (n_targets, -1, *g.shape[1:])) for g in by_copies]
    task_weights = task_weights_of(_gramian(stacked, n_shared, architecture))
    weighted = [
        tf.reshape(_coefficients(task_weights, own_weights, g.shape[1], n) * g, copy.shape)
        for g, n, copy in zip(stacked, n_shared, copies, strict=True)
    ]
    return to_weights.gradient(copies, trained, weighted), losses, task_weights


def _gramian(stacked: Sequence, n_shared: Sequence[int], architecture: Architecture):
    """G = J J^T (T, T), of the gradients by all copies of each weight (T, n, ...)."""
    J = [
        tf.reshape(g[:, :n], (architecture.n_targets, -1))
        for g, n in zip(stacked, n_shared, strict=True)
    ]
    J = tf.concat(J, axis=1)
    # Tasks of different groups have copies of different weights in the same columns of J.
    # The products of their gradients mean nothing.
    return tf.matmul(J, J, transpose_b=True) * _same_network(architecture)


def shares_trained_weights(architecture: Architecture, n_frozen: int) -> bool:
    """Whether several tasks train a weight together."""
    return any(_n_shared(architecture)[n_frozen:])


def _n_shared(architecture: Architecture) -> list[int]:
    """For each weight, how many of a task's copies are of what others use, too."""
    n_experts = 1 if architecture.groups else architecture.n_experts
    return [
        1 if use is None else 0 if _is_own(use) else n_experts for use in architecture.users
    ]


def _coefficients(task_weights, own_weights, n_copies: int, n_shared: int):
    """Factors (T, n, 1, 1) of the gradients by each task's n copies.

    For copies of what is shared, the weight of the task; else that of what is its own.
    """
    of_shared = (np.arange(n_copies) < n_shared)[None, :]
    factors = tf.where(of_shared, task_weights[:, None], own_weights[:, None])
    return factors[:, :, None, None]


def _same_network(architecture: Architecture):
    """1 for pairs of tasks that have a weight in common, else 0."""
    networks = np.array(architecture.networks)
    return tf.constant(networks[:, None] == networks, tf.float32)


def _unshared(architecture: Architecture) -> Architecture:
    """The architecture that computes the same from copies, one for each task."""
    if architecture.gated:
        n_experts = architecture.n_experts + architecture.n_task_experts
        own = {"n_experts": 0, "n_task_experts": n_experts}
    else:
        own = {"sharing_depth": 0, "groups": ()}
    return dataclasses.replace(architecture, share_output=False, **own)


def _copy(w, use, architecture: Architecture):
    """A copy of a weight for each task, along the first axis.

    Of experts, that axis has all that the first task reads, then all that the second reads.
    """
    n_targets = architecture.n_targets
    if use is None:  # all tasks use it; a bias (o,) becomes (T, 1, o)
        w = w[None] if len(w.shape) == 1 else w
        return tf.tile(w[None], [n_targets, 1, 1])
    if _is_own(use):
        return w
    if architecture.groups:
        return tf.einsum("at,aio->tio", tf.constant(use, w.dtype), w)
    common, own = w[: architecture.n_experts], w[architecture.n_experts :]
    common = tf.tile(common[None], [n_targets, 1, 1, 1])
    own = tf.reshape(own, (n_targets, architecture.n_task_experts, *w.shape[1:]))
    return tf.reshape(tf.concat([common, own], axis=1), (-1, *w.shape[1:]))


def _is_own(use: np.ndarray) -> bool:
    """Whether every task has one entry of the first axis for itself."""
    return use.shape[0] == use.shape[1] and bool((use == np.eye(len(use))).all())
