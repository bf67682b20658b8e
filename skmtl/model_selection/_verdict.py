"""Which gains of sharing are clear, and what that means in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.utils.validation import check_is_fitted

from .._features import shortened
from . import _gain

ALPHA = 0.05
HELPS, UNCLEAR, HURTS = "helps", "no clear difference", "hurts"
NO_SCORE = "no score"
MEAN = "mean"

VERBS = {
    HELPS: "helps",
    UNCLEAR: "makes no clear difference for",
    HURTS: "hurts",
    NO_SCORE: "has no score for",
}
MOST_NAMED = 4  # targets of a kind; of more, the first few
FEW_NAMED = 3
NAME_WIDTH = 40


class Judgement(NamedTuple):
    """What sharing so many hidden layers does, beside separate networks."""

    depth: int
    best_depth: int  # of the search, perhaps 0
    n_depths: int  # searched, 0 not counted
    table: pd.DataFrame  # by target: gain, se, n_gained, n_folds, effect


def sharing_verdict(search):
    """What a search over the sharing depth has found, in plain words.

    The verdict is about the best depth, or about the next best if separate networks are
    best: whether sharing so many layers pays on average over the targets, and which of
    them it helps or hurts. A gain or loss is called clear if a t-test at the 5 % level
    says so::

        t = gain / se,    K - 1 degrees of freedom for K folds

    with the gain and the corrected standard error of `sharing_gain` (Nadeau & Bengio
    2003). Two things make chance look like a finding, and are guarded against:

    - Of many targets, some seem to gain or lose. Their p-values are corrected by Holm's
      method, so that a statement about any of them is wrong in 5 % of searches at most.
    - The best of D depths was chosen by its mean over the targets, on the same folds. The
      p-value of this mean is one-sided and multiplied by D (or by 2 if D is 1), so that
      "pays" is wrong in 5 % at most.

    Not guarded against are the choice among other parameters that were searched, folds
    and seeds that were tried until they pleased, and that the single targets too are
    looked at where their mean is best: with 3 or 6 depths and no difference at all, 5 or
    7 % of simulated searches seemed to help or hurt some target. The gain of the best of
    several depths is a little too high on average; for an unbiased one, score it and
    depth 0 on rows that the search has not seen.

    "No clear difference" does not mean that there is none. Five folds tell large ones
    only; ``cv=RepeatedKFold(n_splits=5, n_repeats=4, random_state=0)`` tells smaller ones.

    Parameters
    ----------
    search : fitted SharingDepthSearchCV, GridSearchCV or another of scikit-learn's searches
        As for `sharing_gain`. Single targets are spoken of if it was scored by
        `skmtl.metrics.target_scorers`.

    Returns
    -------
    str
        A few sentences without line breaks. Of many targets, only those with the largest
        gains and losses are named.

    Raises
    ------
    ValueError
        If the search does not vary the sharing depth, or lacks depth 0 or any other.
    sklearn.exceptions.NotFittedError
        If the search is not fitted.

    See Also
    --------
    sharing_gain : The numbers.
    skmtl.inspection.SharingGainDisplay : A picture of them, by the same rule.

    References
    ----------
    C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning
    52, 239-281 (2003).

    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
    Journal of Statistics 6, 65-70 (1979).

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.model_selection import SharingDepthSearchCV, sharing_verdict
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0)
    >>> search = SharingDepthSearchCV(model, depths=[2], cv=3).fit(X, y)
    >>> verdict = sharing_verdict(search)
    >>> "haring 2 of 3 hidden layers" in verdict
    True
    """
    found = judgement(search)
    targets = found.table.drop(index=MEAN, errors="ignore")
    sentences = [_of_the_mean(search, found)]
    if MEAN in found.table.index and len(targets) > 1:
        sentences.append(_of_targets(targets))
    return " ".join(sentences)


def judgement(search, depth: int | None = None) -> Judgement:
    """Which gains of a depth are clear; None means the best depth that shares."""
    check_is_fitted(search, "cv_results_")
    gains = _gain.sharing_gain(search)
    names, scores = _gain._fold_scores(search.cv_results_, search.n_splits_)
    by_depth = gains["gain"][names[_gain._leading(search, names)]].fillna(-np.inf)
    depths = _gain._depths(search)
    best = by_depth.idxmax()
    if hasattr(search, "best_index_"):
        best = depths[search.best_index_]
    depth = _depth_to_judge(depth, int(best), by_depth)

    table = pd.DataFrame({key: gains.loc[depth, key] for key in ("gain", "se", "n_gained")})
    table["n_gained"] = table["n_gained"].astype(int)
    scored = [~np.isnan(scores[:, :, depths == d]).all(axis=2) for d in (0, depth)]
    table["n_folds"] = np.all(scored, axis=0).sum(axis=0)
    table["effect"] = _effects(table, n_depths=len(by_depth) - 1)
    return Judgement(depth, int(best), len(by_depth) - 1, table)


def shared_layers(search, depth: int) -> str:
    """``2 of 3 hidden layers``, or ``2 hidden layers`` if their number was searched too."""
    varied = {name for candidate in search.cv_results_["params"] for name in candidate}
    prefixes = [n.removesuffix("sharing_depth") for n in _gain.depth_parameters(varied)]
    sizes = [f"{prefix}{part}_sizes" for prefix in prefixes for part in ("trunk", "head")]
    best = getattr(search, "best_estimator_", None)
    known = {} if best is None else best.get_params()
    if not sizes or varied & set(sizes) or not set(sizes) <= set(known):
        return f"{depth} hidden layer{'s' if depth > 1 else ''}"
    n_layers = sum(len(known[size]) for size in sizes)
    return f"{depth} of {n_layers} hidden layer{'s' if n_layers > 1 else ''}"


def highest_gain_first(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of targets by their gain, after that of their mean."""
    table = table.sort_values("gain", ascending=False, kind="stable")
    return table.sort_index(key=lambda names: names != MEAN, kind="stable")


def _depth_to_judge(asked: int | None, best: int, by_depth: pd.Series) -> int:
    if asked is not None and asked not in by_depth.index:
        raise ValueError(
            f"depth={asked} was not searched: choose one of {by_depth.index.tolist()}."
        )
    if len(by_depth) == 1:
        raise ValueError(
            "The search has no candidate that shares a layer, only sharing_depth=0: search "
            "other depths as well."
        )
    if asked is not None:
        return asked
    return best if best > 0 else int(by_depth.drop(index=0).idxmax())


def _effects(table: pd.DataFrame, n_depths: int) -> np.ndarray:
    """What each gain is called, by the rule that `sharing_verdict` explains."""
    one_sided = stats.t.sf((table["gain"] / table["se"]).abs(), table["n_folds"] - 1)
    p = pd.Series(2 * one_sided, table.index)
    others = p.index != _main(p.index)
    p[~others] *= max(n_depths, 2) / 2
    p[others] = _holm(p[others])
    kinds = np.where(table["gain"] > 0, HELPS, HURTS)
    kinds = np.where(p <= ALPHA, kinds, UNCLEAR)  # nor without a standard error: p is NaN
    return np.where(table["gain"].isna(), NO_SCORE, kinds)


def _holm(p: pd.Series) -> pd.Series:
    """Holm's adjusted p-values, which may exceed 1."""
    ascending = p.dropna().sort_values()
    return (ascending * np.arange(len(ascending), 0, -1)).cummax().reindex(p.index)


def _of_the_mean(search, found: Judgement) -> str:
    main = found.table.loc[_main(found.table.index)]
    layers = shared_layers(search, found.depth)
    if main["effect"] == NO_SCORE:
        return f"Sharing {layers} and separate networks have no score on the same fold."
    opening, next_best = "", ""
    if found.best_depth == 0:
        opening = (
            f"Separate networks {'are' if main['effect'] == HURTS else 'score'} best. "
        )
        next_best = ", the next best," if found.n_depths > 1 else ""
    says = {HELPS: "pays", UNCLEAR: "makes no clear difference", HURTS: "does not pay"}
    average = " on average" if main.name == MEAN else ""
    verb = "loses" if main["gain"] < 0 else "gains"
    error = "unknown" if np.isnan(main["se"]) else _rounded(main["se"])
    return (
        f"{opening}Sharing {layers}{next_best} {says[main['effect']]}{average}: it {verb} "
        f"{_rounded(abs(main['gain']))} in {_score_name(search)} (standard error {error})."
    )


def _of_targets(targets: pd.DataFrame) -> str:
    if (targets["effect"] == UNCLEAR).all():
        return "It makes no clear difference for any single target."
    clauses = [
        f"{verb} {_named(targets[targets['effect'] == effect])}"
        for effect, verb in VERBS.items()
        if (targets["effect"] == effect).any()
    ]
    *others, last = clauses
    return f"It {', '.join(others)}{', and ' if others else ''}{last}."


def _named(group: pd.DataFrame) -> str:
    """The targets of a group, with their gains if these are clear."""
    names = [shortened(name, NAME_WIDTH) for name in group.index]
    clear = group["effect"].iloc[0] in (HELPS, HURTS)
    if clear:
        gains = [f"{'+' if g > 0 else '-'}{_rounded(abs(g))}" for g in group["gain"]]
        largest_first = np.argsort(-group["gain"].abs(), kind="stable")
        names = [f"{names[i]} ({gains[i]})" for i in largest_first]
    if len(names) <= MOST_NAMED:
        return _joined(names)
    examples = f", most of all {_joined(names[:FEW_NAMED])}" if clear else ""
    return f"{len(names)} targets{examples}"


def _joined(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _rounded(value: float) -> str:
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def _score_name(search) -> str:
    metric = _gain.metric_of(search)
    if metric == "r2":
        return "R2"
    if isinstance(metric, str):
        return metric.replace("neg_", "negative ").replace("_", " ")
    return "score"


def _main(names) -> str:
    """The metric that is about all targets."""
    return MEAN if MEAN in names else names[0]
