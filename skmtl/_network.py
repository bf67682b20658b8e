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
from ._experts import gates, mixture
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

    Where there are several trunks side by side, their layers have kernels (N, i, o).
    Either they are experts, E of all tasks and behind these P of each task, which every
    task mixes by gates that read what the experts read: kernels (T, i, E + P) and biases
    (T, 1, E + P), behind those of the outputs. Or each is the trunk of a group of tasks.
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
    n_experts: int = 1  # E; with no others, a single one is a trunk without gates
    n_task_experts: int = 0  # P
    groups: tuple[int, ...] = ()  # of each task, if there are several

    @property
    def n_inputs(self) -> int:
        """Number of units that the first layer reads."""
        return self.n_features + self.n_bins

    @property
    def gated(self) -> bool:
        """Whether every task mixes the outputs of several experts."""
        return self.n_experts + self.n_task_experts > 1

    @property
    def n_trunks(self) -> int:
        """Number of trunks side by side."""
        if self.groups:
            return max(self.groups) + 1
        return self.n_experts + self.n_targets * self.n_task_experts

    @property
    def separate(self) -> bool:
        """Whether the tasks are networks of their own, without a common weight."""
        return self.sharing_depth == 0 and not self.share_output

    @property
    def networks(self) -> tuple[int, ...]:
        """The network that each task is part of: different ones have no common weight."""
        if self.separate:
            return tuple(range(self.n_targets))
        return (
            (0,) * self.n_targets if self.share_output or not self.groups else self.groups
        )

    @property
    def n_networks(self) -> int:
        return max(self.networks) + 1

    @property
    def users(self) -> list[np.ndarray | None]:
        """Of each weight, which tasks use which entry of its first axis, (A, T).

        None for weights that all tasks share.
        """
        tasks = np.eye(self.n_targets, dtype=bool)
        if self.groups:
            trunks = np.arange(self.n_trunks)[:, None] == np.array(self.groups)
        else:
            common = np.ones((self.n_experts, self.n_targets), bool)
            trunks = np.concatenate([common, tasks.repeat(self.n_task_experts, axis=0)])
        n_hidden, n_in_trunk = 2 * len(self.hidden_sizes), 2 * self.sharing_depth
        users = [tasks] * len(self.weight_shapes)
        users[:n_in_trunk] = [None if self.n_trunks == 1 else trunks] * n_in_trunk
        if self.share_output:
            users[n_hidden : n_hidden + 2] = [None] * 2
        return users

    @property
    def weight_shapes(self) -> list[tuple[int, ...]]:
        sizes = (self.n_inputs, *self.hidden_sizes, self.n_outputs)
        shapes: list[tuple[int, ...]] = []
        for layer, (i, o) in enumerate(pairwise(sizes)):
            is_output = layer == len(self.hidden_sizes)
            n = self.n_trunks if layer < self.sharing_depth else self.n_targets
            if (is_output and self.share_output) or (layer < self.sharing_depth and n == 1):
                shapes += [(i, o), (o,)]
            else:
                shapes += [(n, i, o), (n, 1, o)]
        if self.gated:
            n_experts = self.n_experts + self.n_task_experts
            shapes.append((self.n_targets, self.n_inputs, n_experts))
            shapes.append((self.n_targets, 1, n_experts))
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
        biases = [int(np.prod(shape)) for shape in self.weight_shapes[1::2]]
        mixed = self.n_targets * max(self.hidden_sizes, default=1) * (self.n_trunks > 1)
        return max(n_inputs, mixed, *biases)


def initial_weights(
    architecture: Architecture, rng: np.random.Generator
) -> list[np.ndarray]:
    """Glorot-uniform kernels and zero biases, every head drawn as if it stood alone.

    Fan-in and fan-out are those of one task's kernel, whatever the number of tasks. The
    kernel of the outputs is scaled down, those of gates and of the linear path are zero.
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
    architecture: Architecture,
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

    def layers(weights, H):
        for K, b in zip(weights[::2], weights[1::2], strict=True):
            H = drop(activation(_product(H, K, xp) + b))
        return H

    n_hidden, n_in_trunk = (
        2 * len(architecture.hidden_sizes),
        2 * architecture.sharing_depth,
    )
    read_by_hidden, read_by_linear = inputs
    U = (read_by_hidden if n_hidden else read_by_linear)(X, xp)
    H = layers(weights[:n_in_trunk], U)
    if architecture.gated:
        G = gates(U, *weights[n_hidden + 2 : n_hidden + 4], _product, xp)
        H = mixture(H, G, architecture.n_experts, architecture.n_task_experts)
    elif architecture.groups:
        H = xp.take(H, np.array(architecture.groups), axis=0)
    H = layers(weights[n_in_trunk:n_hidden], H)
    outputs = _outputs(H, *weights[n_hidden : n_hidden + 2], xp)
    if architecture.linear_path:
        reach, K = read_by_linear(X, xp), weights[-1]
        # In NumPy target by target: so K is not put in another order for every row.
        linear = reach @ K if xp is np else _product(reach, K, xp)
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
    of_outputs = [n_hidden, n_hidden + 1, *[len(weights) - 1] * architecture.linear_path]
    weights = list(weights)
    for i in of_outputs:
        weights[i] = np.pad(weights[i], [(0, 0)] * (weights[i].ndim - 1) + [missing])
    return weights


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
    balance: np.ndarray | None = None  # what adapting loss weights go on from

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

        In double precision: no row or target depends, beyond rounding, on those beside it.
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
            Y[rows] = forward(
                self.architecture, self._double, scaled, self.features.units, activation
            )
        return Y

    def gates(self, X: np.ndarray) -> np.ndarray:
        """How much of each expert every target takes (n, T, E + P)."""
        n_hidden = 2 * len(self.architecture.hidden_sizes)
        U = self.features.hidden(self.features.scaling.apply(X))
        K, b = self._double[n_hidden + 2 : n_hidden + 4]
        return gates(U, K, b, _product, np).transpose(1, 0, 2)

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
