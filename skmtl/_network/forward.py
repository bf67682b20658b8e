"""The forward pass: one function, for training, prediction and ONNX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .architecture import Architecture
from .experts import gates, mixture
from .weights import Weights


def forward(
    architecture: Architecture,
    weights: Weights,
    X,
    inputs,
    activation: Callable,
    *,
    codes=None,
    drop: Callable = lambda H: H,
    xp=np,
):
    """Outputs (n, T, O) of the network for scaled features X (n, d), without categories.

    The same lines serve training (``xp=keras.ops``) and prediction (``xp=numpy``).
    ``inputs`` are the `Units` that the hidden layers read, and those that what is linear
    reads. ``codes`` (n, C) say which row of what is known of levels belongs to each
    category. ``drop`` is applied to every hidden layer's output.
    """

    def through(layers, H, added=None):
        for K, b in layers:
            Z = product(H, K, xp) + b
            H = drop(activation(Z if added is None else Z + added))
            added = None
        return H

    read_by_hidden, read_by_linear = inputs
    U = (read_by_hidden if architecture.hidden_sizes else read_by_linear)(X, xp)
    E, of_levels = embedded(weights, codes, xp), None
    if E is not None:
        of_levels = product(_for_each_trunk(architecture, E, xp), weights.embedded, xp)
    H = U
    if weights.trunk:
        H, of_levels = through(weights.trunk, U, of_levels), None
    if architecture.gated:
        G = gates_of(weights, U, E, xp)
        H = mixture(H, G, architecture.n_experts, architecture.n_task_experts)
    elif architecture.groups:
        H = xp.take(H, np.array(architecture.groups), axis=0)
    H = through(weights.heads, H, of_levels)
    outputs = _outputs(H, *weights.output, xp)
    if architecture.linear_path:
        reach, K = read_by_linear(X, xp), weights.linear
        # In NumPy target by target: so K is not put in another order for every row.
        linear = reach @ K if xp is np else product(reach, K, xp)
        outputs = outputs + xp.transpose(linear, (1, 0, 2))
    if weights.effects is not None:
        effects = xp.sum(xp.take(weights.effects, codes, axis=1), axis=2)
        outputs = outputs + xp.transpose(effects, (1, 0, 2))
    return outputs


def embedded(weights: Weights, codes, xp):
    """The numbers (n, C w) of these levels, (N, n, C w) of several networks' own."""
    table = weights.embeddings
    if table is None:
        return None
    size = codes.shape[1] * table.shape[-1]
    several = len(table.shape) == 3
    E = xp.take(table, codes, axis=1 if several else 0)
    return xp.reshape(E, (table.shape[0], -1, size) if several else (-1, size))


def _for_each_trunk(architecture: Architecture, E, xp):
    """What every trunk reads of levels: where tasks have copies, so have their experts."""
    if architecture.gated and len(E.shape) == 3:
        return xp.repeat(E, architecture.n_task_experts, axis=0)
    return E


def gates_of(weights: Weights, U, E, xp):
    """How much of each expert every task takes (T, n, E + P)."""
    A = product(U, weights.gates.kernel, xp) + weights.gates.bias
    if E is not None:
        A = A + product(E, weights.embedded_gates, xp)
    return gates(A, xp)


def _outputs(H, K, b, xp):
    """Outputs (n, T, O) of the last hidden layer, (n, i) or (T, n, i)."""
    if len(K.shape) == 2:  # one output layer for all heads
        return xp.transpose(H @ K + b, (1, 0, 2))
    if len(H.shape) == 2:  # every hidden layer is shared
        return _products(H, K, xp) + b[:, 0]
    if K.shape[-1] == 1:
        # Each head has its own H: multiply and sum is quicker than T products.
        summed = xp.sum(H * xp.swapaxes(K, 1, 2), axis=-1) + b[:, :, 0]
        return xp.transpose(summed)[..., None]
    return xp.transpose(H @ K + b, (1, 0, 2))


def product(H, K, xp):
    """``H @ K``; where all heads read the same H (n, i), as one product."""
    if len(H.shape) == len(K.shape):
        return H @ K
    return xp.transpose(_products(H, K, xp), (1, 0, 2))


def _products(H, K, xp):
    """Products (n, T, o) of one H (n, i) with kernels (T, i, o), as a single one."""
    n_targets, i, o = K.shape
    together = H @ xp.reshape(xp.transpose(K, (1, 0, 2)), (i, n_targets * o))
    return xp.reshape(together, (-1, n_targets, o))
