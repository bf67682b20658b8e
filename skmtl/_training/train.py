"""Training of one network: get a program, hand it the data, call it until it is done."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from tqdm.auto import tqdm

from .._network.network import Network, OptimizerState
from .callbacks import EpochCallbacks
from .early_stopping import with_best_of
from .history import LossHistory
from .length import Length
from .padding import padded_inputs
from .program import Program
from .program_cache import PROGRAMS
from .rows import TableRows
from .spec import ProgramSpec, Rows, Settings, State

SECONDS_PER_CALL = 0.1  # between calls a progress bar moves and Ctrl-C is heard


class Trained(NamedTuple):
    """What comes out of a training."""

    network: Network
    history: dict[str, list[float]]  # of losses
    # For each network without a common weight the number, from 1 on, of its best epoch
    # (n_networks,), whose weights are kept: with rows to validate on it has the lowest
    # validation loss, without them it is the last. 0 where no epoch had a finite loss.
    best_epochs: np.ndarray
    cut_off: bool  # whether time has ended it, far from where it was to end


def train(
    spec: ProgramSpec,
    settings: Settings,
    network: Network,
    train_rows: TableRows,
    validation_rows: TableRows,
    *,
    names: Sequence[str],
    seed: int,
    callbacks: EpochCallbacks | None = None,
    most_epochs: int = 0,
    max_seconds: float | None = None,
    verbose: int = 0,
) -> Trained:
    """Train a network for up to ``settings.n_epochs`` epochs.

    They may become more, up to ``most_epochs``, where that pays, and fewer if they would
    take more than ``max_seconds``.
    """
    length = Length(settings.n_epochs, most_epochs, max_seconds)
    # Callbacks see the state of the program, and Keras' models have no room in them.
    program = PROGRAMS.get(
        spec, settings.n_train, settings.n_validation, exact=callbacks is not None
    )
    with tqdm(total=settings.n_epochs, unit="epoch", disable=not verbose) as progress:
        first, room = _first_state(network, spec, program), program.spec.architecture
        settings = settings._replace(inputs=padded_inputs(settings.inputs, room))
        data = (
            train_rows.with_room(program.train_capacity, room.n_features),
            validation_rows.with_room(program.validation_capacity, room.n_features),
        )
        history = LossHistory(names, spec, settings)
        state, cut_off = _Course(
            program, data, settings, seed, history, callbacks, length, progress
        ).run(first)
    # The program goes on until its last network stops, and with rows to validate on past
    # the best epoch. Whoever resumes this training does so from the weights that are kept.
    if settings.n_validation or np.ptp(settings.patience):
        state = state._replace(weights=state.kept_weights)
    last, kept, optimizer = _arrays_of_network(
        spec, program, first, state, train_rows.mean_weight == 0
    )
    if callbacks is not None:
        kept = callbacks.finish(kept)
    _check_finite(kept, history)
    going_on = OptimizerState(program.optimizer_key, optimizer, last)
    network = _with_arrays(network, spec, kept, going_on, state.balance)
    return Trained(network, history.by_name(), np.array(state.best_epochs), cut_off)


def _first_state(network: Network, spec: ProgramSpec, program: Program) -> State:
    """What training starts from, in the shapes of the program."""
    log_variances = [network.log_variances] if spec.learns_loss_weights else []
    return program.initial_state(
        [*network.weights.leaves(), *log_variances],
        _state_to_go_on_from(network, program),
        network.balance,
    )


def _arrays_of_network(
    spec: ProgramSpec, program: Program, first: State, state: State, unseen: np.ndarray
):
    """The last weights, those to keep, and the optimizer's state, in the network's shapes.

    What belongs to unseen targets (T,) is as it was at first.
    """
    last, kept, optimizer = (
        [np.array(A) for A in arrays]
        for arrays in (state.weights, state.kept_weights, state.optimizer)
    )
    if unseen.any():
        users, users_in_optimizer = program.users
        _put_back(unseen, users, last, first.weights)
        _put_back(unseen, users, kept, first.kept_weights)
        _put_back(unseen, users_in_optimizer, optimizer, first.optimizer)
    return program.without_room(spec, last, kept, optimizer)


def _with_arrays(
    network: Network,
    spec: ProgramSpec,
    kept: list[np.ndarray],
    going_on: OptimizerState,
    balance: list,
) -> Network:
    """The network with the weights to keep, and with what training would go on from."""
    n_weights = len(network.weights.leaves())
    balance = np.array(balance[0]) if balance else None
    # Epochs after the best may have spoilt what training would go on from.
    resumable = _is_finite([*going_on.values, *going_on.weights])
    trained = dataclasses.replace(
        network,
        weights=network.weights.with_leaves(kept[:n_weights]),
        optimizer_state=going_on if resumable else None,
        balance=balance if balance is None or _is_finite([balance]) else None,
    )
    if spec.learns_loss_weights:
        trained = dataclasses.replace(trained, log_variances=kept[-1])
    return trained


class _Course:
    """The epochs of a training: calls of its program, one after the other."""

    def __init__(
        self,
        program: Program,
        data: tuple[Rows, Rows],
        settings: Settings,
        seed: int,
        history: LossHistory,
        callbacks: EpochCallbacks | None,
        length: Length,
        progress: tqdm,
    ):
        self._program, self._data, self._settings = program, data, settings
        self._seed, self._history, self._callbacks = seed, history, callbacks
        self._length, self._progress = length, progress

    def run(self, state: State) -> tuple[State, bool]:
        """The state after training, and whether time has cut it off."""
        length = self._length
        state, stop = self._until(length.look, state)
        if length.look and self._history.n_epochs == length.look and not stop:
            state = self._look(state)
        if not stop:
            state, stop = self._until(length.n_planned, state)
        n_epochs = self._history.n_epochs
        if stop or n_epochs == length.n_planned:
            return state, False
        warnings.warn(
            f"Training ended after {n_epochs} of up to {length.n_planned} epochs, because "
            "max_seconds were over. The best of the networks so far is kept.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return state, length.cut_off(n_epochs, annealed=self._settings.annealed > 0)

    def _until(self, n_end: int, state: State) -> tuple[State, bool]:
        """The state after so many epochs, or fewer, and whether it was told to stop."""
        program, callbacks, stop = self._program, self._callbacks, False
        while not stop:
            n_done = self._history.n_epochs
            n_epochs = self._length.n_epochs(n_done)
            if n_done >= min(n_end, n_epochs):
                break
            if callbacks is not None:
                state, self._settings = callbacks.begin_epoch(state, self._settings)
            n_next = 1 if callbacks is not None else program.epochs_per_call
            n_next = min(n_next, program.max_epochs, n_epochs - n_done, n_end - n_done)
            # The step size falls to 0 in time.
            state, logs = self._call(state, n_next, all_epochs=n_epochs)
            stop = bool(np.all(state.wait >= self._settings.patience))
            if callbacks is not None:
                state = callbacks.end_epoch(state, logs)
                stop |= callbacks.stop_training
        return state, stop

    def _call(self, state: State, n_next: int, all_epochs: int):
        """The state after so many epochs more, and their last losses."""
        program, settings, n_done = self._program, self._settings, self._history.n_epochs
        is_compiled, started = program.compiled, time.perf_counter()
        if not is_compiled:
            self._progress.set_postfix_str("compiling")
        order, dropout_seeds = _shuffle(
            program, settings.n_train, self._seed, range(n_done, n_done + n_next)
        )
        now = settings._replace(n_epochs=n_next, all_epochs=all_epochs)
        state, losses = program(state, *self._data, order, dropout_seeds, now)
        seconds, n_run = time.perf_counter() - started, len(losses.train)
        program.epochs_per_call = _next_call(n_next, seconds)
        if is_compiled:  # or else the result would depend on how long compiling takes
            self._length.took(n_run, seconds)
        self._history.append(losses)
        logs = self._history.last()
        shown = {k: logs[k] for k in ("loss", "val_loss") if k in logs}
        self._progress.set_postfix(shown)
        self._progress.update(n_run)
        return state, logs

    def _look(self, state: State) -> State:
        """Plan more epochs for the networks that they pay for."""
        patience = np.asarray(self._settings.patience)
        running = np.array(state.wait) < patience
        goes_on = self._history.pays(np.array(state.best_epochs)) & running
        others = running & ~goes_on
        if others.any() and (self._callbacks is not None or self._length.in_seconds):
            return state  # what follows would call them twice, and take time from the rest
        if not goes_on.any():
            return state
        if others.any():
            state = self._with_others_at_their_end(state, others)
        times = self._length.extend()
        longer = np.where(goes_on, patience * times, 0).astype(int)
        self._settings = self._settings._replace(patience=longer)
        self._progress.total = (
            self._progress.n + self._length.n_planned - self._history.n_epochs
        )
        return state

    def _with_others_at_their_end(self, state: State, others: np.ndarray) -> State:
        """The state with the best epochs that these networks have by the end of the plan.

        It is theirs, whatever the others do: a step size that falls to 0 later is another
        one.
        """
        settings, history = self._settings, self._history
        patience = np.where(others, settings.patience, 0)
        self._settings, self._history = settings._replace(patience=patience), history.copy()
        end, _ = self._until(self._length.n_planned, state)
        history.of_others = self._history, others
        self._settings, self._history = settings, history
        return with_best_of(self._program.spec, state, end, others)


def _state_to_go_on_from(network: Network, program: Program) -> OptimizerState | None:
    """The optimizer's state, or None if it is that of another optimizer."""
    state = network.optimizer_state
    return state if state is not None and state.key == program.optimizer_key else None


def _shuffle(program: Program, n_rows: int, seed: int, epochs: range):
    """Row numbers and a dropout seed for each epoch.

    Every epoch has a generator of its own, made of ``seed`` and the epoch's number: the
    result does not depend on how many epochs one call runs.
    """
    # NumPy makes the permutations, not the program. XLA would have to sort random numbers,
    # as many as it has room for rows: of 4096 that takes it a millisecond on a CPU, thirty
    # times as long as NumPy takes to shuffle them.
    order = np.zeros((program.max_epochs, program.train_capacity), np.int32)
    dropout_seeds = np.zeros(program.max_epochs, np.int32)
    for i, epoch in enumerate(epochs):
        rng = np.random.default_rng([seed, epoch])
        order[i, :n_rows] = rng.permutation(n_rows)
        dropout_seeds[i] = rng.integers(2**31)
    return tf.constant(order), tf.constant(dropout_seeds)


def _next_call(n_epochs: int, seconds: float) -> int:
    """Number of epochs for a call that takes about SECONDS_PER_CALL, from the last one."""
    if seconds < SECONDS_PER_CALL / 2:
        return 2 * n_epochs
    return n_epochs if seconds < 2 * SECONDS_PER_CALL else max(1, n_epochs // 2)


def _put_back(
    unseen: np.ndarray,
    users: Sequence[np.ndarray | None],
    arrays: list[np.ndarray],
    before: Sequence,
) -> None:
    """Put back what belongs to targets without any observation in these rows.

    Momentum and weight decay would move it all the same.
    """
    for tasks, array, old in zip(users, arrays, before, strict=True):
        if tasks is not None:
            unused = ~tasks[:, ~unseen].any(axis=1)
            array[unused] = old.numpy()[unused]


class DivergedError(ValueError):
    """Training has left nothing to keep."""


def _check_finite(weights: Sequence[np.ndarray], history: LossHistory) -> None:
    losses = history.by_name()
    finite = np.isfinite(losses["loss"])
    remedy = "Lower learning_rate, or look for extreme values in X and y."
    if not finite.any() or not _is_finite(weights):
        raise DivergedError(
            "Training diverged: the loss was no longer finite in epoch "
            f"{finite.argmin() + 1}. {remedy}"
        )
    finite &= np.isfinite(losses.get("val_loss", losses["loss"]))
    if not finite.all():
        warnings.warn(
            "Training diverged: the loss was not finite in epoch "
            f"{finite.argmin() + 1}. The weights of the best epoch are kept. {remedy}",
            ConvergenceWarning,
            stacklevel=2,
        )


def _is_finite(arrays: Sequence[np.ndarray]) -> bool:
    return all(np.isfinite(A).all() for A in arrays)
