"""Rows that are held out for validation."""

from __future__ import annotations

import numpy as np

from .._messages import listed

MAX_DRAWS = 50  # of rows to hold out, before it is given up to cover all targets


def hold_out(
    W: np.ndarray,
    fraction: float,
    names: np.ndarray,
    rng: np.random.Generator,
    n_members: int = 1,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers for training and for validation, for each member of an ensemble.

    The validation parts are cut from one random order at equal distances. Every target
    keeps a cell that counts on each side. Where the cut does not give that, rows of the
    rarest targets are drawn first, and the validation part may get larger than asked for.
    """
    if len(W) < 2:
        raise ValueError(
            "early_stopping=True holds out rows and needs at least two of them, got "
            f"n_samples={len(W)}. Set early_stopping=False."
        )
    observed = W[:, W.any(axis=0)] > 0
    names = names[W.any(axis=0)]
    rare = observed.sum(axis=0) < 2
    if rare.any():
        raise ValueError(
            "early_stopping=True needs two observed rows of every target, one to train on "
            f"and one to validate on; there is one for {listed('target', names[rare])}. "
            "Set early_stopping=False or drop such columns of y."
        )
    n_validation = max(1, round(fraction * len(W)))
    order = rng.permutation(len(W))
    starts = np.arange(n_members) * len(W) // n_members
    return [
        _split(observed, np.roll(order, -start), n_validation, names, rng)
        for start in starts
    ]


def _split(observed, order, n_validation, names, rng) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the first rows of this order, or of others if they leave targets out."""
    is_validation = np.zeros(len(observed), dtype=bool)
    is_validation[order[:n_validation]] = True
    for _ in range(MAX_DRAWS):
        missing = ~(
            observed[is_validation].any(axis=0) & observed[~is_validation].any(axis=0)
        )
        if not missing.any():
            return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
        order = rng.permutation(len(observed))
        is_validation[order] = _cover_targets(observed[order], n_validation)
    raise ValueError(
        "early_stopping=True found no rows to hold out that leave "
        f"{listed('target', names[missing])} observed on each side: there are too few. Set "
        "early_stopping=False or drop such columns of y."
    )


def _cover_targets(observed: np.ndarray, n_wanted: int) -> np.ndarray:
    """Which rows to hold out: at least one per target if possible, then up to n_wanted.

    Rows come in random order. The rarest target chooses first, and no row is taken that
    is the last one left to train some target on.
    """
    held_out = np.zeros(len(observed), dtype=bool)
    n_left = observed.sum(axis=0)

    def take_first(rows, n: int) -> None:
        for row in rows:
            if n == 0:
                return
            if not held_out[row] and (n_left[observed[row]] > 1).all():
                held_out[row] = True
                n_left[observed[row]] -= 1
                n -= 1

    for target in np.argsort(n_left):
        if not observed[held_out, target].any():
            take_first(np.flatnonzero(observed[:, target]), n=1)
    take_first(range(len(observed)), n=max(0, n_wanted - held_out.sum()))
    return held_out
