"""One neural network for a table with several targets, as a scikit-learn estimator."""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["MultiTaskRegressor", "datasets", "merge_tasks", "metrics", "stack_tasks"]

_WHERE = {
    "MultiTaskRegressor": "._estimator",
    "merge_tasks": "._merging",
    "stack_tasks": "._stacking",
}


def __getattr__(name):
    # Loaded when asked for: importing the package is quick and takes in no TensorFlow.
    if name in _WHERE:
        return getattr(import_module(_WHERE[name], __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
