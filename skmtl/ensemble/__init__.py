"""Networks and trees together: for each target the mean that predicts best.

`MultiTaskStackingRegressor`, and `MultiTaskStackingClassifier` for labels, fit several
estimators to a table with several targets, which may have holes, and weigh what they
predict, for every target on its own::

    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from sklearn.linear_model import RidgeCV
    >>> from skmtl.datasets import load_energy
    >>> from skmtl.ensemble import MultiTaskStackingRegressor
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> y.iloc[::3, 1] = None  # not observed
    >>> parts = [("trees", ExtraTreesRegressor(20)), ("ridge", RidgeCV())]
    >>> stack = MultiTaskStackingRegressor(parts, random_state=0).fit(X, y)
    >>> stack.weights_.shape  # targets x parts
    (2, 2)
    >>> stack.predict(X).shape
    (768, 2)

Which part a target leans on is in ``weights_``, with standard errors in ``weights_std_``;
how good each part is by itself, in ``out_of_fold_scores_``.
"""

from ._classifier import MultiTaskStackingClassifier
from ._regressor import MultiTaskStackingRegressor

__all__ = ["MultiTaskStackingClassifier", "MultiTaskStackingRegressor"]
