"""The shapes of a network, and its first weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .weights import Layer, Weights

OUTPUT_SCALE = 0.1  # of the first output kernels: training starts near the targets' means


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
