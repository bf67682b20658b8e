"""Which kind of model is best for which target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .._third_party import HasMethods
from .._types import RandomState, Targets, validate_params
from ._compared import Compared, compare
from ._model_words import in_words, standings
from ._verdict import ALPHA, CUT_OFF, NO_SCORE, _joined
from ._verdict import MEAN as AVERAGE

BEST, UNCLEAR, WORSE = "best", "no clear difference", "worse"


@dataclass(frozen=True, eq=False)
class ModelVerdict:
    """Which model is best for which target: what `model_verdict` returns.

    Its ``str`` is the verdict in words.

    Attributes
    ----------
    table : DataFrame
        A row for each target, after one for their "mean" if there are several. The columns
        are pairs of a statistic and a model: "score", the mean over the folds;
        "difference", the score less that of the best model; "se", its standard error; "p",
        corrected for the number of models and of targets; "effect", which is "best", "no
        clear difference" or "worse", or "not judged" (see `model_verdict`).
    metric : {"r2", "neg_log_loss"}
        What was scored.
    best : Series
        The model with the highest score, by target.
    clear : Series
        The kind of model that all others are clearly worse than, by target, or None.

    See Also
    --------
    model_verdict : Makes it, and has an example with other models.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_slump
    >>> from skmtl.model_selection import ModelVerdict, model_verdict
    >>> X, y = load_slump(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0)
    >>> verdict = model_verdict(model, X, y, depths=[2], models=[], cv=3, random_state=0)
    >>> isinstance(verdict, ModelVerdict)
    True
    >>> verdict.table["effect"].columns.tolist()
    ['mean', 'network, depth 2']
    """

    table: pd.DataFrame
    metric: str
    _depths: tuple[int | None, ...]
    _left_out: tuple[str, ...] = ()
    _cut_off: tuple[str, ...] = ()

    @property
    def best(self) -> pd.Series:
        """The model with the highest score, by target.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_slump
        >>> from skmtl.model_selection import model_verdict
        >>> X, y = load_slump(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(epochs=1, random_state=0)
        >>> verdict = model_verdict(model, X, y, depths=[2], cv=3, random_state=0)
        >>> verdict.best["compressive_strength"]
        'ridge regression'
        """
        return self.table["score"].fillna(-np.inf).idxmax(axis=1)

    @property
    def clear(self) -> pd.Series:
        """The kind of model that all others are clearly worse than, by target, or None.

        Kinds are the models by their names, but "the mean", and "a network" at any depth.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.model_selection import model_verdict
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(epochs=1, random_state=0)
        >>> verdict = model_verdict(model, X, y, depths=[2], cv=3, random_state=0)
        >>> verdict.clear["cooling_load"]
        'boosted trees'
        """
        found = standings(self.table, self._depths)
        return pd.Series({name: own.clear for name, own in found.items()}, dtype=object)

    def __str__(self) -> str:
        words = in_words(self.table, self.metric, self._depths)
        if self._left_out:
            words += f" Left out for want of time: {_joined(self._left_out)}."
        if self._cut_off:
            depths = _joined([name.removeprefix("network, ") for name in self._cut_off])
            words += (
                f" Time has ended fits of the network ({depths}) too early: where it is "
                "not the best, it may be behind for that alone."
            )
        return words


@validate_params(
    {
        "estimator": [HasMethods(["fit", "get_params"])],
        "X": "no_validation",  # checked as by the stacks
        "y": "no_validation",  # likewise
        "models": [list, tuple, None],
        "depths": ["array-like", None],
        "cv": ["cv_object"],
        "sample_weight": "no_validation",
        "groups": ["array-like", None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def model_verdict(
    estimator: Any,
    X: ArrayLike,
    y: Targets,
    *,
    models: Sequence[tuple[str, Any]] | None = None,
    depths: Sequence[int] | None = None,
    cv: Any = 5,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_jobs: int | None = None,
    random_state: RandomState = None,
) -> ModelVerdict:
    """Say which of the mean, ridge, trees and networks is best for which target.

    All models predict the rows of each fold, fitted without it. For each target, the one
    of the highest score, R2 or minus the log loss, is compared with each of the others, by
    the differences that single rows, or groups, make to the score::

        t = difference / se,    n - 1 degrees of freedom

    with standard errors as those of `sharing_gain`. A difference is called clear at the 5 %
    level, allowing for chance in two ways:

    - Of many models, some seem better than others, and the best was chosen by the same
      rows. The p-value of a difference is that of the largest t among all pairs of models,
      which rise and fall together (as in Tukey's honest differences).
    - It is multiplied by the number of targets, so that a statement about any of them is
      wrong in 5 % of tables at most. The mean over the targets has 5 % of its own.

    A kind of model is said to be best for a target if all of other kinds are clearly worse.

    Parameters
    ----------
    estimator : MultiTaskRegressor or MultiTaskClassifier, a Pipeline that ends in one, or \
            a fitted SharingDepthSearchCV
        The network. It is cloned, and not changed. Of a search, fitted to the same X and y,
        the scores of its depths are taken: only the other models are fitted, to the folds
        of the search (and not to `cv`). Of a depth whose fits `max_seconds` has ended too
        early (``cv_results_["n_cut_off"]``), it is not said that it is worse than others.
    X : array-like or DataFrame of shape (n, d)
        Features, raw columns included if the estimator and the models take them, as the
        default models do.
    y : array-like or DataFrame of shape (n, T), or (n,)
        Targets; missing ones are not observed. Models of one target are fitted to the rows
        where it is.
    models : list of (str, estimator) tuples, default=None
        What to compare with, beside the mean (for classes, their frequencies). None is
        "ridge regression" (or "logistic regression") and "boosted trees", as in the stacks
        of `skmtl.ensemble`, which may be given here themselves.
    depths : sequence of int, default=None
        Sharing depths of the network. None is all that it has, or all that were searched.
    cv : int, splitter or iterable of splits, default=5
        Folds, as for `skmtl.ensemble.MultiTaskStackingRegressor`: an int makes folds of
        rows in random order, or of whole groups. Of ``TimeSeriesSplit``, folds are the
        evidence, and not rows.
    sample_weight : array-like of shape (n,) or (n, T), default=None
        How much each row, or each cell, counts, in fits and scores.
    groups : array-like of shape (n,), default=None
        Rows of one group are never on both sides, of folds and of the rows that networks
        hold out for early stopping, and are one piece of evidence together. Of a search,
        the same as its `fit` was given.
    n_jobs : int, default=None
        Number of fits at the same time, in threads.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of every model whose `random_state` is None.

    Returns
    -------
    ModelVerdict
        ``print(verdict)`` for the verdict in words, ``verdict.table`` for the numbers.

    Raises
    ------
    ValueError
        If the estimator has no sharing depth, or the depths, models, data or folds are not
        usable.

    See Also
    --------
    sharing_verdict : Whether sharing pays, from a search that has been done.
    skmtl.ensemble.MultiTaskStackingRegressor : The mean of models that predicts best.

    Notes
    -----
    It costs one fit of each model and depth for every fold; of models that know one target,
    one for each.

    "No clear difference" does not mean that there is none: see `sharing_verdict`.

    References
    ----------
    J. W. Tukey, "The problem of multiple comparisons" (1953), in: The Collected Works of
    John W. Tukey VIII, Chapman & Hall (1994).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.model_selection import model_verdict
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(trunk_sizes=(16,), head_sizes=(), epochs=5)
    >>> verdict = model_verdict(model, X, y, cv=3, random_state=0)
    >>> str(verdict).startswith("Use boosted trees for both targets")
    True
    >>> verdict.table.index.tolist()
    ['mean', 'heating_load', 'cooling_load']
    """
    found = compare(
        estimator, X, y, models, depths, cv, sample_weight, groups, n_jobs, random_state
    )
    return verdict_of(found)


def verdict_of(found: Compared) -> ModelVerdict:
    """What is said of models that have been compared."""
    table, depths = _judged(found), tuple(found.depths)
    left_out, cut_off = tuple(found.left_out), tuple(found.cut_off)
    return ModelVerdict(table, found.metric, depths, left_out, cut_off)


def _judged(found: Compared) -> pd.DataFrame:
    scored = found.scored
    n_targets = len(scored.names) - 1
    kept = range(len(scored.names)) if n_targets > 1 else [1]
    rows = {}
    for k in kept:
        n_statements = n_targets if scored.names[k] != AVERAGE else 1
        rows[scored.names[k]] = _judged_one(found, k, n_statements).unstack()
    table = pd.DataFrame(rows).T.rename_axis("target")
    table.columns.names = ["statistic", "model"]
    return table.astype({c: float for c in table if c[0] != "effect"})


def _judged_one(found: Compared, k: int, n_statements: int) -> pd.DataFrame:
    """By model: its score by one metric, and how sure it is that the best is better."""
    scored = found.scored._replace(leading=k)
    every = range(len(found.names))
    (best,) = scored.best_of(np.ones(len(every), dtype=bool))
    differences = [scored.difference(m, best, found.test_ratio) for m in every]
    name = scored.names[k]
    table = pd.DataFrame(
        {
            "score": pd.DataFrame(scored.folds[:, k]).mean().to_numpy(),
            "difference": [D.folds[name].mean() for D in differences],
            "se": [D.se[name] for D in differences],
        },
        index=found.names,
    )
    n = min(D.n[name] for D in differences)
    with np.errstate(invalid="ignore"):
        t = np.asarray(table["difference"] / table["se"])
    table["p"] = np.minimum(scored.chance_of_any(t, int(n)) * n_statements, 1)
    table["effect"] = np.where(table["p"] <= ALPHA, WORSE, UNCLEAR)
    table.loc[found.cut_off, "effect"] = CUT_OFF
    table.loc[table["score"].isna(), "effect"] = NO_SCORE
    table.loc[found.names[best], ["difference", "se", "p"]] = 0.0, np.nan, np.nan
    table.loc[found.names[best], "effect"] = BEST
    return table
