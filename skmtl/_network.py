"""The network of trunk and heads: its shapes, its first weights, its forward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ._activations import ACTIVATIONS
from ._inputs import Inputs
from ._links import (
    LINKS,
    Link,
    by_activation,
    probabilities_of,
    quantiles_of,
    variance_of,
)
from ._many_rows import MANY_ROWS, outputs_of_many
from ._scaling import Scaling

OUTPUT_SCALE = 0.1  # of the first output kernels: training starts near the targets' means
PREDICTION_CHUNK = 2**18  # numbers per layer that predict holds at once: 2 MiB


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of all weights.

    The weights of a network are a flat list ``[kernel, bias, kernel, bias, ...]``. A
    shared layer has a kernel (i, o) and a bias (o,); a layer that exists once per task
    has a kernel (T, i, o) and a bias (T, 1, o). So ``H @ kernel + bias`` computes
    either, and the first axis of everything that tasks own is the task. With a linear
    path from the features to the outputs, its kernel (T, d, O) comes last. The first
    hidden layer reads the features and, behind them, ``n_bins`` units that encode them.
    Every head puts out O numbers; one whose link needs fewer has some that nothing reads.
    """

    n_features: int
    n_targets: int
    hidden_sizes: tuple[int, ...]
    sharing_depth: int
    activation: str
    share_output: bool = False
    linear_path: bool = False
    n_bins: int = 0  # of all features together
    own_inputs: bool = False  # every task has units of its own in front
    n_outputs: int = 1  # O, of every head

    @property
    def n_inputs(self) -> int:
        """Number of units that the first layer reads."""
        return self.n_features + self.n_bins

    @property
    def separate(self) -> bool:
        """Whether the tasks are networks of their own, without a common weight."""
        return self.sharing_depth == 0 and not self.share_output

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        sizes = (self.n_inputs, *self.hidden_sizes, self.n_outputs)
        shapes: list[tuple[int, ...]] = []
        for layer, (i, o) in enumerate(pairwise(sizes)):
            is_output = layer == len(self.hidden_sizes)
            if layer < self.sharing_depth or (is_output and self.share_output):
                shapes += [(i, o), (o,)]
            else:
                shapes += [(self.n_targets, i, o), (self.n_targets, 1, o)]
        if self.linear_path:
            shapes.append((self.n_targets, self.n_features, self.n_outputs))
        return shapes

    @property
    def n_weights(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.weight_shapes)

    @cached_property
    def width(self) -> int:
        """Most numbers per row that any layer puts out."""
        n_inputs = self.n_inputs * (self.n_targets if self.own_inputs else 1)
        biases = self.weight_shapes[1::2]
        return max(n_inputs, *(int(np.prod(shape)) for shape in biases))


def initial_weights(
    architecture: Architecture, rng: np.random.Generator
) -> list[np.ndarray]:
    """Glorot-uniform kernels and zero biases, every head drawn as if it stood alone.

    Fan-in and fan-out are those of one task's kernel, whatever the number of tasks. The
    kernel of the outputs is scaled down, and that of the linear path is zero.
    """
    weights = []
    n_layers = len(architecture.hidden_sizes) + 1
    for layer in range(n_layers):
        kernel, bias = architecture.weight_shapes[2 * layer : 2 * layer + 2]
        limit = np.sqrt(6 / (kernel[-2] + kernel[-1]))
        if layer == n_layers - 1:
            limit *= OUTPUT_SCALE
        weights.append(rng.uniform(-limit, limit, kernel).astype(np.float32))
        weights.append(np.zeros(bias, np.float32))
    zeros = architecture.weight_shapes[2 * n_layers :]
    return weights + [np.zeros(shape, np.float32) for shape in zeros]


def forward(
    weights: Sequence,
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
    read_by_hidden, read_by_linear = inputs
    if len(weights) % 2:
        *weights, K_linear = weights
        reach = read_by_linear(X, xp)
        # In NumPy target by target: another target must not change how one is rounded.
        linear = reach @ K_linear if xp is np else _product(reach, K_linear, xp)
        outputs = forward(weights, X, inputs, activation, drop=drop, xp=xp)
        return outputs + xp.transpose(linear, (1, 0, 2))
    *hidden, K_out, b_out = weights
    H = (read_by_hidden if hidden else read_by_linear)(X, xp)
    for K, b in zip(hidden[::2], hidden[1::2], strict=True):
        H = drop(activation(_product(H, K, xp) + b))
    if len(K_out.shape) == 2:  # one output layer for all heads
        return xp.transpose(H @ K_out + b_out, (1, 0, 2))
    if len(H.shape) == 2:  # every hidden layer is shared
        return _products(H, K_out, xp) + b_out[:, 0]
    if K_out.shape[-1] == 1:
        # Each head has its own H: multiply and sum is quicker than T products.
        summed = xp.sum(H * xp.swapaxes(K_out, 1, 2), axis=-1) + b_out[:, :, 0]
        return xp.transpose(summed)[..., None]
    return xp.transpose(H @ K_out + b_out, (1, 0, 2))


def _product(H, K, xp):
    """``H @ K``; where all heads read the same H (n, i), as one product."""
    if len(H.shape) == len(K.shape):
        return H @ K
    return xp.transpose(_products(H, K, xp), (1, 0, 2))


def _products(H, K, xp):
    """Products (n, T, o) of one H (n, i) with kernels (T, i, o), as a single one."""
    n_targets, i, o = K.shape
    product = H @ xp.reshape(xp.transpose(K, (1, 0, 2)), (i, n_targets * o))
    return xp.reshape(product, (-1, n_targets, o))


def with_outputs(
    weights: Sequence[np.ndarray], architecture: Architecture, n_outputs: int
) -> list[np.ndarray]:
    """Weights of the network with heads of more outputs, which nothing reads."""
    missing = (0, n_outputs - architecture.n_outputs)
    n_hidden = 2 * len(architecture.hidden_sizes)
    of_outputs = [
        np.pad(w, [(0, 0)] * (w.ndim - 1) + [missing]) for w in weights[n_hidden:]
    ]
    return [*weights[:n_hidden], *of_outputs]


def with_rows(kernel: np.ndarray, n_inputs: int) -> np.ndarray:
    """A kernel (..., i, o) with zeros for more inputs behind its own."""
    missing = [(0, 0)] * (kernel.ndim - 2) + [(0, n_inputs - kernel.shape[-2]), (0, 0)]
    return np.pad(kernel, missing)


class OptimizerState(NamedTuple):
    """What an optimizer goes on from.

    The weights are not those to predict with if the optimizer averages them.
    """

    key: str  # tells whose variables they are
    values: list[np.ndarray]
    weights: list[np.ndarray]


@dataclass(frozen=True)
class Network:
    """Weights, what they were trained with, and the units of what goes in and out."""

    architecture: Architecture
    weights: list[np.ndarray]
    optimizer_state: OptimizerState | None
    features: Inputs
    targets: Scaling
    links: tuple[Link, ...]  # of each target: what makes predictions of outputs
    log_variances: np.ndarray  # (T,) of learnt loss weights

    @classmethod
    def untrained(
        cls,
        architecture: Architecture,
        rng: np.random.Generator,
        features: Inputs,
        targets: Scaling,
        links: tuple[Link, ...],
    ) -> Network:
        return cls(
            architecture,
            initial_weights(architecture, rng),
            None,
            features,
            targets,
            links,
            np.zeros(architecture.n_targets, np.float32),
        )

    def starting_at(self, outputs: np.ndarray) -> Network:
        """The network with these outputs (T, O) of heads of their own as biases."""
        bias = 2 * len(self.architecture.hidden_sizes) + 1
        weights = list(self.weights)
        weights[bias] = outputs[:, None].astype(np.float32)
        return dataclasses.replace(self, weights=weights)

    def encode(
        self, X, Y, W, mean_weight=None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What training sees of a table.

        Scaled features; scaled targets, 0 where they are not observed (0 * NaN is NaN);
        cell weights with mean 1 over the rows of every target that has any, which are
        these unless there are more of them, with a ``mean_weight`` (T,).
        """
        if mean_weight is None:
            mean_weight = W.sum(axis=0) / max(len(W), 1)
        return (
            self.features.scaling.apply(X),
            np.where(W > 0, self.targets.apply(Y), 0.0),
            W / np.where(mean_weight > 0, mean_weight, 1.0),
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets (n, T) in their own units, for features (n, d) in theirs."""
        return self.decode(self.outputs(X))

    def outputs(self, X: np.ndarray) -> np.ndarray:
        """What the heads put out (n, T, O), for features (n, d) in their own units.

        In double precision: so a row's prediction does not depend on the rows beside it.
        Of more than `MANY_ROWS` in single, as in training, which is quicker.
        """
        activation = ACTIVATIONS[self.architecture.activation]
        if len(X) > MANY_ROWS:
            return outputs_of_many(self, X, forward, activation)
        chunk = max(1, PREDICTION_CHUNK // self.architecture.width)
        Y = np.empty((len(X), self.architecture.n_targets, self.architecture.n_outputs))
        for start in range(0, len(X), chunk):
            rows = slice(start, start + chunk)
            scaled = self.features.scaling.apply(X[rows])
            Y[rows] = forward(self._double, scaled, self.features.units, activation)
        return Y

    @cached_property
    def _double(self) -> list[np.ndarray]:
        """The weights in double precision, made once: a row takes as long as that."""
        return [w.astype(np.float64) for w in self.weights]

    def variances(self, outputs: np.ndarray) -> np.ndarray:
        """Variances (n, T) of targets that have one, in their own units; of others 0."""
        variances = np.zeros(outputs.shape[:2])
        for target, link in enumerate(self.links):
            if link.name == "normal":
                scaled = variance_of(outputs[:, target, 1])
                variances[:, target] = scaled * self.targets.scale[target] ** 2
        return variances

    def quantiles(self, outputs: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        """Quantiles (n, T, Q) of these levels, in own units; of targets without any NaN."""
        quantiles = np.full((*outputs.shape[:2], len(levels)), np.nan)
        for target, link in enumerate(self.links):
            if link.levels == levels:
                scaled = quantiles_of(outputs[:, target, : len(levels)], levels)
                of_target = scaled * self.targets.scale[target]
                quantiles[:, target] = of_target + self.targets.mean[target]
        return quantiles

    def probabilities(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Probabilities (n, C) of every target's classes."""
        return [
            probabilities_of(outputs[:, target], link.n_classes)
            for target, link in enumerate(self.links)
        ]

    @cached_property
    def _linked(self):
        return list(by_activation(self.links).items())

    def __getstate__(self):
        fields = {field.name for field in dataclasses.fields(self)}
        return {name: v for name, v in vars(self).items() if name in fields}

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Targets (n, T) in their own units from outputs, which may be overwritten."""
        predictions = outputs[..., 0]
        for name, columns in self._linked:
            predictions[:, columns] = LINKS[name](predictions[:, columns])
        return self.targets.undo(predictions)
