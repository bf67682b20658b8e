"""Parameters that may have another value for every target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from .._messages import listed
from .containers import name_of


def with_new_target(loss, new, n_targets: int, name: str):
    """The parameter ``loss`` with an entry for one more target."""
    if is_one_loss(loss):
        return loss if new is None or new == loss else [loss] * n_targets + [new]
    if new is None:
        raise ValueError(
            "The other targets have a loss each: give the new one's, as in "
            "add_task(X, y, loss='squared_error')."
        )
    return {**loss, name: new} if isinstance(loss, Mapping) else [*loss, new]


def with_new_weight(loss_weights, name: str):
    """The parameter ``loss_weights`` with the weight 1 for one more target."""
    if is_preference(loss_weights):
        method, preferences = loss_weights
        return method, with_new_weight(preferences, name)
    if loss_weights is None or isinstance(loss_weights, str):
        return loss_weights
    if isinstance(loss_weights, Mapping):
        return {**loss_weights, name: 1.0}
    return [*loss_weights, 1.0]


def with_new_score(scoring, name: str):
    """The parameter ``scoring`` with an entry for one more target: its loss."""
    if is_one_score(scoring):
        return scoring
    if isinstance(scoring, Mapping):
        return {**scoring, name: "loss"}
    return [*scoring, "loss"]


def per_target(
    parameter: str, value, names: Sequence[str], is_one: Callable[[object], bool]
) -> list:
    """A parameter's value for every target.

    ``value`` is one for all (as ``is_one`` tells), a sequence with an entry per target,
    or a mapping by target name.
    """
    names = list(names)
    if is_one(value):
        return [value] * len(names)
    if isinstance(value, Mapping):
        # Names are strings; labels of columns may be ints, or tuples of a MultiIndex.
        by_name = {name_of(key): own for key, own in value.items()}
        if len(by_name) < len(value):
            raise ValueError(f"{parameter} has two entries of one name, got {list(value)}.")
        problems = _differences("target", names, by_name)
        if problems:
            raise ValueError(
                f"{parameter} {problems}; expected one entry for each of the "
                f"{listed('target', names)}."
            )
        return [by_name[name] for name in names]
    if not hasattr(value, "__len__"):
        raise TypeError(
            f"{parameter} must be one value, a sequence with an entry per target or a "
            f"mapping by target name, got {value!r}."
        )
    if len(value) != len(names):
        raise ValueError(
            f"{parameter} has the length {len(value)}, expected one for each of the "
            f"{len(names)} targets: {listed('target', names)}."
        )
    return list(value)


def _differences(noun: str, names: Iterable[str], own: Iterable[str]) -> str:
    """What these names lack and add, in words, or nothing."""
    missing = [name for name in names if name not in own]
    unknown = [name for name in own if name not in names]
    problems = [f"lacks {listed(noun, missing)}"] if missing else []
    problems += [f"has {listed('unknown name', unknown)}"] if unknown else []
    return " and ".join(problems)


def is_one_loss(loss) -> bool:
    """Whether ``loss`` is one for all targets."""
    return isinstance(loss, str) or callable(loss) or is_quantile(loss)


def is_one_score(scoring) -> bool:
    """Whether ``scoring`` is one for all targets; what is none of either is so as well."""
    return scoring is None or isinstance(scoring, str) or callable(scoring)


def is_quantile(loss) -> bool:
    return isinstance(loss, tuple) and len(loss) == 2 and loss[0] == "quantile"


def is_preference(loss_weights) -> bool:
    """Whether ``loss_weights`` is a method and how much each target is preferred."""
    return (
        isinstance(loss_weights, (tuple, list))
        and len(loss_weights) == 2
        and isinstance(loss_weights[0], str)
    )
