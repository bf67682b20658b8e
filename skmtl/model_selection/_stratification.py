"""Iterative stratification: units that belong together are shared out among folds.

A unit is a row or a group of rows. ``units`` of shape (U, S) counts its rows in each
stratum. The first stratum is all rows, whose counts are the sizes of the units.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

PASSES = 3  # over all strata, each of which may upset those before it
MOST_TRIED = 10  # units of a stratum that a swap is looked for
MOST_PARTNERS = 2000  # units of another fold to swap each of them with
NEAR = 0.02  # of a fold's share of a stratum, or one row: not worth a swap


def folds_of_units(units: csr_array, n_folds: int, rng) -> np.ndarray:
    """The fold of each unit (U,). Without ``rng``, ties go to the first unit and fold."""
    order = np.arange(units.shape[0]) if rng is None else rng.permutation(units.shape[0])
    shuffled = units[order]
    shuffled.sort_indices()  # sums are rounded alike then
    fold = _assign(shuffled, n_folds, rng)
    counts = _counts(shuffled, fold, n_folds)
    _level(shuffled, fold, counts)
    _swap(shuffled, fold, counts)
    found = np.empty_like(fold)
    found[order] = fold
    return found


def _assign(units: csr_array, n_folds: int, rng) -> np.ndarray:
    """Algorithm 1 of Sechidis et al. (2011).

    The rarest stratum is next, except all rows, each of which is in another one, too.
    Each of its units goes to the fold that lacks most of the stratum, of these to the one
    that lacks most rows, of these to any.
    """
    by_stratum, totals = units.tocsc(), units.sum(axis=0)
    lacking = np.repeat(totals[:, None], n_folds, axis=1)  # times n_folds: whole numbers
    left = np.diff(by_stratum.indptr)
    ties = np.zeros((1, n_folds)) if rng is None else rng.random((units.shape[0], n_folds))
    ties = ties - 1e-9 * np.arange(n_folds)
    fold = np.full(units.shape[0], -1)
    while (fold < 0).any():
        stratum = 1 + np.where(left[1:] > 0, left[1:], len(fold) + 1).argmin()
        part = slice(*by_stratum.indptr[stratum : stratum + 2])
        largest_first = np.argsort(-by_stratum.data[part], kind="stable")
        members = by_stratum.indices[part][largest_first]
        for unit in members[fold[members] < 0]:
            own = slice(*units.indptr[unit : unit + 2])
            strata = units.indices[own]
            tie = ties[unit % len(ties)]
            chosen = np.lexsort((tie, lacking[0], lacking[stratum]))[-1]
            fold[unit] = chosen
            lacking[strata, chosen] -= n_folds * units.data[own]
            left[strata] -= 1
    return fold


def _counts(units: csr_array, fold: np.ndarray, n_folds: int) -> np.ndarray:
    """Rows of each stratum in each fold (S, K)."""
    inside = csr_array(
        (np.ones(len(fold), dtype=np.int64), (fold, np.arange(len(fold)))),
        shape=(n_folds, len(fold)),
    )
    return (inside @ units).toarray().T


def _level(units: csr_array, fold: np.ndarray, counts: np.ndarray) -> None:
    """Move units from the largest fold to the smallest as long as their sizes get closer.

    Those of rows differ by one at most then.
    """
    sizes = units[:, [0]].data
    while True:
        largest, smallest = counts[0].argmax(), counts[0].argmin()
        gap = counts[0, largest] - counts[0, smallest]
        movable = np.flatnonzero((fold == largest) & (sizes < gap))
        if not len(movable):
            return
        chosen = _least_harmful(units[movable], counts, largest, smallest)[0]
        _move(units, fold, counts, movable[chosen], smallest)


def _swap(units: csr_array, fold: np.ndarray, counts: np.ndarray) -> None:
    """Exchange units between folds, so that rare and uneven strata get their shares.

    Where no exchange helps, strata may contradict each other, as in three rows of which
    any two must be apart in two folds.
    """
    by_stratum, totals = units.tocsc(), counts.sum(axis=1)
    near = np.maximum(1, NEAR * totals / counts.shape[1])
    for _ in range(PASSES):
        before = fold.copy()
        for stratum in np.argsort(totals, kind="stable"):
            members = by_stratum.indices[slice(*by_stratum.indptr[stratum : stratum + 2])]
            while np.ptp(counts[stratum]) > near[stratum]:
                if not _exchange(units, fold, counts, stratum, members):
                    break
        if (fold == before).all():
            return


def _exchange(units, fold, counts, stratum: int, members: np.ndarray) -> bool:
    """One of these units for one of the fold that lacks most of them, if that is better."""
    target = counts[stratum].argmin()
    before = _evenness(counts)
    for source in np.argsort(-counts[stratum], kind="stable")[:2]:
        inside = members[fold[members] == source]
        for unit in inside[_least_harmful(units[inside], counts, source, target)]:
            _move(units, fold, counts, unit, target)
            partners = np.flatnonzero(fold == target)[:MOST_PARTNERS]
            chosen = _least_harmful(units[partners], counts, target, source)[0]
            _move(units, fold, counts, partners[chosen], source)
            if _evenness(counts) > before:
                return True
            _move(units, fold, counts, partners[chosen], target)
            _move(units, fold, counts, unit, source)
    return False


def _evenness(counts: np.ndarray) -> tuple[int, float]:
    """How many folds have each stratum, all together; of as many, how even counts are."""
    squares = (counts**2).sum(axis=1) / counts.sum(axis=1)
    return int((counts > 0).sum()), -round(float(squares.sum()), 9)


def _least_harmful(units: csr_array, counts, source: int, target: int) -> np.ndarray:
    """Which of these units to move from one fold to another: the best, in order.

    First the one after which most folds have most strata; of these, the one that leaves
    the counts of strata nearest to equal ones, by squared distance in units of their sizes.
    """
    n = counts.sum(axis=1)
    lost = (counts[:, source] == 1).astype(int) - (counts[:, target] == 0)
    linear = units @ (2 * (counts[:, target] - counts[:, source]) / n)
    present = csr_array((np.sign(units.data), units.indices, units.indptr), units.shape)
    return np.lexsort((linear + units.power(2) @ (2 / n), present @ lost))[:MOST_TRIED]


def _move(units, fold, counts, unit: int, target: int) -> None:
    own = slice(*units.indptr[unit : unit + 2])
    counts[units.indices[own], fold[unit]] -= units.data[own]
    counts[units.indices[own], target] += units.data[own]
    fold[unit] = target
