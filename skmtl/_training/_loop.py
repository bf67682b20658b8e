"""Training: borrow a program, hand it the data, call it until the epochs are done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from .._network import Network
from ._cache import PROGRAMS
from ._callbacks import EpochCallbacks
from ._program import EpochLosses, Program, ProgramSpec, Rows, Settings

SECONDS_PER_CALL = 0.1  # between calls a progress bar moves and Ctrl-C is heard


class Trained(NamedTuple):
    """What training leaves behind."""

    weights: list[np.ndarray]
    optimizer_state: list[np.ndarray]
    history: dict[str, list[float]]


def train(
    spec: ProgramSpec,
    settings: Settings,
    network: Network,
    train_rows: Rows,
    validation_rows: Rows,
    *,
    names: Sequence[str],
    seed: int,
    callbacks: EpochCallbacks | None = None,
    verbose: int = 0,
) -> Trained:
    """Train the network for up to ``settings.n_epochs`` epochs."""
    with (
        PROGRAMS.borrow(spec, settings.n_train, settings.n_validation) as program,
        tqdm(total=settings.n_epochs, unit="epoch", disable=not verbose) as progress,
    ):
        state = program.initial_state(network.weights, network.optimizer_state)
        train_rows = _padded(train_rows, program.train_capacity)
        validation_rows = _padded(validation_rows, program.validation_capacity)
        calls: list[EpochLosses] = []
        n_done, n_next, stop = 0, 1, False
        while n_done < settings.n_epochs and not stop:
            if callbacks is not None:
                settings = callbacks.begin_epoch(settings)
            n_next = min(n_next, program.max_epochs, settings.n_epochs - n_done)
            order, dropout_seeds = _shuffle(
                program, settings.n_train, seed, range(n_done, n_done + n_next)
            )
            started = time.perf_counter()
            state, losses = program(
                state,
                train_rows,
                validation_rows,
                order,
                dropout_seeds,
                settings._replace(n_epochs=n_next),
            )
            n_next = _next_call(n_next, time.perf_counter() - started)
            n_done += len(losses.train)
            calls.append(losses)
            stop = bool(np.all(state.wait >= settings.patience))
            logs = _last(_history([losses], names, spec.validation))
            progress.set_postfix({k: logs[k] for k in ("loss", "val_loss") if k in logs})
            progress.update(len(losses.train))
            if callbacks is not None:
                n_next = 1
                weights = callbacks.end_epoch(state.weights, logs)
                state = state._replace(weights=weights)
                if not spec.validation:
                    state = state._replace(kept_weights=weights)
                stop |= callbacks.stop_training
    weights = state.kept_weights
    if callbacks is not None:
        weights = callbacks.finish(weights)
    trained = Trained(
        [np.array(w) for w in weights],
        [np.array(v) for v in state.optimizer],
        _history(calls, names, spec.validation),
    )
    _check_finite(trained)
    return trained


def _padded(rows: Rows, capacity: int) -> Rows:
    def pad(A):
        padded = np.zeros((capacity, A.shape[1]), np.float32)
        padded[: len(A)] = A
        return tf.constant(padded)

    return Rows(*(pad(A) for A in rows))


def _shuffle(program: Program, n_rows: int, seed: int, epochs: range):
    """Row numbers and a dropout seed for each epoch.

    Every epoch has a generator of its own, made of ``seed`` and the epoch's number: the
    result does not depend on how many epochs one call runs.
    """
    order = np.zeros((program.max_epochs, program.train_capacity), np.int32)
    dropout_seeds = np.zeros(program.max_epochs, np.int32)
    for i, epoch in enumerate(epochs):
        rng = np.random.default_rng([seed, epoch])
        order[i, :n_rows] = rng.permutation(n_rows)
        dropout_seeds[i] = rng.integers(2**31)
    return tf.constant(order), tf.constant(dropout_seeds)


def _next_call(n_epochs: int, seconds: float) -> int:
    if seconds < SECONDS_PER_CALL / 2:
        return 2 * n_epochs
    return n_epochs if seconds < 2 * SECONDS_PER_CALL else max(1, n_epochs // 2)


def _history(
    calls: Sequence[EpochLosses], names: Sequence[str], validation: bool
) -> dict[str, list[float]]:
    """Losses by name, one entry per epoch."""
    history = {}
    for prefix, losses in zip(("", "val_"), zip(*calls, strict=True), strict=True):
        if validation or not prefix:
            table = np.concatenate(losses).astype(np.float64)
            history[f"{prefix}loss"] = table.mean(axis=1).tolist()
            for name, column in zip(names, table.T, strict=True):
                history[f"{prefix}loss_{name}"] = column.tolist()
    return history


def _last(history: dict[str, list[float]]) -> dict[str, float]:
    return {name: values[-1] for name, values in history.items()}


def _check_finite(trained: Trained) -> None:
    finite = np.isfinite(trained.history["loss"])
    if not finite.any() or not all(np.isfinite(w).all() for w in trained.weights):
        raise ValueError(
            "Training diverged: the loss was no longer finite in epoch "
            f"{finite.argmin() + 1}. Lower learning_rate, or look for extreme values in X "
            "and y."
        )
