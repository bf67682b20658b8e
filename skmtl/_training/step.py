"""One step of training: the losses of a batch, their gradients, and the optimizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
import tensorflow as tf

from .._network.architecture import Architecture
from .._network.forward import forward
from .balancing.by_gradients import GRAMIAN_WEIGHTS
from .balancing.by_losses import BY_LOSSES
from .balancing.jacobian import balanced_gradients, shares_trained_weights
from .columns import by_product
from .dropout import dropout_mask, uniform
from .losses import cell_losses
from .optimizer import compiled_optimizer
from .precision import single_precision
from .spec import Learnt, ProgramSpec, Rows, Settings


def numbers_and_codes(architecture: Architecture, X):
    """The two kinds of features that rows have in one array, for `forward`."""
    n = architecture.n_features
    if not architecture.n_categorical:
        return X, None
    return X[:, :n], tf.cast(X[:, n:], tf.int32)


def activation_named(name: str) -> Callable:
    """An activation of Keras, its ReLU as a maximum: XLA compiles that quicker."""
    return partial(tf.maximum, 0.0) if name == "relu" else keras.activations.get(name)


class TrainingStep:
    """Makes new weights of the old ones, given a batch of rows."""

    def __init__(self, spec: ProgramSpec):
        self._spec = spec
        self._activation = activation_named(spec.architecture.activation)
        shapes, n_frozen = spec.weight_shapes, spec.n_frozen
        self._n_network_weights = len(spec.architecture.shapes.leaves())
        is_kernel = spec.architecture.shapes.decays.leaves()
        is_kernel += [False] * (len(shapes) - self._n_network_weights)  # log-variances
        with single_precision():
            self.optimizer = compiled_optimizer(
                spec.optimizer_config, shapes[n_frozen:], is_kernel[n_frozen:]
            )
        self._by_losses = BY_LOSSES.get(spec.balancing)
        self._by_gradients = GRAMIAN_WEIGHTS.get(spec.balancing)
        # Where tasks train nothing together, there are no gradients to balance.
        if not shares_trained_weights(spec.architecture, n_frozen):
            self._by_gradients = None
        self.balances = bool(self._by_losses or self._by_gradients)
        self.n_balance_rows = self._by_losses.n_rows if self._by_losses else 0

    def averaged_weights(self, learnt: Learnt) -> list:
        """The weights to validate and to keep: moving averages, if there are any."""
        frozen, trained = self._split(learnt.weights)
        return [*frozen, *self.optimizer.averaged_weights(trained, learnt.optimizer)]

    def __call__(self, learnt: Learnt, batch: Rows, n_rows, key, settings: Settings):
        """Take one step.

        Returns what is learnt after it, the sums over rows of the weighted losses (T,), and
        the weights of the targets (T,).
        """
        batch = batch._replace(X=self._with_unknown(batch.X, key, settings))
        gradients_of = self._balanced if self._by_gradients else self._gradients
        gradients, losses, loss_weights = gradients_of(learnt, batch, n_rows, key, settings)
        frozen, trained = self._split(learnt.weights)
        trained, optimizer = self.optimizer.step(
            trained, learnt.optimizer, gradients, settings
        )
        weights, balance = [*frozen, *trained], learnt.balance
        if self._by_losses and self._by_losses.after_step:
            drop = self._dropout(key, settings)  # the same units as before the step
            after = self.task_losses(weights, batch, settings, drop)
            means, seen = _means_and_seen(losses, batch.W)
            means_after, _ = _means_and_seen(after, batch.W)
            balance = [
                self._by_losses.after_step(
                    *balance, means, means_after, seen, settings.loss_weights
                )
            ]
        return Learnt(weights, optimizer, balance), losses, loss_weights

    def after_epoch(self, balance, losses):
        """What balancing goes on from after an epoch with these mean losses (T,)."""
        if self._by_losses and self._by_losses.after_epoch:
            return [self._by_losses.after_epoch(*balance, losses)]
        return balance

    def loss_weights(self, weights, settings: Settings):
        """Given weights (T,), times exp(-s) with log-variances s, if any are learnt."""
        if self._spec.learns_loss_weights:
            return settings.loss_weights * tf.exp(-weights[-1])
        return settings.loss_weights

    def task_losses(
        self, weights, rows: Rows, settings: Settings, drop=lambda H: H, architecture=None
    ):
        """Sum over rows of the weighted losses (T,)."""
        outputs = self.outputs(weights, rows.X, settings, drop, architecture)
        return self.losses_of(outputs, rows)

    def losses_of(self, outputs, rows: Rows):
        """The same, of what the heads put out (b, T, O)."""
        losses = cell_losses(self._spec.losses, rows.Y, outputs)
        return tf.reduce_sum(rows.W * losses, axis=0)

    def outputs(self, weights, X, settings: Settings, drop=lambda H: H, architecture=None):
        """What the heads put out (b, T, O)."""
        architecture = architecture or self._spec.architecture
        numbers, codes = numbers_and_codes(architecture, X)
        return forward(
            architecture,
            architecture.shapes.with_leaves(weights[: self._n_network_weights]),
            numbers,
            [by_product(units) for units in settings.inputs],
            self._activation,
            codes=codes,
            drop=drop,
            xp=keras.ops,
        )

    def _split(self, weights):
        """The frozen weights, and those that are trained."""
        return weights[: self._spec.n_frozen], weights[self._spec.n_frozen :]

    def _gradients(self, learnt, batch, n_rows, key, settings):
        """Gradients of the mean of the weighted losses."""
        _, trained = self._split(learnt.weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            drop = self._dropout(key, settings)
            losses = self.task_losses(learnt.weights, batch, settings, drop)
            weights = self.loss_weights(learnt.weights, settings)
            if self._by_losses:
                # The weights follow from the losses, but the gradient takes them as given.
                means, seen = _means_and_seen(tf.stop_gradient(losses), batch.W)
                weights = self._by_losses.weights(
                    *(learnt.balance or [None]), means, seen, settings.loss_weights, key
                )
            loss = tf.reduce_mean(weights * losses) / n_rows
            if self._spec.learns_loss_weights:
                loss += tf.reduce_mean(settings.loss_weights * learnt.weights[-1])
            loss = self.optimizer.scale_loss(loss, learnt.optimizer)
        # Of a look-up TensorFlow gives the rows that were met, and where they belong.
        gradients = [
            g if g is None else tf.convert_to_tensor(g)
            for g in tape.gradient(loss, trained)
        ]
        return gradients, losses, weights

    def _balanced(self, learnt, batch, n_rows, key, settings):
        """Gradients of losses that are balanced by their gradients of shared weights."""
        n_targets = self._spec.architecture.n_targets
        _, seen = _means_and_seen(tf.zeros(n_targets), batch.W)
        preferences = seen * settings.loss_weights
        drop = self._dropout(key, settings)

        def losses_of(architecture, weights):
            losses = self.task_losses(weights, batch, settings, drop, architecture)
            return losses / n_rows

        # The loss is a mean over all T targets: each counts 1 / T. Balancing knows only the
        # n targets that the batch observes, and weighs equal ones by 1 / n each. Times
        # n / T, for n the sum of their preferences, they count as they would without
        # balancing. A history reports weights whose mean is about 1, as users give them:
        # times T.
        def task_weights_of(G):
            w = self._by_gradients(G, preferences, key[0] + key[1])
            return w * tf.reduce_sum(preferences) / n_targets

        gradients, losses, weights = balanced_gradients(
            learnt.weights,
            self._spec.architecture,
            self._spec.n_frozen,
            losses_of,
            task_weights_of,
            settings.loss_weights / n_targets,
        )
        scale = self.optimizer.scale_loss(1.0, learnt.optimizer)
        return [g * scale for g in gradients], losses * n_rows, weights * n_targets

    def _with_unknown(self, X, key, settings: Settings):
        """The rows with some of their categories unknown, at random."""
        architecture = self._spec.architecture
        if not architecture.n_categorical:
            return X
        n = architecture.n_features
        draws = uniform((X.shape[0], architecture.n_categorical), (*key, -1))
        hidden = draws < settings.unknown_rate
        return tf.concat([X[:, :n], tf.where(hidden, settings.unknown, X[:, n:])], 1)

    def _dropout(self, key, settings):
        """Drops units of one layer after the other, as many masks as it is called."""
        if not self._spec.dropout:
            return lambda H: H
        layers = iter(range(len(self._spec.weight_shapes)))
        return lambda H: H * dropout_mask(H.shape, (*key, next(layers)), settings.dropout)


def _means_and_seen(losses, W):
    """Mean loss of each target's observed cells, and 1 where there are any, both (T,)."""
    total = tf.reduce_sum(W, axis=0)
    seen = tf.cast(total > 0, tf.float32)
    return losses / tf.where(total > 0, total, 1.0), seen
