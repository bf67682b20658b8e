"""Which values each parameter may have, as data for scikit-learn's validation."""

from collections.abc import Mapping
from numbers import Integral, Real

from .._number_checks import Number
from .._third_party import HasMethods, StrOptions

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
    "learning_rate": [StrOptions({"auto"}), Number(Real, 0, None, closed="neither")],
    "learning_rate_schedule": [StrOptions({"auto", "constant", "cosine"})],
    "weight_decay": [Number(Real, 0, None, closed="left")],
    "ema_momentum": [Number(Real, 0, 1, closed="left")],
    "epochs": [StrOptions({"auto"}), Number(Integral, 1, None, closed="left")],
    "max_seconds": [None, Number(Real, 0, None, closed="neither")],
    "batch_size": [
        StrOptions({"auto"}),
        Number(Integral, 1, None, closed="left"),
    ],
    "early_stopping": ["boolean"],
    "scoring": "no_validation",  # checked with the losses, by near names too
    "validation_fraction": [
        StrOptions({"auto"}),
        Number(Real, 0, 1, closed="neither"),
        HasMethods(["split", "get_n_splits"]),
    ],
    "n_iter_no_change": [StrOptions({"auto"}), Number(Integral, 1, None, closed="left")],
    "refit": ["boolean", StrOptions({"auto"})],
    "n_members": [Number(Integral, 1, None, closed="left")],
    "n_jobs": [None, Number(Integral, None, None, closed="neither")],
    "categorical_features": [None, StrOptions({"from_dtype"}), "array-like"],
    "embedding_size": [StrOptions({"auto"}), Number(Integral, 1, None, closed="left")],
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
