"""Epochs of training: what one call of a compiled program runs."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .early_stopping import Best, better
from .scoring import scores_of
from .spec import Learnt, ProgramSpec, Rows, Settings, State
from .step import TrainingStep

VALIDATION_CHUNK = 128  # rows per forward pass of the validation set


class Epochs:
    """Passes over the rows to train on, each followed by one over those held out."""

    def __init__(self, spec: ProgramSpec, step: TrainingStep):
        self._spec = spec
        self._step = step

    def run(
        self, state: State, train: Rows, validation: Rows, order, seeds, settings: Settings
    ):
        """A new state; losses (max_epochs, 3, T), as `EpochLosses` has them; epochs run.

        ``order`` and ``seeds`` have an entry for each of the max_epochs that may be run. If
        there are scores, the losses are (max_epochs, 4, T).
        """

        def not_stopped(epoch, best, *_):
            return (epoch < settings.n_epochs) & tf.reduce_any(
                best.wait < settings.patience
            )

        # The best weights are kept in here. If the caller kept them, every epoch would need
        # a call of its own, and that takes as long as several epochs of a hundred rows.
        def one_epoch(epoch, best, learnt, losses):
            learnt, train_loss, loss_weights = self._train(
                learnt,
                train,
                order[epoch],
                seeds[epoch],
                settings,
                state.n_epochs + epoch,
            )
            weights = self._step.averaged_weights(learnt)
            validated = self._validate(weights, validation, settings)
            number = state.n_epochs + epoch + 1
            best = better(self._spec, best, weights, *validated, number, settings)
            row = tf.stack([train_loss, validated[0], loss_weights, *validated[1]])
            losses = tf.tensor_scatter_nd_update(losses, [[epoch]], [row])
            return epoch + 1, best, learnt, losses

        best = Best(state.kept_weights, state.best_loss, state.wait, state.best_epochs)
        n_rows = 4 if self._spec.scores else 3
        losses = tf.zeros((order.shape[0], n_rows, self._spec.architecture.n_targets))
        learnt = Learnt(state.weights, state.optimizer, state.balance)
        n_run, best, learnt, losses = tf.while_loop(
            not_stopped, one_epoch, (tf.constant(0), best, learnt, losses)
        )
        weights, optimizer, balance = learnt
        state = State(
            weights,
            optimizer,
            kept_weights=best.weights,
            best_loss=best.loss,
            wait=best.wait,
            n_epochs=state.n_epochs + n_run,
            best_epochs=best.epochs,
            balance=balance,
        )
        return state, losses, n_run

    def _train(self, learnt, train, order, seed, settings, n_before):
        """What is learnt after an epoch, its mean loss (T,) and mean loss weight (T,).

        ``n_before`` is the number of epochs before it.
        """
        batch_size = self._spec.batch_size
        positions = tf.range(batch_size)
        n_steps = (settings.n_train + batch_size - 1) // batch_size

        def rate(step):
            """The learning rate of a step (Loshchilov & Hutter 2017, without restarts)."""
            done = tf.cast(n_before * n_steps + step, tf.float32)
            share = done / tf.cast(settings.all_epochs * n_steps, tf.float32)
            fall = settings.annealed * (0.5 - 0.5 * tf.cos(np.pi * tf.minimum(share, 1.0)))
            return settings.learning_rate * (1.0 - fall)

        def one_step(step, learnt, total, total_weights):
            start = step * batch_size
            n_rows = tf.minimum(batch_size, settings.n_train - start)
            batch = tf.slice(order, [start], [batch_size])
            X, Y, W = (tf.gather(A, batch) for A in train)
            # The last batch is as large as the others, and its surplus rows weigh nothing.
            W = tf.where((positions < n_rows)[:, None], W, 0.0)
            now = settings._replace(learning_rate=rate(step))
            learnt, loss, weights = self._step(
                learnt, Rows(X, Y, W), tf.cast(n_rows, tf.float32), (seed, step), now
            )
            total_weights = [old + weights for old in total_weights]
            return step + 1, learnt, total + loss, total_weights

        zeros = tf.zeros((self._spec.architecture.n_targets,))
        _, learnt, total, total_weights = tf.while_loop(
            lambda step, *_: step < n_steps,
            one_step,
            (tf.constant(0), learnt, zeros, [zeros] * self._step.balances),
        )
        losses = total / tf.cast(settings.n_train, tf.float32)
        learnt = learnt._replace(balance=self._step.after_epoch(learnt.balance, losses))
        if self._step.balances:
            return learnt, losses, total_weights[0] / tf.cast(n_steps, tf.float32)
        return learnt, losses, self._step.loss_weights(learnt.weights, settings)

    def _validate(self, weights, validation, settings):
        """Loss (T,) on the validation rows, and a list of their score (T,) if there is one.

        In chunks: the number of rows is a run-time value.
        """
        n_rows, architecture = settings.n_validation, self._spec.architecture

        def one_chunk(start, total, outputs):
            chunk = Rows(
                *(
                    tf.slice(A, [start, 0], [VALIDATION_CHUNK, A.shape[1]])
                    for A in validation
                )
            )
            F = self._step.outputs(weights, chunk.X, settings)
            index = [[start // VALIDATION_CHUNK]]
            outputs = [tf.tensor_scatter_nd_update(old, index, [F]) for old in outputs]
            loss = self._step.losses_of(F, chunk)
            return start + VALIDATION_CHUNK, total + loss, outputs

        total = tf.zeros((architecture.n_targets,))
        n_outputs = architecture.n_targets, architecture.n_outputs
        n_chunks = validation.X.shape[0] // VALIDATION_CHUNK
        # Scores need the outputs of all rows at once, such as for their order.
        outputs = [tf.zeros((n_chunks, VALIDATION_CHUNK, *n_outputs))]
        _, total, outputs = tf.while_loop(
            lambda start, *_: start < n_rows,
            one_chunk,
            (tf.constant(0), total, outputs * bool(self._spec.scores)),
        )
        losses = total / tf.cast(tf.maximum(n_rows, 1), tf.float32)
        scores = [
            scores_of(
                self._spec.scores,
                losses,
                validation.Y,
                tf.reshape(F, (-1, *n_outputs)),
                validation.W,
                settings.score_units,
            )
            for F in outputs
        ]
        return losses, scores
