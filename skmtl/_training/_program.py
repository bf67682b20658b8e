"""The training loop of one architecture, compiled by XLA to run many epochs in one call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from .._network import Architecture, forward
from ._dropout import dropout_mask
from ._optimizer import build_optimizer

VALIDATION_CHUNK = 128  # rows per forward pass of the validation set
MAX_ORDER_SIZE = 2**19  # row numbers handed over in one call: 2 MiB
MAX_EPOCHS_PER_CALL = 64


@dataclass(frozen=True)
class ProgramSpec:
    """What a compiled program depends on, besides its row capacities."""

    architecture: Architecture
    optimizer_config: str
    batch_size: int
    dropout: bool
    validation: bool

    @property
    def n_patience_groups(self) -> int:
        """Separate networks (sharing depth 0) stop one by one, any others together."""
        separate = self.architecture.sharing_depth == 0
        return self.architecture.n_targets if separate else 1


class State(NamedTuple):
    """All that training changes."""

    weights: list
    optimizer: list
    best_weights: list
    best_loss: np.ndarray  # (n_patience_groups,)
    wait: np.ndarray  # (n_patience_groups,) epochs since the best loss


class Rows(NamedTuple):
    """Scaled features (n, d), zero-filled scaled targets (n, T), cell weights (n, T)."""

    X: np.ndarray
    Y: np.ndarray
    W: np.ndarray


class Settings(NamedTuple):
    """Run-time values: changing them compiles nothing."""

    n_train: int
    n_validation: int
    n_epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    dropout: float


class EpochLosses(NamedTuple):
    """Loss per epoch and target."""

    train: np.ndarray  # (n_epochs, T)
    validation: np.ndarray  # (n_epochs, T)


class Program:
    """Trains one architecture on up to ``train_capacity`` rows.

    Keras optimizers update variables in place, so a program owns scratch variables
    that every call fills from its arguments. Hence one thread at a time may use it.
    """

    def __init__(self, spec: ProgramSpec, train_capacity: int, validation_capacity: int):
        self.spec = spec
        self.train_capacity = train_capacity
        self.validation_capacity = validation_capacity
        self.max_epochs = int(
            np.clip(MAX_ORDER_SIZE // train_capacity, 1, MAX_EPOCHS_PER_CALL)
        )
        self._activation = keras.activations.get(spec.architecture.activation)
        self._weights = [
            keras.Variable(np.zeros(shape), dtype="float32", name=f"weight_{i}")
            for i, shape in enumerate(spec.architecture.weight_shapes)
        ]
        self._optimizer = build_optimizer(json.loads(spec.optimizer_config), self._weights)
        self._optimizer_state = self._optimizer.state_variables()
        self.initial_optimizer_state = [v.numpy() for v in self._optimizer_state]
        self._compiled = tf.function(self._run, jit_compile=True, autograph=False)

    def __call__(
        self,
        state: State,
        train: Rows,
        validation: Rows,
        order: np.ndarray,
        seeds: np.ndarray,
        settings: Settings,
    ) -> tuple[State, EpochLosses]:
        """Run up to ``settings.n_epochs`` epochs; return the new state and their losses.

        ``order`` (max_epochs, train_capacity) holds the row numbers of each epoch,
        ``seeds`` (max_epochs,) the seeds of its dropout masks.
        """
        state, losses, n_run = self._compiled(
            state, train, validation, order, seeds, _as_tensors(settings)
        )
        n_run = int(n_run)
        return state, EpochLosses(*(table.numpy()[:n_run] for table in losses))

    def _run(self, state, train, validation, order, seeds, settings):
        self._load(state)

        def not_stopped(epoch, best_weights, best_loss, wait, losses):
            return (epoch < settings.n_epochs) & tf.reduce_any(wait < settings.patience)

        def one_epoch(epoch, best_weights, best_loss, wait, losses):
            train_loss = self._train_epoch(train, order[epoch], seeds[epoch], settings)
            validation_loss = tf.zeros_like(train_loss)
            if self.spec.validation:
                validation_loss = self._validation_loss(validation, settings.n_validation)
                best_weights, best_loss, wait = self._keep_best(
                    validation_loss, best_weights, best_loss, wait, settings.patience
                )
            losses = EpochLosses(
                _set_row(losses.train, epoch, train_loss),
                _set_row(losses.validation, epoch, validation_loss),
            )
            return epoch + 1, best_weights, best_loss, wait, losses

        no_losses = tf.zeros((self.max_epochs, self.spec.architecture.n_targets))
        n_run, best_weights, best_loss, wait, losses = tf.while_loop(
            not_stopped,
            one_epoch,
            (
                tf.constant(0),
                state.best_weights,
                state.best_loss,
                state.wait,
                EpochLosses(no_losses, no_losses),
            ),
        )
        state = State(
            [tf.identity(v.value) for v in self._weights],
            [tf.identity(v.value) for v in self._optimizer_state],
            best_weights,
            best_loss,
            wait,
        )
        return state, losses, n_run

    def _load(self, state):
        variables = [*self._weights, *self._optimizer_state]
        for variable, value in zip(
            variables, [*state.weights, *state.optimizer], strict=True
        ):
            variable.assign(value)

    def _train_epoch(self, train, order, seed, settings):
        """Mean training loss (T,) over the epoch's batches."""
        batch_size = self.spec.batch_size
        positions = tf.range(batch_size)
        n_steps = (settings.n_train + batch_size - 1) // batch_size

        def one_step(step, total):
            start = step * batch_size
            n_rows = tf.minimum(batch_size, settings.n_train - start)
            batch = tf.slice(order, [start], [batch_size])
            X, Y, W = (tf.gather(A, batch) for A in train)
            W = tf.where((positions < n_rows)[:, None], W, 0.0)
            loss = self._step(
                Rows(X, Y, W), tf.cast(n_rows, tf.float32), (seed, step), settings
            )
            return step + 1, total + loss

        total = tf.zeros((self.spec.architecture.n_targets,))
        _, total = tf.while_loop(
            lambda step, total: step < n_steps, one_step, (tf.constant(0), total)
        )
        return total / tf.cast(settings.n_train, tf.float32)

    def _step(self, batch, n_rows, dropout_key, settings):
        """One optimiser step; the sum over rows of the weighted losses (T,)."""
        variables = [v.value for v in self._weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            outputs = self._forward(batch.X, self._drop(dropout_key, settings.dropout))
            task_losses = _weighted_losses(batch.Y, outputs, batch.W)
            loss = tf.reduce_mean(task_losses) / n_rows
        gradients = tape.gradient(loss, variables)
        self._optimizer.step(gradients, settings.learning_rate, settings.weight_decay)
        return task_losses

    def _forward(self, X, drop=lambda H: H):
        weights = [tf.convert_to_tensor(v.value) for v in self._weights]
        return forward(weights, X, self._activation, drop=drop, xp=keras.ops)

    def _drop(self, key, rate):
        if not self.spec.dropout:
            return lambda H: H
        layers = iter(range(len(self._weights)))
        return lambda H: H * dropout_mask(H.shape, (*key, next(layers)), rate)

    def _validation_loss(self, validation, n_rows):
        """Loss (T,) on the validation rows, in chunks: their number is a run-time value."""

        def one_chunk(start, total):
            X, Y, W = (
                tf.slice(A, [start, 0], [VALIDATION_CHUNK, A.shape[1]]) for A in validation
            )
            loss = _weighted_losses(Y, self._forward(X), W)
            return start + VALIDATION_CHUNK, total + loss

        total = tf.zeros((self.spec.architecture.n_targets,))
        _, total = tf.while_loop(
            lambda start, total: start < n_rows, one_chunk, (tf.constant(0), total)
        )
        return total / tf.cast(n_rows, tf.float32)

    def _keep_best(self, task_losses, best_weights, best_loss, wait, patience):
        if self.spec.n_patience_groups == 1:
            task_losses = tf.reduce_mean(task_losses, keepdims=True)
        better = (task_losses < best_loss) & (wait < patience)

        def choose(new, old):
            flags = tf.reshape(better, [-1] + [1] * (len(old.shape) - 1))
            return tf.where(flags, new, old)

        best_weights = [
            choose(v.value, old) for v, old in zip(self._weights, best_weights, strict=True)
        ]
        best_loss = tf.where(better, task_losses, best_loss)
        # A group that ran out of patience stays out of it.
        wait = tf.where(better, 0, tf.minimum(wait + 1, patience))
        return best_weights, best_loss, wait


def _weighted_losses(Y, outputs, W):
    return tf.reduce_sum(W * tf.square(Y - outputs), axis=0)


def _set_row(table, row, values):
    return tf.tensor_scatter_nd_update(table, [[row]], [values])


def _as_tensors(settings: Settings) -> Settings:
    return Settings(
        *(
            tf.constant(value, tf.float32 if isinstance(value, float) else tf.int32)
            for value in settings
        )
    )
