"""One step of training: the losses of a batch, their gradients, and the optimizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from .._network.forward import forward
from .balancing.by_gradients import GRAMIAN_WEIGHTS
from .balancing.by_losses import BY_LOSSES
from .balancing.jacobian import balanced_gradients, shares_trained_weights
from .dropout import dropout_mask
from .losses import cell_losses
from .optimizer import CompiledOptimizer
from .precision import single_precision
from .spec import ProgramSpec, Rows, Settings, State


def activation_named(name: str) -> Callable:
    """An activation of Keras, its ReLU as a maximum: XLA compiles that quicker."""
    return partial(tf.maximum, 0.0) if name == "relu" else keras.activations.get(name)


class TrainingStep:
    """Changes the weights of a network, given a batch of rows.

    The weights and the state of the optimizer are variables of Keras. All methods that read
    or change them are traced as a part of a compiled function.
    """

    def __init__(self, spec: ProgramSpec):
        self._spec = spec
        self._activation = activation_named(spec.architecture.activation)
        shapes, n_frozen = spec.weight_shapes, spec.n_frozen
        self._n_network_weights = len(spec.architecture.shapes.leaves())
        # Kernels and biases alternate. Log-variances stand behind them, and do not decay.
        is_kernel = [i % 2 == 0 and i < self._n_network_weights for i in range(len(shapes))]
        with single_precision():
            self.optimizer = CompiledOptimizer(
                spec.optimizer_config, shapes[n_frozen:], is_kernel[n_frozen:]
            )
        self._frozen = [
            keras.Variable(np.zeros(shape), dtype="float32") for shape in shapes[:n_frozen]
        ]
        self.weights = [*self._frozen, *self.optimizer.weights]
        self.variables = [*self.weights, *self.optimizer.variables]
        self._by_losses = BY_LOSSES.get(spec.balancing)
        self._by_gradients = GRAMIAN_WEIGHTS.get(spec.balancing)
        # Where tasks train nothing together, there are no gradients to balance.
        if not shares_trained_weights(spec.architecture, n_frozen):
            self._by_gradients = None
        self.balances = bool(self._by_losses or self._by_gradients)
        self.n_balance_rows = self._by_losses.n_rows if self._by_losses else 0

    def load(self, state: State) -> None:
        """Set the variables to the values of a state."""
        variables = [*self.weights, *self.optimizer.state]
        values = [*state.weights, *state.optimizer]
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def values(self) -> tuple[list, list]:
        """The weights, and the optimizer's state, as they are now."""
        weights = [tf.identity(v.value) for v in self.weights]
        return weights, [tf.identity(v.value) for v in self.optimizer.state]

    def averaged_weights(self) -> list:
        """The weights to validate and to keep: moving averages, if there are any."""
        return _tensors([*self._frozen, *self.optimizer.averaged_weights()])

    def __call__(self, batch: Rows, n_rows, key, settings: Settings, balance):
        """Take one step.

        Returns the sums over rows of the weighted losses (T,), the weights of the targets
        (T,), and what balancing goes on from.
        """
        gradients_of = self._balanced if self._by_gradients else self._gradients
        gradients, losses, weights = gradients_of(batch, n_rows, key, settings, balance)
        self.optimizer.step(gradients, settings)
        if self._by_losses and self._by_losses.after_step:
            drop = self._dropout(key, settings)  # the same units as before the step
            after = self.task_losses(_tensors(self.weights), batch, settings, drop)
            means, seen = _means_and_seen(losses, batch.W)
            means_after, _ = _means_and_seen(after, batch.W)
            balance = [self._by_losses.after_step(*balance, means, means_after, seen)]
        return losses, weights, balance

    def after_epoch(self, balance, losses):
        """What balancing goes on from after an epoch with these mean losses (T,)."""
        if self._by_losses and self._by_losses.after_epoch:
            return [self._by_losses.after_epoch(*balance, losses)]
        return balance

    def loss_weights(self, settings: Settings):
        """Given weights (T,), or learnt: exp(-s) with log-variances s, which cost s."""
        if self._spec.learns_loss_weights:
            return tf.exp(-self.weights[-1].value)
        return settings.loss_weights

    def task_losses(
        self, weights, rows: Rows, settings: Settings, drop=lambda H: H, architecture=None
    ):
        """Sum over rows of the weighted losses (T,)."""
        architecture = architecture or self._spec.architecture
        outputs = forward(
            architecture,
            architecture.shapes.with_leaves(weights[: self._n_network_weights]),
            rows.X,
            settings.inputs,
            self._activation,
            drop=drop,
            xp=keras.ops,
        )
        losses = cell_losses(self._spec.losses, rows.Y, outputs)
        return tf.reduce_sum(rows.W * losses, axis=0)

    def _gradients(self, batch, n_rows, key, settings, balance):
        """Gradients of the mean of the weighted losses."""
        variables = [v.value for v in self.optimizer.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            drop = self._dropout(key, settings)
            losses = self.task_losses(_tensors(self.weights), batch, settings, drop)
            weights = self.loss_weights(settings)
            if self._by_losses:
                # The weights follow from the losses, but the gradient takes them as given.
                means, seen = _means_and_seen(tf.stop_gradient(losses), batch.W)
                weights = self._by_losses.weights(*(balance or [None]), means, seen, key)
            loss = tf.reduce_mean(weights * losses) / n_rows
            if self._spec.learns_loss_weights:
                loss += tf.reduce_mean(self.weights[-1].value)
            loss = self.optimizer.scale_loss(loss)
        return tape.gradient(loss, variables), losses, weights

    def _balanced(self, batch, n_rows, key, settings, balance):
        """Gradients of losses that are balanced by their gradients of shared weights."""
        n_targets = self._spec.architecture.n_targets
        _, seen = _means_and_seen(tf.zeros(n_targets), batch.W)
        n_seen = tf.reduce_sum(seen)
        drop = self._dropout(key, settings)

        def losses_of(architecture, weights):
            losses = self.task_losses(weights, batch, settings, drop, architecture)
            return losses / n_rows

        # The loss is a mean over all T targets: each counts 1 / T. Balancing knows only the
        # n_seen targets that the batch observes, and weighs equal ones by 1 / n_seen each.
        # Times n_seen / T they count as they would without balancing. A history reports
        # weights whose mean is about 1, as users give them: times T.
        def task_weights_of(G):
            return self._by_gradients(G, seen, key[0] + key[1]) * n_seen / n_targets

        gradients, losses, weights = balanced_gradients(
            _tensors(self.weights),
            self._spec.architecture,
            self._spec.n_frozen,
            losses_of,
            task_weights_of,
        )
        scale = self.optimizer.scale_loss(1.0)
        return [g * scale for g in gradients], losses * n_rows, weights * n_targets

    def _dropout(self, key, settings):
        """Drops units of one layer after the other, as many masks as it is called."""
        if not self._spec.dropout:
            return lambda H: H
        layers = iter(range(len(self.weights)))
        return lambda H: H * dropout_mask(H.shape, (*key, next(layers)), settings.dropout)


def _means_and_seen(losses, W):
    """Mean loss of each target's observed cells, and 1 where there are any, both (T,)."""
    total = tf.reduce_sum(W, axis=0)
    seen = tf.cast(total > 0, tf.float32)
    return losses / tf.where(total > 0, total, 1.0), seen


def _tensors(variables):
    return [tf.convert_to_tensor(v.value) for v in variables]
