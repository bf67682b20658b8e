"""One neural network for a table with several targets, as a scikit-learn estimator.

`MultiTaskRegressor`, and `MultiTaskClassifier` for labels, have a trunk of layers that all
targets share and a head of layers for each target. ``sharing_depth`` says how many layers
are shared, and is searched like any other hyperparameter. X is (n, d), y is (n, T) and may
have holes (NaN)::

    >>> from sklearn.model_selection import GridSearchCV
    >>> from skmtl import MultiTaskRegressor
    >>> from skmtl.datasets import load_energy
    >>> X, y = load_energy(return_X_y=True, as_frame=True)
    >>> model = MultiTaskRegressor(trunk_sizes=(16,), head_sizes=(8,), epochs=5)
    >>> search = GridSearchCV(model, {"sharing_depth": [0, 1, 2]}, cv=3).fit(X, y)
    >>> search.predict(X).shape
    (768, 2)

`stack_tasks` makes one table of tasks that have rows of their own, `merge_tasks` makes one
estimator of several fitted ones. `skmtl.model_selection` says whether sharing helps,
`skmtl.ensemble` weighs networks and trees by target, `skmtl.calibration` has intervals
that hold as many values as they say, `skmtl.metrics` scores for targets with holes,
`skmtl.inspection` draws pictures, `skmtl.onnx` writes ONNX graphs, and `skmtl.datasets` has
small real tables. `skmtl.guide` has recipes, such as ``help(skmtl.guide.forecasting)``.
``python -m skmtl`` is the search from a shell.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` loads, for type checkers
    from . import (
        calibration,
        datasets,
        ensemble,
        guide,
        inspection,
        metrics,
        model_selection,
    )
    from ._estimators.classifier import MultiTaskClassifier
    from ._estimators.merging import merge_tasks
    from ._estimators.regressor import MultiTaskRegressor
    from ._tables.stacking import stack_tasks

__version__ = version("skmtl")
__all__ = [
    "MultiTaskClassifier",
    "MultiTaskRegressor",
    "calibration",
    "datasets",
    "ensemble",
    "guide",
    "inspection",
    "merge_tasks",
    "metrics",
    "model_selection",
    "stack_tasks",
]

_WHERE = {
    "MultiTaskClassifier": "._estimators.classifier",
    "MultiTaskRegressor": "._estimators.regressor",
    "merge_tasks": "._estimators.merging",
    "stack_tasks": "._tables.stacking",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: importing the package is quick and takes in no TensorFlow.
    if name in _WHERE:
        return getattr(import_module(_WHERE[name], __name__), name)
    if name in __all__:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
