"""Rows that are held out for validation: at random, by groups, or by a splitter."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._messages import listed

MAX_DRAWS = 50  # of rows to hold out, before it is given up to cover all targets

Part = tuple[np.ndarray, np.ndarray]  # numbers of rows to train on, and to validate on


def hold_out(
    W: np.ndarray,
    fraction: float,
    names: np.ndarray,
    rng: np.random.Generator,
    n_members: int = 1,
    groups: np.ndarray | None = None,
) -> list[Part]:
    """Row numbers for training and for validation, for each member of an ensemble.

    The validation parts are cut from one random order at equal distances. Every target
    keeps a cell that counts on each side. Where the cut does not give that, rows of the
    rarest targets are drawn first, and the validation part may get larger than asked for.

    Of ``groups`` (n,), numbered from 0 on, each is on one side as a whole, and the
    validation part has about as many rows as asked for.
    """
    observed, names = W[:, W.any(axis=0)] > 0, names[W.any(axis=0)]
    sizes, units = np.ones(len(W), dtype=int), "rows"
    if groups is not None:
        sizes, units = np.bincount(groups), "groups"
        of_groups = [np.bincount(groups, column) > 0 for column in observed.T]
        observed = np.stack(of_groups, axis=1)
    _check_enough(observed, names, units)
    n_validation = max(1, round(fraction * len(W)))
    order = rng.permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    starts = np.searchsorted(before, np.arange(n_members) * len(W) // n_members)
    sides = [
        _split(observed, sizes, np.roll(order, -start), n_validation, names, rng)
        for start in starts
    ]
    if groups is not None:
        sides = [is_validation[groups] for is_validation in sides]
    return [(np.flatnonzero(~side), np.flatnonzero(side)) for side in sides]


def split_by(
    splitter: Any,
    X: Any,
    y: Any,
    groups: Any,
    W: np.ndarray,
    names: np.ndarray,
    n_members: int = 1,
) -> list[Part]:
    """The last splits of a splitter of scikit-learn, one for each member of an ensemble.

    If there are fewer splits than members, these take them in turn.
    """
    kind = f"validation_fraction={type(splitter).__name__}(...)"
    try:
        splits = list(splitter.split(X, y, groups))[-n_members:]
    except ValueError as error:
        raise ValueError(f"{kind} could not split the rows: {error}") from error
    if not splits:
        raise ValueError(f"{kind} gives no split of the rows, expected one or more.")
    numbers = np.arange(len(W))
    try:
        parts = [(numbers[train], numbers[validation]) for train, validation in splits]
    except IndexError as error:
        raise ValueError(
            f"{kind} names other rows than positions from 0 to {len(W) - 1} among those "
            f"that have an observed target with a positive weight: {error}."
        ) from error
    for part in parts:
        _check_part(*part, W, names, kind)
    return [parts[i % len(parts)] for i in range(n_members)]


def _check_part(train, validation, W, names, kind: str) -> None:
    n_both = len(np.intersect1d(train, validation))
    if n_both:
        raise ValueError(
            f"{kind} has {n_both} rows both to train and to validate on: expected a "
            "splitter whose two sides have no row in common."
        )
    for rows, purpose in ((train, "train on"), (validation, "validate on")):
        absent = W.any(axis=0) & ~W[rows].any(axis=0)
        if absent.any():
            raise ValueError(
                f"{kind} leaves no observed value to {purpose} in "
                f"{listed('target', names[absent])}. Choose another splitter, give "
                "X_val and y_val to fit, or drop such columns of y."
            )


def _check_enough(observed: np.ndarray, names: np.ndarray, units: str) -> None:
    """Each target must be observed in two rows, or groups."""
    if len(observed) < 2:
        got = f"n_samples={len(observed)}" if units == "rows" else len(observed)
        raise ValueError(
            f"early_stopping=True holds out {units} and needs at least two of them, got "
            f"{got}. Set early_stopping=False."
        )
    rare = observed.sum(axis=0) < 2
    if rare.any():
        raise ValueError(
            f"early_stopping=True needs two {units} in which a target is observed, one to "
            f"train on and one to validate on; there is one for "
            f"{listed('target', names[rare])}. Set early_stopping=False or drop such "
            "columns of y."
        )


def _split(observed, sizes, order, n_validation, names, rng) -> np.ndarray:
    """Which to hold out: the first of this order, or of others if they leave targets out.

    ``observed`` and ``sizes`` are of rows, or of groups of them.
    """
    is_validation = np.zeros(len(observed), dtype=bool)
    is_validation[order] = _first(sizes[order], n_validation)
    for _ in range(MAX_DRAWS):
        missing = ~(
            observed[is_validation].any(axis=0) & observed[~is_validation].any(axis=0)
        )
        if not missing.any():
            return is_validation
        order = rng.permutation(len(observed))
        is_validation[order] = _cover_targets(observed[order], sizes[order], n_validation)
    raise ValueError(
        "early_stopping=True found no rows to hold out that leave "
        f"{listed('target', names[missing])} observed on each side: there are too few. Set "
        "early_stopping=False or drop such columns of y."
    )


def _first(sizes: np.ndarray, n_wanted: int) -> np.ndarray:
    """Which to take, from the first on, for so many rows: those that bring it nearer."""
    taken = np.zeros(len(sizes), dtype=bool)
    if sizes.max() == 1:
        taken[:n_wanted] = True
        return taken
    for i, size in enumerate(sizes.tolist()):
        if 0 < size <= 2 * n_wanted:
            taken[i] = True
            n_wanted -= size
    if not taken.any():
        taken[sizes.argmin()] = True
    return taken


def _cover_targets(observed: np.ndarray, sizes: np.ndarray, n_wanted: int) -> np.ndarray:
    """Which to hold out: at least one per target if possible, then up to n_wanted rows.

    They come in random order. The rarest target chooses first, and none is taken that is
    the last one left to train some target on.
    """
    held_out = np.zeros(len(observed), dtype=bool)
    n_left = observed.sum(axis=0)

    def may_go(i) -> bool:
        return not held_out[i] and (n_left[observed[i]] > 1).all()

    def take(i) -> None:
        held_out[i] = True
        n_left[observed[i]] -= 1

    for target in np.argsort(n_left):
        if not observed[held_out, target].any():
            for first in filter(may_go, np.flatnonzero(observed[:, target])):
                take(first)
                break
    n_lacking = n_wanted - int(sizes[held_out].sum())
    for i in range(len(observed)):
        if n_lacking <= 0:
            break
        if sizes[i] <= 2 * n_lacking and may_go(i):
            take(i)
            n_lacking -= int(sizes[i])
    return held_out
