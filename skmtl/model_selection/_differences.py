"""Differences between the candidates of a search, in its folds and in its rows."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

FEWEST_UNITS = 30  # to tell how candidates go together
N_DRAWS = 50_000  # a p-value of 0.05 is then off by 0.001
MOST_DRAWN = 2**20  # numbers at once: 8 MB


class Differences(NamedTuple):
    """Scores of one candidate less those of another, with a column per score."""

    folds: pd.DataFrame
    rows: pd.DataFrame | None  # contributions to the mean over the folds, if known
    test_ratio: float  # test rows per training row

    @property
    def se(self) -> pd.Series:
        """Standard errors, as `sharing_gain` has them."""
        if self.rows is None:
            return np.sqrt((1 / self.folds.count() + self.test_ratio) * self.folds.var())
        return np.sqrt((1 + self.test_ratio) * self.rows.count() * self.rows.var())

    @property
    def n(self) -> pd.Series:
        """What the standard errors rest on: rows, or folds."""
        return (self.folds if self.rows is None else self.rows).count()


class Scored(NamedTuple):
    """The candidates of a search, as far as they were scored."""

    names: list[str]  # of the scores
    folds: np.ndarray  # (folds, names, candidates)
    rows: np.ndarray | None  # (candidates, rows, names)
    iterations: np.ndarray  # of a successive halving, by candidate; 0 in other searches
    leading: int  # index of the score that the search goes by

    def between(self, labels, base: Hashable, test_ratio: float) -> dict:
        """By label: the best candidate of that label less the best of the base label.

        They are compared in the last iteration that has candidates of both.
        """
        labels = np.asarray(labels)
        found = {}
        for label in dict.fromkeys(labels.tolist()):
            a, b = self.best_of(labels == label, labels == base)
            found[label] = self.difference(a, b, test_ratio)
        return found

    def difference(self, a: int, b: int, test_ratio: float) -> Differences:
        """One candidate less another."""
        folds = pd.DataFrame(self.folds[:, :, a] - self.folds[:, :, b], columns=self.names)
        rows = None
        if self.rows is not None:
            rows = pd.DataFrame(
                self.rows[a].astype(float) - self.rows[b], columns=self.names
            )
        return Differences(folds, rows, test_ratio)

    def chance(self, labels, base: Hashable, t: float, n: int) -> float:
        """How likely the best of the other candidates has a t of this size by chance.

        Every candidate of another label is compared with the best of the base label. Where
        rows are known, by the joint distribution of all t (Dunnett 1955), whose
        correlations are those of the rows; else by Bonferroni, for the number of labels.
        """
        labels = np.asarray(labels)
        p = stats.t.sf(t, n - 1)
        others = np.flatnonzero(labels != base)
        if self.rows is None or n < FEWEST_UNITS or np.isnan(p):
            return p * (len(set(labels.tolist())) - 1)
        (b,) = self.best_of(labels == base)
        rows = self.rows[..., self.leading].astype(float)
        highest = _highest_t(_correlations(rows[others] - rows[b]), n - 1)
        return float(max(p, (highest >= t).mean()))

    def chance_of_any(self, t: np.ndarray, n: int) -> np.ndarray:
        """How likely any two candidates differ by such a t, to either side, by chance.

        As Tukey's honest differences, by the joint distribution of all pairs; where rows
        are not known, by Bonferroni.
        """
        p = 2 * stats.t.sf(np.abs(t), n - 1)
        a, b = np.triu_indices(self.folds.shape[2], 1)
        if self.rows is None or n < FEWEST_UNITS or not len(a):
            return p * len(a)
        rows = self.rows[..., self.leading].astype(float)
        together = _correlations(rows[a] - rows[b])
        largest = np.sort(_highest_t(together, n - 1, to_either_side=True))
        n_larger = N_DRAWS - np.searchsorted(largest, np.abs(t))
        return np.where(np.isnan(p), np.nan, np.maximum(p, n_larger / N_DRAWS))

    def best_of(self, *masks: np.ndarray) -> list[int]:
        """The best candidate of each mask, in the last iteration that has some of all."""
        last = max(set.intersection(*(set(self.iterations[mask]) for mask in masks)))
        means = pd.DataFrame(self.folds[:, self.leading]).mean()
        means = means.fillna(-np.inf)  # all NaN where every fit failed
        return [int(means[mask & (self.iterations == last)].idxmax()) for mask in masks]


def _correlations(differences: np.ndarray) -> np.ndarray:
    """Of differences (K, rows), over the rows that both have."""
    together = np.array(pd.DataFrame(differences.T).corr().fillna(0))
    np.fill_diagonal(together, 1)
    return together


def _highest_t(together: np.ndarray, df: int, *, to_either_side=False) -> np.ndarray:
    """Draws of the highest of several t with these correlations, singular or not."""
    rng = np.random.default_rng(0)  # the same in every call
    variances, directions = np.linalg.eigh(together)
    factor = directions * np.sqrt(np.maximum(variances, 0))
    step = max(1, MOST_DRAWN // len(together))
    highest = np.empty(N_DRAWS)
    for start in range(0, N_DRAWS, step):
        part = highest[start : start + step]
        normal = rng.standard_normal((len(part), len(together))) @ factor.T
        if to_either_side:
            np.abs(normal, out=normal)
        normal.max(axis=1, out=part)
    return highest / np.sqrt(rng.chisquare(df, N_DRAWS) / df)
