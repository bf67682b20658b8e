"""The network of trunk and heads: its shapes, its first weights, its forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ._activations import ACTIVATIONS
from ._scaling import Scaling

PREDICTION_CHUNK = 2**18  # numbers per layer that predict holds at once: 2 MiB


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of all weights.

    The weights of a network are a flat list ``[kernel, bias, kernel, bias, ...]``. A
    shared layer has a kernel (i, o) and a bias (o,); a layer that exists once per task
    has a kernel (T, i, o) and a bias (T, 1, o). So ``H @ kernel + bias`` computes
    either, and the first axis of everything that tasks own is the task.
    """

    n_features: int
    n_targets: int
    hidden_sizes: tuple[int, ...]
    sharing_depth: int
    activation: str

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        sizes = (self.n_features, *self.hidden_sizes, 1)
        shapes: list[tuple[int, ...]] = []
        for layer, (i, o) in enumerate(pairwise(sizes)):
            if layer < self.sharing_depth:
                shapes += [(i, o), (o,)]
            else:
                shapes += [(self.n_targets, i, o), (self.n_targets, 1, o)]
        return shapes

    @property
    def n_weights(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.weight_shapes)

    @property
    def width(self) -> int:
        """Most numbers per row that any layer puts out."""
        biases = self.weight_shapes[1::2]
        return max(int(np.prod(shape)) for shape in biases)


def initial_weights(
    architecture: Architecture, rng: np.random.Generator
) -> list[np.ndarray]:
    """Glorot-uniform kernels and zero biases, every head drawn as if it stood alone.

    Fan-in and fan-out are those of one task's kernel, whatever the number of tasks.
    """
    weights = []
    for shape in architecture.weight_shapes:
        is_kernel = len(weights) % 2 == 0
        limit = np.sqrt(6 / (shape[-2] + shape[-1])) if is_kernel else 0.0
        weights.append(rng.uniform(-limit, limit, shape).astype(np.float32))
    return weights


def forward(
    weights: Sequence,
    X,
    activation: Callable,
    *,
    drop: Callable = lambda H: H,
    xp=np,
):
    """Outputs (n, T) of the network for inputs X (n, d).

    The same lines serve training (``xp=keras.ops``) and prediction (``xp=numpy``).
    ``drop`` is applied to every hidden layer's output.
    """
    *hidden, K_out, b_out = weights
    H = X
    for K, b in zip(hidden[::2], hidden[1::2], strict=True):
        H = drop(activation(H @ K + b))
    if len(H.shape) == 2:  # every hidden layer is shared: all outputs in one product
        return H @ xp.transpose(K_out[:, :, 0]) + b_out[:, 0, 0]
    # Each head has its own H: multiply and sum is quicker than T products with a column.
    return xp.transpose(xp.sum(H * xp.swapaxes(K_out, 1, 2), axis=-1) + b_out[:, :, 0])


@dataclass(frozen=True)
class Network:
    """Weights, what they were trained with, and the units of what goes in and out."""

    architecture: Architecture
    weights: list[np.ndarray]
    optimizer_state: list[np.ndarray] | None
    features: Scaling
    targets: Scaling

    def encode(self, X, Y, W) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What training sees of a table.

        Scaled features; scaled targets, 0 where they are not observed (0 * NaN is NaN);
        cell weights with mean 1 over the rows of every target that has any.
        """
        mean_weight = W.sum(axis=0) / max(len(W), 1)
        return (
            self.features.apply(X),
            np.where(W > 0, self.targets.apply(Y), 0.0),
            W / np.where(mean_weight > 0, mean_weight, 1.0),
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets (n, T) in their own units, for features (n, d) in theirs.

        In double precision: so a row's prediction does not depend on the rows beside it.
        """
        weights = [w.astype(np.float64) for w in self.weights]
        activation = ACTIVATIONS[self.architecture.activation]
        chunk = max(1, PREDICTION_CHUNK // self.architecture.width)
        Y = np.empty((len(X), self.architecture.n_targets))
        for start in range(0, len(X), chunk):
            rows = slice(start, start + chunk)
            outputs = forward(weights, self.features.apply(X[rows]), activation)
            Y[rows] = self.targets.undo(outputs)
        return Y
