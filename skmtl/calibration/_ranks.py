"""Quantiles of finitely many scores, that a new one is below as often as asked."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np

from .._messages import listed
from .._number_checks import Number
from .._types import Floats
from ._bands import Band

HALVINGS = 32  # of what is left between the largest and the smallest that it can be


def rank_of(coverage: float, n: int) -> int:
    """Which of n scores in rising order: the ceil((n + 1) coverage)-th. It may be n + 1."""
    return int(np.ceil(round((n + 1) * coverage, 9)))


def check_enough(
    coverage: float, names: np.ndarray, n_rows: np.ndarray, n_joint: int, joint: bool
) -> None:
    """There must be a score of this rank, of every target or of whole rows."""
    if not Number(Real, 0, 1, closed="neither").is_satisfied_by(coverage):
        raise ValueError(
            f"coverage must be a number between 0 and 1, such as 0.9, got {coverage!r}."
        )
    needed = int(np.ceil(round(coverage / (1 - coverage), 9)))
    if joint and n_joint < needed:
        of_each = 1 - (1 - coverage) / len(names)
        raise ValueError(
            f"joint=True with coverage={coverage:g} needs {needed} rows to calibrate with "
            f"that have all targets observed, but there are {n_joint}. Ask for less "
            "coverage, fit with more rows, or take the intervals of single targets with "
            f"coverage={of_each:.4g}, which together hold all of them that often."
        )
    few = n_rows < needed
    if not joint and few.any():
        raise ValueError(
            f"coverage={coverage:g} needs {needed} observed rows to calibrate with, but "
            f"there are {n_rows[few].min()} of {listed('target', list(names[few]))}. Ask "
            "for less coverage, fit with more rows, or calibrate with more of them: cv=5 "
            "takes all."
        )


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
