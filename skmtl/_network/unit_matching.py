"""Networks of several targets made into one: their hidden units matched and averaged."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from .architecture import Architecture
from .grafting import (
    common_architecture,
    common_inputs,
    of_all_targets,
    reading_as_many,
    with_outputs,
)
from .inputs import Inputs
from .network import Network
from .units import Units
from .weights import Layer, Weights

MAX_SWEEPS = 100  # matching stops by itself, usually after two or three


def merged_networks(networks: Sequence[Network], sharing_depth: int) -> Network:
    """One network with the tasks of all."""
    n_outputs = max(network.architecture.n_outputs for network in networks)
    tasks = [
        with_outputs(network.weights, n_outputs).of_task(task)
        for network in networks
        for task in range(network.architecture.n_targets)
    ]
    features = common_inputs(networks)
    if sharing_depth > 0 and features.hidden.of_tasks:
        inputs = _inputs_of_tasks(networks)
        features = inputs[0]
        pairs = zip(tasks, inputs, strict=True)
        tasks = [_reading(features, weights, own) for weights, own in pairs]
    if sharing_depth and tasks[0].embeddings is not None:
        rows = features.n_levels + 1
        tasks = [_with_levels_as_inputs(task, rows) for task in tasks]
        tasks = _in_order_of_first(tasks, sharing_depth)
        tasks = _with_common_embeddings(tasks, rows)
    else:
        tasks = _in_order_of_first(tasks, sharing_depth)
    architecture = common_architecture(
        networks, features, sharing_depth=sharing_depth, share_output=False
    )
    return of_all_targets(networks, architecture, _joined(tasks, architecture), features)


def _inputs_of_tasks(networks: Sequence[Network]) -> list[Inputs]:
    """What every single task reads."""
    return [
        dataclasses.replace(network.features, hidden=hidden, linear=linear)
        for network in networks
        for hidden, linear in zip(
            *(
                units.by_task(network.architecture.n_targets)
                for units in network.features.units
            ),
            strict=True,
        )
    ]


def _reading(new: Inputs, weights: Weights, old: Inputs) -> Weights:
    """The network of one task, when it reads other units: nearly the same function."""

    def expressed(kind: str):
        units = getattr(old, kind).rescaled(old.scaling, new.scaling)
        return _expressed(units, getattr(new, kind).spelt_out())

    layers, linear = weights.layers, weights.linear
    constant, by_units = expressed("hidden" if len(layers) > 1 else "linear")
    K, b = layers[0]
    layers[0] = Layer(by_units @ K, b + constant @ K)
    if linear is not None:
        constant, by_units = expressed("linear")
        # The outputs' biases take up the shift of what is added to them.
        K, b = layers[-1]
        layers[-1] = Layer(K, b + constant @ linear)
        linear = by_units @ linear
    return weights.with_layers(layers)._replace(linear=linear)


def _expressed(old: Units, new: Units) -> tuple[np.ndarray, np.ndarray]:
    """Old units as a constant (K_old,) and multiples (K_new, K_old) of new ones.

    Both are piecewise linear: the best fit at the ends of the pieces. Where a feature is
    missing, they are equal if the new ones have a flag for it.
    """
    old, new = old.for_missing(), new.for_missing()
    constant, multiples = np.zeros(old.n_units), np.zeros((new.n_units, old.n_units))
    for feature in np.unique(old.columns):
        mine, others = old.columns == feature, new.columns == feature
        ends = [old.low[mine], old.high[mine], new.low[others], new.high[others]]
        points = np.concatenate([*ends, [-1.0, 1.0]])
        points = np.unique(points[np.isfinite(points)])
        X = np.repeat(points[:, None], old.columns.max() + 1, axis=1)
        design = np.column_stack([np.ones(len(points)), new(X)[:, others]])
        fit = np.linalg.lstsq(design, old(X)[:, mine], rcond=None)[0]
        constant[mine] = fit[0]
        multiples[np.ix_(others, mine)] = fit[1:]
        flag = others & (new.if_missing > 0)
        multiples[np.ix_(flag, mine)] = old.if_missing[mine] - fit[0]
    return constant, multiples


def _with_levels_as_inputs(weights: Weights, rows: np.ndarray) -> Weights:
    """The network of one task, when it reads a 0 or 1 for each level behind the numbers.

    ``rows`` (C,) are numbers of levels, what is unknown included.
    """
    size = weights.embeddings.shape[1]
    tables = np.split(weights.embeddings, np.cumsum(rows)[:-1])
    kernels = weights.embedded.reshape(len(rows), size, -1)
    of_levels = [E @ K for E, K in zip(tables, kernels, strict=True)]
    (K, b), *others = weights.layers
    return weights.with_layers([Layer(np.concatenate([K, *of_levels]), b), *others])


def _with_common_embeddings(tasks: list[Weights], rows: np.ndarray) -> list[Weights]:
    """The networks of `_with_levels_as_inputs` with their mean over all tasks, embedded.

    As nearly as so few numbers for each level can say it: by singular values.
    """
    n_rows, size = tasks[0].embeddings.shape
    mean = np.mean([task.layers[0].kernel[-n_rows:] for task in tasks], axis=0)
    tables, kernels = [], []
    for M in np.split(mean, np.cumsum(rows)[:-1]):
        left, values, right = np.linalg.svd(M, full_matrices=False)
        roots = np.sqrt(values[:size])
        missing = (0, size - len(roots))
        tables.append(np.pad(left[:, :size] * roots, [(0, 0), missing]))
        kernels.append(np.pad(roots[:, None] * right[:size], [missing, (0, 0)]))
    common = {"embeddings": np.concatenate(tables), "embedded": np.concatenate(kernels)}
    numbers_only = []
    for task in tasks:
        (K, b), *others = task.layers
        layers = [Layer(K[:-n_rows], b), *others]
        numbers_only.append(task.with_layers(layers)._replace(**common))
    return numbers_only


def _in_order_of_first(tasks: list[Weights], depth: int) -> list[Weights]:
    """The networks with the units of the first layers in the order of the first one's."""
    return [tasks[0], *(_matched(task, tasks[0], depth) for task in tasks[1:])]


def _matched(weights: Weights, reference: Weights, depth: int) -> Weights:
    """The same network with the units of its first layers in the order of another's.

    Coordinate descent on the permutations: each in turn is the best for the weights into
    and out of its layer, given the others. The first sweep looks only at the weights into
    a layer, for the layer after it is not matched yet.
    """
    layers, fixed = weights.layers, reference.layers
    for sweep in range(MAX_SWEEPS):
        moved = False
        for layer in range(depth):
            (K, b), (K_next, b_next) = layers[layer : layer + 2]
            similarity = fixed[layer].kernel.T @ K + np.outer(fixed[layer].bias, b)
            if sweep > 0 and layer + 1 < depth:
                similarity += fixed[layer + 1].kernel @ K_next.T
            _, order = linear_sum_assignment(similarity, maximize=True)
            moved |= bool((order != np.arange(len(order))).any())
            layers[layer] = Layer(K[:, order], b[order])
            layers[layer + 1] = Layer(K_next[order], b_next)
        if sweep > 0 and not moved:
            break
    return weights.with_layers(layers)


def _joined(tasks: list[Weights], architecture: Architecture) -> Weights:
    """Averages of the layers that become shared, stacks of the others."""
    columns = zip(
        architecture.shapes.leaves(),
        architecture.users,
        *(reading_as_many(weights, architecture).leaves() for weights in tasks),
        strict=True,
    )
    leaves = []
    for shape, users, *of_tasks in columns:
        joined = np.mean(of_tasks, axis=0) if users is None else np.stack(of_tasks)
        leaves.append(joined.reshape(shape).astype(np.float32))
    return architecture.shapes.with_leaves(leaves)
