"""Parameters of the estimator, checked and turned into what the network needs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import numpy as np

from ._activations import ACTIVATIONS
from ._experts import target_groups
from ._features import did_you_mean, listed
from ._foreign import StrOptions
from ._inputs import Inputs
from ._links import Link
from ._network import Architecture, Network
from ._numbers import Number, is_int
from ._targets import per_target
from ._transfer import Trunk

N_BINS = 8  # per feature, and more where there are rows for them:
MORE_BINS = (32, 16)
ROWS_PER_BIN = 128
FEWEST_ROWS = 100  # for any bins
ROWS_PER_FEATURE = 4  # likewise


# How the weights of the targets may adapt while the network is trained: learnt, by losses,
# by gradients of what the targets share.
BY_LOSSES = ("dwa", "random", "geometric", "famo")
BY_GRADIENTS = ("pcgrad", "mgda", "cagrad", "imtl_g", "nash", "aligned", "upgrad")
BALANCING = ("uncertainty", *BY_LOSSES, *BY_GRADIENTS)
NEEDS_POSITIVE_LOSSES = ("dwa", "geometric", "famo")

# Of what both estimators have.
CONSTRAINTS = {
    "trunk_sizes": ["array-like"],
    "head_sizes": ["array-like"],
    "sharing_depth": [None, Number(Integral, 0, None, closed="left")],
    "n_experts": [Number(Integral, 1, None, closed="left")],
    "n_task_experts": [Number(Integral, 0, None, closed="left")],
    "target_groups": [None, "array-like"],
    "share_output": ["boolean"],
    "linear_path": ["boolean"],
    "activation": "no_validation",  # checked with the layers, by near names too
    "dropout": [Number(Real, 0, 1, closed="left")],
    "loss_weights": [None, StrOptions(set(BALANCING)), Mapping, "array-like"],
    "optimizer": "no_validation",  # checked in training, which imports Keras
    "learning_rate": [Number(Real, 0, None, closed="neither")],
    "weight_decay": [Number(Real, 0, None, closed="left")],
    "ema_momentum": [Number(Real, 0, 1, closed="left")],
    "epochs": [Number(Integral, 1, None, closed="left")],
    "batch_size": [
        StrOptions({"auto"}),
        Number(Integral, 1, None, closed="left"),
    ],
    "early_stopping": ["boolean"],
    "validation_fraction": [Number(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Number(Integral, 1, None, closed="left")],
    "refit": ["boolean", StrOptions({"auto"})],
    "n_members": [Number(Integral, 1, None, closed="left")],
    "n_jobs": [None, Number(Integral, None, None, closed="neither")],
    "scale_features": ["boolean"],
    "clip_features": [None, Number(Real, 0, None, closed="neither")],
    "n_bins": [StrOptions({"auto"}), Number(Integral, 0, None, closed="left")],
    "init_trunk": "no_validation",
    "freeze_trunk": ["boolean"],
    "warm_start": ["boolean"],
    "callbacks": [None, list, tuple],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}


def inputs(
    estimator, X: np.ndarray, weight: np.ndarray, trunk: Trunk | None = None
) -> Inputs:
    """How the features of `fit` enter the network: as in the trunk it starts from."""
    if trunk is not None and trunk.features is not None:
        return trunk.features
    limit = estimator.clip_features
    n_bins = estimator.n_bins
    if trunk is not None and trunk.weights:
        n_bins = 0  # of Keras: it reads the features themselves
    elif n_bins == "auto":
        n_bins = automatic_bins(*X.shape)
    return Inputs.fit(
        X,
        weight,
        scale=estimator.scale_features,
        limit=np.inf if limit is None else float(limit),
        n_bins=n_bins if layers(estimator)[0] else 0,
    )


def automatic_bins(n_rows: int, n_features: int) -> int:
    """Bins of each feature: none where weights for them could not be learnt."""
    if n_rows < max(FEWEST_ROWS, ROWS_PER_FEATURE * n_features):
        return 0
    affordable = n_rows // max(ROWS_PER_BIN, n_features)
    return next((n_bins for n_bins in MORE_BINS if n_bins <= affordable), N_BINS)


def architecture(estimator, features: Inputs, links: Sequence[Link]) -> Architecture:
    """The network that the parameters ask for, for the features and targets of `fit`."""
    sizes, depth = layers(estimator)
    _check_activation(estimator.activation)
    n_experts, n_task_experts, groups = _trunks(estimator)
    if depth == 0:  # there is no trunk
        n_experts, n_task_experts, groups = 1, 0, ()
    return Architecture(
        estimator.n_features_in_,
        estimator.n_outputs_,
        sizes,
        depth,
        estimator.activation,
        bool(estimator.share_output),
        bool(estimator.linear_path and sizes),
        n_bins=features.hidden.n_units - estimator.n_features_in_,
        own_inputs=features.hidden.of_tasks,
        n_outputs=max(link.n_outputs for link in links),
        n_experts=n_experts,
        n_task_experts=n_task_experts,
        groups=groups,
    )


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
        raise ValueError(
            f"sharing_depth={depth}, but there are {len(sizes)} hidden layers (trunk_sizes "
            f"+ head_sizes = {sizes}): expected None or an int from 0 to {len(sizes)}."
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


def loss_weights(value, names: np.ndarray) -> tuple[str | None, np.ndarray]:
    """How the weights of the targets adapt, if they do, and those to start with (T,)."""
    if value is None or isinstance(value, str):
        return value, np.ones(len(names))
    weights = per_target("loss_weights", value, names, lambda value: False)
    weights = np.array(weights, dtype=np.float64)
    if weights.ndim != 1:
        raise ValueError(
            f"loss_weights must be one number per target, got the shape {weights.shape}."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError(
            "loss_weights must be finite, not negative and not all 0, got "
            f"{weights.tolist()}."
        )
    return None, weights


def check_balancing(value, links: Sequence[Link], names: np.ndarray) -> None:
    """Logarithms and quotients of losses need losses that are positive."""
    if not isinstance(value, str) or value not in NEEDS_POSITIVE_LOSSES:
        return
    bad = [name for name, link in zip(names, links, strict=True) if link.name == "normal"]
    if bad:
        raise ValueError(
            f"loss_weights={value!r} compares losses by their quotients, but the loss "
            f"'normal' of the {listed('target', bad)} may be negative: choose another, "
            "such as 'uncertainty' or 'upgrad'."
        )


def batch_size(value, n_rows: int) -> int:
    if value == "auto":
        return int(2 ** np.clip(np.ceil(np.log2(n_rows / 256)), 5, 10))
    # Beyond the rows there are only zeros to compute with. In powers of two, so that full
    # batches of a few rows more or less need no new program.
    return min(int(value), 2 ** int(n_rows).bit_length())


def generator(random_state) -> np.random.Generator:
    """A generator of our own; None is fresh entropy, not NumPy's global state."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)


def training(estimator, network: Network, n_train: int, n_validation: int, epochs: int):
    """The program to train with, its run-time values, and the optimizer in it."""
    from . import _training

    optimizer = _training.choose_optimizer(
        estimator.optimizer,
        estimator.learning_rate,
        estimator.weight_decay,
        estimator.ema_momentum,
    )
    balancing, weights = loss_weights(estimator.loss_weights, estimator.target_names_)
    spec = _training.ProgramSpec(
        network.architecture,
        estimator._task_losses(),
        optimizer.config,
        batch_size=batch_size(estimator.batch_size, n_train),
        dropout=estimator.dropout > 0,
        balancing=balancing,
        freeze_trunk=bool(estimator.freeze_trunk),
        with_columns=tuple(u.columns is not None for u in network.features.units),
    )
    settings = _training.Settings(
        n_train=n_train,
        n_validation=n_validation,
        n_epochs=int(epochs),
        patience=np.full(
            network.architecture.n_networks,
            int(estimator.n_iter_no_change if n_validation else epochs),
        ),
        inputs=network.features.units,
        learning_rate=optimizer.learning_rate,
        weight_decay=optimizer.weight_decay,
        ema_momentum=optimizer.ema_momentum,
        ema_warm_up=optimizer.ema_warm_up,
        dropout=float(estimator.dropout),
        loss_weights=weights,
    )
    return spec, settings, optimizer
