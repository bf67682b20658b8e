"""Which gains of sharing are clear, and what that means in plain words."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.model_selection import GridSearchCV

from .._messages import shortened
from . import _gain
from ._differences import Differences, Scored

if TYPE_CHECKING:  # not public in scikit-learn
    from sklearn.model_selection._search import BaseSearchCV

ALPHA = 0.05
HELPS, UNCLEAR, HURTS = "helps", "no clear difference", "hurts"
NO_SCORE, CUT_OFF = "no score", "not judged"
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
LABEL_WIDTH = 80


class Judgement(NamedTuple):
    """What sharing so many hidden layers does, beside separate networks."""

    depth: int
    best_depth: int  # of the search, perhaps 0
    n_depths: int  # searched, 0 not counted
    table: pd.DataFrame  # by target: gain, se, n_gained, n_folds, n, effect
    n_cut_off: int  # fits of this depth and of separate networks that time has ended


def sharing_verdict(search: BaseSearchCV) -> str:
    """What a search over the sharing depth has found, in plain words.

    The verdict is about the best depth, or about the next best if separate networks are
    best: whether sharing so many layers pays on average over the targets, and which of
    them it helps or hurts. A gain or loss is called clear if a t-test at the 5 % level
    says so::

        t = gain / se,    n - 1 degrees of freedom

    with the gain and standard error of `sharing_gain`, of n rows, or of n folds where only
    these are known. Two things make chance look like a finding, and are guarded against:

    - Of many targets, some seem to gain or lose. Their p-values are corrected by Holm's
      method, so that a statement about any of them is wrong in 5 % of searches at most.
    - The best candidate that shares was chosen by its mean over the targets, on the same
      rows. The p-value of this mean is one-sided, and that of the highest t among all
      candidates that share, which rise and fall together (Dunnett 1955); where only folds
      are known, it is multiplied by the number of depths. So "pays" is wrong in 5 % at
      most, and so is "does not pay", for which the best has to be clearly worse.

    Where other parameters were searched as well, by `SharingDepthSearchCV` or
    `GridSearchCV`, there follows whether the best of their combinations beats the first
    one, each at its best depth, and for which targets, by the same rule: the highest t
    among all candidates of other combinations. So the first values of `param_grid` should
    be those of the plain network, as in ``{"share_output": [False, True]}``.

    Not guarded against are folds and seeds that were tried until they pleased, and that
    the single targets too are looked at where their mean is best: with 3 or 6 depths and
    no difference at all, 5 or 7 % of simulated searches seemed to help or hurt some
    target. The gain of the best of several depths is a little too high on average; for an
    unbiased one, score it and depth 0 on rows that the search has not seen.

    Where `max_seconds` has ended fits too early (``cv_results_["n_cut_off"]``), by which a
    depth would be behind for that alone, it is not judged.

    "No clear difference" does not mean that there is none. The more rows there are, the
    smaller are the gains that can be told, and repeated folds add to it, as networks of
    several splits and seeds vary less in their mean:
    ``cv=RepeatedKFold(n_splits=5, n_repeats=4, random_state=0)``.

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
    sharing_gain : The numbers; with ``by="parameters"``, those of the other parameters.
    skmtl.inspection.SharingGainDisplay : A picture of them, by the same rule.

    References
    ----------
    C. W. Dunnett, "A Multiple Comparison Procedure for Comparing Several Treatments with a
    Control", Journal of the American Statistical Association 50, 1096-1121 (1955).

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
    sentences = [_of_the_mean(search, found), _of_targets(found.table)]
    if isinstance(search, GridSearchCV) and len(set(_gain.combinations(search))) > 1:
        sentences += _of_parameters(search)
    return " ".join(sentence for sentence in sentences if sentence)


def judgement(search, depth: int | None = None) -> Judgement:
    """Which gains of a depth are clear; None means the best depth that shares."""
    _gain.check_search(search)
    scored = _gain.scored(search)
    found = _gain.differences(search, "depth")
    by_depth = _leading_gains(scored, found)
    depths = _gain._depths(search)
    best = by_depth.idxmax()
    if hasattr(search, "best_index_"):
        best = depths[search.best_index_]
    depth = _depth_to_judge(depth, int(best), by_depth)
    table = _judged(scored, found[depth], depths, 0)
    n_cut_off = _n_cut_off(search, depths, [depth, 0])
    if n_cut_off:
        table["effect"] = CUT_OFF
    return Judgement(depth, int(best), len(by_depth) - 1, table, n_cut_off)


def _n_cut_off(search, labels, compared: Sequence[Hashable]) -> int:
    """How many fits of all candidates with one of these labels time has ended too early."""
    return int(_gain.n_cut_off(search)[pd.Series(labels).isin(compared)].sum())


def _leading_gains(scored: Scored, found: dict[Hashable, Differences]) -> pd.Series:
    leading = scored.names[scored.leading]
    gains = pd.Series({label: D.folds[leading].mean() for label, D in found.items()})
    return gains.fillna(-np.inf)


def _judged(scored: Scored, found: Differences, labels, base: Hashable) -> pd.DataFrame:
    """By target: the gain, how sure it is, and what it is called."""
    table = pd.DataFrame({"gain": found.folds.mean(), "se": found.se})
    table["n_gained"] = (found.folds > 0).sum()
    table["n_folds"] = found.folds.count()
    table["n"] = found.n
    main = _main(table.index)
    t, n = table["gain"] / table["se"], table["n"]
    p = pd.Series(2 * stats.t.sf(t.abs(), n - 1), table.index)
    others = p.index != main
    p[others] = _holm(p[others])
    gained = t[main] > 0
    p[main] = scored.chance(labels, base, t[main], n[main]) if gained else p[main] / 2
    kinds = np.where(table["gain"] > 0, HELPS, HURTS)
    kinds = np.where(p <= ALPHA, kinds, UNCLEAR)  # nor without a standard error: p is NaN
    table["effect"] = np.where(table["gain"].isna(), NO_SCORE, kinds)
    return table


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


def _holm(p: pd.Series) -> pd.Series:
    """Holm's adjusted p-values, which may exceed 1."""
    ascending = p.dropna().sort_values()
    return (ascending * np.arange(len(ascending), 0, -1)).cummax().reindex(p.index)


def _of_the_mean(search, found: Judgement) -> str:
    main = found.table.loc[_main(found.table.index)]
    layers = shared_layers(search, found.depth)
    if found.n_cut_off:
        return f"Whether sharing {layers} pays cannot be said. {_ended(found.n_cut_off)}"
    if main["effect"] == NO_SCORE:
        return f"Sharing {layers} and separate networks have no score on the same fold."
    opening, next_best = "", ""
    if found.best_depth == 0:
        opening = (
            f"Separate networks {'are' if main['effect'] == HURTS else 'score'} best. "
        )
        next_best = ", the next best," if found.n_depths > 1 else ""
    says = {HELPS: "pays", UNCLEAR: "makes no clear difference", HURTS: "does not pay"}
    verdict = f"Sharing {layers}{next_best} {says[main['effect']]}"
    return f"{opening}{verdict}{_how_much(search, main)}"


def _of_parameters(search) -> list[str]:
    """Whether the best of the other combinations of parameters beats the first one."""
    scored = _gain.scored(search)
    labels, first = _gain.labelled(search, "parameters")
    found = _gain.differences(search, "parameters")
    gains = _leading_gains(scored, found).drop(first)
    best = gains.idxmax()
    n_cut_off = _n_cut_off(search, labels, [best, first])
    if n_cut_off:
        return [f"Nor can other parameters be judged. {_ended(n_cut_off)}"]
    table = _judged(scored, found[best], labels, first)
    main = table.loc[_main(table.index)]
    subject, plain = (shortened(label, LABEL_WIDTH) for label in (best, first))
    if main["effect"] == NO_SCORE:
        return [f"At their best depths, {subject} and {plain} have no score on one fold."]
    says = {HELPS: "beats", UNCLEAR: "does not clearly differ from", HURTS: "loses to"}
    choice = f", the best of {len(gains)} others," if len(gains) > 1 else ""
    verdict = f"At its best depth, {subject}{choice} {says[main['effect']]} {plain}"
    return [f"{verdict}{_how_much(search, main)}", _of_targets(table)]


def _how_much(search, main: pd.Series) -> str:
    average = " on average" if main.name == MEAN else ""
    verb = "loses" if main["gain"] < 0 else "gains"
    error = "unknown" if np.isnan(main["se"]) else _rounded(main["se"])
    return (
        f"{average}: it {verb} {_rounded(abs(main['gain']))} in {_score_name(search)} "
        f"(standard error {error})."
    )


def _ended(n_cut_off: int) -> str:
    return (
        f"max_seconds ended {n_cut_off} of the fits to compare too early: give more "
        "seconds, or fewer depths, folds or rows."
    )


def _of_targets(table: pd.DataFrame) -> str:
    """Which targets gain and lose; nothing where there is only one."""
    targets = table.drop(index=MEAN, errors="ignore")
    if MEAN not in table.index or len(targets) < 2:
        return ""
    if (targets["effect"] == CUT_OFF).all():
        return ""
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
