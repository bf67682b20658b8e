"""What a search over the sharing depth has found, as the pictures need it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ..model_selection import _gain


class SearchedDepths(NamedTuple):
    depths: np.ndarray  # (D,) ascending
    scores: np.ndarray  # (D, K) of the candidate that stands for the depth, on each fold
    target_scores: pd.DataFrame  # (D, T) means over folds; no columns without target scores
    best_depth: int
    score_name: str


def searched_depths(search) -> SearchedDepths:
    """The best candidate of each depth, by the metric that the search goes by."""
    check_is_fitted(search, "cv_results_")
    depths = _gain._depths(search)
    scored = _gain.scored(search)
    each = np.unique(depths)
    candidates = [scored.best_of(depths == depth)[0] for depth in each]
    by_candidate = scored.folds[:, :, candidates].swapaxes(0, 1)
    by_name = dict(zip(scored.names, by_candidate, strict=True))
    target_scores = pd.DataFrame(index=each)
    by_fold = by_name[scored.names[scored.leading]].T
    if "mean" in by_name:
        by_fold = by_name.pop("mean").T
        target_scores = pd.DataFrame(
            {name: pd.DataFrame(s).mean() for name, s in by_name.items()}
        ).set_axis(each)
    if hasattr(search, "best_index_"):
        best = depths[search.best_index_]
    else:
        best = each[pd.DataFrame(by_fold).mean(axis=1).fillna(-np.inf).argmax()]
    return SearchedDepths(each, by_fold, target_scores, int(best), _score_name(search))


def _score_name(search) -> str:
    metric = _gain.metric_of(search)
    if not isinstance(metric, str):
        return "Score"
    if metric == "r2":
        return "R²"
    return metric.replace("neg_", "negative ").replace("_", " ").capitalize()
