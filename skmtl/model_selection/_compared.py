"""Models of several kinds on the same folds: what each row contributes to their scores."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import (
    _safe_indexing,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils.validation import check_is_fitted

from .._number_checks import is_int
from ..ensemble import MultiTaskStackingClassifier, MultiTaskStackingRegressor
from ..ensemble._base import check_table
from ..ensemble._folds import folds_of
from ..ensemble._names import LARGEST_SEED, named_parts
from ..ensemble._parts import FittedPart, are_many
from ..ensemble._targets import Targets
from ..ensemble._trees import boosted_trees, linear
from ..metrics import target_scorers
from . import _gain
from ._differences import Scored
from ._row_scores import Folds, of_equal_portions, row_scores, splitter_for
from ._search import SharingDepthSearchCV, _candidates, _depth_parameter
from ._time import made_by

MEAN, BOOSTED = "mean", "boosted trees"


class Compared(NamedTuple):
    """The models on the same folds."""

    names: list[str]
    depths: list[int | None]  # of each model, None if it is no network of the estimator's
    scored: Scored
    test_ratio: float
    metric: str
    left_out: list[str]  # models whose fits would not have ended in time
    cut_off: list[str]  # networks of whose fits time has ended some too early
    others: dict[str, Any]  # by name, what is no network of the estimator's, not fitted
    n_units: int  # rows, or groups


class _OnFold(NamedTuple):
    """A fitted part, as scorers know estimators."""

    part: FittedPart
    targets: Targets

    @property
    def classes_(self):
        return self.targets.classes

    def predict(self, X) -> np.ndarray:
        return self.part.predict(X, np.ones(self.targets.n_targets, dtype=bool))

    def predict_proba(self, X) -> list[np.ndarray]:
        wanted = np.ones(self.targets.n_targets, dtype=bool)
        return self.part.probabilities(X, wanted, self.targets.classes)


def compare(
    estimator,
    X,
    y,
    models,
    depths,
    cv,
    sample_weight,
    groups,
    n_jobs,
    random_state,
    max_seconds=None,
) -> Compared:
    """Fit all models without each fold, and score them on it.

    Those that would take more than ``max_seconds`` in all are left out, but the first.
    """
    classify = is_classifier(estimator)
    metric = "neg_log_loss" if classify else "r2"
    networks: dict[int, tuple[str, Any]] = {}
    if isinstance(estimator, SharingDepthSearchCV):
        cv = _folds_of_search(estimator, metric, groups)
    else:
        networks = _networks(estimator, depths)
    kind = MultiTaskStackingClassifier if classify else MultiTaskStackingRegressor
    # A stack whose parts are compared, not mixed.
    stack = kind(cv=cv, n_jobs=n_jobs, random_state=random_state)
    X = check_table(stack, X, reset=True)
    targets = stack._read_targets(y, sample_weight, groups)
    check_consistent_length(X, targets.Y, targets.groups)
    others = _others(models, classify, are_many(targets))
    stack.set_params(estimators=[*others, *networks.values()])
    rng = check_random_state(random_state)
    parts = named_parts(stack, X, targets, rng)
    folds = folds_of(cv, X, y, targets, rng.randint(LARGEST_SEED))
    trains = [train for train, _ in folds]
    fitted = _fitted(stack, parts, X, targets, trains, max_seconds)
    scores = _scores(fitted.values(), X, targets, folds, metric)
    remembered = _remembered(cv, folds, groups, len(targets.Y))
    depth_of = {name: depth for depth, (name, _) in networks.items()}
    found = Compared(
        names=list(fitted),
        depths=[depth_of.get(name) for name in fitted],
        scored=_scored(scores, remembered),
        test_ratio=float(np.mean([len(test) / len(train) for train, test in folds])),
        metric=metric,
        left_out=[name for name, _ in parts if name not in fitted],
        cut_off=[],
        others=dict(others),
        n_units=remembered.n_units,
    )
    if isinstance(estimator, SharingDepthSearchCV):
        return with_search(found, estimator, depths)
    return found


def _fitted(stack, parts, X, targets, trains, max_seconds) -> dict[str, list[FittedPart]]:
    """Of each model by its name, a fit to each of these rows, if there is time for all."""
    if max_seconds is None:
        fits = {name: [(part, rows) for rows in trains] for name, part in parts}
        return stack._fit_parts(fits, X, targets)
    end, n_workers = time.perf_counter() + max_seconds, effective_n_jobs(stack.n_jobs)
    rounds = [trains[k : k + n_workers] for k in range(0, len(trains), n_workers)]
    found: dict[str, list[FittedPart]] = {}
    for part in parts:
        fit = partial(_fits_of, stack, part, X, targets)
        fitted = made_by(end if found else np.inf, fit, rounds)
        if fitted is not None:
            found[part[0]] = [one for of_round in fitted for one in of_round]
    return found


def _fits_of(stack, named, X, targets, trains) -> list[FittedPart]:
    name, part = named
    fits = {name: [(part, rows) for rows in trains]}
    return stack._fit_parts(fits, X, targets)[name]


def _folds_of_search(search: SharingDepthSearchCV, metric: str, groups):
    """The splitter of a search, which makes the same folds again."""
    check_is_fitted(search, "cv_results_")
    if _gain.metric_of(search) != metric:
        raise ValueError(
            f"The search was scored by {_gain.metric_of(search)!r}, but models are "
            f"compared by {metric!r}: leave scoring out, or give the estimator itself."
        )
    splitter = splitter_for(search.cv, groups)
    drawn = getattr(splitter, "shuffle", hasattr(splitter, "random_state"))
    if drawn and not is_int(getattr(splitter, "random_state", 0)):
        raise ValueError(
            f"The folds of the search cannot be made again: {splitter}. Give its cv a "
            "random_state that is an int, or give the estimator itself."
        )
    return splitter


def with_search(found: Compared, search: SharingDepthSearchCV, depths) -> Compared:
    """The best candidate of each depth, as the search has scored it, beside the others."""
    own, others = _gain.scored(search), found.scored
    if own.names != others.names or len(own.folds) != len(others.folds):
        raise ValueError(
            f"X and y are not those of the search: it has the scores {own.names} on "
            f"{len(own.folds)} folds, here they are {others.names} on {len(others.folds)}."
        )
    searched = _gain._depths(search)
    kept = sorted(set(searched.tolist()) if depths is None else set(depths))
    absent = set(kept) - set(searched.tolist())
    if absent:
        raise ValueError(f"depths holds {sorted(absent)}, which the search does not have.")
    cut_off = searched[_gain.n_cut_off(search) > 0]
    candidates = [own.best_of(searched == depth)[0] for depth in kept]
    rows = None
    if own.rows is not None and others.rows is not None:
        tables = of_equal_portions([others.rows, own.rows[candidates]], found.n_units)
        if tables is None:
            raise ValueError(
                "X, y and groups are not those of the search: here are "
                f"{found.n_units} rows or groups, there {len(own.rows[0])}."
            )
        rows = np.concatenate(tables)
    folds = np.concatenate([others.folds, own.folds[..., candidates]], axis=2)
    scored = Scored(own.names, folds, rows, np.zeros(folds.shape[2], dtype=int), 0)
    return found._replace(
        names=[*found.names, *map(_network_of, kept)],
        depths=[*found.depths, *kept],
        scored=scored,
        cut_off=[_network_of(depth) for depth in kept if depth in cut_off],
    )


def _networks(estimator, depths) -> dict[int, tuple[str, Any]]:
    """The estimator at each depth, with a name."""
    name = _depth_parameter(estimator)
    (grid,) = _candidates(estimator, "all" if depths is None else depths, None)
    # A search adds depth 0, which separate networks are: here nothing hangs on it.
    kept = [d for d in grid[name] if depths is None or d in set(depths)]
    return {
        depth: (_network_of(depth), clone(estimator).set_params(**{name: depth}))
        for depth in kept
    }


def _network_of(depth: int) -> str:
    return f"network, depth {depth}"


def _others(models, classify: bool, many: bool) -> list[tuple[str, Any]]:
    if models is None:
        line = "logistic regression" if classify else "ridge regression"
        models = [(line, linear(classify)), (BOOSTED, boosted_trees(classify, many))]
    mean = DummyClassifier(strategy="prior") if classify else DummyRegressor()
    return [(MEAN, mean), *models]


def _scores(fitted, X, targets: Targets, folds, metric: str) -> list[list[dict]]:
    """Of each model on each fold."""
    scorer = target_scorers(list(map(str, targets.names)), metric)
    parts = [(_safe_indexing(X, test), targets.rows(test)) for _, test in folds]
    return [
        [
            scorer(_OnFold(model, targets), X_test, own.with_holes(), _weights(own))
            for model, (X_test, own) in zip(of_model, parts, strict=True)
        ]
        for of_model in fitted
    ]


def _scored(scores: list[list[dict]], folds: Folds) -> Scored:
    rows = row_scores([{"test_scores": own} for of in scores for own in of], folds)
    by_fold = np.array([[list(own.values()) for own in of] for of in scores])
    labels = np.zeros(len(scores), dtype=int)
    return Scored(list(scores[0][0]), by_fold.transpose(1, 2, 0), rows, labels, 0)


def _weights(targets: Targets) -> np.ndarray | None:
    if not targets.weighted:
        return None
    return targets.W[:, 0] if targets.one_dimensional else targets.W


def _remembered(cv, folds, groups, n_rows: int) -> Folds:
    """The folds as `row_scores` takes them: of rows, or of groups."""
    found = Folds(KFold(cv) if is_int(cv) else check_cv(cv))
    found.remember([test for _, test in folds], groups, n_rows)
    return found
