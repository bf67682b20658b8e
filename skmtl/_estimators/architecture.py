"""The network that the parameters ask for: its layers, and what they read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from .._messages import did_you_mean
from .._network.activations import ACTIVATIONS
from .._network.architecture import Architecture
from .._network.experts import target_groups
from .._network.grafting import Trunk
from .._network.heads import HeadKind
from .._network.inputs import Inputs
from .._number_checks import is_int
from .automatic import automatic_bins, embedding_size


def inputs_of(
    estimator,
    X: np.ndarray,
    weight: np.ndarray,
    trunk: Trunk | None = None,
    of_chunk: bool = False,
) -> Inputs:
    """How the features of `fit` enter the network: as in the trunk it starts from."""
    if trunk is not None and trunk.features is not None:
        return trunk.features
    limit = estimator.clip_features
    n_bins = estimator.n_bins
    if trunk is not None and trunk.layers:
        n_bins = 0  # of Keras: it reads the features themselves
    elif n_bins == "auto":
        n_bins = automatic_bins(len(X), X.shape[1], of_chunk)
    categorical = estimator.is_categorical_
    return Inputs.fit(
        X,
        weight,
        scale=estimator.scale_features,
        limit=np.inf if limit is None else float(limit),
        n_bins=n_bins if layers(estimator)[0] else 0,
        categorical=() if categorical is None else np.flatnonzero(categorical),
        n_levels=[len(levels) for levels in estimator.categories_.values()],
    )


def architecture_of(estimator, features: Inputs, kinds: Sequence[HeadKind]) -> Architecture:
    """The network that the parameters ask for, for the features and targets of `fit`."""
    sizes, depth = layers(estimator)
    _check_activation(estimator.activation)
    n_experts, n_task_experts, groups = _trunks(estimator)
    if depth == 0:  # there is no trunk
        n_experts, n_task_experts, groups = 1, 0, ()
    return Architecture(
        features.n_numbers,
        estimator.n_outputs_,
        sizes,
        depth,
        estimator.activation,
        bool(estimator.share_output),
        bool(estimator.linear_path and sizes),
        n_bins=features.hidden.n_units - features.n_numbers,
        own_inputs=features.hidden.of_tasks,
        n_outputs=max(kind.n_outputs for kind in kinds),
        n_experts=n_experts,
        n_task_experts=n_task_experts,
        groups=groups,
        n_flags=features.linear.n_units - features.n_numbers,
        n_categorical=len(features.categorical),
        n_levels=features.n_rows_of_levels,
        embedding_size=_embedding_size(estimator.embedding_size, features),
    )


def _embedding_size(size: int | str, features: Inputs) -> int:
    """Numbers for each level; 0 where no feature has any."""
    if not len(features.categorical):
        return 0
    return embedding_size(features.n_levels) if size == "auto" else int(size)


def _trunks(estimator) -> tuple[int, int, tuple[int, ...]]:
    """Number of experts of all targets and of each; the group of each target, if any."""
    n_experts, n_task_experts = int(estimator.n_experts), int(estimator.n_task_experts)
    if estimator.target_groups is None:
        return n_experts, n_task_experts, ()
    if n_experts + n_task_experts > 1:
        raise ValueError(
            "target_groups gives each group a trunk of its own, and "
            f"n_experts={n_experts}, n_task_experts={n_task_experts} ask for experts that "
            "are mixed: give one or the other."
        )
    groups = target_groups(estimator.target_groups, estimator.target_names_)
    return 1, 0, groups if max(groups) else ()


def layers(estimator) -> tuple[tuple[int, ...], int]:
    """Sizes of all hidden layers, and how many of them are shared."""
    sizes = (
        *_layer_sizes("trunk_sizes", estimator.trunk_sizes),
        *_layer_sizes("head_sizes", estimator.head_sizes),
    )
    depth = estimator.sharing_depth
    if depth is None:
        depth = len(estimator.trunk_sizes)
    if not 0 <= depth <= len(sizes):
        one = len(sizes) == 1
        layers = (
            "there is 1 hidden layer" if one else f"there are {len(sizes)} hidden layers"
        )
        raise ValueError(
            f"sharing_depth={depth}, but {layers} (trunk_sizes + head_sizes = {sizes}): "
            f"expected None or an int from 0 to {len(sizes)}."
        )
    if estimator.share_output and depth == len(sizes):
        raise ValueError(
            "share_output=True needs heads of at least one hidden layer, but "
            f"sharing_depth={depth} shares all {len(sizes)}: lower it or add a layer to "
            "head_sizes."
        )
    return sizes, int(depth)


def _layer_sizes(parameter: str, sizes) -> tuple[int, ...]:
    if not all(is_int(size) and size > 0 for size in sizes):
        raise ValueError(
            f"{parameter} must be a tuple of positive ints such as (64, 32), or empty; got "
            f"{sizes!r}."
        )
    return tuple(int(size) for size in sizes)


# What Keras and scikit-learn also call them.
OTHER_NAMES = {"swish": "silu", "identity": "linear", "logistic": "sigmoid"}


def _check_activation(name) -> None:
    if isinstance(name, str) and name in ACTIVATIONS:
        return
    hint = ""
    if isinstance(name, str):
        known = [*ACTIVATIONS, *OTHER_NAMES]
        hint = did_you_mean(name, known, lambda near: repr(OTHER_NAMES.get(near, near)))
    raise ValueError(
        f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}, got "
        f"{name!r}.{hint}"
    )


def warn_of_random_trunk(estimator, architecture: Architecture) -> None:
    """Of a new trunk that will be frozen before anything has trained it."""
    if (
        estimator.freeze_trunk
        and estimator.init_trunk is None
        and architecture.sharing_depth > 0
    ):
        warnings.warn(
            "freeze_trunk=True, but init_trunk=None: the trunk keeps its random initial "
            "weights, and only the heads are trained. Give a trained network as "
            "init_trunk; or, to freeze the trunk of this estimator after fit, go on with "
            "partial_fit, or with fit and warm_start=True.",
            UserWarning,
            stacklevel=5,  # the caller of fit
        )
