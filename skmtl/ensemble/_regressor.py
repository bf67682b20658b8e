"""The stack of regressors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from .._estimators.scoring import r2_of
from .._tables.targets import check_targets
from .._types import Floats, Targets
from ._base import BaseStacking
from ._weights import squared_error_weights


class MultiTaskStackingRegressor(RegressorMixin, BaseStacking):
    """Networks, trees and others together: for each target, the mean that predicts best.

    On many tables trees predict one target better and a network another. The stack fits
    both and finds, for each target t, weights of its M parts (Wolpert 1992) that are not
    negative and sum to 1 (Breiman 1996; van der Laan et al. 2007), from predictions p_im
    of rows i that the part m has not seen::

        predict_t(x) = sum_m w_m f_mt(x)

        w = argmin  sum_i a_i (y_i - sum_m w_m p_im)^2 / sum_i a_i  +  q |w - v|^2

        q = shrinkage s^2 M^2 / n,    v_m = e_m^-8 / sum_k e_k^-8

    over the observed cells of the target, with the sample weights a, n cells (of unlike
    weights, (sum a)^2 / sum a^2), s^2 the mean square that the best weights without q
    leave, and e_m the mean squared error of the part m alone. The second term draws the
    weights to v where cells are too few to tell which mixture is best: v is equal where
    parts are equally good, and says the more of a part the better it is by itself. It is
    what a prior knowledge of ``v ± 1/(M sqrt(shrinkage))`` for each weight says. Its
    strength falls with the number of cells, and has the unit of the target.

    Parameters
    ----------
    estimators : list of (str, estimator) tuples, default=None
        The parts: regressors, each with a name, or ``"drop"``. They get X as it is, raw
        columns included. None is, for n rows,

        - "network": ``MultiTaskRegressor()``, with ``n_members=8`` if n is at most 1000;
        - "boosting": `HistGradientBoostingRegressor`, with text and categories of up to
          254 levels (rarer ones together) as categories, and missing numbers as such; 100
          rounds, or, where rows are many (see `cv`), up to 1000, of which early stopping
          takes those that it needs;
        - "extra_trees", if n is at most 5000: 200 trees for each target, with categories as
          indicators; if n is at most 10 000, there are no categories and several targets
          without holes, as many for all targets at once;
        - "ridge", if n is at most 5000: `RidgeCV` of standardised features.

        Networks of skmtl (and Pipelines and searches that end in one) are fitted once, to
        all targets with their holes. Any other part is fitted to each target, on the rows
        where it is observed, unless it knows only several targets at once, as
        `MultiTaskLasso` does; these must have no holes then.

    cv : "auto", int, splitter or iterable of splits, default="auto"
        Folds that are predicted by fits without them. An int makes folds of rows in random
        order, or of whole `groups` if `fit` is given any. Rows that no fold tests, as the
        first ones of ``TimeSeriesSplit``, have no part in the weights. "auto" is 5 folds;
        but of more than 5000 rows, if every target is observed in more than 2000 of them
        (or of their groups), an eighth, at random, which fits to the others predict. A
        network of skmtl that is a part by itself holds out just these rows for early
        stopping then, and is fitted only once.

    shrinkage : float, default=3.0
        How much the weights are drawn to those by each part's own error; 0 is not at all,
        with infinity these are the weights.

    refit : bool, default=True
        Fit each part to all rows when the weights are known. False keeps the models of the
        folds, whose mean predicts: that saves one fit of each part, predicts k times as
        slowly, and averages k networks.

    n_jobs : int, default=None
        Number of fits at the same time, in threads, which share the networks' compiled
        programs. None means 1, or what a ``joblib.parallel_config`` says.

    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of every part, or step of a part, that has the parameter
        `random_state` at None.

    verbose : int, default=0
        From 1 on, joblib tells how many fits are done.

    Attributes
    ----------
    weights_ : DataFrame of shape (n_outputs_, n_parts)
        The weights of the parts, for each target by its name.

    weights_std_ : DataFrame of shape (n_outputs_, n_parts)
        Their standard errors: the spread over 100 bootstrap samples of the rows, or of the
        groups, out of fold. The fits are not repeated.

    out_of_fold_scores_ : DataFrame of shape (n_outputs_, n_parts + 2)
        R2 of each part, of the mean with "equal weights", and of the "stack", whose weights
        are found without the fold (of a single one, the fifth) that they predict.

    estimators_ : list of n_parts
        Each part that was not dropped: the fitted estimator, or a list of one for each
        target. With ``refit=False`` a list of these for each fold.

    named_estimators_ : Bunch
        The same by name.

    n_outputs_ : int
        Number of targets T.

    target_names_ : ndarray of shape (n_outputs_,)
        Column names of y if it was a DataFrame, else ``target_0``, ``target_1``, ...

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X, if it was a DataFrame with string names.

    See Also
    --------
    MultiTaskStackingClassifier : The same for labels.
    sklearn.ensemble.StackingRegressor : For one target without holes.

    Notes
    -----
    **Cost.** At most `cv` + 1 fits of each part, `cv` with ``refit=False``; of a part that
    knows one target, these are T fits each. With ``cv="auto"`` and many rows it is one fit
    of a network, and two of other parts. The networks share their compiled programs.
    Weights take milliseconds, their standard errors up to a second for each target. With
    up to 50 000 rows each fit has one thread of OpenMP, as more make boosted trees slower.
    Extra trees are what is large: 140 MB in memory for each target at 5000 rows.

    **How good.** Relative RMSE on test rows: each default part, the mean of all, the part
    that is best out of fold, and the stack without shrinkage and with it. Two thirds of
    each table, or as many rows as stand there, were trained on, with one network where the
    default is now eight, and weights that were drawn to equal ones. The strength was chosen
    with the first eight tables in view (8 random splits), the others (4) came after::

                      network  boosting  extra  ridge   mean   best  s = 0  s = 3
        slump            .638      .711   .643   .656   .605   .653   .613   .599
        edm              .757      .733   .680   .808   .699   .690   .689   .694
        enb              .046      .098   .125   .320   .117   .046   .046   .046
        enb, 100         .163      .261   .174   .323   .196   .169   .162   .163
        jura             .599      .639   .594   .615   .575   .584   .568   .567
        jura, 100        .634      .707   .625   .642   .607   .619   .605   .601
        scpf             .883      .907  1.045   .855   .851   .875   .853   .846
        scpf, 300        .875      .909   .981  1.148   .890   .923   .909   .879

        oes97            .387      .550   .444   .331   .383   .362   .346   .343
        oes97, 100       .439      .712   .532   .391   .461   .425   .416   .419
        rf1, 300         .208      .297   .279   .499   .273   .224   .229   .232
        rf1, 1500        .124      .187   .271   .412   .200   .129   .113   .113
        sf2              .979     1.016  1.145   .951   .982   .955   .957   .957

    Where no mixture is better than the part that is best with hindsight, as on rf1 and
    oes97, the stack was up to 12 % worse than it: parts that are fitted to four fifths of
    few rows rank otherwise than those of all rows. Since then the line is cut off far from
    the mean (on another split of rf1, 300 rows, 14 % became 2 %), and weights are drawn to
    those by each part's own error (1 % better). Other rules were no better, see
    ``benchmarks/DEFAULTS.md``, nor was a strength chosen by cross-validation. The models of
    the folds (``refit=False``) were up to 4 % better on six, as where networks
    differ from fit to fit (slump, scpf), and up to 16 % worse on the rest.

    The weights are found by squared errors, whatever the losses of the parts are: for
    targets of 0 and 1, or counts, too.

    References
    ----------
    D. H. Wolpert, "Stacked generalization", Neural Networks 5, 241-259 (1992).

    L. Breiman, "Stacked regressions", Machine Learning 24, 49-64 (1996).

    R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from
    libraries of models", ICML (2004).

    M. J. van der Laan, E. C. Polley and A. E. Hubbard, "Super Learner", Statistical
    Applications in Genetics and Molecular Biology 6 (2007).

    Examples
    --------
    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from sklearn.linear_model import RidgeCV
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.ensemble import MultiTaskStackingRegressor
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> y.iloc[::3, 1] = None  # not observed
    >>> parts = [
    ...     ("network", MultiTaskRegressor(trunk_sizes=(16,), head_sizes=(), epochs=5)),
    ...     ("trees", ExtraTreesRegressor(20)),
    ...     ("ridge", RidgeCV()),
    ... ]
    >>> stack = MultiTaskStackingRegressor(parts, cv=3, random_state=0).fit(X, y)
    >>> stack.weights_.idxmax(axis=1).tolist()
    ['trees', 'trees']
    >>> stack.predict(X).shape
    (768, 2)
    """

    def predict(self, X: ArrayLike) -> Floats:
        """Predict all targets.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, in the form that `fit` got.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Predictions in the targets' own units.

        Examples
        --------
        >>> from sklearn.linear_model import RidgeCV
        >>> from sklearn.neighbors import KNeighborsRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingRegressor
        >>> X, y = load_energy(return_X_y=True)
        >>> parts = [("near", KNeighborsRegressor()), ("ridge", RidgeCV())]
        >>> MultiTaskStackingRegressor(parts, random_state=0).fit(X, y).predict(X).shape
        (768, 2)
        """
        predicted = np.column_stack(self._mixed(X))
        return predicted[:, 0] if self._one_dimensional else predicted

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
        >>> from sklearn.linear_model import RidgeCV
        >>> from sklearn.neighbors import KNeighborsRegressor
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingRegressor
        >>> X, y = load_energy(return_X_y=True)
        >>> parts = [("near", KNeighborsRegressor()), ("ridge", RidgeCV())]
        >>> stack = MultiTaskStackingRegressor(parts, random_state=0).fit(X, y)
        >>> 0.9 < stack.score(X, y) < 1
        True
        """
        return r2_of(self, X, y, sample_weight)

    def _check_y(self, y):
        Y, one_dimensional = check_targets(y, estimator=self)
        return Y, Y, one_dimensional

    def _in_numbers(self, columns, W, names):
        return columns, None

    def _predict_part(self, part, X, wanted, classes):
        return list(part.predict(X, wanted).T)

    def _of_truth(self, y, predicted):
        return y - predicted

    def _weights_of(self, cells, weight, precision):
        return squared_error_weights(cells, weight, precision)

    def _score_of(self, y, cells, weight):
        around = y - np.average(y, weights=weight)
        size = np.abs(around).max()
        if not size > 0:
            return np.nan
        square, total = ((e / size) ** 2 @ weight for e in (cells, around))
        return 1 - square / total
