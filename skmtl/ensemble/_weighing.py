"""How a stack weighs its parts, by what they predict of rows that they have not seen."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from .._messages import listed
from ._parts import FittedPart
from ._targets import Targets
from ._weights import bootstrap_std, prior_precision

N_PARTS = 5  # of a single fold, each predicted with the weights of the others


class Kind(Protocol):
    """What the weights of numbers and those of labels differ in."""

    shrinkage: float

    def _predict_part(self, part: FittedPart, X, wanted, classes) -> list[np.ndarray]: ...

    def _of_truth(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray: ...

    def _weights_of(self, cells, weight, precision) -> np.ndarray: ...

    def _score_of(self, y: np.ndarray, cells: np.ndarray, weight: np.ndarray) -> float: ...


def weigh(
    kind: Kind, targets: Targets, of_folds: dict, folds, units: np.ndarray, seed: int
) -> list[pd.DataFrame]:
    """Weights and their standard errors (T, M), and scores out of fold (T, M + 2).

    ``of_folds`` is what each part predicts of the folds, by its name, ``units`` what each
    row belongs to: itself, or its group.
    """
    tested = np.concatenate([test for _, test in folds])
    rng = np.random.default_rng(seed)
    fold = np.repeat(np.arange(len(folds)), [len(test) for _, test in folds])
    if len(folds) == 1:
        codes = np.unique(units[tested], return_inverse=True)[1]
        fold = rng.permutation(codes.max() + 1)[codes] % N_PARTS
    predicted = [_out_of_fold(*part, targets) for part in of_folds.items()]
    # A row that several folds test counts once.
    W = targets.W[tested] / np.bincount(tested, minlength=len(targets.Y))[tested, None]
    rows = []
    for t in range(targets.n_targets):
        seen = W[:, t] > 0
        y = targets.Y[tested[seen], t]
        of_parts = [kind._of_truth(y, of_part[t][seen]) for of_part in predicted]
        own = np.stack(of_parts, axis=1), W[seen, t], fold[seen], tested[seen]
        rows.append(_weigh_one(kind, y, *own, units, rng))
    index = pd.Index(targets.names, name="target")
    columns = [*of_folds], [*of_folds], [*of_folds, "equal weights", "stack"]
    return [
        pd.DataFrame(np.stack(table), index, own)
        for table, own in zip(zip(*rows, strict=True), columns, strict=True)
    ]


def _out_of_fold(name: str, of_fits, targets: Targets) -> list[np.ndarray]:
    """What a part predicts of all folds, for each target; it has not seen these rows."""
    found = [np.concatenate(of_target) for of_target in zip(*of_fits, strict=True)]
    bad = [not np.isfinite(of_target).all() for of_target in found]
    if any(bad):
        names = list(targets.names[bad])
        raise ValueError(
            f"The part {name!r} predicts values that are not finite in "
            f"{listed('target', names)}: leave it out, or change it so that it does not "
            "diverge."
        )
    return found


def _weigh_one(kind: Kind, y, cells, weight, fold, tested, units, rng) -> tuple:
    """The same for one target; ``cells`` (n, M) are what the kind has of the truth.

    They are of the rows that are ``tested`` (n,), some of which may be so repeatedly.
    """
    n_parts = cells.shape[1]
    of_rows = np.bincount(tested, weight)
    precision = prior_precision(kind.shrinkage, n_parts, of_rows)

    def weights_of(weight):
        counts = weight > 0
        return kind._weights_of(cells[counts], weight[counts], precision)

    equal = cells.mean(axis=1)
    # The stack's own score is of weights that have not seen the fold's rows, either.
    mixed = equal.copy()
    for k in np.unique(fold):
        others = np.where(np.isin(tested, tested[fold == k]), 0.0, weight)
        if others.any():
            mixed[fold == k] = cells[fold == k] @ weights_of(others)
    scores = [kind._score_of(y, of_one, weight) for of_one in (*cells.T, equal, mixed)]
    std = bootstrap_std(weights_of, weight, units[tested], rng)
    return weights_of(weight), std, scores
