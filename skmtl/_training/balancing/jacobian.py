"""Gradients of every task alone: by copies of the shared weights, one for each task.

With copies of its own, a task's loss has a gradient of its own, and one backward pass gives
those of all tasks side by side: J. A step on the shared weights is then weights @ J.
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
):
    """Gradients of all weights but the frozen ones; losses (T,); weights of tasks (T,).

    ``losses_of(architecture, weights)`` are the losses (T,), ``task_weights_of(G)`` the
    weights of the tasks for the Gramian G = J J^T of their gradients by what they share.
    What a task has for itself is trained on the mean of the losses.
    """
    trained = weights[n_frozen:]
    with tf.GradientTape() as to_weights:
        to_weights.watch(trained)
        all_copies = [
            _copy(w, use, architecture)
            for w, use in zip(weights, architecture.users.leaves(), strict=True)
        ]
    copies = all_copies[n_frozen:]
    with tf.GradientTape() as to_copies:
        to_copies.watch(copies)
        losses = losses_of(_unshared(architecture), all_copies)
        total = tf.reduce_sum(losses)
    J = to_copies.gradient(total, copies, unconnected_gradients="zero")
    n_shared = _n_shared(architecture)[n_frozen:]
    n_targets = architecture.n_targets
    stacked = [tf.reshape(g, (n_targets, -1, *g.shape[1:])) for g in J]
    shared = [
        tf.reshape(g[:, :n], (n_targets, -1))
        for g, n in zip(stacked, n_shared, strict=True)
    ]
    shared = tf.concat(shared, axis=1)
    G = tf.matmul(shared, shared, transpose_b=True) * _same_network(architecture)
    task_weights = task_weights_of(G)
    weighted = [
        tf.reshape(_coefficients(task_weights, g.shape[1], n) * g, copy.shape)
        for g, n, copy in zip(stacked, n_shared, copies, strict=True)
    ]
    return to_weights.gradient(copies, trained, weighted), losses, task_weights


def shares_trained_weights(architecture: Architecture, n_frozen: int) -> bool:
    """Whether several tasks train a weight together."""
    return any(_n_shared(architecture)[n_frozen:])


def _n_shared(architecture: Architecture) -> list[int]:
    """Of each task's copies of each weight, how many are of what it shares with others."""
    n_experts = 1 if architecture.groups else architecture.n_experts
    return [
        1 if use is None else 0 if _is_own(use) else n_experts
        for use in architecture.users.leaves()
    ]


def _coefficients(task_weights, n_copies: int, n_shared: int):
    """What each copy's gradient counts (T, n, 1, 1); its task's own is one of T."""
    of_shared = (np.arange(n_copies) < n_shared)[None, :]
    alone = 1 / task_weights.shape[0]
    return tf.where(of_shared, task_weights[:, None], alone)[:, :, None, None]


def _same_network(architecture: Architecture):
    """1 for pairs of tasks that have a weight in common, else 0."""
    networks = np.array(architecture.networks)
    return tf.constant(networks[:, None] == networks, tf.float32)


def _unshared(architecture: Architecture) -> Architecture:
    """What computes the same with copies of what is shared."""
    if architecture.gated:
        n_experts = architecture.n_experts + architecture.n_task_experts
        own = {"n_experts": 0, "n_task_experts": n_experts}
    else:
        own = {"sharing_depth": 0, "groups": ()}
    return dataclasses.replace(architecture, share_output=False, **own)


def _copy(w, use, architecture: Architecture):
    """A weight with the tasks as its first axis; of experts, tasks and their experts."""
    n_targets = architecture.n_targets
    if use is None:  # a bias (o,) becomes (T, 1, o)
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
