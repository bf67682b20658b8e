"""Networks with parts of others: a trunk to start from, a head more, wider kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .architecture import Architecture
from .inputs import Inputs
from .network import Network
from .scaling import Scaling
from .weights import Layer, Weights


def with_outputs(weights: Weights, n_outputs: int) -> Weights:
    """Weights of the network with heads of more outputs, which nothing reads."""

    def padded(w):
        missing = [(0, 0)] * (w.ndim - 1) + [(0, n_outputs - w.shape[-1])]
        return np.pad(w, missing)

    return weights._replace(
        output=Layer(*map(padded, weights.output)),
        linear=None if weights.linear is None else padded(weights.linear),
        effects=None if weights.effects is None else padded(weights.effects),
    )


def with_rows(weights: Weights, n_inputs: int) -> Weights:
    """Weights of the network with zeros for more inputs behind its own."""
    (kernel, bias), *others = weights.layers  # (..., i, o)
    missing = [(0, 0)] * (kernel.ndim - 2) + [(0, n_inputs - kernel.shape[-2]), (0, 0)]
    return weights.with_layers([Layer(np.pad(kernel, missing), bias), *others])


class Trunk(NamedTuple):
    """Layers that a network can start from."""

    layers: tuple[Layer, ...]
    activations: list[str]
    features: Inputs | None  # what the first kernel expects; None: unknown


def with_trunk(network: Network, trunk: Trunk) -> Network:
    """The network with these first layers."""
    architecture = network.architecture
    layers = trunk.layers[: architecture.sharing_depth]
    found = [Layer(K.shape, b.shape) for K, b in layers]
    expected = list(architecture.shapes.trunk)
    if found != expected:
        raise ValueError(
            "init_trunk has shared layers with kernels of the shapes "
            f"{[kernel for kernel, _ in found]}, but the trunk needs "
            f"{[kernel for kernel, _ in expected]}: number and sizes of its features and "
            "layers must be those of trunk_sizes, head_sizes and sharing_depth."
        )
    activations = set(trunk.activations[: architecture.sharing_depth])
    if activations - {architecture.activation}:
        raise ValueError(
            f"The layers of init_trunk were trained with {sorted(activations)}, but "
            f"activation={architecture.activation!r}."
        )
    return dataclasses.replace(
        network, weights=network.weights._replace(trunk=tuple(layers))
    )


def add_head(network: Network, head: Network) -> Network:
    """The network with the heads of another one on the same trunk."""
    both = (network, head)
    features = common_inputs(both)
    architecture = common_architecture(both, features)
    weights = [with_outputs(n.weights, architecture.n_outputs) for n in both]
    if features.hidden.of_tasks:
        weights = [with_rows(w, architecture.n_inputs) for w in weights]
    old, new = weights
    joined = old.map(lambda *pair: np.concatenate(pair), new)
    return of_all_targets(both, architecture, joined._replace(trunk=old.trunk), features)


def common_inputs(networks: Sequence[Network]) -> Inputs:
    """What networks read, or units of its own for every target if that differs."""
    features = networks[0].features
    if all(network.features == features for network in networks):
        return features
    return Inputs.side_by_side([(n.features, n.architecture.n_targets) for n in networks])


def common_architecture(
    networks: Sequence[Network], features: Inputs, **changes
) -> Architecture:
    """Of a network with the targets of all, which reads these features."""
    first = networks[0].architecture
    return dataclasses.replace(
        first,
        n_targets=sum(network.architecture.n_targets for network in networks),
        n_bins=features.hidden.n_units - first.n_features,
        own_inputs=features.hidden.of_tasks,
        n_outputs=max(network.architecture.n_outputs for network in networks),
        **changes,
    )


def of_all_targets(
    networks: Sequence[Network],
    architecture: Architecture,
    weights: Weights,
    features: Inputs,
) -> Network:
    """The network with the targets of all.

    The optimizers' states are given up: they belong to the weights as they were.
    """
    return Network(
        architecture,
        weights,
        None,
        features,
        Scaling(
            np.concatenate([network.targets.mean for network in networks]),
            np.concatenate([network.targets.scale for network in networks]),
        ),
        sum((network.kinds for network in networks), start=()),
        np.concatenate([network.log_variances for network in networks]),
    )
