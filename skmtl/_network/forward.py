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
    drop: Callable = lambda H: H,
    xp=np,
):
    """Outputs (n, T, O) of the network for scaled features X (n, d).

    The same lines serve training (``xp=keras.ops``) and prediction (``xp=numpy``).
    ``inputs`` are the `Units` that the hidden layers read, and those that what is linear
    reads. ``drop`` is applied to every hidden layer's output.
    """

    def through(layers, H):
        for K, b in layers:
            H = drop(activation(product(H, K, xp) + b))
        return H

    read_by_hidden, read_by_linear = inputs
    U = (read_by_hidden if architecture.hidden_sizes else read_by_linear)(X, xp)
    H = through(weights.trunk, U)
    if architecture.gated:
        G = gates(U, *weights.gates, product, xp)
        H = mixture(H, G, architecture.n_experts, architecture.n_task_experts)
    elif architecture.groups:
        H = xp.take(H, np.array(architecture.groups), axis=0)
    H = through(weights.heads, H)
    outputs = _outputs(H, *weights.output, xp)
    if architecture.linear_path:
        reach, K = read_by_linear(X, xp), weights.linear
        # In NumPy target by target: so K is not put in another order for every row.
        linear = reach @ K if xp is np else product(reach, K, xp)
        outputs = outputs + xp.transpose(linear, (1, 0, 2))
    return outputs


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
