"""Weights by the part of the network that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class Layer(NamedTuple):
    """What ``H @ kernel + bias`` is computed with."""

    kernel: Any
    bias: Any


class Weights(NamedTuple):
    """Arrays, or anything else that there is one of for each of them: shapes, users, ...

    A shared layer has a kernel (i, o) and a bias (o,). One of several trunks, or of every
    task's own, has a kernel (N, i, o) and a bias (N, 1, o): the first axis is the trunk, or
    the task. So ``H @ kernel + bias`` computes either.
    """

    trunk: tuple[Layer, ...]
    heads: tuple[Layer, ...]
    output: Layer
    gates: Layer | None = None  # of experts
    linear: Any = None  # kernel (T, d, O) from the features to the outputs

    @property
    def layers(self) -> list[Layer]:
        """From the inputs to the outputs."""
        return [*self.trunk, *self.heads, self.output]

    def leaves(self) -> list:
        """All of them in one order, which optimizers and files have, too."""
        layers = self.layers + ([] if self.gates is None else [self.gates])
        leaves = [leaf for layer in layers for leaf in layer]
        return leaves if self.linear is None else [*leaves, self.linear]

    def with_leaves(self, leaves: Sequence) -> Weights:
        """The same tree of other leaves."""
        rest = iter(leaves)
        tree = Weights(
            tuple(_layer(rest) for _ in self.trunk),
            tuple(_layer(rest) for _ in self.heads),
            _layer(rest),
            None if self.gates is None else _layer(rest),
            None if self.linear is None else next(rest),
        )
        if next(rest, None) is not None:
            raise ValueError(f"{len(leaves)} leaves are more than the tree has.")
        return tree

    def with_layers(self, layers: Sequence[Layer]) -> Weights:
        """The same tree with these layers, from the inputs to the outputs."""
        n = len(self.trunk)
        trunk, heads = tuple(layers[:n]), tuple(layers[n:-1])
        return self._replace(trunk=trunk, heads=heads, output=layers[-1])

    def map(self, function: Callable, *others: Weights) -> Weights:
        """The function of each leaf, and of those in the same place of other trees."""
        trees = [self, *others]
        columns = zip(*(tree.leaves() for tree in trees), strict=True)
        return self.with_leaves([function(*leaves) for leaves in columns])

    def of_task(self, task: int) -> Weights:
        """The network of a single task, all layers (i, o), in double precision."""
        tree = self.map(lambda w: (w[task] if w.ndim == 3 else w).astype(np.float64))
        return tree.with_leaves(
            [w if i % 2 == 0 else w.reshape(-1) for i, w in enumerate(tree.leaves())]
        )


def _layer(leaves: Iterator) -> Layer:
    return Layer(next(leaves), next(leaves))
