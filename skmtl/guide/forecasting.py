"""What will the next twelve months bring, each of them, and for all of my series?

Directly: a row per month, a target per horizon. One network has a head for each horizon,
where others fit a model for each. The electricity generated in the USA, 1973 to 2013, in
logarithms::

    >>> import numpy as np
    >>> import pandas as pd
    >>> from skmtl.datasets import load_electricity
    >>> series = np.log(load_electricity())
    >>> known = series[:"2004"]

Features of a month are changes since the months before, targets those to the months after.
`shift` makes both; in the last months before the future, the later targets are not known
yet. They are NaN, and need no care (the very last month has none, and is left out)::

    >>> horizons = range(1, 13)
    >>> def features(series):
    ...     since = {f"since_{lag}": series - series.shift(lag) for lag in range(1, 24)}
    ...     month = 2 * np.pi * series.index.month / 12
    ...     return pd.concat(since, axis=1).assign(sin=np.sin(month), cos=np.cos(month))
    >>> def targets(series):
    ...     return pd.concat({h: series.shift(-h) - series for h in horizons}, axis=1)
    >>> X_train, y_train = features(known)[23:-1], targets(known)[23:-1]
    >>> y_train.isna().sum().tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]

Four networks as one, beside boosted trees for each horizon and beside the change of the
same months a year ago, over seven years and a half that were not known::

    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from skmtl import MultiTaskRegressor
    >>> later = slice("2005", "2012-06")
    >>> X_test, y_test = features(series)[later], targets(series)[later]
    >>> def rmse(predicted):
    ...     return float(np.sqrt(np.mean((predicted - y_test.to_numpy()) ** 2)))
    >>> network = MultiTaskRegressor(n_members=4, random_state=0).fit(X_train, y_train)
    >>> trees = np.empty(y_test.shape)
    >>> for i, h in enumerate(horizons):
    ...     seen = y_train[h].notna()
    ...     tree = HistGradientBoostingRegressor(max_iter=50, random_state=0)
    ...     trees[:, i] = tree.fit(X_train[seen], y_train[h][seen]).predict(X_test)
    >>> year_ago = targets(series).shift(12).loc[X_test.index].to_numpy()
    >>> error = rmse(network.predict(X_test))
    >>> error < rmse(trees), error < rmse(year_ago)
    (True, True)
    >>> 0.03 < error < 0.05  # of logarithms: 4 %
    True

The forecast from the last month on, in the series' own units::

    >>> changes = network.predict(features(series).tail(1))[0]
    >>> ahead = pd.date_range(series.index[-1], periods=13, freq="MS")[1:]
    >>> forecast = pd.Series(np.exp(series.iloc[-1] + changes), index=ahead)
    >>> bool(forecast.between(280, 430).all())
    True

**Many series** are more rows of the same table: a column that names the series, which is a
category, and changes, or values divided by each series' size, make them alike::

    >>> regions = {"east": known, "west": known["1980":]}  # as if these were two
    >>> X = pd.concat([features(s)[:-1].assign(region=r) for r, s in regions.items()])
    >>> y = pd.concat([targets(s)[:-1] for s in regions.values()])
    >>> quick = MultiTaskRegressor(epochs=5, random_state=0).fit(X, y)
    >>> list(quick.categories_)
    ['region']

**Stopping** goes by rows held out at random, which are neighbours of the others. To stop by
the latest ones, give ``validation_fraction=TimeSeriesSplit()`` and rows in order of time.
**Folds** should be of time as well (``TimeSeriesSplit(gap=12)``), and `model_verdict` then
says which model is best for which horizon. **Intervals**: ``loss="normal"`` or quantiles;
`ConformalRegressor` calibrates if errors of the future are like those of the past.

Limits
------
- On this series, ridge regressions for each horizon have an error of 4.05 %, one network
  4.01, four 3.89, trees 4.21. On persons employed in 17 sectors all are alike (1.87 to 1.94
  %), and separate networks take twelve times as long as one. Try ridge first; see
  ``python -m benchmarks.horizons``.
- Nothing here knows the future of other features (holidays, weather forecasts): make
  columns of what is known ahead.
- As a regressor, it goes into the direct forecasters and reductions of skforecast and
  sktime. Those that want one output get one network per horizon, and share nothing.
"""
