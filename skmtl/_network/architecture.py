"""The shapes of a network, and its first weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from .weights import Layer, Weights

OUTPUT_SCALE = 0.1  # of the first output kernels: training starts near the targets' means
EMBEDDING_SCALE = 0.1  # standard deviation of the first numbers of a level


@dataclass(frozen=True)
class Architecture:
    """What decides the shapes of all weights.

    The first hidden layer reads the features that are numbers and, behind them, ``n_bins``
    units that encode them. Of each of the C features that are categories it reads w
    numbers, which are looked up among those of all levels. Every head puts out O numbers;
    one whose kind needs fewer has some that nothing reads.

    Several trunks side by side are either experts, E of all tasks and behind these P of
    each task, which every task mixes by gates (T, i, E + P) that read what the experts
    read. Or each is the trunk of a group of tasks.
    """

    n_features: int  # that are numbers
    n_targets: int
    hidden_sizes: tuple[int, ...]
    sharing_depth: int
    activation: str
    share_output: bool = False
    linear_path: bool = False
    n_bins: int = 0  # of all features together, and numbers that say what is missing
    own_inputs: bool = False  # every task has units of its own in front
    n_outputs: int = 1  # O, of every head
    n_experts: int = 1  # E; with no others, a single one is a trunk without gates
    n_task_experts: int = 0  # P
    groups: tuple[int, ...] = ()  # of each task, if there are several
    n_flags: int = 0  # the latter, which what is linear reads, too
    n_categorical: int = 0  # C
    n_levels: int = 0  # R, of all of these features, and one of each for what is unknown
    embedding_size: int = 0  # w

    @property
    def n_inputs(self) -> int:
        """Number of units of numbers that the first layer reads."""
        return self.n_features + self.n_bins

    @property
    def n_linear(self) -> int:
        """Number of units that the linear path reads."""
        return self.n_features + self.n_flags

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

        None for weights that all tasks share. In the order of `Weights.leaves`.
        """
        tasks = np.eye(self.n_targets, dtype=bool)
        if self.groups:
            trunks = np.arange(self.n_trunks)[:, None] == np.array(self.groups)
        else:
            common = np.ones((self.n_experts, self.n_targets), bool)
            trunks = np.concatenate([common, tasks.repeat(self.n_task_experts, axis=0)])
        # In tuples, because a tree has no leaf where there is None.
        own, shared = (tasks,), (None,)
        of_trunk = shared if self.n_trunks == 1 else (trunks,)
        of_output = shared if self.share_output else own
        shapes = self.shapes
        tree = shapes.with_leaves([own] * len(shapes.leaves()))
        tree = tree._replace(
            trunk=(Layer(of_trunk, of_trunk),) * len(shapes.trunk),
            output=Layer(of_output, of_output),
        )
        if shapes.embeddings and self.sharing_depth:
            several = len(shapes.embeddings) == 3
            tree = tree._replace(
                embeddings=of_trunk if several else shared, embedded=of_trunk
            )
        return [users for (users,) in tree.leaves()]

    @cached_property
    def shapes(self) -> Weights:
        """Of all weights."""

        def layer(n, i, o):
            return Layer((n, i, o), (n, 1, o)) if n else Layer((i, o), (o,))

        sizes = list(pairwise((self.n_inputs, *self.hidden_sizes, self.n_outputs)))
        n_trunks = 0 if self.n_trunks == 1 else self.n_trunks
        T, n_experts = self.n_targets, self.n_experts + self.n_task_experts
        linear = (T, self.n_linear, self.n_outputs)
        return Weights(
            tuple(layer(n_trunks, *io) for io in sizes[: self.sharing_depth]),
            tuple(layer(T, *io) for io in sizes[self.sharing_depth : -1]),
            layer(0 if self.share_output else T, *sizes[-1]),
            layer(T, self.n_inputs, n_experts) if self.gated else None,
            linear if self.linear_path else None,
            *self._shapes_of_categories(),
        )

    def _shapes_of_categories(self) -> Iterator[tuple[int, ...] | None]:
        """Of embeddings, the kernels that read them, and what levels add to the outputs."""
        T, R, w = self.n_targets, self.n_levels, self.embedding_size
        read = self.n_categorical * w
        several: tuple[int, ...] = (T,)
        if self.sharing_depth:
            several = () if self.n_trunks == 1 else (self.n_trunks,)
        embeds = self.n_categorical and self.hidden_sizes
        # Experts mix what they make of the same numbers.
        yield (*(() if self.gated else several), R, w) if embeds else None
        yield (*several, read, self.hidden_sizes[0]) if embeds else None
        gates = T, read, self.n_experts + self.n_task_experts
        yield gates if embeds and self.gated else None
        adds = self.n_categorical and (self.linear_path or not self.hidden_sizes)
        yield (T, R, self.n_outputs) if adds else None

    @property
    def n_weights(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.leaves())

    @cached_property
    def width(self) -> int:
        """Most numbers per row that any layer puts out."""
        n_inputs = self.n_inputs * (self.n_targets if self.own_inputs else 1)
        n_embedded = self.n_categorical * self.embedding_size
        n_embedded *= 1 if self.sharing_depth else self.n_targets
        biases = [int(np.prod(layer.bias)) for layer in self.shapes.layers]
        mixed = self.n_targets * max(self.hidden_sizes, default=1) * (self.n_trunks > 1)
        return max(n_inputs, n_embedded, mixed, *biases)


def initial_weights(architecture: Architecture, rng: np.random.Generator) -> Weights:
    """Glorot-uniform kernels and zero biases, every head drawn as if it stood alone.

    Fan-in and fan-out are those of one task's kernel, whatever the number of tasks. The
    kernel of the outputs is scaled down, those of gates and of the linear path are zero.
    What is known of levels starts small, so that all are nearly alike.
    """
    shapes = architecture.shapes

    def drawn(layer: Layer, scale: float = 1.0) -> Layer:
        limit = scale * np.sqrt(6 / sum(layer.kernel[-2:]))
        kernel = rng.uniform(-limit, limit, layer.kernel).astype(np.float32)
        return Layer(kernel, np.zeros(layer.bias, np.float32))

    weights = shapes.map(lambda shape: np.zeros(shape, np.float32))._replace(
        trunk=tuple(map(drawn, shapes.trunk)),
        heads=tuple(map(drawn, shapes.heads)),
        output=drawn(shapes.output, OUTPUT_SCALE),
    )
    if shapes.embeddings is None:
        return weights
    limit = np.sqrt(6 / (architecture.n_inputs + sum(shapes.embedded[-2:])))
    embeddings = rng.normal(0.0, EMBEDDING_SCALE, shapes.embeddings)
    embedded = rng.uniform(-limit, limit, shapes.embedded)
    return weights._replace(
        embeddings=embeddings.astype(np.float32), embedded=embedded.astype(np.float32)
    )
