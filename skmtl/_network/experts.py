"""Trunks side by side: what each task reads of them, by gates or by groups."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

from .._messages import listed
from .._number_checks import is_int
from .._tables.containers import name_of


def gates(A, xp):
    """How much of each expert every task takes: (T, n, E + P), 1 in the sum over experts.

    The softmax of A (T, n, E + P), a linear function of what the experts read.
    """
    A = xp.exp(A - xp.max(A, axis=-1, keepdims=True))
    return A / xp.sum(A, axis=-1, keepdims=True)


def mixture(H, G, n_experts: int, n_task_experts: int):
    """What the heads read (T, n, h), of what experts put out (E + T P, n, h), by gates.

    The first E experts are those of all tasks; behind them are the P of each task.
    """
    own = [H[n_experts + p :: n_task_experts] for p in range(n_task_experts)]
    experts = [*(H[e] for e in range(n_experts)), *own]
    parts = [G[:, :, e][..., None] * expert for e, expert in enumerate(experts)]
    return reduce(add, parts)


def target_groups(groups, names: Sequence[str]) -> tuple[int, ...]:
    """The number of each target's group, in the order in which the groups first appear."""
    names = list(names)
    if not (_is_sequence(groups) and all(map(_is_sequence, groups)) and all(groups)):
        raise ValueError(
            "target_groups must be a list of lists of targets, such as [['a', 'b'], "
            f"['c']], by name or by position; got {groups!r}."
        )
    group_of = {}
    for number, group in enumerate(groups):
        for target in group:
            position = _position(target, names)
            if position in group_of:
                raise ValueError(
                    f"target_groups names the target {names[position]!r} twice; expected "
                    "every target in one group."
                )
            group_of[position] = number
    missing = [name for position, name in enumerate(names) if position not in group_of]
    if missing:
        raise ValueError(
            f"target_groups lacks the {listed('target', missing)}: expected every target "
            "in one group. A target that shares with no other is a group of its own."
        )
    numbers = [group_of[position] for position in range(len(names))]
    order = list(dict.fromkeys(numbers))
    return tuple(order.index(number) for number in numbers)


def _is_sequence(value) -> bool:
    return not isinstance(value, str) and hasattr(value, "__len__")


def _position(target, names: list[str]) -> int:
    name = name_of(target)  # of ints, too: a position is what is no name
    if name in names:
        return names.index(name)
    if is_int(target) and 0 <= target < len(names):
        return int(target)
    raise ValueError(
        f"target_groups names {target!r}, which is no target: expected "
        f"{listed('target', names)}, or positions from 0 to {len(names) - 1}."
    )
