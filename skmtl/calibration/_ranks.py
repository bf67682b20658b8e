"""Quantiles of finitely many scores, that a new one is below as often as asked."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np

from .._messages import listed
from .._number_checks import Number
from .._types import Floats
from ._bands import Band


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


def interval(bands: Sequence[Band], scores: Floats, coverage: float) -> Floats:
    """Both ends of every target (n, T, 2): medians of those around each of K bands.

    ``scores`` of all rows are (n, T), or (n, 1) if all targets have the same; NaN is left
    out.
    """
    low, high, scale = map(np.stack, zip(*bands, strict=True))
    margin = _quantiles(scores, coverage) * scale
    lower, upper = np.median(low - margin, axis=0), np.median(high + margin, axis=0)
    # Scores below 0 may make an interval so narrow that nothing is left.
    crossed, middle = lower > upper, (lower + upper) / 2
    ends = np.where(crossed, middle, lower), np.where(crossed, middle, upper)
    return np.stack(ends, axis=-1)


def _quantiles(scores: Floats, coverage: float) -> Floats:
    """The score of this rank among the observed ones of each column."""
    ordered = np.sort(scores, axis=0)  # NaN is last
    ranks = [rank_of(coverage, n) for n in (~np.isnan(scores)).sum(axis=0)]
    return ordered[np.array(ranks) - 1, np.arange(scores.shape[1])]
