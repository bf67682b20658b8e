"""The drawing of an estimator's network."""

from __future__ import annotations

from sklearn.base import BaseEstimator

from .._network.diagram import diagram
from .._network.svg import svg
from .architecture import layers
from .networks_of import members_of


def diagram_data(estimator: BaseEstimator) -> dict:
    """What a diagram shows: of the fitted network, or of the one that `fit` would make."""
    if estimator.__sklearn_is_fitted__():
        built = members_of(estimator)[0].architecture
        return {
            "hidden_sizes": built.hidden_sizes,
            "sharing_depth": built.sharing_depth,
            "n_features": built.n_features,
            "target_names": list(estimator.target_names_),
            "share_output": built.share_output,
            "n_trunks": built.n_trunks,
        }
    sizes, depth = layers(estimator)
    return {
        "hidden_sizes": sizes,
        "sharing_depth": depth,
        "share_output": estimator.share_output,
    }


def network_svg(estimator: BaseEstimator) -> str:
    """The estimator's network as an SVG element, or "" if its parameters make none.

    A notebook shows an estimator before `fit` has checked its parameters, and must not
    fail for them.
    """
    try:
        return svg(diagram(**diagram_data(estimator)))
    except (TypeError, ValueError):
        return ""
