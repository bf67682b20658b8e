"""Fitted estimators made into one."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._messages import listed
from .._network.grafting import with_levels
from .._network.network import Network
from .._network.unit_matching import merged_networks
from .._number_checks import is_int
from .._tables.categories import Categories, all_levels
from .._tables.features import categories_of
from .._tables.labels import index_of
from .._tables.per_target import is_one_score, per_target
from .base import BaseMultiTask
from .networks_of import members_of

Estimator = TypeVar("Estimator", bound=BaseMultiTask)


def merge_tasks(estimators: Sequence[Estimator], sharing_depth: int = 0) -> Estimator:
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
        classes, and the scoring of each. Its optimizer state and history are empty.

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
    categories = _all_levels(estimators)
    size = max(members_of(e)[0].architecture.embedding_size for e in estimators)
    of_estimators = [_knowing(estimator, categories, size) for estimator in estimators]
    members = [
        merged_networks(networks, sharing_depth)
        for networks in zip(*of_estimators, strict=True)
    ]
    return _estimator_of(members, estimators, categories)


def _all_levels(estimators: list) -> Categories:
    """The levels of each categorical feature that any of the estimators knows."""
    names = categories_of(estimators[0])
    known = [categories_of(estimator) for estimator in estimators]
    return Categories({name: all_levels([own[name] for own in known]) for name in names})


def _knowing(estimator, categories: Categories, size: int) -> list[Network]:
    """The members, with what is unknown to them for levels that others know."""
    if not categories:
        return members_of(estimator)
    positions = _positions(estimator, categories)
    return [with_levels(member, positions, size) for member in members_of(estimator)]


def _positions(estimator, categories: Categories) -> list[np.ndarray]:
    """Of each feature's levels, where the estimator has them, or -1."""
    return [
        index.get_indexer(index_of(levels))
        for index, levels in zip(
            categories_of(estimator).indices, categories.values(), strict=True
        )
    ]


def _unmet(estimators: list, categories: Categories) -> np.ndarray:
    """The rows of levels that no training of any of the estimators has met."""
    n_levels = [len(levels) for levels in categories.values()]
    met = [np.append(np.zeros(n, dtype=bool), True) for n in n_levels]  # behind: unknown
    for estimator in estimators:
        first = 0
        for of_feature, own, levels in zip(
            met,
            _positions(estimator, categories),
            categories_of(estimator).values(),
            strict=True,
        ):
            unmet = np.isin(first + own, estimator._unmet_levels)
            of_feature[:-1] |= (own >= 0) & ~unmet
            first += len(levels) + 1
    return np.flatnonzero(~np.concatenate([*met, np.ones(0, dtype=bool)]))


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
        ("categorical features", lambda e: list(categories_of(e))),
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


def _estimator_of(members: list[Network], estimators: list, categories: Categories):
    first = estimators[0]
    of_targets = [
        {**own, "scoring": score}
        for e in estimators
        for own, score in zip(
            e._own_parameters(),
            per_target("scoring", e.scoring, e.target_names_, is_one_score),
            strict=True,
        )
    ]
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
    merged.categories_ = categories
    merged._unmet_levels = _unmet(estimators, categories)
    for attribute in (
        "n_features_in_",
        "feature_names_in_",
        "is_categorical_",
        "_categorical_features",
    ):
        if hasattr(first, attribute):
            setattr(merged, attribute, getattr(first, attribute))
    merged._take_over(members, _names(estimators), np.ones(len(of_targets)), estimators)
    merged._rng = copy.deepcopy(first._rng)
    merged.history_, merged.n_iter_ = {}, 0
    merged.cut_off_ = any(e.cut_off_ for e in estimators)
    return merged


def _names(estimators: list) -> np.ndarray:
    names = np.concatenate([e.target_names_ for e in estimators])
    if all(re.fullmatch(r"target_\d+", name) for name in names):  # nobody gave any
        return np.array([f"target_{t}" for t in range(len(names))], dtype=object)
    unique, counts = np.unique(names.astype(str), return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"More than one estimator has the {listed('target', list(unique[counts > 1]))}."
        )
    return names
