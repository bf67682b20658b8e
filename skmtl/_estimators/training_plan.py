"""From parameters and a checked table to the plan that training follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._messages import did_you_mean
from .._network.heads import HeadKind
from .._network.network import Network
from .._tables.per_target import is_preference, per_target
from .._tables.targets import loss_weight_entries
from .automatic import Course
from .parameter_constraints import BALANCING, NEEDS_POSITIVE_LOSSES

if TYPE_CHECKING:  # takes in TensorFlow, which predicting does without
    from .._training.plan import Plan


def make_plan(
    estimator, losses: tuple, names: Sequence[str], one_dimensional: bool, course: Course
) -> Plan:
    """The plan of an estimator's parameters, for targets of these losses and names.

    The one place where parameters of training are read.
    """
    from .._training import Plan, choose_optimizer, task_scores

    balancing, weights = loss_weights(estimator.loss_weights, names)
    refit = estimator.refit
    if refit == "auto":
        refit = not any(loss.kind.grows_too_sure for loss in losses)
    annealed = course.annealed and isinstance(estimator.optimizer, str)
    return Plan(
        target_names=names,
        one_dimensional=one_dimensional,
        losses=losses,
        scores=task_scores(estimator.scoring, losses, names),
        stops_by_roots=course.stops_by_roots,
        target_means=getattr(estimator, "target_means_", np.zeros(len(names))),
        loss_weights=weights,
        balancing=balancing,
        optimizer=choose_optimizer(
            estimator.optimizer,
            course.learning_rate,
            estimator.weight_decay,
            estimator.ema_momentum,
        ),
        batch_size=course.batch_size,
        dropout=float(estimator.dropout),
        freeze_trunk=bool(estimator.freeze_trunk),
        annealed=annealed,
        epochs=int(course.epochs),
        most_epochs=int(course.most_epochs if annealed else course.epochs),
        max_seconds=estimator.max_seconds,
        patience=int(course.patience),
        refit=bool(refit),
        callbacks=list(estimator.callbacks or []),
        n_jobs=estimator.n_jobs,
        verbose=estimator.verbose,
    )


def loss_weights(value, names: np.ndarray) -> tuple[str | None, np.ndarray]:
    """How the weights of the targets adapt, if they do, and those given (T,).

    Given beside a method they are preferences, whose mean is 1.
    """
    method, value = _method_and_weights(value)
    if value is None:
        return method, np.ones(len(names))
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
    return method, weights / weights.mean() if method else weights


def _method_and_weights(value) -> tuple[str | None, Any]:
    if value is None or isinstance(value, str):
        return value, None
    if not is_preference(value):
        return None, value
    method, weights = value
    if method not in BALANCING:
        raise ValueError(
            f"loss_weights={value!r} must be a method, one of "
            f"{', '.join(map(repr, BALANCING))}, and a weight for each target."
            f"{did_you_mean(method, BALANCING)}"
        )
    if weights is None or isinstance(weights, str) or not np.iterable(weights):
        raise ValueError(
            f"loss_weights={value!r} must have a weight for each target behind the method, "
            f"as in ({method!r}, [2, 1]) or ({method!r}, {{'a': 2, 'b': 1}})."
        )
    return method, weights


def check_balancing(value, kinds: Sequence[HeadKind], names: np.ndarray) -> None:
    """Logarithms and quotients of losses need losses that are positive."""
    method, _ = _method_and_weights(value)
    if method not in NEEDS_POSITIVE_LOSSES:
        return
    for name, kind in zip(names, kinds, strict=True):
        if not kind.loss_may_be_negative:
            continue
        raise ValueError(
            f"loss_weights={method!r} compares losses by their quotients, but the loss "
            f"{kind.own_loss!r} of the target {name!r} may be negative: choose another, "
            "such as 'uncertainty' or 'upgrad'."
        )


def last_loss_weights(plan, members: Sequence[Network], history) -> np.ndarray:
    """Of the targets (T,): as given, or where adapting ones have come to."""
    if plan.balancing is None:
        return plan.loss_weights
    if plan.balancing == "uncertainty":
        learnt = np.array([member.log_variances for member in members], dtype=np.float64)
        return plan.loss_weights * np.exp(-learnt).mean(axis=0)
    entries = loss_weight_entries(plan.target_names)
    return np.array([history[entry][-1] for entry in entries])


def generator(random_state) -> np.random.Generator:
    """A generator of our own; None is fresh entropy, not NumPy's global state."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)
