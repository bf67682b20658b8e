"""Which estimator a picture is of."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted

from .._estimators import shapes
from .._estimators.base import members_of


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


def diagram_data(estimator) -> dict:
    """What a diagram shows: of the fitted network, or of the one that `fit` would make."""
    network = network_in(estimator)
    if network.__sklearn_is_fitted__():
        built = members_of(network)[0].architecture
        return {
            "hidden_sizes": built.hidden_sizes,
            "sharing_depth": built.sharing_depth,
            "n_features": built.n_features,
            "target_names": list(network.target_names_),
            "share_output": built.share_output,
            "n_trunks": built.n_trunks,
        }
    sizes, depth = shapes.layers(network)
    return {
        "hidden_sizes": sizes,
        "sharing_depth": depth,
        "share_output": network.share_output,
    }
