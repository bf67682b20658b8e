"""The stack of classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from .._tables.holes_and_weights import weights_of
from .._tables.labels import (
    check_labels,
    classes_of,
    codes_of,
    labels_from,
    observed_cells,
)
from .._tables.targets import check_same_targets
from .._types import Floats, Targets
from ..metrics import accuracy_score
from ._base import BaseStacking
from ._weights import log_loss_weights

SMALLEST = np.finfo(float).eps  # probability that counts, as in skmtl.metrics.log_loss


class MultiTaskStackingClassifier(ClassifierMixin, BaseStacking):
    """Classifiers together: for each target, the mean of probabilities that predicts best.

    As `MultiTaskStackingRegressor`, for targets that are labels. The weights of the M
    parts, not negative and of sum 1, have the least log loss out of fold, with p_im the
    probability that part m gives the true label of the cell i::

        predict_proba_t(x) = sum_m w_m f_mt(x)

        w = argmin  - sum_i a_i log(sum_m w_m p_im) / sum_i a_i  +  q/2 |w - v|^2

        q = shrinkage M^2 / n,    v_m = exp(-16 e_m) / sum_k exp(-16 e_k)

    over the observed cells of the target, with the sample weights a, n cells (of unlike
    weights, (sum a)^2 / sum a^2), and e_m the log loss of the part m alone. It is a convex
    problem. The second term draws the weights to v where cells are too few to tell which
    mixture is best: it is a prior of ``v ± 1/(M sqrt(shrinkage))`` for each.

    Parameters
    ----------
    estimators : list of (str, estimator) tuples, default=None
        The parts: classifiers with `predict_proba`, each with a name, or ``"drop"``. They
        get X as it is. None is, for n rows,

        - "network": ``MultiTaskClassifier()``, with ``n_members=8`` if n is at most 1000;
        - "boosting": `HistGradientBoostingClassifier`, with text and categories of up to
          254 levels (rarer ones together) as categories, and missing numbers as such; 100
          rounds, or, where rows are many (see `cv`), up to 1000, of which early stopping
          takes those that it needs;
        - "extra_trees", if n is at most 5000: 200 trees, with categories as indicators;
        - "logistic", if n is at most 5000: `LogisticRegression` of standardised features.

        Networks of skmtl (and Pipelines and searches that end in one) are fitted once, to
        all targets with their holes, any other part to each target, on the rows where it
        is observed.

    cv : "auto", int, splitter or iterable of splits, default="auto"
        Folds that are predicted by fits without them. An int makes folds of rows in random
        order, or of whole `groups` if `fit` is given any. A class that is not among the
        rows of a fit has the probability 0 there. "auto" is 5 folds; but of more than 5000
        rows, if every target is observed in more than 2000 of them (or of their groups), an
        eighth, at random, which fits to the others predict. A network of skmtl that is a
        part by itself holds out just these rows for early stopping then, and is fitted only
        once.

    shrinkage : float, default=3.0
        How much the weights are drawn to those by each part's own log loss; 0 is not at
        all, with infinity these are the weights.

    refit : bool, default=True
        Fit each part to all rows when the weights are known. False keeps the models of the
        folds, the mean of whose probabilities predicts.

    n_jobs : int, default=None
        Number of fits at the same time, in threads.

    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of every part, or step of a part, that has the parameter
        `random_state` at None.

    verbose : int, default=0
        From 1 on, joblib tells how many fits are done.

    Attributes
    ----------
    classes_ : list of T ndarrays, or ndarray of shape (C,) if `y` was 1-D
        Labels of each target, in order: those that have a cell of positive weight.

    weights_ : DataFrame of shape (n_outputs_, n_parts)
        The weights of the parts, for each target by its name.

    weights_std_ : DataFrame of shape (n_outputs_, n_parts)
        Their standard errors: the spread over 100 bootstrap samples of the rows, or of the
        groups, out of fold. The fits are not repeated.

    out_of_fold_scores_ : DataFrame of shape (n_outputs_, n_parts + 2)
        Minus the log loss of each part, of the mean with "equal weights", and of the
        "stack", whose weights are found without the fold (of a single one, the fifth) that
        they predict.

    estimators_ : list of n_parts
        Each part that was not dropped: the fitted estimator, or a list of one for each
        target. With ``refit=False`` a list of these for each fold. A target that has a
        single class among the rows of a fit has a `DummyClassifier` there.

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
    MultiTaskStackingRegressor : For numbers; has references, and says what a stack costs.

    Notes
    -----
    Labels that scikit-learn's classifiers don't take, such as intervals, are numbered for
    them: ``classes_`` of the parts are then numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.ensemble import MultiTaskStackingClassifier
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> heating = pd.cut(y["heating_load"], 3, labels=["low", "medium", "high"])
    >>> labels = pd.DataFrame({"heating": heating, "cold": y["cooling_load"] > 25})
    >>> labels.loc[::4, "heating"] = None  # not observed
    >>> parts = [("trees", ExtraTreesClassifier(20)), ("bayes", GaussianNB())]
    >>> stack = MultiTaskStackingClassifier(parts, random_state=0).fit(X, labels)
    >>> stack.weights_["trees"].gt(0.5).tolist()
    [True, True]
    >>> [p.shape for p in stack.predict_proba(X)]
    [(768, 3), (768, 2)]
    """

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the most probable label of every target.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, in the form that `fit` got.

        Returns
        -------
        ndarray of shape (n, T), or (n,) if `y` was 1-D in `fit`
            Labels in their own type; objects where targets have labels of several types.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingClassifier
        >>> X, y = load_energy(return_X_y=True)
        >>> parts = [("bayes", GaussianNB())]
        >>> MultiTaskStackingClassifier(parts, random_state=0).fit(X, y > 25).predict(X)[0]
        array([ True,  True])
        """
        codes = np.stack([p.argmax(axis=1) for p in self._mixed(X)], axis=1)
        labels = labels_from(codes, self._classes)
        return labels[:, 0] if self._one_dimensional else labels

    def predict_proba(self, X: ArrayLike) -> list[Floats] | Floats:
        """Predict the probabilities of every target's classes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features, in the form that `fit` got.

        Returns
        -------
        list of T ndarrays of shape (n, C_t), or ndarray of shape (n, C) if `y` was 1-D
            In the order of `classes_`; each row sums to 1.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingClassifier
        >>> X, y = load_energy(return_X_y=True)
        >>> parts = [("bayes", GaussianNB())]
        >>> stack = MultiTaskStackingClassifier(parts, random_state=0).fit(X, y > 25)
        >>> [p.shape for p in stack.predict_proba(X)]
        [(768, 2), (768, 2)]
        """
        probabilities = self._mixed(X)
        return probabilities[0] if self._one_dimensional else probabilities

    def score(
        self, X: ArrayLike, y: Targets, sample_weight: ArrayLike | None = None
    ) -> float:
        """Mean over targets of the accuracy on observed cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Features.
        y : array-like or DataFrame of shape (n, T), or (n,)
            True labels. Missing ones are left out; a label that was not in `fit` counts as
            an error.
        sample_weight : array-like of shape (n,) or (n, T), default=None
            Weights of rows or cells.

        Returns
        -------
        float
            See `skmtl.metrics.accuracy_score`.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingClassifier
        >>> X, y = load_energy(return_X_y=True)
        >>> parts = [("bayes", GaussianNB())]
        >>> stack = MultiTaskStackingClassifier(parts, random_state=0).fit(X, y > 25)
        >>> 0.5 < stack.score(X, y > 25) < 1
        True
        """
        predicted = self.predict(X)
        columns, _ = check_labels(y, estimator=self)
        check_same_targets(y, observed_cells(columns), self.target_names_)
        if sample_weight is not None:
            sample_weight = weights_of(sample_weight, list(self.target_names_))
        return accuracy_score(y, predicted, sample_weight=sample_weight)

    @property
    def classes_(self) -> list[NDArray[Any]] | NDArray[Any]:
        """Labels of each target, in order.

        Examples
        --------
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skmtl.datasets import load_energy
        >>> from skmtl.ensemble import MultiTaskStackingClassifier
        >>> X, y = load_energy(return_X_y=True)
        >>> parts = [("bayes", GaussianNB())]
        >>> MultiTaskStackingClassifier(parts, random_state=0).fit(X, y > 25).classes_
        [array([False,  True]), array([False,  True])]
        """
        check_is_fitted(self)
        return self._classes[0] if self._one_dimensional else self._classes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _check_y(self, y):
        columns, one_dimensional = check_labels(y, estimator=self)
        return columns, observed_cells(columns), one_dimensional

    def _in_numbers(self, columns, W, names):
        pairs = zip(columns, (W > 0).T, strict=True)
        classes = [classes_of(column, seen) for column, seen in pairs]
        return codes_of(columns, classes), classes

    def _predict_part(self, part, X, wanted, classes):
        return part.probabilities(X, wanted, classes)

    def _of_truth(self, y, predicted):
        return predicted[np.arange(len(y)), y.astype(int)]

    def _weights_of(self, cells, weight, precision):
        return log_loss_weights(cells, weight, precision)

    def _score_of(self, y, cells, weight):
        return np.average(np.log(np.maximum(cells, SMALLEST)), weights=weight)
