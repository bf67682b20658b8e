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


def reading_as_many(weights: Weights, architecture: Architecture) -> Weights:
    """Weights of the network with zeros for the units that this architecture has more."""
    (kernel, bias), *others = weights.layers
    kernel = _padded(kernel, -2, architecture.n_inputs - kernel.shape[-2])
    weights = weights.with_layers([Layer(kernel, bias), *others])
    linear = weights.linear
    if linear is None:
        return weights
    missing = architecture.n_linear - linear.shape[-2]
    return weights._replace(linear=_padded(linear, -2, missing))


class Trunk(NamedTuple):
    """Layers that a network can start from."""

    layers: tuple[Layer, ...]
    activations: list[str]
    features: Inputs | None  # what the first kernel expects; None: unknown
    embeddings: np.ndarray | None = None  # of levels, if there are any
    embedded: np.ndarray | None = None  # the kernel that reads them


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
    weights = network.weights._replace(trunk=tuple(layers))
    if layers and trunk.embeddings is not None:
        expected = architecture.shapes.embeddings
        if trunk.embeddings.shape != expected:
            raise ValueError(
                "init_trunk knows levels of categories by embeddings of the shape "
                f"{trunk.embeddings.shape}, but {expected} is asked for: set "
                "embedding_size as it was."
            )
        weights = weights._replace(embeddings=trunk.embeddings, embedded=trunk.embedded)
    return dataclasses.replace(network, weights=weights)


def add_head(network: Network, head: Network) -> Network:
    """The network with the heads of another one on the same trunk."""
    both = (network, head)
    features = common_inputs(both)
    architecture = common_architecture(both, features)
    weights = [with_outputs(n.weights, architecture.n_outputs) for n in both]
    if features.hidden.of_tasks:
        weights = [reading_as_many(w, architecture) for w in weights]
    old, new = weights
    joined = old.map(lambda *pair: np.concatenate(pair), new)
    if architecture.sharing_depth:
        names = ("trunk", "embeddings", "embedded")
        joined = joined._replace(**{name: getattr(old, name) for name in names})
    return of_all_targets(both, architecture, joined, features)


def with_levels(network: Network, positions: Sequence[np.ndarray], size: int) -> Network:
    """The network that knows other levels, or the same ones in another order.

    ``positions`` say for every level of each categorical feature (C of them) which of its
    own it is; one that it does not know, -1, is unknown to it. Each level has ``size``
    numbers, as many as before or more.
    """
    features, weights = network.features, network.weights
    unknown = features.unknown
    first = unknown - features.n_levels
    rows = np.concatenate(
        [
            np.append(np.where(own < 0, unknown[j], first[j] + own), unknown[j])
            for j, own in enumerate(positions)
        ]
    )
    embeddings, effects = weights.embeddings, weights.effects
    embedded, more = weights.embedded, size - network.architecture.embedding_size
    if embeddings is not None:
        embeddings = _padded(embeddings[..., rows, :], -1, more)
        *several, _, width = embedded.shape
        by_feature = embedded.reshape((*several, len(positions), -1, width))
        embedded = _padded(by_feature, -2, more).reshape((*several, -1, width))
    if effects is not None:
        effects = effects[:, rows]
    n_levels = np.array([len(own) for own in positions])
    return dataclasses.replace(
        network,
        architecture=dataclasses.replace(
            network.architecture, n_levels=len(rows), embedding_size=size
        ),
        weights=weights._replace(embeddings=embeddings, embedded=embedded, effects=effects),
        features=dataclasses.replace(features, n_levels=n_levels),
        optimizer_state=None,
    )


def with_unmet_levels(network: Network, rows: np.ndarray) -> Network:
    """The network to which the levels of these rows, which nothing trained, are unknown.

    Training starts from there when it meets them.
    """
    unknown = network.features.unknown
    of_feature = unknown[np.searchsorted(unknown, rows)]

    def copied(A):
        if A is not None:
            A = A.copy()
            A[..., rows, :] = A[..., of_feature, :]
        return A

    def alike(weights: Weights) -> Weights:
        embeddings, effects = copied(weights.embeddings), copied(weights.effects)
        return weights._replace(embeddings=embeddings, effects=effects)

    weights, state = network.weights, network.optimizer_state
    if state is not None:
        n_weights = len(weights.leaves())
        last = alike(weights.with_leaves(state.weights[:n_weights]))
        state = state._replace(weights=[*last.leaves(), *state.weights[n_weights:]])
    return dataclasses.replace(network, weights=alike(weights), optimizer_state=state)


def _padded(A: np.ndarray, axis: int, more: int) -> np.ndarray:
    """The array with zeros behind it along an axis."""
    missing = [(0, 0)] * A.ndim
    missing[axis] = (0, more)
    return np.pad(A, missing)


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
        n_flags=features.linear.n_units - first.n_features,
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
