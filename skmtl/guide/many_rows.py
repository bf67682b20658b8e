"""I have ten thousand to millions of rows of numbers. Is a network worth it, and how long?

Where targets are smooth functions of several features together, it is: trees cut such a
function into steps. The torques that move an arm with two joints, as for robots::

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> angle, speed, acceleration = rng.uniform(-2, 2, size=(3, 7000, 2))
    >>> bend, turn = angle[:, 1], angle.sum(axis=1)
    >>> c, s = np.cos(bend), np.sin(bend)
    >>> (a, b), (u, v) = acceleration.T, speed.T
    >>> weight = 9.8 * np.cos(turn)
    >>> shoulder = (3 + 2 * c) * a + (1 + c) * b - s * v * (2 * u + v)
    >>> shoulder += weight + 19.6 * np.cos(angle[:, 0])
    >>> elbow = (1 + c) * a + b + s * u**2 + weight
    >>> X = np.hstack([angle, speed, acceleration]).astype("float32")
    >>> y = np.stack([shoulder, elbow], axis=1).astype("float32")
    >>> X_train, X_test, y_train, y_test = X[:6000], X[6000:], y[:6000], y[6000:]

From 5000 rows on, training goes by other rules: batches are larger, the step size falls to
0 in the end, and epochs are fewer, but become more where that pays. Single precision stays
single. Errors are relative to those of the mean, 1::

    >>> from sklearn.ensemble import ExtraTreesRegressor
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.metrics import average_relative_rmse
    >>> def error(model):
    ...     mean = y_train.mean(axis=0)
    ...     return average_relative_rmse(y_test, model.predict(X_test), y_train_mean=mean)
    >>> network = MultiTaskRegressor(epochs=8, random_state=0).fit(X_train, y_train)
    >>> trees = ExtraTreesRegressor(20, random_state=0).fit(X_train, y_train)
    >>> error(network) < 0.15, error(network) < error(trees) / 2
    (True, True)

``max_seconds=60`` ends a fit in time with the best network so far, so that a first answer
costs a minute, whatever the table. Pieces of a table that does not fit into memory go to
`partial_fit`, each for one epoch; rows should be in random order, and the first piece, of
ten thousands of rows, fixes the scaling. Here two pieces come three times each, which lets
the step size fall to 0 by the sixth::

    >>> model = MultiTaskRegressor(
    ...     n_bins=0, epochs=3 * 2, learning_rate_schedule="cosine", random_state=0
    ... )
    >>> for start in 3 * [0, 3000]:
    ...     piece = slice(start, start + 3000)
    ...     _ = model.partial_fit(X_train[piece], y_train[piece])
    >>> error(model) < 1
    True

Limits
------
- Of 500 000 rows and 30 features, an epoch takes some seconds on two cores; boosted trees
  take less in all. Try these first, or let `model_verdict` compare on a part of the rows.
- Bins (`n_bins`) make thresholds easy to learn, and cost two thirds of the time where rows
  are many. For smooth targets try ``n_bins=0``.
- Rows of one trajectory are alike. Split by trajectory (``groups``), or scores flatter.
"""
