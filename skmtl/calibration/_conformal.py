"""Conformal prediction for several targets with holes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin
from sklearn.utils import get_tags
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, indexable

from .._all_or_nothing import all_or_nothing
from .._estimators.scoring import r2_of
from .._number_checks import Number
from .._tables.holes_and_weights import cell_weights, weights_of
from .._tables.targets import check_targets, target_names
from .._third_party import HasMethods, StrOptions
from .._types import Floats, RandomState, Targets
from ._bands import band
from ._fits import fit_and_score, splits_of
from ._ranks import check_enough, interval

OF_THE_ESTIMATOR = ("n_features_in_", "feature_names_in_")


class ConformalRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Intervals around any regressor that hold as many new values as they say.

    A regressor's own standard deviations and quantiles say what it has learnt, and may be
    too narrow. Here, rows that a regressor was not fitted to tell how far values lie
    outside of what it says. That is the score s of a value, which is negative inside::

        s_t(x, y) = max(low_t(x) - y_t, y_t - high_t(x)) / scale_t(x)

    An interval is wider than (low, high) by a multiple q of the scale, on either side. One
    fitted regressor (split conformal, Papadopoulos et al. 2002; Lei et al. 2018) takes for
    q the ceil((n + 1) coverage)-th smallest score of its n observed calibration rows::

        C_t(x) = [low_t(x) - q_t scale_t(x),  high_t(x) + q_t scale_t(x)]

    With K folds (cross conformal; Vovk 2015), every row is scored by the regressor that was
    fitted without its fold k, and q is the score of that rank among all rows. Ends are the
    medians of those that the K regressors give with this q: what is outside is so by half
    of them (a vote of the majority; Gasparin & Ramdas 2024).

    ``joint=True`` gives boxes that hold all targets of a row at once. They do the same with
    the score ``max_t s_t / u_t`` of a row, and ``q u_t`` for q. The units u make targets
    comparable; they are from the rows trained on, the mean of K.

    Parameters
    ----------
    estimator : estimator
        A `MultiTaskRegressor`, a Pipeline or search that ends in one, or any other
        regressor. It is cloned, and gets X and y as they are: text, if it takes text, and
        holes, if it takes holes. For one that was fitted to other rows already, give
        ``FrozenEstimator(fitted)``, and ``cv=2`` to calibrate it with all rows.

    cv : int, float, splitter or iterable of splits, default=5
        Rows to calibrate with.

        - int K: all rows, by K regressors that are fitted without one of K random folds.
        - float in (0, 1): this share of the rows, drawn at random; one regressor is fitted
          to the others.
        - a splitter or list of pairs (train, test): the test rows of its only split, or of
          several that test each row once.

    spread : {"auto", "constant", "std", "quantiles"}, default="auto"
        What the widths of intervals follow.

        - "constant": low and high are the prediction, the scale is 1. Intervals of a target
          have the same width everywhere.
        - "std": the scale is the standard deviation that ``predict(X, return_std=True)``
          gives, as with ``loss="normal"``, or that of several members.
        - "quantiles": low and high are the lowest and highest quantile of
          ``predict_quantiles``, the scale is 1 (CQR, Romano et al. 2019). Give levels near
          those that the coverage will ask for, such as 0.05 and 0.95 for 0.9. Targets
          without quantiles are as with "constant".
        - "auto": "quantiles" for a `MultiTaskRegressor` that has several levels, "std" for
          one with ``loss="normal"``, else "constant".

    n_jobs : int, default=None
        Number of fits at the same time, as for `SharingDepthSearchCV`.

    random_state : int, RandomState instance or None, default=None
        Draws folds, or the rows to calibrate with. Does nothing with a splitter.

    Attributes
    ----------
    estimators_ : list of K estimators
        Fitted ones; one of a single split.

    spread_ : str
        What `spread` is, "auto" resolved.

    target_names_ : ndarray of shape (T,)
        Names of the targets: those of the columns, or target_0, target_1, ...

    n_calibration_ : ndarray of int of shape (T,)
        Rows that each target is calibrated with: where it is observed.

    n_joint_ : int
        Rows that boxes are calibrated with: where all targets are observed.

    n_features_in_, feature_names_in_
        As the fitted estimators have them, if they do.

    Notes
    -----
    What is promised, if calibration rows and new ones are drawn alike and independently,
    whatever the regressor:

    - One split: a new value is in its interval with a probability of `coverage` at least,
      and of ``coverage + 1 / (n + 1)`` at most where no scores are equal. The values of a
      new row are all in its box likewise. This is a mean over draws of calibration rows:
      after one fit, with n = 100 of them, intervals with coverage 0.9 mostly hold between
      0.85 and 0.95 of new values.
    - K folds alike in size: ``2 coverage - 1`` at least, less ``1.5 sqrt(K / n)`` (for
      boxes, if the units were given): the majority is wrong at most twice as often as one
      regressor is in the mean. In practice it is `coverage`, and some hundredths more where
      rows are few and the K regressors differ, as their median is better than each. All
      rows calibrate, and the prediction is the mean of K regressors: interval scores were
      lower with networks than with one split around as many.
    - A box is a product of intervals, each of which holds its target more often than
      `coverage`.

    Holes: a target is calibrated where it is observed. That is right for new values where
    rows like these are observed. Boxes are calibrated with the rows that have all targets,
    as a row with holes does not tell its largest score. Where these are few, intervals with
    the coverage ``1 - (1 - coverage) / T`` hold all targets, too, if more widely, by
    Bonferroni's inequality.

    Groups: rows of one group are never on both sides of a split. The promise is then for
    rows of new groups, and holds as far as groups are many and alike in size.

    MAPIE has these methods and more for one target. As of version 1.6, its estimators
    refuse several, and holes; a score that makes ellipsoids of several is experimental.

    References
    ----------
    H. Papadopoulos, K. Proedrou, V. Vovk and A. Gammerman, "Inductive Confidence Machines
    for Regression", ECML (2002).

    J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani and L. Wasserman, "Distribution-Free
    Predictive Inference for Regression", JASA 113 (2018).

    Y. Romano, E. Patterson and E. Candès, "Conformalized Quantile Regression", NeurIPS
    (2019).

    V. Vovk, "Cross-Conformal Predictors", Annals of Mathematics and Artificial Intelligence
    74 (2015).

    M. Gasparin and A. Ramdas, "Merging Uncertainty Sets via Majority Vote",
    arXiv:2401.09379 (2024).

    S. Messoudi, S. Destercke and S. Rousseau, "Conformal Multi-Target Regression Using
    Neural Networks", COPA (2020): boxes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skmtl.calibration import ConformalRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 3))
    >>> y = X[:, :2] + rng.normal(size=(2000, 2))
    >>> model = ConformalRegressor(LinearRegression(), random_state=0)
    >>> intervals = model.fit(X[:1000], y[:1000]).predict_interval(X[1000:], coverage=0.8)
    >>> inside = (intervals[..., 0] <= y[1000:]) & (y[1000:] <= intervals[..., 1])
    >>> inside.mean(axis=0).round(1)
    array([0.8, 0.8])
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "cv": ["cv_object", Number(Real, 0, 1, closed="neither")],
        "spread": [StrOptions({"auto", "constant", "std", "quantiles"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        cv: Any = 5,
        spread: Literal["auto", "constant", "std", "quantiles"] = "auto",
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ):
        self.estimator = estimator
        self.cv = cv
        self.spread = spread
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: Targets,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the regressors, and score the rows that they were not fitted to.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, as `estimator` takes them.
        y : array-like or DataFrame of shape (n, T), or (n,)
            Targets; NaN is not observed.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            Weights to fit with, as `estimator` takes them; a Pipeline's last step gets
            them. All scores count alike, but for those of weight 0, which are left out.
        groups : array-like of shape (n,), default=None
            Rows of one group are never on both sides. An int or float for `cv` then draws
            groups; a splitter gets them, and so does an `estimator` that takes them, such
            as a network, which holds out whole groups for early stopping.

        Returns
        -------
        self : ConformalRegressor

        Raises
        ------
        ValueError
            If y is not numeric, or if the splits test some rows never or repeatedly.

        Examples
        --------
        >>> from sklearn.linear_model import LinearRegression
        >>> from skmtl.calibration import ConformalRegressor
        >>> from skmtl.datasets import load_slump
        >>> X, y = load_slump(return_X_y=True, as_frame=True)
        >>> model = ConformalRegressor(LinearRegression(), cv=0.3, random_state=0)
        >>> model.fit(X, y).n_calibration_.tolist()
        [31, 31, 31]
        """
        with all_or_nothing(self):
            self._validate_params()
            self._fit(X, y, sample_weight, groups)
        return self

    def _fit(self, X, y, sample_weight, groups) -> None:
        X, y, groups = indexable(X, y, groups)
        Y, self._one_dimensional = check_targets(y, estimator=self)
        self.target_names_ = target_names(y, Y.shape[1])
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight, list(self.target_names_))
        counted = cell_weights(Y, sample_weight, self.target_names_) > 0
        Y = np.where(counted, Y, np.nan)
        fits = Parallel(n_jobs=self.n_jobs)(
            delayed(fit_and_score)(
                self.estimator, X, y, Y, sample_weight, groups, split, self.spread
            )
            for split in splits_of(self.cv, X, y, groups, self.random_state)
        )
        self.estimators_, spreads, self._units, self._scores = map(
            list, zip(*fits, strict=True)
        )
        self.spread_ = spreads[0]
        observed = ~np.isnan(np.concatenate(self._scores))
        self.n_calibration_ = observed.sum(axis=0)
        self.n_joint_ = int(observed.all(axis=1).sum())
        for name in OF_THE_ESTIMATOR:
            self.__dict__.pop(name, None)
            if hasattr(self.estimators_[0], name):
                setattr(self, name, getattr(self.estimators_[0], name))

    def predict(self, X: ArrayLike) -> Floats:
        """Predict all targets: the mean of the fitted regressors.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, as `estimator` takes them.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Predictions. They are inside of intervals that are not very narrow.

        Examples
        --------
        >>> from sklearn.linear_model import LinearRegression
        >>> from skmtl.calibration import ConformalRegressor
        >>> from skmtl.datasets import load_slump
        >>> X, y = load_slump(return_X_y=True, as_frame=True)
        >>> ConformalRegressor(LinearRegression()).fit(X, y).predict(X).shape
        (103, 3)
        """
        check_is_fitted(self)
        return np.mean([model.predict(X) for model in self.estimators_], axis=0)

    def predict_interval(
        self, X: ArrayLike, coverage: float = 0.9, joint: bool = False
    ) -> Floats:
        """Predict an interval for every target, or a box for all of them.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, as `estimator` takes them.
        coverage : float in (0, 1), default=0.9
            Share of new values that the intervals are to hold; with `joint`, of new rows.
            Any may be asked for after one fit.
        joint : bool, default=False
            Whether all targets of a row are to be inside at once.

        Returns
        -------
        ndarray of shape (n, T, 2), or (n, 2) if `y` was 1-D in `fit`
            Lower and upper ends, in the targets' own units.

        Raises
        ------
        ValueError
            If there are too few rows to calibrate with for this coverage: 0.9 needs 9, 0.95
            needs 19, 0.99 needs 99.

        Examples
        --------
        >>> from sklearn.linear_model import LinearRegression
        >>> from skmtl.calibration import ConformalRegressor
        >>> from skmtl.datasets import load_slump
        >>> X, y = load_slump(return_X_y=True, as_frame=True)
        >>> model = ConformalRegressor(LinearRegression(), random_state=0).fit(X, y)
        >>> own, box = model.predict_interval(X), model.predict_interval(X, joint=True)
        >>> bool((box[..., 0] <= own[..., 0]).all() and (box[..., 1] >= own[..., 1]).all())
        True
        """
        check_is_fitted(self)
        check_enough(
            coverage, self.target_names_, self.n_calibration_, self.n_joint_, joint
        )
        bands = [band(model, X, self.spread_) for model in self.estimators_]
        scores = np.concatenate(self._scores)
        if joint:
            units = np.mean(self._units, axis=0)
            scores = np.max(scores / units, axis=1, keepdims=True)
            bands = [b._replace(scale=b.scale * units) for b in bands]
        found = interval(bands, scores, coverage)
        return found[:, 0] if self._one_dimensional else found

    def score(
        self, X: ArrayLike, y: Targets, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean over targets of the coefficient of determination on observed cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            True targets; NaN leaves a cell out.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            Weights of rows or cells.

        Returns
        -------
        float
            Unweighted mean of the targets' R2; see `skmtl.metrics.r2_score`.

        Examples
        --------
        >>> from sklearn.linear_model import LinearRegression
        >>> from skmtl.calibration import ConformalRegressor
        >>> from skmtl.datasets import load_slump
        >>> X, y = load_slump(return_X_y=True, as_frame=True)
        >>> ConformalRegressor(LinearRegression()).fit(X, y).score(X, y) < 1.0
        True
        """
        check_is_fitted(self)
        return r2_of(self, X, y, sample_weight)

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        return tags
