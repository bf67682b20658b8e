"""Intervals that hold as many new values as they say, per target and for all at once.

`ConformalRegressor` puts them around a network, or any other regressor for several targets,
by rows that this one has not seen::

    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.calibration import ConformalRegressor
    >>> from skmtl.datasets import load_energy
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> network = MultiTaskRegressor(loss="normal", epochs=5, random_state=0)
    >>> model = ConformalRegressor(network, cv=3, random_state=0).fit(X[:600], y[:600])
    >>> model.predict_interval(X[600:], coverage=0.9).shape
    (168, 2, 2)
    >>> model.predict_interval(X[600:], coverage=0.9, joint=True).shape
    (168, 2, 2)
"""

from ._conformal import ConformalRegressor

__all__ = ["ConformalRegressor"]
