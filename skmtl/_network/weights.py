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
    # Of categories: a row of numbers for each level (R, w), or (N, R, w) where networks
    # have nothing in common; the kernel from these to the first layer, and that to the
    # gates; what each level adds to the outputs (T, R, O).
    embeddings: Any = None
    embedded: Any = None
    embedded_gates: Any = None
    effects: Any = None

    @property
    def layers(self) -> list[Layer]:
        """From the inputs to the outputs."""
        return [*self.trunk, *self.heads, self.output]

    def leaves(self) -> list:
        """All of them in one order, which optimizers and files have, too.

        First what the trunk consists of: what can be frozen.
        """
        layers = self.layers + ([] if self.gates is None else [self.gates])
        return [
            *_present(self.embeddings, self.embedded),
            *(leaf for layer in layers for leaf in layer),
            *_present(self.linear, self.embedded_gates, self.effects),
        ]

    def with_leaves(self, leaves: Sequence) -> Weights:
        """The same tree of other leaves."""
        rest = iter(leaves)

        def next_if(leaf):
            return None if leaf is None else next(rest)

        embeddings, embedded = next_if(self.embeddings), next_if(self.embedded)
        tree = Weights(
            tuple(_layer(rest) for _ in self.trunk),
            tuple(_layer(rest) for _ in self.heads),
            _layer(rest),
            None if self.gates is None else _layer(rest),
            next_if(self.linear),
            embeddings,
            embedded,
            next_if(self.embedded_gates),
            next_if(self.effects),
        )
        if next(rest, None) is not None:
            raise ValueError(f"{len(leaves)} leaves are more than the tree has.")
        return tree

    @property
    def decays(self) -> Weights:
        """Whether weight decay makes them smaller: not the biases."""

        def of(layer):
            return None if layer is None else Layer(True, False)

        tree = self.with_leaves([True] * len(self.leaves()))
        layers = tree.with_layers([of(layer) for layer in self.layers])
        return layers._replace(gates=of(self.gates))

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

        def own(w):
            return (w[task] if w.ndim == 3 else w).astype(np.float64)

        def layer(kernel, bias):
            return Layer(own(kernel), own(bias).reshape(-1))

        tree = self.map(own).with_layers([layer(*pair) for pair in self.layers])
        return tree if self.gates is None else tree._replace(gates=layer(*self.gates))


def _present(*leaves) -> list:
    return [leaf for leaf in leaves if leaf is not None]


def _layer(leaves: Iterator) -> Layer:
    return Layer(next(leaves), next(leaves))
