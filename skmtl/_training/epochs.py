"""Epochs of training: what one call of a compiled program runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from .spec import ProgramSpec, Rows, Settings, State
from .step import TrainingStep

VALIDATION_CHUNK = 128  # rows per forward pass of the validation set


class _Best(NamedTuple):
    """What `State` has of the best epoch so far of each network."""

    weights: list
    loss: tf.Tensor
    wait: tf.Tensor
    epochs: tf.Tensor


class Epochs:
    """Passes over the rows to train on, each followed by one over those held out."""

    def __init__(self, spec: ProgramSpec, step: TrainingStep):
        self._spec = spec
        self._step = step

    def run(
        self, state: State, train: Rows, validation: Rows, order, seeds, settings: Settings
    ):
        """A new state; losses (max_epochs, 3, T) in the order of `EpochLosses`; epochs run.

        ``order`` and ``seeds`` have an entry for each of the max_epochs that may be run.
        """
        self._step.load(state)

        def not_stopped(epoch, best, *_):
            return (epoch < settings.n_epochs) & tf.reduce_any(
                best.wait < settings.patience
            )

        # The best weights are kept in here. If the caller kept them, every epoch would need
        # a call of its own, and that takes as long as several epochs of a hundred rows.
        def one_epoch(epoch, best, balance, losses):
            train_loss, loss_weights, balance = self._train(
                train, order[epoch], seeds[epoch], balance, settings
            )
            validation_loss = self._validation_loss(validation, settings)
            number = state.n_epochs + epoch + 1
            best = self._better(best, validation_loss, number, settings)
            row = tf.stack([train_loss, validation_loss, loss_weights])
            losses = tf.tensor_scatter_nd_update(losses, [[epoch]], [row])
            return epoch + 1, best, balance, losses

        best = _Best(state.kept_weights, state.best_loss, state.wait, state.best_epochs)
        losses = tf.zeros((order.shape[0], 3, self._spec.architecture.n_targets))
        n_run, best, balance, losses = tf.while_loop(
            not_stopped, one_epoch, (tf.constant(0), best, state.balance, losses)
        )
        weights, optimizer = self._step.values()
        n_epochs = state.n_epochs + n_run
        return (
            State(weights, optimizer, *best[:3], n_epochs, best.epochs, balance),
            losses,
            n_run,
        )

    def _train(self, train, order, seed, balance, settings):
        """Mean loss (T,) and loss weight (T,) over the epoch's batches, and the balance."""
        batch_size = self._spec.batch_size
        positions = tf.range(batch_size)
        n_steps = (settings.n_train + batch_size - 1) // batch_size

        def one_step(step, total, total_weights, balance):
            start = step * batch_size
            n_rows = tf.minimum(batch_size, settings.n_train - start)
            batch = tf.slice(order, [start], [batch_size])
            X, Y, W = (tf.gather(A, batch) for A in train)
            # The last batch is as large as the others, and its surplus rows weigh nothing.
            W = tf.where((positions < n_rows)[:, None], W, 0.0)
            loss, weights, balance = self._step(
                Rows(X, Y, W), tf.cast(n_rows, tf.float32), (seed, step), settings, balance
            )
            total_weights = [old + weights for old in total_weights]
            return step + 1, total + loss, total_weights, balance

        zeros = tf.zeros((self._spec.architecture.n_targets,))
        _, total, total_weights, balance = tf.while_loop(
            lambda step, *_: step < n_steps,
            one_step,
            (tf.constant(0), zeros, [zeros] * self._step.balances, balance),
        )
        losses = total / tf.cast(settings.n_train, tf.float32)
        balance = self._step.after_epoch(balance, losses)
        if self._step.balances:
            return losses, total_weights[0] / tf.cast(n_steps, tf.float32), balance
        return losses, self._step.loss_weights(settings), balance

    def _validation_loss(self, validation, settings):
        """Loss (T,) on the validation rows, in chunks: their number is a run-time value."""
        n_rows = settings.n_validation

        def one_chunk(start, total):
            chunk = Rows(
                *(
                    tf.slice(A, [start, 0], [VALIDATION_CHUNK, A.shape[1]])
                    for A in validation
                )
            )
            weights = self._step.averaged_weights()
            loss = self._step.task_losses(weights, chunk, settings)
            return start + VALIDATION_CHUNK, total + loss

        total = tf.zeros((self._spec.architecture.n_targets,))
        _, total = tf.while_loop(
            lambda start, total: start < n_rows, one_chunk, (tf.constant(0), total)
        )
        return total / tf.cast(tf.maximum(n_rows, 1), tf.float32)

    def _better(self, best: _Best, task_losses, number, settings) -> _Best:
        """The best of the epochs so far and of this one, for every network."""
        losses = self._losses_of_networks(task_losses, settings.loss_weights)
        validated = settings.n_validation > 0
        better = ((losses < best.loss) | ~validated) & (best.wait < settings.patience)
        weights = [
            tf.where(self._whose_network(better, users, len(old.shape)), new, old)
            for new, old, users in zip(
                self._step.averaged_weights(), best.weights, self._spec.users, strict=True
            )
        ]
        loss = tf.where(better, losses, best.loss)
        # A network that ran out of patience stays out of it.
        waited = tf.minimum(best.wait + 1, settings.patience)
        wait = tf.where(better & validated, 0, waited)
        return _Best(weights, loss, wait, tf.where(better, number, best.epochs))

    def _whose_network(self, flags, users, n_axes: int):
        """Flags of the networks (N,), given to the entries of a weight's first axis."""
        architecture = self._spec.architecture
        if users is None or architecture.n_networks == 1:
            flags = flags[:1]
        else:
            # Whoever uses an entry is part of the same network.
            of_entries = np.array(architecture.networks)[users.argmax(axis=1)]
            flags = tf.gather(flags, of_entries)
        return tf.reshape(flags, [-1] + [1] * (n_axes - 1))

    def _losses_of_networks(self, task_losses, loss_weights):
        """Loss of every network (N,): of its only task, or the mean of weighted ones."""
        architecture = self._spec.architecture
        if architecture.separate:
            return task_losses
        weighted = loss_weights * task_losses
        if architecture.n_networks == 1:
            return tf.reduce_mean(weighted, keepdims=True)
        return tf.math.unsorted_segment_mean(
            weighted, tf.constant(architecture.networks), architecture.n_networks
        )
