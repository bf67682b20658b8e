"""Quantiles of finitely many scores, such that a new one is below them as often as asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._types import Floats
from ._bands import Band

HALVINGS = 50  # of what is left between the largest and the smallest that it can be


def rank_of(coverage: float, n: int) -> int:
    """Which of n scores in rising order: the ceil((n + 1) coverage)-th. It may be n + 1."""
    return int(np.ceil(round((n + 1) * coverage, 9)))


def fewest_rows(coverage: float) -> int:
    """How many scores there must be for one of this rank."""
    return int(np.ceil(round(coverage / (1 - coverage), 9)))


def interval(
    bands: Sequence[Band], scores: Sequence[Floats], coverage: float, target: int
) -> Floats:
    """Both ends (n, 2), by the scores of one target or of whole rows, NaN left out."""
    observed = [np.sort(s[~np.isnan(s)]) for s in scores]
    kept = [b for b, s in zip(bands, observed, strict=True) if len(s)]
    observed = [s for s in observed if len(s)]
    rank = rank_of(coverage, sum(map(len, observed)))
    low, high, scale = (
        np.stack([b[i][:, target] for b in kept]) for i in range(len(Band._fields))
    )
    upper = merged_quantile(high, scale, observed, rank)
    lower = -merged_quantile(-low, scale, observed, rank)
    # Scores below 0 may make an interval so narrow that nothing is left.
    crossed, middle = lower > upper, (lower + upper) / 2
    ends = np.where(crossed, middle, lower), np.where(crossed, middle, upper)
    return np.stack(ends, axis=1)


def merged_quantile(
    centres: Floats, scales: Floats, scores: Sequence[Floats], rank: int
) -> Floats:
    """The rank-th smallest of centres[k] + scales[k] * scores[k][i] over all k and i.

    For each of n rows; centres and scales are (K, n), scores K arrays in rising order. With
    this share of each array below, so is this share of them all: that is where to look.
    """
    total = sum(map(len, scores))
    own = [s[-(-rank * len(s) // total) - 1] for s in scores]
    ends = centres + scales * np.array(own)[:, None]
    low, high = ends.min(axis=0), ends.max(axis=0)
    if len(scores) == 1:
        return high
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        relative = (middle - centres) / scales
        n_below = sum(
            np.searchsorted(s, r, side="right")
            for s, r in zip(scores, relative, strict=True)
        )
        enough = n_below >= rank
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return high
