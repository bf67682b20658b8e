"""Names of other libraries that are private there, all that skmtl uses.

Each does something for which there is no public way. A new version of a library may change
any of them, which is what its upper bound in ``pyproject.toml`` is for. (Those of scikeras
are in `_estimators.scikeras`, the one file that knows it, XLA's in `_runtime.executables`.)
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import requires, version

from sklearn.base import BaseEstimator


def _private(owner, name: str, library: str):
    """An attribute of a module, a class or an instance; or what to install instead."""
    try:
        return getattr(import_module(owner) if isinstance(owner, str) else owner, name)
    except (AttributeError, ImportError) as error:
        raise ImportError(
            f"{library} {version(library)} has no {name!r}, which skmtl relies on: install "
            f"a version that skmtl was tested with, {_tested(library)}."
        ) from error


def _tested(library: str) -> str:
    """As in pyproject.toml, such as "keras>=3.14,<3.16"."""
    of_library = [r for r in requires("skmtl") or [] if r.startswith(library)]
    return of_library[0] if of_library else library


# scikit-learn: what `_parameter_constraints` and `_validate_params` are made of.

_CONSTRAINTS = "sklearn.utils._param_validation"
HasMethods = _private(_CONSTRAINTS, "HasMethods", "scikit-learn")
Interval = _private(_CONSTRAINTS, "Interval", "scikit-learn")
StrOptions = _private(_CONSTRAINTS, "StrOptions", "scikit-learn")
validate_params = _private(_CONSTRAINTS, "validate_params", "scikit-learn")


# Parameters of estimators that are a list of named ones.
BaseComposition = _private(
    "sklearn.utils.metaestimators", "_BaseComposition", "scikit-learn"
)
for _name in ("_get_params", "_set_params", "_validate_names"):
    _private(BaseComposition, _name, "scikit-learn")

# Methods of its estimators that ours call, or extend for notebooks.
for _name in ("_validate_params", "_repr_html_inner", "_repr_mimebundle_"):
    _private(BaseEstimator, _name, "scikit-learn")

# TensorFlow: whether it has threads, and its functions in all of them.


def tensorflow_has_started() -> bool:
    """Whether TensorFlow has run an operation, and so has threads."""
    if "tensorflow.python.eager.context" not in sys.modules:
        return False
    context = _private("tensorflow.python.eager.context", "context_safe", "tensorflow")()
    return context is not None and _private(context, "_initialized", "tensorflow")


def tensorflow_context() -> type:
    """The class with the method ``call_function``, by which all functions are called."""
    cls = _private("tensorflow.python.eager.context", "Context", "tensorflow")
    _private(cls, "call_function", "tensorflow")
    return cls


# Keras: variables whose tensors are exchanged, and the inside of optimizers.


def put_in_place(variable, stand_in):
    """Let a Keras variable stand for another of TensorFlow's; return the one before."""
    before = _private(variable, "_value", "keras")
    # Optimizers find the numbers that belong to a variable by it.
    stand_in._unique_id = _private(before, "_unique_id", "tensorflow")
    variable._value = stand_in
    return before


def take_single_replica(optimizer) -> None:
    """Leave out Keras' sum of gradients over replicas."""
    _private(optimizer, "_all_reduce_sum_gradients", "keras")
    optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars


def replace_step(optimizer, step) -> None:
    """Let an optimizer update all weights by this function."""
    _private(optimizer, "_backend_update_step", "keras")
    optimizer._backend_update_step = step


def moving_averages(optimizer) -> list:
    """Of the weights, in their order."""
    return _private(optimizer, "_model_variables_moving_average", "keras")


def adam_moments(adam, weight) -> tuple:
    """The mean gradient of a weight, and the mean of its square."""
    slot = _private(adam, "_get_variable_index", "keras")(weight)
    momentums = _private(adam, "_momentums", "keras")
    return momentums[slot], _private(adam, "_velocities", "keras")[slot]
