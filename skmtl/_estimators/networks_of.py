"""What others read of a fitted estimator: its networks."""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._network.network import Network


def members_of(estimator: BaseEstimator) -> list[Network]:
    """The networks of a fitted estimator: what others read of it."""
    check_is_fitted(estimator)
    return estimator._members
