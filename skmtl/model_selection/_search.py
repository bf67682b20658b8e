"""The search over the sharing depth."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Real
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
import sklearn
from joblib import effective_n_jobs, parallel_config
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_is_fitted

from .._estimators.fit_parameters import fit_parameters
from .._estimators.regressor import MultiTaskRegressor
from .._messages import listed
from .._number_checks import Number, is_int
from .._tables.labels import check_labels
from .._tables.targets import check_targets
from .._third_party import HasMethods, StrOptions
from .._types import Targets
from ..metrics import TargetScorer, target_scorers
from ..metrics._rows import SUMS_OVER_ROWS
from ._gain import configured, depth_parameters, sharing_gain
from ._row_scores import (
    Folds,
    gathered_as_expected,
    n_cut_off,
    row_scores,
    splitter_for,
)
from ._time import InTime, without

Scoring: TypeAlias = (
    str | Callable[..., Any] | Sequence[str] | Mapping[str, str | Callable[..., Any]] | None
)


class SharingDepthSearchCV(GridSearchCV):
    """Cross-validated search over how many hidden layers the targets share.

    A `GridSearchCV` that crosses every sharing depth with an optional grid of other
    parameters. Depth 0, a separate network for each target, is always among them: the
    yardstick by which `sharing_gain_` says what sharing does for each target.

    Parameters
    ----------
    estimator : estimator, default=None
        A `MultiTaskRegressor` or `MultiTaskClassifier`, or a Pipeline or other wrapper
        around one. None means ``MultiTaskRegressor()``.

    depths : "all" or sequence of int, default="all"
        Sharing depths to try; 0 is added. "all" is every depth from 0 to
        ``len(trunk_sizes) + len(head_sizes)``, less the last if `share_output` forbids
        it. Where `param_grid` varies the sizes, each network is tried at those of the
        depths that it has.

    param_grid : dict or list of dict, default=None
        Other parameters to try at each depth, as for `GridSearchCV`.

    cv : int, splitter or iterable of splits, default=5
        As for `GridSearchCV`. An int makes folds of neighbouring rows, or of whole
        `groups` if `fit` is given any (``GroupKFold``). For a table that
        is in some order, or has rare classes or seldom observed targets, give
        ``MultiTargetStratifiedKFold(5, random_state=0)``.

    scoring : str, callable, list, tuple, dict or None, default=None
        None means `skmtl.metrics.target_scorers()`: R2 per target and their mean, or, of
        a classifier, minus the log loss, which tells smaller differences than accuracy.
        Others are as for `GridSearchCV`; then `sharing_gain_` has a column per metric.

    n_jobs : int, default=None
        Number of fits at the same time. Threads share compiled programs:
        ``with joblib.parallel_config("threading"): search.fit(X, y)``. Every process of
        joblib's default backend imports TensorFlow first.

    refit : bool, str or callable, default=True
        Fit the best candidate to all rows. With target scorers, True means the best by
        "mean", and the name of a target means the best for that one. Else as for
        `GridSearchCV`.

    verbose : int, default=0
        From 1 on, joblib tells how many fits are done, on stderr; the rest is as for
        `GridSearchCV`. With scikit-learn 1.9,
        ``search.set_callbacks(sklearn.callback.ProgressBar())`` draws a bar.

    pre_dispatch : int or str, default="2*n_jobs"
        As for `GridSearchCV`.

    error_score : "raise" or float, default=nan
        As for `GridSearchCV`.

    return_train_score : bool, default=False
        As for `GridSearchCV`.

    max_seconds : float or None, default=None
        Seconds for the whole search, `refit` included. Each fit gets an even share of what
        is left, as `max_seconds` of the estimator, whose own it replaces: it ends in time
        with the best network so far and a ConvergenceWarning. Fits that stop earlier leave
        their time to later ones. ``cv_results_["max_seconds"]`` has the seconds of each
        candidate's fits, and, with target scorers, ``cv_results_["n_cut_off"]`` how many of
        these ended too early to judge the candidate by them (``cut_off_`` of the
        estimator): `sharing_verdict` then says nothing about its depth. Too little time is
        no error, but takes longer: every architecture is compiled, and every fit runs an
        epoch and gets half of an even share of all at least. A wrapper that fits several
        networks takes as many times as long. Results depend on how quick the machine is.
        Candidates are evaluated a few at a time:
        ``parallel_config("dask", scatter=[X, y])`` keeps the table from being sent each
        time. None is no limit.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, best_index_, scorer_, \
            n_splits_, refit_time_, multimetric_, n_features_in_, feature_names_in_
        As for `GridSearchCV`. With target scorers, `cv_results_` has
        ``mean_test_<target>``, ``split0_test_<target>``, ... beside ``mean_test_mean``.

    row_scores_ : ndarray of shape (n_candidates, n, 1 + T), or None
        What each row contributes to the mean over the folds of each target scorer, up to a
        constant; of each group, if `fit` was given `groups`. NaN where a row has no part
        in a score. None where that is not known; see `sharing_gain`. Where all rows would
        take more than 32 MB, the n entries are sums over rows that were drawn at random,
        which serve `sharing_gain` as well.

    sharing_gain_ : DataFrame
        Gain of each depth over separate networks, per target, with its standard error
        and the number of folds that gained; see `sharing_gain`.

    See Also
    --------
    sharing_gain : The same table for any of scikit-learn's searches.
    sklearn.model_selection.GridSearchCV : The search itself.

    Examples
    --------
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.model_selection import SharingDepthSearchCV
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(
    ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
    ... )
    >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
    >>> [candidate["sharing_depth"] for candidate in search.cv_results_["params"]]
    [0, 1, 2]
    >>> search.predict(X[:2]).shape
    (2, 2)
    >>> search.sharing_gain_["n_gained"].columns.tolist()
    ['mean', 'heating_load', 'cooling_load']
    """

    __module__ = "skmtl.model_selection"  # the public place, for files

    _parameter_constraints: ClassVar[dict] = {
        **GridSearchCV._parameter_constraints,
        "estimator": [None, HasMethods(["fit"])],
        "depths": [StrOptions({"all"}), "array-like"],
        "param_grid": [None, dict, list],
        "max_seconds": [Number(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        depths: Literal["all"] | Sequence[int] = "all",
        param_grid: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        cv: Any = 5,
        scoring: Scoring = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[..., Any] = True,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
        max_seconds: float | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.depths = depths
        self.max_seconds = max_seconds

    def fit(self, X: ArrayLike, y: Targets | None = None, **params: Any) -> Self:
        """Cross-validate every candidate, and fit the best to all rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T)
            Two or more targets; NaN means "not observed". With ``depths=[0]``, which
            shares nothing, one will do, also of shape (n,).
        **params : dict
            As for `GridSearchCV`, such as ``sample_weight``. Of ``groups``, shape (n,), no
            row is on both sides: of a fold, and of the rows that networks hold out for
            early stopping, which get them as well (with metadata routing, if they request
            them).

        Returns
        -------
        self : SharingDepthSearchCV

        Raises
        ------
        ValueError
            If the estimator has no sharing depth, if no candidate has as many hidden
            layers as `depths` asks for, if `param_grid` holds the sharing depth, if y is
            not numeric or holds infinity (or, of a classifier, no labels), or if it is a
            single target.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(
        ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
        ... )
        >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
        >>> sorted(search.best_params_)
        ['sharing_depth']
        """
        self._validate_params()
        search = self._spelt_out()
        vars(search).pop("row_scores_", None)  # of an earlier fit
        search.param_grid = _candidates(search.estimator, self.depths, self.param_grid)
        if self.max_seconds is not None:
            _check_time_is_free(search)
        # Now, rather than as a warning after the fits.
        if is_classifier(search.estimator):
            columns, one_dimensional = check_labels(y, estimator=self)
            shape = (len(columns[0]), len(columns))
        else:
            Y, one_dimensional = check_targets(y, estimator=self)
            shape = Y.shape
        # Of rows: labels of several targets cannot all be stratified.
        search.cv = Folds(splitter_for(self.cv, params.get("groups")))
        if shape[1] == 1:
            _check_nothing_shared(search, shape[:1] if one_dimensional else shape)
        if y is not None and isinstance(search.scoring, TargetScorer):
            search.scoring.names_of(y)
        with parallel_config(verbose=10) if self.verbose else nullcontext():
            super(SharingDepthSearchCV, search).fit(X, y, **params)
        if not hasattr(search, "row_scores_"):
            search.row_scores_ = None
            warnings.warn(
                f"scikit-learn {sklearn.__version__} does not gather the scores of a "
                "search as skmtl expects. So row_scores_ is None, and sharing_gain and "
                "sharing_verdict go by the folds alone, which tell fewer gains. Look for a "
                "newer skmtl, or install the scikit-learn that it was made for.",
                UserWarning,
                stacklevel=2,
            )
        search.cv.forget()  # no longer needed, and kept with the search
        if self.max_seconds is not None:  # that of the last fit
            for candidate in search.cv_results_["params"]:
                candidate.pop(_of_network(search.estimator, "max_seconds"))
        parameters = self.get_params(deep=False)
        self.__dict__.update({k: v for k, v in vars(search).items() if k not in parameters})
        return self

    def _get_routed_params_for_fit(self, params):
        # scikit-learn's own, and private: without routing, groups are for folds alone.
        routed = super()._get_routed_params_for_fit(params)
        if not get_config()["enable_metadata_routing"]:
            own = fit_parameters(self.estimator, groups=params.get("groups"))
            routed.estimator.fit = {**routed.estimator.fit, **own}
        return routed

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        # Before scikit-learn 1.9 there are no callbacks.
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        if self.max_seconds is not None:
            # Now, for TensorFlow's import takes seconds that are no fit's.
            from .. import _training  # noqa: F401

            evaluate_candidates = InTime(
                evaluate_candidates,
                self.max_seconds,
                parameter=_of_network(self.estimator, "max_seconds"),
                n_splits=self.cv.n_splits,
                n_workers=effective_n_jobs(self.n_jobs),
                refit=bool(self.refit),
            )
        super()._run_search(evaluate_candidates, **context)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        # scikit-learn's own, and private: nothing public passes on more than numbers.
        if self.max_seconds is not None:
            name = _of_network(self.estimator, "max_seconds")
            candidate_params = [without(name, p) for p in candidate_params]
        results = super()._format_results(candidate_params, n_splits, out, more_results)
        _check_any_scored(results, self.refit, n_splits)
        expected = getattr(self.scoring, "metric", None) in SUMS_OVER_ROWS
        if gathered_as_expected(out, results, self.cv, expected):
            self.row_scores_ = row_scores(out, self.cv)
            if self.max_seconds is not None:
                results["n_cut_off"] = n_cut_off(out, n_splits)
        return results

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict all targets with the best estimator.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(
        ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
        ... )
        >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
        >>> search.predict(X).shape
        (768, 2)
        """
        return super(SharingDepthSearchCV, self._spelt_out()).predict(X)

    def score(self, X: ArrayLike, y: Targets | None = None, **params: Any) -> float:
        """Score of the best estimator, by the metric that it was chosen by.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            True targets.
        **params : dict
            As for `GridSearchCV`.

        Returns
        -------
        float
            With target scorers, the mean over targets.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(
        ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
        ... )
        >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
        >>> search.score(X, y) < 1.0
        True
        """
        return super(SharingDepthSearchCV, self._spelt_out()).score(X, y, **params)

    @property
    def sharing_gain_(self) -> pd.DataFrame:
        """Gain of each depth over separate networks, per target.

        Examples
        --------
        >>> from skmtl import MultiTaskRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> model = MultiTaskRegressor(
        ...     trunk_sizes=(16,), head_sizes=(8,), epochs=5, random_state=0
        ... )
        >>> search = SharingDepthSearchCV(model, cv=3).fit(X, y)
        >>> search.sharing_gain_.index.tolist()
        [0, 1, 2]
        """
        check_is_fitted(self)
        return sharing_gain(self)

    def get_metadata_routing(self) -> MetadataRouter:
        """How metadata such as sample weights is passed on; see scikit-learn's guide.

        Returns
        -------
        MetadataRouter

        Examples
        --------
        >>> from skmtl.model_selection import SharingDepthSearchCV
        >>> SharingDepthSearchCV().get_metadata_routing().owner.__class__.__name__
        'SharingDepthSearchCV'
        """
        search = self._spelt_out()
        return super(SharingDepthSearchCV, search).get_metadata_routing()

    def __sklearn_tags__(self):
        search = self._spelt_out()
        tags = super(SharingDepthSearchCV, search).__sklearn_tags__()
        own = get_tags(search.estimator)
        tags.target_tags = own.target_tags
        tags.input_tags.allow_nan = own.input_tags.allow_nan
        return tags

    def _sk_visual_block_(self):
        return super(SharingDepthSearchCV, self._spelt_out())._sk_visual_block_()

    def _spelt_out(self):
        """A copy with what None and True stand for, so that GridSearchCV can go by it."""
        search = copy.copy(self)
        if search.estimator is None:
            search.estimator = MultiTaskRegressor()
            if get_config()["enable_metadata_routing"]:
                search.estimator.set_fit_request(groups=True, sample_weight=True)
                search.estimator.set_score_request(sample_weight=True)
        if search.scoring is None:
            metric = "neg_log_loss" if is_classifier(search.estimator) else "r2"
            search.scoring = target_scorers(metric=metric)
        if search.refit is True and isinstance(search.scoring, TargetScorer):
            search.refit = "mean"
        return search


def _check_any_scored(results: dict, refit, n_splits: int) -> None:
    """Of candidates without a score, scikit-learn would take the first for the best."""
    name = refit if isinstance(refit, str) else "score"
    if not np.isnan(results.get(f"mean_test_{name}", 0.0)).all():
        return
    splits = range(n_splits)
    empty = [k for k in splits if np.isnan(results[f"split{k}_test_{name}"]).all()]
    where = f": there is none in fold {', '.join(map(str, empty))}" if empty else ""
    raise ValueError(
        f"No candidate has a score on all folds, so that none is best{where}. If a fit "
        "failed, a warning says why. If a target is not observed everywhere, choose folds "
        "that leave some rows of each, such as "
        "skmtl.model_selection.MultiTargetStratifiedKFold()."
    )


def _candidates(estimator, depths, param_grid) -> list[dict]:
    """Every combination of the grid crossed with the depths, as a grid of its own."""
    name = _depth_parameter(estimator)
    asked = None if isinstance(depths, str) else _check_depths(depths)
    grids, most = [], 0
    for combination in ParameterGrid(param_grid or {}):
        if name in combination:
            raise ValueError(
                f"param_grid holds {name!r}: give the sharing depths as depths=[...]."
            )
        deepest = _deepest(configured(estimator, combination), name)
        most = max(most, deepest)
        allowed = range(deepest + 1) if asked is None else asked
        grid = {key: [value] for key, value in combination.items()}
        grids.append({**grid, name: [depth for depth in allowed if depth <= deepest]})
    if asked and max(asked) > most:
        raise ValueError(
            f"depths holds {max(asked)}, but the targets can share at most {most} hidden "
            "layers: choose from 0 to that, or give the estimator more layers."
        )
    return grids


def _of_network(estimator, parameter: str) -> str:
    """What a parameter of the network is called, by that of its sharing depth."""
    return _depth_parameter(estimator).removesuffix("sharing_depth") + parameter


def _check_time_is_free(search) -> None:
    name = _of_network(search.estimator, "max_seconds")
    if any(name in grid for grid in search.param_grid):
        raise ValueError(
            f"param_grid holds {name!r}, which max_seconds={search.max_seconds} of the "
            "search sets for every fit: give one or the other."
        )


def _depth_parameter(estimator) -> str:
    """Name of the sharing depth among the parameters of an estimator."""
    found = depth_parameters(estimator.get_params())
    outermost = [name for name in found if name.count("__") == found[0].count("__")]
    if not outermost:
        raise ValueError(
            f"{type(estimator).__name__} has no parameter sharing_depth: estimator must be "
            "a MultiTaskRegressor or MultiTaskClassifier, or a Pipeline or other wrapper "
            "around one."
        )
    if len(outermost) > 1:
        raise ValueError(
            f"{type(estimator).__name__} has the {listed('parameter', outermost)}: which "
            "one to search is not clear. Use GridSearchCV and sharing_gain."
        )
    return outermost[0]


def _check_nothing_shared(search, shape: tuple[int, ...]) -> None:
    """A single target has no other to share with: every depth is the same network."""
    name = _depth_parameter(search.estimator)
    if max(depth for grid in search.param_grid for depth in grid[name]) == 0:
        return
    sizes = _of_network(search.estimator, "trunk_sizes")
    raise ValueError(
        f"y has a single target (shape {shape}), which can share no layer with another: "
        "expected two or more columns. For one target, search other parameters with "
        f"GridSearchCV, for example {{{sizes!r}: [(64,), (64, 64)]}}."
    )


def _check_depths(depths) -> list[int]:
    if not all(is_int(depth) and depth >= 0 for depth in depths):
        raise ValueError(
            f"depths must be 'all' or a sequence of ints from 0 on, got {depths!r}."
        )
    return sorted({0, *map(int, depths)})


def _deepest(parameters: dict, name: str) -> int:
    """The most hidden layers that targets can share, by an estimator's parameters."""
    prefix = name.removesuffix("sharing_depth")
    sizes = [*parameters[f"{prefix}trunk_sizes"], *parameters[f"{prefix}head_sizes"]]
    return max(len(sizes) - bool(parameters[f"{prefix}share_output"]), 0)


# Its examples are run though it says that it is from elsewhere.
__test__ = {"SharingDepthSearchCV": SharingDepthSearchCV}
