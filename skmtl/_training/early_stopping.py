"""Early stopping: each network's best epoch, and for how long there was no better one.

It is part of the compiled loop: training stops when all networks have run out of patience.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from .._network.architecture import Architecture
from .spec import ProgramSpec, Settings, State


class Best(NamedTuple):
    """What `State` has of the best epoch so far of each network."""

    weights: list
    loss: tf.Tensor
    wait: tf.Tensor
    epochs: tf.Tensor


def better(
    spec: ProgramSpec,
    best: Best,
    weights,
    task_losses,
    task_scores: list,
    number,
    settings: Settings,
) -> Best:
    """The best of the epochs so far and of this one, for every network.

    ``task_scores`` is a list of their scores (T,), by which it goes then, or empty.
    """
    architecture = spec.architecture
    if spec.stops_by_roots:
        task_losses = _roots(spec, task_losses)
    losses = _losses_of_networks(architecture, task_losses, settings.loss_weights)
    for scores in task_scores:
        losses = _minus_scores(architecture, scores, losses, settings)
    validated = settings.n_validation > 0
    is_better = ((losses < best.loss) | ~validated) & (best.wait < settings.patience)
    weights = [
        tf.where(_of_entries(architecture, is_better, users, len(old.shape)), new, old)
        for new, old, users in zip(weights, best.weights, spec.users, strict=True)
    ]
    loss = tf.where(is_better, losses, best.loss)
    # A network that ran out of patience stays out of it.
    waited = tf.minimum(best.wait + 1, settings.patience)
    wait = tf.where(is_better & validated, 0, waited)
    return Best(weights, loss, wait, tf.where(is_better, number, best.epochs))


def with_best_of(spec: ProgramSpec, state: State, other: State, which: np.ndarray) -> State:
    """The state with the best epochs of these networks (N,) from another one."""
    weights = [
        tf.where(_of_entries(spec.architecture, which, users, len(old.shape)), new, old)
        for new, old, users in zip(
            other.kept_weights, state.kept_weights, spec.users, strict=True
        )
    ]
    return state._replace(
        kept_weights=weights,
        best_loss=tf.where(which, other.best_loss, state.best_loss),
        best_epochs=tf.where(which, other.best_epochs, state.best_epochs),
    )


def _of_entries(architecture: Architecture, flags, users, n_axes: int):
    """Flags of the networks (N,), given to the entries of a weight's first axis."""
    if users is None or architecture.n_networks == 1:
        flags = flags[:1]
    else:
        # Whoever uses an entry is part of the same network.
        of_entries = np.array(architecture.networks)[users.argmax(axis=1)]
        flags = tf.gather(flags, of_entries)
    return tf.reshape(flags, [-1] + [1] * (n_axes - 1))


def _roots(spec: ProgramSpec, task_losses):
    """Of squared errors (T,): the noise of one target hides less of what others gain."""
    are_squares = np.array([loss.key == "squared_error" for loss in spec.losses])
    return tf.where(are_squares, tf.sqrt(task_losses), task_losses)


def _losses_of_networks(architecture: Architecture, task_losses, loss_weights):
    """Loss of every network (N,): of its only task, or the mean of weighted ones."""
    if architecture.separate:
        return task_losses
    return _means_of_networks(architecture, loss_weights * task_losses)


def _minus_scores(architecture: Architecture, scores, losses, settings: Settings):
    """Minus the weighted mean of each network's scores, or its loss if it has none."""
    defined = settings.score_units.defined
    counts = settings.loss_weights * defined
    total = _means_of_networks(architecture, tf.where(defined > 0, counts * scores, 0.0))
    count = _means_of_networks(architecture, counts)
    return tf.where(count > 0, -total / count, losses)


def _means_of_networks(architecture: Architecture, values):
    """Of every network (N,) the mean over its targets."""
    if architecture.separate:
        return values
    if architecture.n_networks == 1:
        return tf.reduce_mean(values, keepdims=True)
    return tf.math.unsorted_segment_mean(
        values, tf.constant(architecture.networks), architecture.n_networks
    )
