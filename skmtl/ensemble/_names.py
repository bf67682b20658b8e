"""The parts of a stack by their names, checked, with a seed for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor

from .._estimators.classifier import MultiTaskClassifier
from .._estimators.regressor import MultiTaskRegressor
from ._parts import FEW_ROWS, are_many, is_joint, n_members_for, takes_holes
from ._targets import Targets
from ._trees import boosted_trees, extra_trees, is_measured, linear

MOST_ROWS_AT_ONCE = 10_000  # up to which extra trees for all targets at once are a part
LARGEST_SEED = 2**31 - 1


def named_parts(
    stack, X, targets: Targets, rng: np.random.RandomState
) -> list[tuple[str, Any]]:
    """Those that are not dropped, as clones with seeds where they had none."""
    if stack.estimators is None:
        n_rows, many = targets.counted.sum(), are_many(targets)
        at_once = targets.n_targets > 1 and targets.alike and is_measured(X)
        parts = default_parts(is_classifier(stack), n_rows, many, at_once)
    else:
        parts = _checked(stack, stack.estimators)
    return [(name, _seeded(part, rng)) for name, part in parts]


def default_parts(
    classify: bool, n_rows: int, many: bool = False, at_once: bool = False
) -> list[tuple[str, Any]]:
    """What ``estimators=None`` is for so many rows.

    ``many`` is as `are_many` says, and ``at_once`` whether there are several targets
    without holes, and no categories.
    """
    network = MultiTaskClassifier if classify else MultiTaskRegressor
    parts = [
        ("network", network(n_members=n_members_for(n_rows))),
        ("boosting", boosted_trees(classify, many)),
    ]
    if n_rows <= FEW_ROWS:
        line = "logistic" if classify else "ridge"
        parts += [("extra_trees", extra_trees(classify)), (line, linear(classify))]
    elif n_rows <= MOST_ROWS_AT_ONCE and at_once and not classify:
        parts.append(("extra_trees", extra_trees(False, joint=True)))
    return parts


def is_dropped(part) -> bool:
    return isinstance(part, str) and part == "drop"


def _checked(stack, parts) -> list[tuple[str, Any]]:
    pairs = [isinstance(part, (tuple, list)) and len(part) == 2 for part in parts]
    if not parts or not all(pairs) or not all(isinstance(p[0], str) for p in parts):
        raise ValueError(
            "Invalid 'estimators' attribute, 'estimators' should be a non-empty list of "
            f"(string, estimator) tuples, or None; got {parts!r}."
        )
    stack._validate_names([name for name, _ in parts])
    kept = [(name, part) for name, part in parts if not is_dropped(part)]
    if not kept:
        raise ValueError(
            "All estimators are dropped. At least one is required to be an estimator."
        )
    for name, part in kept:
        _check_kind(name, part, is_classifier(stack))
    return kept


def _check_kind(name: str, part, classify: bool) -> None:
    kind = "classifier" if classify else "regressor"
    is_kind = is_classifier if classify else is_regressor
    if isinstance(part, type) or not hasattr(part, "get_params") or not is_kind(part):
        raise ValueError(
            f"The estimator {part!r}, called {name!r}, should be a {kind}, of which the "
            "stack fits clones."
        )
    if classify and not hasattr(part, "predict_proba"):
        raise ValueError(
            f"The estimator {part!r}, called {name!r}, has no predict_proba, by which "
            "parts are weighed: put it into a CalibratedClassifierCV."
        )
    if classify and is_joint(part) and not takes_holes(part):
        raise ValueError(
            f"The estimator {part!r}, called {name!r}, knows only several targets at once: "
            "give the classifier in it, of which the stack fits one for each target."
        )


def _seeded(part, rng: np.random.RandomState):
    """A clone with a seed of its own wherever there is none yet."""
    part = clone(part)
    missing = [
        name
        for name, value in sorted(part.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    ]
    return part.set_params(**{name: rng.randint(LARGEST_SEED) for name in missing})
