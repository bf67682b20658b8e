"""What the stacks have in common: named parts, folds, weights, fitted models."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from itertools import islice
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MultiOutputMixin
from sklearn.utils import (
    Bunch,
    _safe_indexing,
    check_array,
    check_consistent_length,
    check_random_state,
    get_tags,
)
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from .._all_or_nothing import all_or_nothing
from .._number_checks import Number
from .._tables.containers import as_table
from .._tables.groups import as_groups
from .._tables.holes_and_weights import cell_weights, check_observed
from .._tables.targets import target_names
from .._third_party import BaseComposition
from .._types import RandomState
from .._types import Targets as TargetsLike
from ._folds import folds_of, is_one_part
from ._names import LARGEST_SEED, default_parts, is_dropped, named_parts
from ._parts import FittedPart, as_of_whole, fit_part, holds_out
from ._targets import Targets
from ._weighing import weigh


class BaseStacking(MultiOutputMixin, BaseComposition, metaclass=ABCMeta):
    """Several estimators, and a mean of their predictions with weights for each target.

    Subclasses say what targets are, and how good a prediction is.
    """

    n_features_in_: int
    feature_names_in_: NDArray[Any]
    n_outputs_: int
    target_names_: NDArray[Any]
    estimators_: list[Any]
    named_estimators_: Bunch
    weights_: pd.DataFrame
    weights_std_: pd.DataFrame
    out_of_fold_scores_: pd.DataFrame
    _takes_holes = True  # as a part of another stack
    _fitted: list[list[FittedPart]]  # of each part: one, or one of each fold
    _classes: Any  # labels of each target, None where targets are numbers
    _one_dimensional: bool

    _parameter_constraints: ClassVar[dict] = {
        "estimators": [list, None],
        "cv": ["cv_object", StrOptions({"auto"})],
        "shrinkage": [Number(Real, 0, None, closed="both")],
        "refit": ["boolean"],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimators: Sequence[tuple[str, Any]] | None = None,
        *,
        cv: Any = "auto",
        shrinkage: float = 3.0,
        refit: bool = True,
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.estimators = estimators
        self.cv = cv
        self.shrinkage = shrinkage
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _check_y(self, y) -> tuple[Any, np.ndarray, bool]:
        """The targets, an array that is NaN in their holes, and whether y was 1-D."""

    @abstractmethod
    def _in_numbers(self, columns, W, names) -> tuple[np.ndarray, Any]:
        """The targets as numbers (n, T), and the classes that they stand for, if any."""

    @abstractmethod
    def _predict_part(self, part: FittedPart, X, wanted, classes) -> list[np.ndarray]:
        """What a part predicts: of every target an array of n rows, to be averaged."""

    @abstractmethod
    def _of_truth(self, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """By what parts are weighed: errors, or probabilities of the true classes."""

    @abstractmethod
    def _weights_of(self, cells, weight, precision) -> np.ndarray:
        """Of parts, by what `_of_truth` has of each (n, M)."""

    @abstractmethod
    def _score_of(self, y: np.ndarray, cells: np.ndarray, weight: np.ndarray) -> float:
        """The score of what `_of_truth` has of a part, or of a mean of parts."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the stack and, with their names before them, of its parts.

        Parameters
        ----------
        deep : bool, default=True
            Whether to name the parts and their parameters as well.

        Returns
        -------
        dict
            Values by name, such as ``"ridge"`` and ``"ridge__alpha"``.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> from skmtl.ensemble import MultiTaskStackingRegressor
        >>> stack = MultiTaskStackingRegressor([("ridge", Ridge(alpha=2.0))])
        >>> stack.get_params()["ridge__alpha"]
        2.0
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the stack, of its parts, or a part itself.

        Parameters
        ----------
        **params
            By name, as `get_params` has them. A part may be set to another estimator, or
            to ``"drop"``.

        Returns
        -------
        self : the stack

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> from skmtl.ensemble import MultiTaskStackingRegressor
        >>> stack = MultiTaskStackingRegressor([("a", Ridge()), ("b", Ridge())])
        >>> stack.set_params(a__alpha=2.0, b="drop").estimators
        [('a', Ridge(alpha=2.0)), ('b', 'drop')]
        """
        self._set_params("estimators", **params)
        return self

    def fit(
        self,
        X: ArrayLike,
        y: TargetsLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the parts without each fold, weigh them by what they predict, refit them.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, in whatever form the parts take: they get the rows as they are.
        y : array-like or DataFrame of shape (n, T), or (n,)
            Targets. NaN, None, or a mask means "not observed": the cell has no influence.
            Rows without any observed target are left out with a warning.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            How much each row, or each cell, counts, for the parts and for their weights.
            Weight 0 is the same as leaving the cell or row out.
        groups : array-like of shape (n,), default=None
            Rows of one group are never on both sides, if `cv` is an int or a splitter of
            groups, and are drawn together for `weights_std_`. Parts that take groups get
            them, as networks do for early stopping; of scikit-learn's own searches without
            metadata routing, their splitter alone does.

        Returns
        -------
        self : the estimator

        Raises
        ------
        ValueError
            If a parameter or the data is not usable, if a target has no observed cell
            among the rows of a fit, or if a part that knows no holes is to be fitted to
            all targets at once.
        TypeError
            If there are sample weights, and a part takes none.

        Examples
        --------
        >>> from sklearn.ensemble import ExtraTreesRegressor
        >>> from sklearn.linear_model import RidgeCV
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingRegressor
        >>> X, y = load_energy(return_X_y=True, as_frame=True)
        >>> parts = [("trees", ExtraTreesRegressor(20)), ("ridge", RidgeCV())]
        >>> stack = MultiTaskStackingRegressor(parts, random_state=0)
        >>> stack.fit(X, y, sample_weight=y > 8).target_names_.tolist()
        ['heating_load', 'cooling_load']
        """
        with all_or_nothing(self):
            self._validate_params()
            self._fit(X, y, sample_weight, groups)
        return self

    def _fit(self, X, y, sample_weight, groups) -> None:
        X = check_table(self, X, reset=True)
        targets = self._read_targets(y, sample_weight, groups)
        check_consistent_length(X, targets.Y, targets.groups)
        counted = np.flatnonzero(targets.counted)
        rng = check_random_state(self.random_state)
        parts = dict(named_parts(self, X, targets, rng))
        seed = rng.randint(LARGEST_SEED)
        folds = folds_of(self.cv, X, y, targets, seed)
        sizes = len(counted), min(len(train) for train, _ in folds)
        fits: dict[str, list[tuple]] = {}
        kept = []
        for name, part in parts.items():
            if is_one_part(self.cv, folds) and holds_out(part):
                kept.append(name)
                fits[name] = [(part, counted, folds[0][1])]
            else:
                alike = as_of_whole(part, X, *sizes)
                fits[name] = [(alike, train) for train, _ in folds]
        keeps = set(kept if self.refit else parts)
        fitted, predicted = self._fit_folds(fits, X, targets, folds, keeps)
        units = np.arange(len(targets.Y)) if targets.groups is None else targets.groups
        tables = weigh(self, targets, predicted, folds, units, seed)
        if self.refit:
            again = {name: [(parts[name], counted)] for name in parts if name not in kept}
            fitted |= self._fit_parts(again, X, targets)
        self._take_over(targets, {name: fitted[name] for name in parts}, tables)

    def _fit_folds(self, fits, X, targets, folds, keeps):
        """Of each part, fits without the folds, and what they predict of these.

        Models of a part that ``keeps`` does not name are gone as soon as they have
        predicted: those of all folds together may be larger than the table by far.
        """
        calls = {
            name: [
                delayed(_fit_and_predict)(self, name, part, X, targets, test, keeps, *rows)
                for (part, *rows), (_, test) in zip(of_part, folds, strict=True)
            ]
            for name, of_part in fits.items()
        }
        by_name = self._in_threads(calls)
        fitted = {name: [m for m, _ in by_name[name]] for name in fits if name in keeps}
        predicted = {name: [p for _, p in own if p] for name, own in by_name.items()}
        return fitted, predicted

    def _read_targets(self, y, sample_weight, groups) -> Targets:
        """y, the weights of its cells and the groups of its rows, checked."""
        columns, Y, one_dimensional = self._check_y(y)
        names = target_names(y, Y.shape[1])
        W = cell_weights(Y, sample_weight, names)
        check_observed(Y, W, names)
        numbers, classes = self._in_numbers(columns, W, names)
        groups = None if groups is None else as_groups(groups, len(Y))
        return Targets(numbers, W, names, one_dimensional, classes, groups)

    def _fit_parts(self, fits, X, targets) -> dict[str, list[FittedPart]]:
        """Of each part by its name, these fits: estimators, and their rows."""
        calls = {
            name: [
                delayed(fit_part)(name, part, X, targets, *rows) for part, *rows in of_part
            ]
            for name, of_part in fits.items()
        }
        return self._in_threads(calls)

    def _in_threads(self, calls: dict[str, list]) -> dict[str, list]:
        """What delayed calls return, by the same names."""
        # Threads share the networks' compiled programs.
        found = iter(
            Parallel(n_jobs=self.n_jobs, prefer="threads", verbose=self.verbose)(
                call for of_part in calls.values() for call in of_part
            )
        )
        return {name: list(islice(found, len(own))) for name, own in calls.items()}

    def _take_over(self, targets: Targets, fitted, tables) -> None:
        self.weights_, self.weights_std_, self.out_of_fold_scores_ = tables
        self.n_outputs_, self.target_names_ = targets.n_targets, targets.names
        self._classes, self._one_dimensional = targets.classes, targets.one_dimensional
        self._fitted = list(fitted.values())
        shown = [[part.shown for part in of_part] for of_part in self._fitted]
        self.estimators_ = [one[0] for one in shown] if self.refit else shown
        by_name = dict(zip(fitted, self.estimators_, strict=True))
        dropped = {} if self.estimators is None else dict(self.estimators)
        self.named_estimators_ = Bunch(
            **{name: "drop" for name in dropped if name not in by_name}, **by_name
        )

    def _mixed(self, X) -> list[np.ndarray]:
        """The weighted mean of the parts' predictions, of every target."""
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        total: list[Any] = [0.0] * self.n_outputs_
        for w, models in zip(self.weights_.to_numpy().T, self._fitted, strict=True):
            if not w.any():
                continue
            for model in models:
                predicted = self._predict_part(model, X, w > 0, self._classes)
                for t in np.flatnonzero(w):
                    total[t] = total[t] + w[t] / len(models) * predicted[t]
        return total

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_fitted")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        parts = default_parts(False, 1) if self.estimators is None else self.estimators
        try:
            kept = [part for _, part in parts if not is_dropped(part)]
            tags.input_tags.allow_nan = all(get_tags(p).input_tags.allow_nan for p in kept)
        except (TypeError, ValueError, AttributeError):
            pass  # not a list of pairs, which `fit` refuses
        return tags


def _fit_and_predict(stack, name, part, X, targets, test, keeps, *rows):
    """A fit to these rows, if it is to be kept, and what it predicts of the others."""
    model = fit_part(name, part, X, targets, *rows)
    predicted = []
    if len(test):
        wanted = np.ones(targets.n_targets, dtype=bool)
        X_test = _safe_indexing(X, test)
        predicted = stack._predict_part(model, X_test, wanted, targets.classes)
    return (model if name in keeps else None), predicted


def check_table(estimator, X, *, reset: bool):
    """X as a DataFrame or an array; sets or checks the estimator's feature names."""
    X = as_table(X, "X")
    if isinstance(X, list) and np.asarray(X).dtype.kind == "U":
        X = np.asarray(X, dtype=object)  # NumPy would turn the numbers into text
    if not isinstance(X, pd.DataFrame):
        X = check_array(
            X, dtype=None, ensure_all_finite=False, input_name="X", estimator=estimator
        )
    elif 0 in X.shape:
        check_array(np.empty(X.shape), input_name="X", estimator=estimator)  # raises
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X
