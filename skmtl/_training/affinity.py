"""What a step on one task's loss does to the losses of all tasks, compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from .._network.architecture import Architecture
from .._network.forward import forward
from .._network.network import Network
from .._runtime.executables import compiling
from .._runtime.forks import check_not_forked
from .losses import TaskLoss, cell_losses
from .program import as_tensors
from .spec import Rows
from .step import activation_named, numbers_and_codes

MAX_PROGRAMS = 32


def affinity(
    network: Network,
    losses: tuple[TaskLoss, ...],
    rows: Rows,
    learning_rate: float,
    batch_size: int,
) -> np.ndarray:
    """Share of task j's loss (column) that a step on task i's loss (row) takes away.

    Over all batches that observe task i; NaN where these do not observe task j.
    """
    check_not_forked()
    step = program(network.architecture, losses)
    weights = [tf.constant(w) for w in network.weights.leaves()]
    rate, inputs = as_tensors((float(learning_rate), network.features.units))
    n_targets = network.architecture.n_targets
    falls, totals = np.zeros((2, n_targets, n_targets))
    for batch in _batches(rows, batch_size):
        total, fall = step(weights, *map(tf.constant, batch), rate, inputs)
        observed = batch.W.any(axis=0)
        falls += fall.numpy()
        totals += np.outer(observed, total.numpy())
    if not np.isfinite(falls).all():
        raise ValueError(
            f"A step of learning_rate={learning_rate} makes a loss that is not finite: "
            "lower it, or look for extreme values in X and y."
        )
    undefined = np.full_like(falls, np.nan)
    # A loss may be negative, such as minus the logarithm of a density.
    return np.divide(falls, np.abs(totals), out=undefined, where=totals != 0)


def _batches(rows: Rows, batch_size: int):
    """Batches of about equal size, filled up with rows that weigh nothing."""
    # Drawn at random, because tables are often sorted, and alike in every call.
    n_rows = len(rows.X)
    order = np.random.default_rng(0).permutation(n_rows)
    for part in np.array_split(order, -(-n_rows // batch_size)):
        batch = Rows(*(np.zeros((batch_size, A.shape[1]), np.float32) for A in rows))
        for padded, A in zip(batch, rows, strict=True):
            padded[: len(part)] = A[part]
        yield batch


@lru_cache(maxsize=MAX_PROGRAMS)
def program(architecture: Architecture, losses: tuple[TaskLoss, ...]) -> Callable:
    """A compiled function of weights, a batch (X, Y, W), a learning rate and inputs.

    The inputs are what `forward` takes. The function returns the tasks' weighted sums of
    losses (T,), and by how much each falls after a gradient step of the shared weights on
    one task's mean loss (T, T), that task's row.
    """
    compiling()
    activation = activation_named(architecture.activation)

    def losses_and_falls(weights, X, Y, W, learning_rate, inputs):
        numbers, codes = numbers_and_codes(architecture, X)

        def outputs_of(weights):
            tree = architecture.shapes.with_leaves(weights)
            return forward(
                architecture,
                tree,
                numbers,
                inputs,
                activation,
                codes=codes,
                xp=keras.ops,
            )

        outputs = outputs_of(weights)
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            cells = cell_losses(losses, Y, outputs)
            mean_losses = tf.math.divide_no_nan(
                tf.reduce_sum(W * cells, axis=0), tf.reduce_sum(W, axis=0)
            )
        # Each loss depends on its own task's output alone: one pass serves all tasks.
        slopes = tape.gradient(mean_losses, outputs)

        def falls_after_step_on(task):
            slope = slopes[:, task, None]
            stepped = _stepped(weights, outputs_of, task, slope, learning_rate)
            outputs = outputs_of(stepped)
            # Cell by cell: the sums are nearly the same, and in single precision.
            return tf.reduce_sum(W * (cells - cell_losses(losses, Y, outputs)), axis=0)

        # A loop in the program, so that more tasks don't take longer to compile.
        tasks = tf.range(architecture.n_targets)
        falls = tf.map_fn(falls_after_step_on, tasks, fn_output_signature=tf.float32)
        return tf.reduce_sum(W * cells, axis=0), falls

    return tf.function(losses_and_falls, jit_compile=True, autograph=False)


def _stepped(weights, outputs_of, task, slope, learning_rate) -> list:
    """The weights after a gradient step of the shared ones on one task's loss.

    ``slope`` (b, 1) is the derivative of that loss by the task's outputs.
    """
    of_task = [w[task][None] if len(w.shape) == 3 else w for w in weights]
    shared = [i for i, w in enumerate(weights) if len(w.shape) < 3]
    with tf.GradientTape() as tape:
        tape.watch([weights[i] for i in shared])
        output = outputs_of(of_task)
    gradients = tape.gradient(output, [weights[i] for i in shared], slope)
    stepped = list(weights)
    for i, gradient in zip(shared, gradients, strict=True):
        stepped[i] -= learning_rate * tf.convert_to_tensor(gradient)  # of look-ups, too
    return stepped
