"""The training loop of one architecture, compiled by XLA to run many epochs in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from .._foreign import put_in_place
from .._network.forward import forward
from .._network.network import OptimizerState
from .._runtime.executables import compiling
from .arrays import cut, in_front, padded
from .balancing.by_gradients import GRAMIAN_WEIGHTS
from .balancing.by_losses import BY_LOSSES
from .balancing.jacobian import balanced_gradients, shares_trained_weights
from .losses import cell_losses
from .optimizer import CompiledOptimizer
from .precision import single_precision
from .random import dropout_mask
from .spec import EpochLosses, ProgramSpec, Rows, Settings, State

VALIDATION_CHUNK = 128  # rows per forward pass of the validation set
MAX_ORDER_SIZE = 2**19  # row numbers handed over in one call: 2 MiB
MAX_EPOCHS_PER_CALL = 64


def activation_named(name: str) -> Callable:
    """An activation of Keras, its ReLU as a maximum: XLA compiles that quicker."""
    return partial(tf.maximum, 0.0) if name == "relu" else keras.activations.get(name)


class Program:
    """Trains one architecture on up to ``train_capacity`` rows.

    Keras optimizers update variables in place, so a call needs scratch variables, which
    it fills from its arguments. They are arguments of the compiled function themselves:
    several threads may call one program at a time, each with a set of its own.
    """

    def __init__(self, spec: ProgramSpec, train_capacity: int, validation_capacity: int):
        self.spec = spec
        self.train_capacity = train_capacity
        self.validation_capacity = validation_capacity
        self.max_epochs = int(
            np.clip(MAX_ORDER_SIZE // train_capacity, 1, MAX_EPOCHS_PER_CALL)
        )
        self.epochs_per_call = 1  # to start the next training with
        self._activation = activation_named(spec.architecture.activation)
        shapes = spec.weight_shapes
        self._n_network_weights = len(spec.architecture.shapes.leaves())
        is_kernel = [i % 2 == 0 and i < self._n_network_weights for i in range(len(shapes))]
        with single_precision():
            self._optimizer = CompiledOptimizer(
                spec.optimizer_config, shapes[spec.n_frozen :], is_kernel[spec.n_frozen :]
            )
        self._frozen = [
            keras.Variable(np.zeros(shape), dtype="float32")
            for shape in shapes[: spec.n_frozen]
        ]
        self._weights = [*self._frozen, *self._optimizer.weights]
        self._variables = [*self._weights, *self._optimizer.variables]
        self._function = tf.function(self._run, jit_compile=True, autograph=False)
        self._by_losses = BY_LOSSES.get(spec.balancing)
        self._by_gradients = GRAMIAN_WEIGHTS.get(spec.balancing)
        if not shares_trained_weights(spec.architecture, spec.n_frozen):
            self._by_gradients = None
        self._adapts = bool(self._by_losses or self._by_gradients)
        self._n_balance_rows = self._by_losses.n_rows if self._by_losses else 0
        self._compiled = None
        self._lock = threading.Lock()
        self._free: list[list[tf.Variable]] = []  # sets of scratch variables

    @property
    def users(self) -> tuple[list, list]:
        """Which tasks (A, T) use which entry of the first axis, or None if all use all.

        Of the weights, and of the optimizer's variables.
        """
        of_weights = self.spec.users
        optimizer = []
        for owner, slot in zip(self._optimizer.owners, self._optimizer.state, strict=True):
            users = None if owner is None else of_weights[owner + self.spec.n_frozen]
            belongs = users is not None and slot.shape[:1] == (len(users),)
            optimizer.append(users if belongs else None)
        return of_weights, optimizer

    @property
    def optimizer_key(self) -> str:
        """What an optimizer's state belongs to, besides the network's weights.

        Another Keras may have other variables, or the same in another order.
        """
        spec = self.spec
        settings = f"{spec.optimizer_config.json}, {spec.n_frozen}"
        made_by = f"{spec.learns_loss_weights}, Keras {keras.__version__}"
        return f"{settings}, {made_by}, {', '.join(self._optimizer.names)}"

    @property
    def compiled(self) -> bool:
        return self._compiled is not None

    def trace(self, *arguments) -> None:
        """Build the graph for arguments such as these; the first call compiles it."""
        with single_precision():
            self._compiled = self._function.get_concrete_function(*arguments)

    def _new_scratch(self) -> list[tf.Variable]:
        return [tf.Variable(tf.zeros(v.shape, v.dtype)) for v in self._variables]

    def initial_state(
        self, kept_weights, going_on: OptimizerState | None = None, balance=None
    ) -> State:
        """What to start from: the weights of a network, with a new optimizer or its own."""
        kept_weights = self._with_room(kept_weights, self._weights)
        trained = kept_weights[self.spec.n_frozen :]
        weights, optimizer = kept_weights, self._optimizer.initial_state(trained)
        if going_on is not None:
            weights = self._with_room(going_on.weights, self._weights)
            # Behind them what it starts with, which isn't zero for all: Ftrl divides by it.
            optimizer = [
                in_front(A, new) for A, new in zip(going_on.values, optimizer, strict=True)
            ]
            for slot, weight in zip(self._optimizer.average_slots, trained, strict=False):
                optimizer[slot] = weight
        n_networks = self.spec.architecture.n_networks
        new = np.zeros((self._n_balance_rows, self.spec.architecture.n_targets), np.float32)
        if balance is not None and balance.shape == new.shape:
            new = balance
        return State(
            weights=[tf.constant(w) for w in weights],
            optimizer=[tf.constant(v) for v in optimizer],
            kept_weights=[tf.constant(w) for w in kept_weights],
            best_loss=tf.fill([n_networks], np.float32(np.inf)),
            wait=tf.zeros([n_networks], tf.int32),
            n_epochs=tf.constant(0),
            best_epochs=tf.zeros([n_networks], tf.int32),
            balance=[tf.constant(new)] * bool(self._n_balance_rows),
        )

    def _with_room(self, arrays, variables) -> list[np.ndarray]:
        return [padded(A, v.shape) for A, v in zip(arrays, variables, strict=True)]

    def without_room(self, spec: ProgramSpec, last, kept, optimizer):
        """Weights and optimizer variables in the shapes of a network that was trained."""
        shapes = spec.weight_shapes
        own_shapes = [tuple(w.shape) for w in self._weights]

        def of_network(slot, owner):
            """Its weight's shape, where it has that: others are numbers, as of steps."""
            if owner is None or slot.shape != own_shapes[owner + spec.n_frozen]:
                return slot.shape
            return shapes[owner + spec.n_frozen]

        slots = zip(optimizer, self._optimizer.owners, strict=True)
        return (
            [cut(A, shape) for A, shape in zip(last, shapes, strict=True)],
            [cut(A, shape) for A, shape in zip(kept, shapes, strict=True)],
            [cut(slot, of_network(slot, owner)) for slot, owner in slots],
        )

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
        arguments = (state, train, validation, order, seeds, as_tensors(settings))
        with self._lock:
            scratch = self._free.pop() if self._free else self._new_scratch()
            if not self.compiled:
                compiling()
                self.trace(scratch, *arguments)
        state, losses, n_run = self._compiled(scratch, *arguments)
        with self._lock:
            self._free.append(scratch)
        n_run = int(n_run)
        return state, EpochLosses(*np.moveaxis(losses.numpy()[:n_run], 1, 0))

    def _run(self, scratch, *arguments):
        """Train with scratch variables in the place of those that Keras has made."""
        made = [*map(put_in_place, self._variables, scratch)]
        try:
            return self._train(*arguments)
        finally:
            for variable, value in zip(self._variables, made, strict=True):
                put_in_place(variable, value)

    def _train(self, state, train, validation, order, seeds, settings):
        self._load(state)

        def not_stopped(epoch, kept_weights, best_loss, wait, best_epochs, *_):
            return (epoch < settings.n_epochs) & tf.reduce_any(wait < settings.patience)

        def one_epoch(epoch, kept_weights, best_loss, wait, best_epochs, balance, losses):
            train_loss, loss_weights, balance = self._train_epoch(
                train, order[epoch], seeds[epoch], balance, settings
            )
            validation_loss = self._validation_loss(validation, settings)
            better, kept_weights, best_loss, wait = self._keep_best(
                validation_loss, kept_weights, best_loss, wait, settings
            )
            best_epochs = tf.where(better, state.n_epochs + epoch + 1, best_epochs)
            row = tf.stack([train_loss, validation_loss, loss_weights])
            losses = tf.tensor_scatter_nd_update(losses, [[epoch]], [row])
            return epoch + 1, kept_weights, best_loss, wait, best_epochs, balance, losses

        n_run, kept_weights, best_loss, wait, best_epochs, balance, losses = tf.while_loop(
            not_stopped,
            one_epoch,
            (
                tf.constant(0),
                state.kept_weights,
                state.best_loss,
                state.wait,
                state.best_epochs,
                state.balance,
                tf.zeros((self.max_epochs, 3, self.spec.architecture.n_targets)),
            ),
        )
        state = State(
            _values(self._weights),
            _values(self._optimizer.state),
            kept_weights,
            best_loss,
            wait,
            state.n_epochs + n_run,
            best_epochs,
            balance,
        )
        return state, losses, n_run

    def _load(self, state):
        variables = [*self._weights, *self._optimizer.state]
        for variable, value in zip(
            variables, [*state.weights, *state.optimizer], strict=True
        ):
            variable.assign(value)

    def _train_epoch(self, train, order, seed, balance, settings):
        """Mean loss (T,) and loss weight (T,) over the epoch's batches, and the balance."""
        batch_size = self.spec.batch_size
        positions = tf.range(batch_size)
        n_steps = (settings.n_train + batch_size - 1) // batch_size

        def one_step(step, total, total_weights, balance):
            start = step * batch_size
            n_rows = tf.minimum(batch_size, settings.n_train - start)
            batch = tf.slice(order, [start], [batch_size])
            X, Y, W = (tf.gather(A, batch) for A in train)
            W = tf.where((positions < n_rows)[:, None], W, 0.0)
            loss, weights, balance = self._step(
                Rows(X, Y, W), tf.cast(n_rows, tf.float32), (seed, step), settings, balance
            )
            total_weights = [old + weights for old in total_weights]
            return step + 1, total + loss, total_weights, balance

        zeros = tf.zeros((self.spec.architecture.n_targets,))
        _, total, total_weights, balance = tf.while_loop(
            lambda step, *_: step < n_steps,
            one_step,
            (tf.constant(0), zeros, [zeros] * self._adapts, balance),
        )
        losses = total / tf.cast(settings.n_train, tf.float32)
        if self._by_losses and self._by_losses.after_epoch:
            balance = [self._by_losses.after_epoch(*balance, losses)]
        if self._adapts:
            return losses, total_weights[0] / tf.cast(n_steps, tf.float32), balance
        return losses, self._loss_weights(settings), balance

    def _step(self, batch, n_rows, key, settings, balance):
        """One optimiser step.

        The sums over rows of the weighted losses (T,), the weights of the targets (T,), and
        what balancing goes on from.
        """
        gradients_of = self._balanced if self._by_gradients else self._gradients
        gradients, losses, weights = gradients_of(batch, n_rows, key, settings, balance)
        self._optimizer.step(gradients, settings)
        if self._by_losses and self._by_losses.after_step:
            after = self._losses_of_batch(_tensors(self._weights), batch, settings, key)
            means, seen = _means_and_seen(losses, batch.W)
            means_after, _ = _means_and_seen(after, batch.W)
            balance = [self._by_losses.after_step(*balance, means, means_after, seen)]
        return losses, weights, balance

    def _gradients(self, batch, n_rows, key, settings, balance):
        """Of the mean of the weighted losses."""
        variables = [v.value for v in self._optimizer.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            tensors = _tensors(self._weights)
            losses = self._losses_of_batch(tensors, batch, settings, key)
            weights = self._loss_weights(settings)
            if self._by_losses:
                means, seen = _means_and_seen(tf.stop_gradient(losses), batch.W)
                weights = self._by_losses.weights(*(balance or [None]), means, seen, key)
            loss = tf.reduce_mean(weights * losses) / n_rows
            if self.spec.learns_loss_weights:
                loss += tf.reduce_mean(self._weights[-1].value)
            loss = self._optimizer.scale_loss(loss)
        return tape.gradient(loss, variables), losses, weights

    def _balanced(self, batch, n_rows, key, settings, balance):
        """Of losses whose gradients by the shared weights are balanced."""
        n_targets = self.spec.architecture.n_targets
        _, seen = _means_and_seen(tf.zeros(n_targets), batch.W)
        n_seen = tf.reduce_sum(seen)

        def losses_of(architecture, weights):
            losses = self._losses_of_batch(weights, batch, settings, key, architecture)
            return losses / n_rows

        def task_weights_of(G):
            return self._by_gradients(G, seen, key[0] + key[1]) * n_seen / n_targets

        gradients, losses, weights = balanced_gradients(
            _tensors(self._weights),
            self.spec.architecture,
            self.spec.n_frozen,
            losses_of,
            task_weights_of,
        )
        scale = self._optimizer.scale_loss(1.0)
        return [g * scale for g in gradients], losses * n_rows, weights * n_targets

    def _loss_weights(self, settings):
        """Given weights (T,), or learnt: exp(-s) with log-variances s, which cost s."""
        if self.spec.learns_loss_weights:
            return tf.exp(-self._weights[-1].value)
        return settings.loss_weights

    def _losses_of_batch(self, weights, batch, settings, key, architecture=None):
        """Sum over rows of the weighted losses (T,), with dropout."""
        drop = self._drop(key, settings.dropout)
        outputs = self._forward(weights, batch.X, settings, drop, architecture)
        return self._task_losses(outputs, batch.Y, batch.W)

    def _averaged_weights(self):
        return [*self._frozen, *self._optimizer.averaged_weights()]

    def _forward(self, weights, X, settings, drop=lambda H: H, architecture=None):
        architecture = architecture or self.spec.architecture
        return forward(
            architecture,
            architecture.shapes.with_leaves(weights[: self._n_network_weights]),
            X,
            settings.inputs,
            self._activation,
            drop=drop,
            xp=keras.ops,
        )

    def _task_losses(self, outputs, Y, W):
        """Sum over rows of the weighted losses (T,)."""
        return tf.reduce_sum(W * cell_losses(self.spec.losses, Y, outputs), axis=0)

    def _drop(self, key, rate):
        if not self.spec.dropout:
            return lambda H: H
        layers = iter(range(len(self._weights)))
        return lambda H: H * dropout_mask(H.shape, (*key, next(layers)), rate)

    def _validation_loss(self, validation, settings):
        """Loss (T,) on the validation rows, in chunks: their number is a run-time value."""
        n_rows = settings.n_validation

        def one_chunk(start, total):
            X, Y, W = (
                tf.slice(A, [start, 0], [VALIDATION_CHUNK, A.shape[1]]) for A in validation
            )
            outputs = self._forward(_tensors(self._averaged_weights()), X, settings)
            loss = self._task_losses(outputs, Y, W)
            return start + VALIDATION_CHUNK, total + loss

        total = tf.zeros((self.spec.architecture.n_targets,))
        _, total = tf.while_loop(
            lambda start, total: start < n_rows, one_chunk, (tf.constant(0), total)
        )
        return total / tf.cast(tf.maximum(n_rows, 1), tf.float32)

    def _keep_best(self, task_losses, kept_weights, best_loss, wait, settings):
        patience = settings.patience
        losses = self._losses_of_networks(task_losses, settings.loss_weights)
        validated = settings.n_validation > 0
        better = ((losses < best_loss) | ~validated) & (wait < patience)

        def choose(new, old, users):
            flags = better[:1]
            if users is not None and self.spec.architecture.n_networks > 1:
                # Whoever uses an entry is part of the same network.
                of_entries = np.array(self.spec.architecture.networks)[users.argmax(axis=1)]
                flags = tf.gather(better, of_entries)
            return tf.where(tf.reshape(flags, [-1] + [1] * (len(old.shape) - 1)), new, old)

        kept_weights = [
            choose(v.value, old, users)
            for v, old, users in zip(
                self._averaged_weights(), kept_weights, self.spec.users, strict=True
            )
        ]
        best_loss = tf.where(better, losses, best_loss)
        # A network that ran out of patience stays out of it.
        wait = tf.where(better & validated, 0, tf.minimum(wait + 1, patience))
        return better, kept_weights, best_loss, wait

    def _losses_of_networks(self, task_losses, loss_weights):
        """Loss of every network (N,): of its only task, or the mean of weighted ones."""
        architecture = self.spec.architecture
        if architecture.separate:
            return task_losses
        weighted = loss_weights * task_losses
        if architecture.n_networks == 1:
            return tf.reduce_mean(weighted, keepdims=True)
        return tf.math.unsorted_segment_mean(
            weighted, tf.constant(architecture.networks), architecture.n_networks
        )


def _means_and_seen(losses, W):
    """Mean loss of each target's observed cells, and 1 where there are any, both (T,)."""
    total = tf.reduce_sum(W, axis=0)
    seen = tf.cast(total > 0, tf.float32)
    return losses / tf.where(total > 0, total, 1.0), seen


def _tensors(variables):
    return [tf.convert_to_tensor(v.value) for v in variables]


def _values(variables):
    return [tf.identity(v.value) for v in variables]


def as_tensors(values):
    """A structure of numbers, arrays and None with single precision tensors in it."""

    def tensor(value):
        if value is None:
            return None
        is_integer = np.asarray(value).dtype.kind == "i"
        return tf.constant(value, tf.int32 if is_integer else tf.float32)

    return tf.nest.map_structure(tensor, values)
