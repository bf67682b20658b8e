"""One neural network for a table with several targets, as a scikit-learn estimator."""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["MultiTaskRegressor", "datasets", "metrics"]


def __getattr__(name):
    if name == "MultiTaskRegressor":
        from ._estimator import MultiTaskRegressor

        return MultiTaskRegressor
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
