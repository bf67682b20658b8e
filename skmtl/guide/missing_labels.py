"""Fifty assays, and each compound was put to ten of them. Can they learn from each other?

That is what a trunk is for: what one assay teaches about compounds serves the others. Leave
what was not measured NaN. Here are compounds whose 50 activities depend on 3 properties
that nobody sees, and 80 % holes in what there is to train on::

    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 15))
    >>> properties = np.tanh(X @ rng.normal(size=(15, 3)) / 2)
    >>> activity = properties @ rng.normal(size=(3, 50))
    >>> activity += 0.3 * rng.normal(size=activity.shape)
    >>> y = pd.DataFrame(activity).add_prefix("assay_")
    >>> X_train, X_test, y_train, y_test = X[:400], X[400:], y[:400], y[400:]
    >>> y_train = y_train.mask(rng.random(y_train.shape) < 0.8)
    >>> round(float(y_train.isna().mean().mean()), 1)
    0.8

One network for all, beside a model for each assay on the rows that it has::

    >>> from sklearn.linear_model import RidgeCV
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.metrics import r2_score
    >>> network = MultiTaskRegressor(epochs=40, random_state=0).fit(X_train, y_train)
    >>> alone = np.empty(y_test.shape)
    >>> for t, name in enumerate(y_train):
    ...     seen = y_train[name].notna()
    ...     ridge = RidgeCV(np.logspace(-1, 3, 9)).fit(X_train[seen], y_train[name][seen])
    ...     alone[:, t] = ridge.predict(X_test)
    >>> together = network.predict(X_test)
    >>> r2_score(y_test, together) > r2_score(y_test, alone) + 0.02
    True
    >>> better = r2_score(y_test, together, multioutput="raw_values") > r2_score(
    ...     y_test, alone, multioutput="raw_values"
    ... )
    >>> int(better.sum()) > 35  # of 50
    True

Every assay counts the same in the loss, however few values it has. Do some measurements
count less than others? ``sample_weight`` may be a table (n, T) like `y`.

Folds by chance may leave an assay without values; these spread the values of each one
over all folds, as evenly as they can::

    >>> from skmtl.model_selection import MultiTargetStratifiedKFold
    >>> folds = MultiTargetStratifiedKFold(5, random_state=0)
    >>> counts = [y_train.iloc[test].count() for _, test in folds.split(X_train, y_train)]
    >>> int(np.min(counts)) > 0
    True

How sure is a prediction? Calibrated intervals take the observed cells of each assay::

    >>> from skmtl.calibration import ConformalRegressor
    >>> quick = MultiTaskRegressor(epochs=10, random_state=0)
    >>> model = ConformalRegressor(quick, cv=2, random_state=0).fit(X_train, y_train)
    >>> ends = model.predict_interval(X_test, coverage=0.8)
    >>> inside = (ends[..., 0] <= y_test) & (y_test <= ends[..., 1])
    >>> 0.75 < float(inside.to_numpy().mean()) < 0.9
    True

For activities that are yes or no take `MultiTaskClassifier`, with None or NaN for a hole;
for some of both, ``MultiTaskRegressor(loss={"assay_0": "log_loss", ...})``.

Limits
------
- What is learnt is right where what is missing is missing by chance, given the features. If
  only promising compounds are measured, predictions for others are too high.
- The gain here is that of assays made alike. Where assays have nothing in common, sharing
  costs: see `sharing`.
- Compounds of one series in training and test make scores that flatter: give the series as
  ``groups`` to `MultiTargetStratifiedKFold` and to ``fit``.
- A box for all targets at once (``joint=True``) needs rows that have all of them.
"""
