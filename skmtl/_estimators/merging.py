"""Fitted estimators made into one."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._network.inputs import Inputs, Units
from .._network.network import Architecture, Network, with_outputs, with_rows
from .._network.scaling import Scaling
from .._network.weights import Layer, Weights
from .._numbers import is_int
from .._tables.features import listed
from .base import BaseMultiTask, members_of

MAX_SWEEPS = 100  # matching stops by itself, usually after two or three


def merge_tasks(estimators: Sequence, sharing_depth: int = 0):
    """Make fitted estimators of one kind into one with all their targets.

    Parameters
    ----------
    estimators : sequence of fitted MultiTaskRegressor, or of fitted MultiTaskClassifier
        With the same features, hidden layer sizes, activation, linear path and number of
        members, and one or more targets each. Their own sharing depths may differ, and so
        may the rows that they were fitted to: each keeps its scaling, limits and bins.
    sharing_depth : int, default=0
        Number of first hidden layers to share in the result. 0 keeps every network: the
        predictions stay as they were, up to rounding. Otherwise the networks are made to
        read what the first one reads, as nearly as it can be said in its bins; their
        hidden units are matched, for their order means nothing (weight matching,
        Ainsworth et al. 2022), and averaged. Fine-tune the result with `partial_fit`.

    Returns
    -------
    MultiTaskRegressor or MultiTaskClassifier
        Fitted, with the parameters of the first estimator and the losses, or weights of
        classes, of each. Its optimizer state and history are empty.

    Raises
    ------
    ValueError
        If the estimators differ in features, hidden layers, activation, linear path or
        number of members, if one has experts or groups of targets, or if two of their
        targets have the same name.
    TypeError
        If regressors and classifiers are mixed.

    References
    ----------
    S. K. Ainsworth, J. Hayase and S. Srinivasa, "Git Re-Basin: Merging Models modulo
    Permutation Symmetries", arXiv:2209.04836 (2022).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor, merge_tasks
    >>> from skmtl.datasets import load_energy
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> parts = [
    ...     MultiTaskRegressor(epochs=5, random_state=0).fit(X, y[name]) for name in y
    ... ]
    >>> merge_tasks(parts).predict(X).shape
    (768, 2)
    """
    if isinstance(estimators, BaseMultiTask):
        raise TypeError("merge_tasks takes a sequence of estimators, got a single one.")
    estimators = list(estimators)
    _check_alike(estimators)
    n_layers = len(members_of(estimators[0])[0].architecture.hidden_sizes)
    if not is_int(sharing_depth) or not 0 <= sharing_depth <= n_layers:
        raise ValueError(
            f"sharing_depth={sharing_depth!r}, expected an int from 0 to "
            f"{n_layers}, the number of hidden layers."
        )
    members = [
        _merged(networks, sharing_depth)
        for networks in zip(*map(members_of, estimators), strict=True)
    ]
    return _estimator_of(members, estimators)


def _merged(networks: Sequence[Network], sharing_depth: int) -> Network:
    """One network with the tasks of all."""
    first, features = networks[0].architecture, networks[0].features
    same = all(network.features == features for network in networks)
    if sharing_depth == 0 and not same:
        parts = [(n.features, n.architecture.n_targets) for n in networks]
        features = Inputs.side_by_side(parts)
    n_outputs = max(network.architecture.n_outputs for network in networks)
    tasks = [
        with_outputs(network.weights, n_outputs).of_task(task)
        for network in networks
        for task in range(network.architecture.n_targets)
    ]
    if sharing_depth > 0 and (features.hidden.of_tasks or not same):
        features = _inputs_of_tasks(networks)[0]
        tasks = [
            _reading(features, weights, inputs)
            for weights, inputs in zip(tasks, _inputs_of_tasks(networks), strict=True)
        ]
    tasks = [tasks[0], *(_matched(task, tasks[0], sharing_depth) for task in tasks[1:])]
    architecture = dataclasses.replace(
        first,
        n_targets=len(tasks),
        sharing_depth=sharing_depth,
        share_output=False,
        n_bins=features.hidden.n_units - first.n_features,
        own_inputs=features.hidden.of_tasks,
        n_outputs=n_outputs,
    )
    return Network(
        architecture,
        _joined(tasks, architecture),
        None,
        features,
        Scaling(
            np.concatenate([n.targets.mean for n in networks]),
            np.concatenate([n.targets.scale for n in networks]),
        ),
        sum((n.kinds for n in networks), start=()),
        np.zeros(len(tasks), np.float32),
    )


def _check_alike(estimators: list) -> None:
    if not estimators:
        raise ValueError("merge_tasks needs at least one fitted estimator, got none.")
    for estimator in estimators:
        if not isinstance(estimator, BaseMultiTask):
            raise TypeError(
                "merge_tasks takes fitted MultiTaskRegressors or MultiTaskClassifiers, got "
                f"{estimator!r}."
            )
        if type(estimator) is not type(estimators[0]):
            raise TypeError(
                "merge_tasks takes estimators of one kind, got a "
                f"{type(estimators[0]).__name__} and a {type(estimator).__name__}. What "
                "one learnt can start the other: fit it with init_trunk=."
            )
        check_is_fitted(estimator)
        if members_of(estimator)[0].architecture.n_trunks > 1:
            raise ValueError(
                "Only networks with a single trunk can be merged: what experts and groups "
                "of targets have learnt is spread over several. Fit with n_experts=1, "
                "n_task_experts=0 and target_groups=None."
            )
    for what, of in (
        ("features", lambda e: e.n_features_in_),
        ("feature names", lambda e: list(getattr(e, "feature_names_in_", []))),
        ("hidden layers", lambda e: members_of(e)[0].architecture.hidden_sizes),
        ("activations", lambda e: members_of(e)[0].architecture.activation),
        ("linear paths", lambda e: members_of(e)[0].architecture.linear_path),
        ("number of members", lambda e: len(members_of(e))),
    ):
        found = [of(estimator) for estimator in estimators]
        if any(one != found[0] for one in found):
            raise ValueError(
                f"Only networks with the same {what} can be merged, got "
                f"{', '.join(map(str, found))}."
            )


def _inputs_of_tasks(networks: Sequence[Network]) -> list[Inputs]:
    """What every single task reads."""
    return [
        Inputs(network.features.scaling, hidden, linear)
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

    Both are piecewise linear: the best fit at the ends of the pieces.
    """
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
    return constant, multiples


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
        architecture.users.leaves(),
        *(with_rows(weights, architecture.n_inputs).leaves() for weights in tasks),
        strict=True,
    )
    leaves = []
    for shape, users, *of_tasks in columns:
        joined = np.mean(of_tasks, axis=0) if users is None else np.stack(of_tasks)
        leaves.append(joined.reshape(shape).astype(np.float32))
    return architecture.shapes.with_leaves(leaves)


def _estimator_of(members: list[Network], estimators: list):
    first = estimators[0]
    of_targets = [own for e in estimators for own in e._own_parameters()]
    own = {
        name: values[0] if all(value == values[0] for value in values) else values
        for name in of_targets[0]
        for values in [[parameters[name] for parameters in of_targets]]
    }
    merged = clone(first).set_params(
        sharing_depth=members[0].architecture.sharing_depth,
        share_output=False,
        init_trunk=None,
        freeze_trunk=False,
        loss_weights=None,
        **own,
    )
    for attribute in ("n_features_in_", "feature_names_in_"):
        if hasattr(first, attribute):
            setattr(merged, attribute, getattr(first, attribute))
    merged._take_over(members, _names(estimators), np.ones(len(of_targets)), estimators)
    merged._rng = copy.deepcopy(first._rng)
    merged.history_, merged.n_iter_ = {}, 0
    return merged


def _names(estimators: list) -> np.ndarray:
    names = np.concatenate([e.target_names_ for e in estimators])
    if all(re.fullmatch(r"target_\d+", name) for name in names):  # nobody gave any
        return np.array([f"target_{t}" for t in range(len(names))], dtype=object)
    unique, counts = np.unique(names.astype(str), return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"More than one estimator has the {listed('target', unique[counts > 1])}."
        )
    return names
