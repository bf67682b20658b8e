"""What sharing gains over separate networks, from the folds of a search."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import check_is_fitted

from .._messages import listed
from ._differences import Scored

if TYPE_CHECKING:  # not public in scikit-learn
    from sklearn.model_selection._search import BaseSearchCV


def sharing_gain(
    search: BaseSearchCV,
    *,
    by: Literal["depth", "parameters"] = "depth",
    test_ratio: float | None = None,
) -> pd.DataFrame:
    """Gain of every sharing depth over separate networks on the same folds, per target.

    For each depth, the score minus that of depth 0 on the same fold is averaged over the
    K folds. A `SharingDepthSearchCV` keeps what each row contributes to the scores, so the
    mean is also a sum over the n rows, of the differences d_i that each row makes in all
    the folds that tested it. Rows that are drawn independently give the standard error ::

        se = sqrt( (1 + n_test/n_train) * n * var_i(d_i) )

    The first factor allows for what the networks owe to the rows they were trained on, as
    Nadeau & Bengio's does below. In simulations, gains were then as far from the truth as
    their standard errors say, and these about half of what folds alone give. Other
    searches know only their folds, and so does this one if it was given another scorer
    than `target_scorers`, one whose metric is not a sum over rows (such as "roc_auc" or a
    root mean squared error), or a ``TimeSeriesSplit``, or if a fit failed. Training sets
    of different folds overlap, so their differences vary less than independent ones
    would, and the standard error is corrected for it (Nadeau & Bengio
    2003)::

        se = sqrt( (1/K + n_test/n_train) * var_k(difference_k) )

    Parameters
    ----------
    search : fitted SharingDepthSearchCV, GridSearchCV or another of scikit-learn's searches
        Its candidates vary one parameter called ``sharing_depth``, or ending in
        ``__sharing_depth`` as in a Pipeline, and include depth 0. With
        ``scoring=target_scorers()`` there is a column per target; with other scorings
        one per metric, called "score" if there is only one. Where other parameters vary
        too, the best candidate of each depth stands for it: by the metric that `refit`
        names, else by the first, which is "mean" for `target_scorers`. A successive
        halving compares each depth with depth 0 in the last iteration that has both.
    by : {"depth", "parameters"}, default="depth"
        With "parameters", the table has a row for every combination of the parameters that
        were searched beside the depth, such as ``n_bins=0``, and the yardstick is the
        combination that comes first: the first value of each. Each is compared at the
        depth that is best for it.
    test_ratio : float, default=None
        Test rows per training row, n_test/n_train. None means the mean over the folds if
        the search's `cv` is a list of them, (train, test), and else that of K-fold
        cross-validation, repeated or not, 1/(K-1). Give it for splitters that draw their
        test rows independently, such as 1/9 for ``ShuffleSplit(test_size=0.1)``.

    Returns
    -------
    DataFrame of shape (n_depths, 3 * (T + 1))
        Index: "sharing_depth" (or "parameters"). Columns: statistic and target, where the
        target is "mean" or its name, and the statistic

        - "gain": mean difference over folds, in units of the score;
        - "se": its standard error;
        - "n_gained": number of folds with a positive difference.

        Folds in which a target has no score (NaN) are left out.

    Raises
    ------
    ValueError
        If the search does not vary the sharing depth or lacks depth 0, or, with
        ``by="parameters"``, varies nothing else.

    Notes
    -----
    Rows that belong together, such as visits of one patient, are no evidence of their own.
    Give `fit` their `groups`, with a splitter such as ``GroupKFold``: then each group, not
    each row, counts as one of the n.

    References
    ----------
    C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine Learning
    52, 239-281 (2003).

    P. Bayle, A. Bayle, L. Janson and L. Mackey, "Cross-validation Confidence Intervals for
    Test Error", NeurIPS (2020): the error from single rows, for stable learners.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.model_selection import SharingDepthSearchCV, sharing_gain
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(epochs=5, random_state=0)
    >>> search = SharingDepthSearchCV(
    ...     model, depths=[1, 3], param_grid={"n_bins": [0, 4]}, cv=3
    ... ).fit(X, y)
    >>> search.sharing_gain_["gain"].columns.tolist()
    ['mean', 'heating_load', 'cooling_load']
    >>> search.sharing_gain_.index.tolist()
    [0, 1, 3]
    >>> sharing_gain(search, by="parameters").index.tolist()
    ['n_bins=0', 'n_bins=4']
    """
    check_search(search)
    found = differences(search, by, test_ratio)
    statistics = {
        "gain": {label: D.folds.mean() for label, D in found.items()},
        "se": {label: D.se for label, D in found.items()},
        "n_gained": {label: (D.folds > 0).sum() for label, D in found.items()},
    }
    return pd.concat(
        {statistic: pd.DataFrame(rows).T for statistic, rows in statistics.items()},
        axis=1,
        names=["statistic", "target"],
    ).rename_axis("sharing_depth" if by == "depth" else by)


def check_search(search) -> None:
    """It is a fitted search, and no estimator that might be searched."""
    if not (hasattr(search, "cv") or hasattr(search, "cv_results_")):
        raise TypeError(
            "search must be a fitted search over sharing_depth, such as "
            f"SharingDepthSearchCV(...).fit(X, y), got {type(search).__name__}."
        )
    check_is_fitted(search, "cv_results_")


def differences(search, by: str, test_ratio: float | None = None) -> dict:
    """Each depth less depth 0, or each combination of other parameters less the first."""
    labels, base = labelled(search, by)
    if test_ratio is None:
        test_ratio = _test_ratio(search)
    found = scored(search).between(labels, base, test_ratio)
    return dict(sorted(found.items())) if by == "depth" else found


def labelled(search, by: str) -> tuple[list, Hashable]:
    """What is compared, by candidate, and which of it is the yardstick."""
    depths = _depths(search)
    if by == "depth":
        return depths.tolist(), 0
    if by != "parameters":
        raise ValueError(f"by must be 'depth' or 'parameters', got {by!r}.")
    labels = combinations(search)
    if len(set(labels)) < 2:
        raise ValueError(
            "by='parameters' needs a search that varies another parameter than the sharing "
            "depth: give it param_grid={'n_bins': [0, 8]}, for example."
        )
    return labels, labels[0]


def combinations(search) -> list[str]:
    """By candidate, its values of the parameters other than the depth."""
    candidates = search.cv_results_["params"]
    varied = sorted({name for parameters in candidates for name in parameters})
    others = [name for name in varied if name not in depth_parameters(varied)]
    return [
        ", ".join(f"{n.split('__')[-1]}={p[n]!r}" for n in others if n in p)
        for p in candidates
    ]


def scored(search) -> Scored:
    """The candidates of a search, as far as they were scored."""
    names, scores = _fold_scores(search.cv_results_, search.n_splits_)
    rows = getattr(search, "row_scores_", None)
    return Scored(names, scores, rows, _iterations(search), _leading(search, names))


def n_cut_off(search) -> np.ndarray:
    """How many fits of each candidate time has ended too early, as far as it is known."""
    results = search.cv_results_
    none = np.zeros(len(results["params"]), dtype=int)
    return np.asarray(results.get("n_cut_off", none))


def depth_parameters(names: Iterable[str]) -> list[str]:
    """Those of an estimator's parameters that are sharing depths, the outermost first."""
    found = [name for name in names if f"__{name}".endswith("__sharing_depth")]
    return sorted(found, key=lambda name: name.count("__"))


def configured(estimator, parameters: dict) -> dict:
    """All parameters of an estimator once these are set."""
    copy = clone(estimator).set_params(**clone(parameters, safe=False))
    return copy.get_params()


def _depths(search) -> np.ndarray:
    """Sharing depth of each candidate."""
    candidates = search.cv_results_["params"]
    varied = depth_parameters({name for parameters in candidates for name in parameters})
    if len(varied) != 1:
        found = listed("parameter", varied) if varied else "none"
        raise ValueError(
            "sharing_gain needs a search over one parameter called sharing_depth, or "
            f"ending in __sharing_depth; this one varies {found}."
        )
    (name,) = varied
    depths = []
    for parameters in candidates:
        depth = parameters.get(name)
        if depth is None:  # the estimator's own, or what the two tuples spell out
            parameters = configured(search.estimator, parameters)
            trunk = parameters[name.removesuffix("sharing_depth") + "trunk_sizes"]
            depth = len(trunk) if parameters[name] is None else parameters[name]
        depths.append(int(depth))
    if 0 not in depths:
        raise ValueError(
            "The search has no candidate with sharing_depth=0, separate networks, to "
            f"compare with, but {sorted(set(depths))}: search depth 0 as well."
        )
    return np.array(depths)


def _test_ratio(search) -> float:
    """Test rows per training row, of the folds as listed or else of K-fold."""
    if isinstance(search.cv, list | tuple):
        ratios = [_n_rows(test) / _n_rows(train) for train, test in search.cv]
        return float(np.mean(ratios))
    n_folds = search.n_splits_ / getattr(search.cv, "n_repeats", 1)
    return 1 / max(n_folds - 1, 1)


def _n_rows(part) -> int:
    """How many rows there are in a part of a table, given as numbers or as a mask."""
    part = np.asarray(part)
    return int(part.sum()) if part.dtype == bool else len(part)


def _fold_scores(results: dict, n_folds: int) -> tuple[list[str], np.ndarray]:
    """Names of the scores, and the scores (folds, names, candidates)."""
    first = "split0_test_"
    names = [key.removeprefix(first) for key in results if key.startswith(first)]
    scores = [
        [results[f"split{fold}_test_{name}"] for name in names] for fold in range(n_folds)
    ]
    return names, np.array(scores)


def metric_of(search):
    """What a search was scored by: a metric's name, or whatever else it was given."""
    if search.scoring is not None:
        return getattr(search.scoring, "metric", search.scoring)
    own = "accuracy" if is_classifier(search) else "r2"  # of the estimator
    return getattr(getattr(search, "scorer_", None), "metric", own)


def _leading(search, names: list[str]) -> int:
    """Index of the score that a search goes by."""
    return names.index(search.refit) if search.refit in names else 0


def _iterations(search) -> np.ndarray:
    """Iteration of each candidate of a successive halving; 0 in other searches."""
    results = search.cv_results_
    return np.asarray(results.get("iter", np.zeros(len(results["params"]), dtype=int)))
