"""What estimators get in `fit` beside X and y: weights and groups, through wrappers."""

from __future__ import annotations

from typing import Any

from sklearn import get_config
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from .regressor import MultiTaskRegressor


def innermost(estimator: Any) -> Any:
    """What a Pipeline or a search ends in."""
    if isinstance(estimator, Pipeline):
        return innermost(estimator.steps[-1][1])
    if is_search(estimator):
        # A SharingDepthSearchCV without an estimator searches this one.
        inner = estimator.estimator
        return innermost(MultiTaskRegressor() if inner is None else inner)
    return estimator


def is_search(estimator: Any) -> bool:
    """Whether it searches parameters of another: scikit-learn's searches, or Optuna's."""
    return all(hasattr(estimator, name) for name in ("estimator", "scoring", "refit"))


def fit_parameters(estimator: Any, **given: Any) -> dict[str, Any]:
    """What the fit of this estimator, which may be changed, gets of it, by its names there.

    None is not given. ``groups`` go to whoever takes them, all else must be taken.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if get_config()["enable_metadata_routing"]:
        return _routed(estimator, given)
    if "groups" in given and not _takes_groups(estimator):
        del given["groups"]
    return {_name_in(estimator, name): value for name, value in given.items()}


def _name_in(estimator: Any, parameter: str) -> str:
    """What the last step of a Pipeline, or what is searched, is given it by."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return f"{name}__{_name_in(last, parameter)}"
    if isinstance(estimator, TransformedTargetRegressor):
        return _name_in(estimator.regressor, parameter)
    if is_search(estimator) and parameter != "groups":  # these are for its splitter
        return _name_in(estimator.estimator, parameter)
    return parameter


def _takes_groups(estimator: Any) -> bool:
    if isinstance(estimator, Pipeline):
        return _takes_groups(estimator.steps[-1][1])
    if isinstance(estimator, TransformedTargetRegressor):
        return _takes_groups(estimator.regressor)
    if isinstance(estimator, FrozenEstimator):
        return False
    return is_search(estimator) or has_fit_parameter(estimator, "groups")


def _routed(estimator: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What the innermost estimator takes, requested unless its user has said otherwise."""
    inner = innermost(estimator)
    if isinstance(inner, TransformedTargetRegressor):
        inner = innermost(inner.regressor)
    if inner is estimator:
        return {k: v for k, v in given.items() if k != "groups" or _takes_groups(inner)}
    requests = get_routing_for_object(inner)
    known = requests.fit.requests if hasattr(requests, "fit") else {}
    asked = {k: True for k in given if known.get(k, False) is None}
    if asked:
        inner.set_fit_request(**asked)
    consumed = get_routing_for_object(estimator).consumes("fit", given)
    return {name: value for name, value in given.items() if name in consumed}
