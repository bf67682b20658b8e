"""The training loop of one architecture, compiled by XLA to run many epochs in one call."""

from __future__ import annotations

import threading

import keras
import numpy as np
import tensorflow as tf

from .._network.network import OptimizerState
from .._runtime.executables import compiling
from .._third_party import put_in_place
from .epochs import Epochs
from .padding import corner, with_corner, zero_padded
from .precision import single_precision
from .spec import EpochLosses, ProgramSpec, Rows, Settings, State
from .step import TrainingStep

MAX_ORDER_SIZE = 2**19  # row numbers handed over in one call: 2 MiB
MAX_EPOCHS_PER_CALL = 64


class Program:
    """Trains one architecture on up to ``train_capacity`` rows.

    Most optimizers of Keras change variables in place, so with them a call needs variables
    to work in. Several threads may call one program at a time, each with a set of these
    scratch variables of its own.
    """

    def __init__(self, spec: ProgramSpec, train_capacity: int, validation_capacity: int):
        self.spec = spec
        self.train_capacity = train_capacity
        self.validation_capacity = validation_capacity
        self.max_epochs = int(
            np.clip(MAX_ORDER_SIZE // train_capacity, 1, MAX_EPOCHS_PER_CALL)
        )
        self.epochs_per_call = 1  # to start the next training with
        self._step = TrainingStep(spec)
        self._epochs = Epochs(spec, self._step)
        self._function = tf.function(self._run, jit_compile=True, autograph=False)
        self._compiled = None
        self._lock = threading.Lock()
        self._free: list[list[tf.Variable]] = []  # sets of scratch variables not in use

    @property
    def users(self) -> tuple[list, list]:
        """For each weight, and each variable of the optimizer, which tasks use it.

        An array (A, T) says which tasks use which of the A entries of the first axis; None
        stands where all tasks use all of them.
        """
        of_weights, optimizer = self.spec.users, self._step.optimizer
        of_slots = []
        for owner, slot in zip(optimizer.owners, optimizer.state, strict=True):
            users = None if owner is None else of_weights[owner + self.spec.n_frozen]
            belongs = users is not None and slot.shape[:1] == (len(users),)
            of_slots.append(users if belongs else None)
        return of_weights, of_slots

    @property
    def optimizer_key(self) -> str:
        """A text that is equal for programs that can go on from each other's optimizer."""
        # With Keras' version: another one may have other variables, or in another order.
        spec = self.spec
        settings = f"{spec.optimizer_config.json}, {spec.n_frozen}"
        made_by = f"{spec.learns_loss_weights}, Keras {keras.__version__}"
        return f"{settings}, {made_by}, {', '.join(self._step.optimizer.names)}"

    @property
    def compiled(self) -> bool:
        return self._compiled is not None

    def trace(self, *arguments) -> None:
        """Build the graph for arguments such as these; the first call compiles it."""
        with single_precision():
            self._compiled = self._function.get_concrete_function(*arguments)

    def initial_state(
        self, kept_weights, going_on: OptimizerState | None = None, balance=None
    ) -> State:
        """The state to start from, for the weights of a network.

        The optimizer is new, or goes on from ``going_on``, the state that an earlier
        training ended in. Likewise ``balance``.
        """
        optimizer = self._step.optimizer
        kept_weights = self._with_room(kept_weights)
        trained = kept_weights[self.spec.n_frozen :]
        weights, slots = kept_weights, optimizer.initial_state(trained)
        if going_on is not None:
            weights = self._with_room(going_on.weights)
            # The room keeps what a new optimizer has there, which is not zero for all:
            # Ftrl divides by it.
            slots = [
                with_corner(new, A) for new, A in zip(slots, going_on.values, strict=True)
            ]
            for slot, weight in zip(optimizer.average_slots, trained, strict=False):
                slots[slot] = weight
        architecture = self.spec.architecture
        new = np.zeros((self._step.n_balance_rows, architecture.n_targets), np.float32)
        if balance is not None and balance.shape == new.shape:
            new = balance
        return State(
            weights=[tf.constant(w) for w in weights],
            optimizer=[tf.constant(v) for v in slots],
            kept_weights=[tf.constant(w) for w in kept_weights],
            best_loss=tf.fill([architecture.n_networks], np.float32(np.inf)),
            wait=tf.zeros([architecture.n_networks], tf.int32),
            n_epochs=tf.constant(0),
            best_epochs=tf.zeros([architecture.n_networks], tf.int32),
            balance=[tf.constant(new)] * bool(self._step.n_balance_rows),
        )

    def _with_room(self, weights) -> list[np.ndarray]:
        """Weights of a network, in the shapes that they have in this program."""
        shapes = self.spec.weight_shapes
        return [zero_padded(A, shape) for A, shape in zip(weights, shapes, strict=True)]

    def without_room(self, spec: ProgramSpec, last, kept, optimizer):
        """Weights and optimizer variables in the shapes of a network that was trained."""
        shapes = spec.weight_shapes
        own_shapes = self.spec.weight_shapes

        def shape_of(slot, owner):
            """The shape of a variable of the optimizer, for the smaller network."""
            # A variable that is not shaped as its weight, such as a number, has no room.
            if owner is None or slot.shape != own_shapes[owner + spec.n_frozen]:
                return slot.shape
            return shapes[owner + spec.n_frozen]

        slots = zip(optimizer, self._step.optimizer.owners, strict=True)
        return (
            [corner(A, shape) for A, shape in zip(last, shapes, strict=True)],
            [corner(A, shape) for A, shape in zip(kept, shapes, strict=True)],
            [corner(slot, shape_of(slot, owner)) for slot, owner in slots],
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
        # Outside the lock: XLA lets go of Python's own, so threads train at the same time.
        state, losses, n_run = self._compiled(scratch, *arguments)
        with self._lock:
            self._free.append(scratch)
        n_run = int(n_run)
        return state, EpochLosses(*np.moveaxis(losses.numpy()[:n_run], 1, 0))

    def _new_scratch(self) -> list[tf.Variable]:
        variables = self._step.optimizer.variables
        return [tf.Variable(tf.zeros(v.shape, v.dtype)) for v in variables]

    def _run(self, scratch, *arguments):
        """Run epochs with scratch variables in the place of those that Keras has made."""
        # An optimizer of Keras makes tf.Variables, and a function that is traced with them
        # changes the same ones in every call, whichever thread calls it. Arguments may be
        # others in every call. So while the function is traced, each keras.Variable holds
        # one of the arguments in the place of its own tf.Variable.
        variables = self._step.optimizer.variables
        made = [*map(put_in_place, variables, scratch)]
        try:
            return self._epochs.run(*arguments)
        finally:
            for variable, value in zip(variables, made, strict=True):
                put_in_place(variable, value)


def as_tensors(values):
    """A structure of numbers, arrays and None with single precision tensors in it."""

    def tensor(value):
        if value is None:
            return None
        is_integer = np.asarray(value).dtype.kind == "i"
        return tf.constant(value, tf.int32 if is_integer else tf.float32)

    return tf.nest.map_structure(tensor, values)
