"""Which estimator a picture is of."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted


def network_in(estimator, *, fitted: bool = False):
    """The regressor or classifier, itself or in a pipeline, search or `FrozenEstimator`.

    Raises
    ------
    TypeError
        If there is none.
    sklearn.exceptions.NotFittedError
        If `fitted` is asked for and it is not.
    """
    found = estimator
    while not hasattr(found, "trunk_sizes"):
        if hasattr(found, "best_estimator_"):
            found = found.best_estimator_
        elif hasattr(found, "steps"):
            found = found.steps[-1][1]
        elif hasattr(found, "estimator"):
            found = found.estimator
        else:
            raise TypeError(
                "Expected a MultiTaskRegressor or MultiTaskClassifier, or a pipeline or "
                f"search that ends in one, got {type(estimator).__name__}."
            )
    if fitted:
        check_is_fitted(found)
    return found
