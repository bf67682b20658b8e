"""Fitted estimators made into one."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ._estimator import MultiTaskRegressor
from ._features import listed
from ._network import Architecture, Network
from ._scaling import Scaling
from ._targets import is_one_loss, per_target

MAX_SWEEPS = 100  # matching stops by itself, usually after two or three

Layers = list[np.ndarray]  # kernel, bias, kernel, bias, ... of one task's network


def merge_tasks(estimators: Sequence, sharing_depth: int = 0):
    """Make fitted estimators into one `MultiTaskRegressor` with all their targets.

    Parameters
    ----------
    estimators : sequence of fitted MultiTaskRegressor
        With the same features, hidden layer sizes, activation, linear path and number of
        members, and one or more targets each. Their own sharing depths may differ, and
        each may have its own scaling, which is folded into the first layer. Where the
        scalings differ, as after fits to other rows, the result does not clip features:
        predictions change for rows with values that were cut off. To keep these too, fit
        with ``clip_features=None``.
    sharing_depth : int, default=0
        Number of first hidden layers to share in the result. 0 keeps every network: the
        predictions stay as they were, up to rounding in single precision. Otherwise the
        hidden units of the networks are matched first, for their order means nothing
        (weight matching, Ainsworth et al. 2022), then averaged; fine-tune the result
        with `partial_fit`.

    Returns
    -------
    MultiTaskRegressor
        Fitted, with the parameters of the first estimator and the losses of each. Its
        optimizer state and history are empty.

    Raises
    ------
    ValueError
        If the estimators differ in features, hidden layers, activation, linear path or
        number of members, or if two of their targets have the same name.

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
    estimators = list(estimators)
    _check_alike(estimators)
    n_layers = len(estimators[0]._network.architecture.hidden_sizes)
    if not isinstance(sharing_depth, Integral) or not 0 <= sharing_depth <= n_layers:
        raise ValueError(
            f"sharing_depth={sharing_depth!r}, expected an int from 0 to "
            f"{n_layers}, the number of hidden layers."
        )
    members = [
        _merged(networks, sharing_depth)
        for networks in zip(*(e._members for e in estimators), strict=True)
    ]
    return _estimator_of(members, estimators)


def _merged(networks: Sequence[Network], sharing_depth: int) -> Network:
    """One network with the tasks of all."""
    first, features = networks[0].architecture, _common_scaling(networks)
    tasks = [
        layers for network in networks for layers in _networks_of_tasks(network, features)
    ]
    tasks = [tasks[0], *(_matched(task, tasks[0], sharing_depth) for task in tasks[1:])]
    architecture = Architecture(
        first.n_features,
        len(tasks),
        first.hidden_sizes,
        sharing_depth,
        first.activation,
        linear_path=first.linear_path,
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
        np.concatenate([n.log_link for n in networks]),
        np.zeros(len(tasks), np.float32),
    )


def _check_alike(estimators: list) -> None:
    if not estimators:
        raise ValueError("merge_tasks needs at least one fitted estimator, got none.")
    for estimator in estimators:
        if not isinstance(estimator, MultiTaskRegressor):
            raise TypeError(
                f"merge_tasks takes fitted MultiTaskRegressors, got {estimator!r}."
            )
        check_is_fitted(estimator)
    for what, of in (
        ("features", lambda e: e.n_features_in_),
        ("feature names", lambda e: list(getattr(e, "feature_names_in_", []))),
        ("hidden layers", lambda e: e._network.architecture.hidden_sizes),
        ("activations", lambda e: e._network.architecture.activation),
        ("linear paths", lambda e: e._network.architecture.linear_path),
        ("number of members", lambda e: len(e._members)),
    ):
        found = [of(estimator) for estimator in estimators]
        if any(one != found[0] for one in found):
            raise ValueError(
                f"Only networks with the same {what} can be merged, got "
                f"{', '.join(map(str, found))}."
            )


def _common_scaling(networks: Sequence[Network]) -> Scaling:
    """The scaling of all, or that of the first without its limit if they differ."""
    first, *others = (network.features for network in networks)
    same = all(
        np.array_equal(first.mean, other.mean)
        and np.array_equal(first.scale, other.scale)
        and first.limit == other.limit
        for other in others
    )
    return first if same else dataclasses.replace(first, limit=np.inf)


def _networks_of_tasks(network: Network, features: Scaling) -> list[Layers]:
    """The layers of every single task, for features scaled in another way."""
    old = network.features
    tasks = []
    for task in range(network.architecture.n_targets):
        layers = [
            (w[task] if w.ndim == 3 else w).astype(np.float64) for w in network.weights
        ]
        layers[1::2] = [b.reshape(-1) for b in layers[1::2]]
        # Those that read the features, and the biases that take up their shift.
        for kernel, bias in [(0, 1), (-1, -2)][: 1 + network.architecture.linear_path]:
            shift = ((features.mean - old.mean) / old.scale) @ layers[kernel]
            layers[bias] = layers[bias] + shift
            layers[kernel] = layers[kernel] * (features.scale / old.scale)[:, None]
        tasks.append(layers)
    return tasks


def _matched(layers: Layers, reference: Layers, depth: int) -> Layers:
    """The same network with the units of its first layers in the order of another's.

    Coordinate descent on the permutations: each in turn is the best for the weights into
    and out of its layer, given the others. The first sweep looks only at the weights into
    a layer, for the layer after it is not matched yet.
    """
    layers = list(layers)
    for sweep in range(MAX_SWEEPS):
        moved = False
        for layer in range(depth):
            K, b, K_next = 2 * layer, 2 * layer + 1, 2 * layer + 2
            similarity = reference[K].T @ layers[K] + np.outer(reference[b], layers[b])
            if sweep > 0 and layer + 1 < depth:
                similarity += reference[K_next] @ layers[K_next].T
            _, order = linear_sum_assignment(similarity, maximize=True)
            moved |= bool((order != np.arange(len(order))).any())
            layers[K] = layers[K][:, order]
            layers[b] = layers[b][order]
            layers[K_next] = layers[K_next][order]
        if sweep > 0 and not moved:
            break
    return layers


def _joined(tasks: list[Layers], architecture: Architecture) -> list[np.ndarray]:
    """Averages of the layers that become shared, stacks of the others."""
    weights = []
    n_shared = 2 * architecture.sharing_depth
    for i, shape in enumerate(architecture.weight_shapes):
        of_tasks = np.stack([layers[i] for layers in tasks])
        joined = of_tasks.mean(axis=0) if i < n_shared else of_tasks
        weights.append(joined.reshape(shape).astype(np.float32))
    return weights


def _estimator_of(members: list[Network], estimators: list):
    losses = [loss for estimator in estimators for loss in _losses(estimator)]
    merged = clone(estimators[0]).set_params(
        sharing_depth=members[0].architecture.sharing_depth,
        share_output=False,
        init_trunk=None,
        freeze_trunk=False,
        loss=losses[0] if all(loss == losses[0] for loss in losses) else losses,
        loss_weights=None,
    )
    for attribute in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimators[0], attribute):
            setattr(merged, attribute, getattr(estimators[0], attribute))
    means = np.concatenate([estimator.target_means_ for estimator in estimators])
    merged._take_over(members, _names(estimators), np.ones(len(losses)), means)
    merged._rng = copy.deepcopy(estimators[0]._rng)
    merged.history_, merged.n_iter_ = {}, 0
    return merged


def _losses(estimator) -> list:
    return per_target("loss", estimator.loss, estimator.target_names_, is_one_loss)


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
