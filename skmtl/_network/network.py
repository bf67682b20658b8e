"""The network of trunk and heads: its shapes, its first weights, its forward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .activations import ACTIVATIONS
from .experts import gates, mixture
from .heads import OUTPUT_ACTIVATIONS, HeadKind, by_activation
from .inputs import Inputs
from .many_rows import MANY_ROWS, outputs_of_many
from .scaling import Scaling
from .weights import Layer, Weights

OUTPUT_SCALE = 0.1  # of the first output kernels: training starts near the targets' means
PREDICTION_CHUNK = 2**18  # numbers per layer that predict holds at once: 2 MiB


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of all weights.

    The first hidden layer reads the features and, behind them, ``n_bins`` units that
    encode them. Every head puts out O numbers; one whose kind needs fewer has some that
    nothing reads.

    Several trunks side by side are either experts, E of all tasks and behind these P of
    each task, which every task mixes by gates (T, i, E + P) that read what the experts
    read. Or each is the trunk of a group of tasks.
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
    def users(self) -> Weights:
        """Of each weight, which tasks use which entry of its first axis, (A, T).

        None for weights that all tasks share.
        """
        tasks = np.eye(self.n_targets, dtype=bool)
        if self.groups:
            trunks = np.arange(self.n_trunks)[:, None] == np.array(self.groups)
        else:
            common = np.ones((self.n_experts, self.n_targets), bool)
            trunks = np.concatenate([common, tasks.repeat(self.n_task_experts, axis=0)])
        shared, of_trunk = Layer(None, None), Layer(trunks, trunks)
        own = Layer(tasks, tasks)
        users = self.shapes
        return Weights(
            (shared if self.n_trunks == 1 else of_trunk,) * len(users.trunk),
            (own,) * len(users.heads),
            shared if self.share_output else own,
            None if users.gates is None else own,
            None if users.linear is None else tasks,
        )

    @cached_property
    def shapes(self) -> Weights:
        """Of all weights."""

        def layer(n, i, o):
            return Layer((n, i, o), (n, 1, o)) if n else Layer((i, o), (o,))

        sizes = list(pairwise((self.n_inputs, *self.hidden_sizes, self.n_outputs)))
        n_trunks = 0 if self.n_trunks == 1 else self.n_trunks
        T, n_experts = self.n_targets, self.n_experts + self.n_task_experts
        linear = (T, self.n_features, self.n_outputs)
        return Weights(
            tuple(layer(n_trunks, *io) for io in sizes[: self.sharing_depth]),
            tuple(layer(T, *io) for io in sizes[self.sharing_depth : -1]),
            layer(0 if self.share_output else T, *sizes[-1]),
            layer(T, self.n_inputs, n_experts) if self.gated else None,
            linear if self.linear_path else None,
        )

    @property
    def n_weights(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.leaves())

    @cached_property
    def width(self) -> int:
        """Most numbers per row that any layer puts out."""
        n_inputs = self.n_inputs * (self.n_targets if self.own_inputs else 1)
        biases = [int(np.prod(layer.bias)) for layer in self.shapes.layers]
        mixed = self.n_targets * max(self.hidden_sizes, default=1) * (self.n_trunks > 1)
        return max(n_inputs, mixed, *biases)


def initial_weights(architecture: Architecture, rng: np.random.Generator) -> Weights:
    """Glorot-uniform kernels and zero biases, every head drawn as if it stood alone.

    Fan-in and fan-out are those of one task's kernel, whatever the number of tasks. The
    kernel of the outputs is scaled down, those of gates and of the linear path are zero.
    """

    def drawn(layer: Layer, scale: float = 1.0) -> Layer:
        limit = scale * np.sqrt(6 / sum(layer.kernel[-2:]))
        kernel = rng.uniform(-limit, limit, layer.kernel).astype(np.float32)
        return Layer(kernel, np.zeros(layer.bias, np.float32))

    shapes = architecture.shapes
    return shapes.map(lambda shape: np.zeros(shape, np.float32))._replace(
        trunk=tuple(map(drawn, shapes.trunk)),
        heads=tuple(map(drawn, shapes.heads)),
        output=drawn(shapes.output, OUTPUT_SCALE),
    )


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
            H = drop(activation(_product(H, K, xp) + b))
        return H

    read_by_hidden, read_by_linear = inputs
    U = (read_by_hidden if architecture.hidden_sizes else read_by_linear)(X, xp)
    H = through(weights.trunk, U)
    if architecture.gated:
        G = gates(U, *weights.gates, _product, xp)
        H = mixture(H, G, architecture.n_experts, architecture.n_task_experts)
    elif architecture.groups:
        H = xp.take(H, np.array(architecture.groups), axis=0)
    H = through(weights.heads, H)
    outputs = _outputs(H, *weights.output, xp)
    if architecture.linear_path:
        reach, K = read_by_linear(X, xp), weights.linear
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


def with_outputs(weights: Weights, n_outputs: int) -> Weights:
    """Weights of the network with heads of more outputs, which nothing reads."""

    def padded(w):
        missing = [(0, 0)] * (w.ndim - 1) + [(0, n_outputs - w.shape[-1])]
        return np.pad(w, missing)

    return weights._replace(
        output=Layer(*map(padded, weights.output)),
        linear=None if weights.linear is None else padded(weights.linear),
    )


def with_rows(weights: Weights, n_inputs: int) -> Weights:
    """Weights of the network with zeros for more inputs behind its own."""
    kernel = weights.layers[0].kernel  # (..., i, o)
    missing = [(0, 0)] * (kernel.ndim - 2) + [(0, n_inputs - kernel.shape[-2]), (0, 0)]
    return weights.with_leaves([np.pad(kernel, missing), *weights.leaves()[1:]])


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
    weights: Weights
    optimizer_state: OptimizerState | None
    features: Inputs
    targets: Scaling
    kinds: tuple[HeadKind, ...]  # of each target's head
    log_variances: np.ndarray  # (T,) of learnt loss weights
    balance: np.ndarray | None = None  # what adapting loss weights go on from

    @classmethod
    def untrained(
        cls,
        architecture: Architecture,
        rng: np.random.Generator,
        features: Inputs,
        targets: Scaling,
        kinds: tuple[HeadKind, ...],
    ) -> Network:
        return cls(
            architecture,
            initial_weights(architecture, rng),
            None,
            features,
            targets,
            kinds,
            np.zeros(architecture.n_targets, np.float32),
        )

    def starting_at(self, outputs: np.ndarray) -> Network:
        """The network with these outputs (T, O) of heads of their own as biases."""
        output = self.weights.output._replace(bias=outputs[:, None].astype(np.float32))
        return dataclasses.replace(self, weights=self.weights._replace(output=output))

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
        U = self.features.hidden(self.features.scaling.apply(X))
        return gates(U, *self._double.gates, _product, np).transpose(1, 0, 2)

    @cached_property
    def _double(self) -> Weights:
        """The weights in double precision, made once: a row takes as long as that."""
        return self.weights.map(lambda w: w.astype(np.float64))

    def variances(self, outputs: np.ndarray) -> np.ndarray:
        """Variances (n, T) of targets that have one, in their own units; of others 0."""
        variances = np.zeros(outputs.shape[:2])
        for target, kind in enumerate(self.kinds):
            if kind.has_variance:
                scaled = kind.variance(outputs[:, target])
                variances[:, target] = scaled * self.targets.scale[target] ** 2
        return variances

    def quantiles(self, outputs: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        """Quantiles (n, T, Q) of these levels, in own units; of targets without any NaN."""
        quantiles = np.full((*outputs.shape[:2], len(levels)), np.nan)
        for target, kind in enumerate(self.kinds):
            if kind.levels == levels:
                scaled = kind.quantiles(outputs[:, target, : len(levels)])
                of_target = scaled * self.targets.scale[target]
                quantiles[:, target] = of_target + self.targets.mean[target]
        return quantiles

    def probabilities(self, outputs: np.ndarray) -> list[np.ndarray]:
        """Probabilities (n, C) of every target's classes."""
        return [
            kind.probabilities(outputs[:, target, : kind.n_outputs])
            for target, kind in enumerate(self.kinds)
        ]

    @cached_property
    def _activated(self):
        masks = by_activation(self.kinds).items()
        return [(OUTPUT_ACTIVATIONS[name][0], columns) for name, columns in masks]

    def __getstate__(self):
        fields = {field.name for field in dataclasses.fields(self)}
        return {name: v for name, v in vars(self).items() if name in fields}

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Targets (n, T) in their own units from outputs, which may be overwritten."""
        predictions = outputs[..., 0]
        for function, columns in self._activated:
            predictions[:, columns] = function(predictions[:, columns])
        return self.targets.undo(predictions)
