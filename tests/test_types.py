"""The types of the public functions, by a type checker, and an example for each of them."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import FunctionType

import pytest

ROOT = Path(__file__).parents[1]
MODULES = (
    "skmtl",
    "skmtl.calibration",
    "skmtl.datasets",
    "skmtl.ensemble",
    "skmtl.inspection",
    "skmtl.metrics",
    "skmtl.model_selection",
    "skmtl.onnx",
)

RIGHT = """\
import numpy as np
from sklearn.model_selection import GroupShuffleSplit, TimeSeriesSplit

from skmtl import MultiTaskClassifier, MultiTaskRegressor, merge_tasks, stack_tasks
from skmtl.calibration import ConformalRegressor
from skmtl.datasets import load_energy
from skmtl.ensemble import MultiTaskStackingClassifier, MultiTaskStackingRegressor
from skmtl.inspection import SharingGainDisplay, TrainingDisplay, target_importance
from skmtl.metrics import r2_score, target_scorers
from skmtl.model_selection import (
    MultiTargetStratifiedKFold,
    SharingDepthSearchCV,
    cross_val_predict,
    model_verdict,
    search_space,
    sharing_verdict,
    suggest_groups,
    task_affinity,
)

X, y = load_energy(return_X_y=True)
frame = load_energy(return_X_y=True, as_frame=True)[1]
frame.columns
model = MultiTaskRegressor(
    trunk_sizes=[64],
    head_sizes=(),
    n_bins=8,
    loss=("quantile", 0.9),
    loss_weights={"heating_load": 2, "cooling_load": 1},
    target_groups=[["heating_load"], ["cooling_load"]],
    random_state=np.random.RandomState(0),
).fit(X, y, sample_weight=[1.0] * 768)
model.predict(X) + 1.0
mean, std = model.predict(X, return_std=True)
mean / std
model.partial_fit(X, y).add_task(X, y[:, 0], "again", loss="huber").for_prediction()
merge_tasks([model, model]).predict_quantiles(X).shape
round(model.score(X, y) + r2_score(y, model.predict(X)), 2)
r2_score(y, model.predict(X), multioutput="raw_values").round(2)
model.history_["loss"][-1] + float(model.loss_weights_[0])
model.model_.summary()

model.fit(X[:600], y[:600], X_val=X[600:], y_val=y[600:], sample_weight_val=[1.0] * 168)
model.set_params(validation_fraction=GroupShuffleSplit()).fit(X, y, groups=y[:, 0])
MultiTaskRegressor(validation_fraction=TimeSeriesSplit(4), loss_weights=("famo", [1, 2]))
MultiTaskRegressor(scoring={"heating_load": "r2", "cooling_load": "loss"})
MultiTaskClassifier(scoring="roc_auc").set_params(scoring=["accuracy", "roc_auc"])
MultiTaskClassifier(loss_weights=("mgda", {"a": 2.0, "b": 1}), validation_fraction=0.1)

labels = [["low", None], [None, "yes"], ["high", "no"]]
classifier = MultiTaskClassifier(class_weight="balanced", epochs=5)
classifier.fit(np.eye(3), labels).partial_fit(np.eye(3), labels, classes=labels)
[p.shape for p in classifier.predict_proba(np.eye(3))]

search = SharingDepthSearchCV(
    model, depths=[1], scoring=target_scorers(metric="r2"), param_grid={"n_bins": [0, 4]}
).fit(X, y)
sharing_verdict(search).upper()
SharingGainDisplay.from_search(search, depth=1).figure_.savefig("gain.png")
TrainingDisplay.from_estimator(model).plot(per_target=True).ax_.set_title("training")
target_importance(model, X, y, n_repeats=2)["importance"].max()
suggest_groups(task_affinity(model, X, y), 2)[0][0].upper()
search_space(model, library="optuna").keys()
verdict = model_verdict(model, X, y, models=[("net", model)], depths=[0], cv=3)
verdict.table["score"].idxmax()
str(verdict).upper()
cross_val_predict(model, X, y, cv=MultiTargetStratifiedKFold(3, n_bins=5))
train, test = next(MultiTargetStratifiedKFold(random_state=0).split(X, y, groups=y[:, 0]))
conformal = ConformalRegressor(model, cv=0.2, spread="std").fit(X, y, groups=y[:, 0])
conformal.predict_interval(X, coverage=0.9, joint=True)[..., 0] <= conformal.predict(X)
stack_tasks({"a": ([[0.0], [1.0]], [5.0, None])})[0].shape

stack = MultiTaskStackingRegressor([("net", model)], cv=2, shrinkage=0)
stack.fit(X, y, groups=[1, 2] * 384).predict(X) + 1.0
stack.set_params(net="drop").weights_.loc["heating_load"].idxmax()
round(stack.score(X, y), 2)
MultiTaskStackingClassifier().fit(np.eye(3), labels).predict_proba(np.eye(3))
"""

# Each line is wrong by itself.
WRONG = """\
MultiTaskRegressor(epochs="many")
MultiTaskRegressor(trunk_size=(64,))
MultiTaskRegressor((64,))
MultiTaskRegressor(n_bins="many")
MultiTaskRegressor(validation_fraction="half")
MultiTaskRegressor(scoring=r2_score)
MultiTaskRegressor(loss_weights=("famo", "even"))
MultiTaskClassifier(class_weight="even")
MultiTaskClassifier(loss="log_loss")
model.predict(X) + "a"
model.predict(X, return_std=True).shape
model.fit()
model.fit(X, y, None, X, y)
model.score(X, y).shape
model.add_task(X, y, name=3)
classifier.predict_proba(X).keys()
merge_tasks([X])
stack_tasks(3)
load_energy(as_frame="yes")
load_energy(return_X_y=True).data
r2_score(y)
r2_score(y, y).shape
r2_score(y, y, multioutput="mean")
log_loss(y, y)
target_scorers(metric=r2_score)
SharingDepthSearchCV(model, depths="some")
task_affinity(model, X, y, batch_size="all")
task_affinity(model, X)
suggest_groups(y, n_groups="two")
MultiTargetStratifiedKFold(5, 10)
MultiTargetStratifiedKFold("five")
ConformalRegressor(model, spread="wide")
ConformalRegressor(model).fit(X)
ConformalRegressor(model).predict_interval(X, coverage="high")
sharing_gain(model, by="rows")
sharing_verdict(model) + 1
model_verdict(model, X, y, depths="all")
model_verdict(model, X, y) + "a"
model_verdict(X, y)
search_space(model, library="hyperopt")
search_space()
TrainingDisplay.from_estimator(model, 3)
TrainingDisplay(history=[1.0])
target_importance(model, X)
target_importance(model, X, y, n_repeats="two")
TargetImportanceDisplay([1.0])
NetworkDisplay(hidden_sizes=64, sharing_depth=1)
MultiTaskStackingRegressor(None, 5)
MultiTaskStackingRegressor(shrinkage="much")
MultiTaskStackingRegressor(parts=[])
MultiTaskStackingClassifier().score(X, y).shape
MultiTaskStackingClassifier().fit(X)
"""

BEFORE_WRONG = """\
from numpy import zeros

from skmtl import *
from skmtl.calibration import *
from skmtl.datasets import *
from skmtl.ensemble import *
from skmtl.inspection import *
from skmtl.metrics import *
from skmtl.model_selection import *

X = y = zeros((9, 2))
model, classifier = MultiTaskRegressor(), MultiTaskClassifier()
"""


def type_errors(tmp_path, script: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(script)
    options = ["--config-file", "pyproject.toml", "--cache-dir", str(tmp_path)]
    options += ["--no-error-summary", "--hide-error-context", "--no-color-output"]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not result.stderr, result.stderr
    return [line for line in result.stdout.splitlines() if ": error:" in line]


def test_a_type_checker_passes_over_right_calls_and_stops_at_each_wrong_one(tmp_path):
    assert type_errors(tmp_path, RIGHT) == []
    found = type_errors(tmp_path, BEFORE_WRONG + WRONG)
    numbers = [int(error.split(":")[1]) for error in found]
    first = BEFORE_WRONG.count("\n") + 1
    expected = dict(enumerate(WRONG.splitlines(), start=first))
    assert set(numbers) == set(expected), [
        *(expected[n] for n in set(expected) - set(numbers)),
        *(error for error, n in zip(found, numbers, strict=True) if n < first),
    ]


def test_a_type_checker_passes_over_the_package():
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", os.devnull],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def own_members(cls: type) -> dict:
    """The public methods and properties that a class has from this package."""
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("skmtl"):
            found |= vars(base)
    methods = (property, classmethod, staticmethod, FunctionType)
    return {
        name: member.fget if isinstance(member, property) else getattr(cls, name)
        for name, member in found.items()
        if not name.startswith("_") and isinstance(member, methods)
    }


def public() -> dict[str, object]:
    """All that users call or read, by name."""
    found = {}
    for module_name in MODULES:
        module = import_module(module_name)
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.ismodule(member):
                continue
            found[f"{module_name}.{name}"] = member
            if inspect.isclass(member):
                own = own_members(member)
                found |= {f"{module_name}.{name}.{key}": own[key] for key in own}
    return found


@pytest.mark.parametrize("name", public())
def test_all_that_is_public_has_types_and_an_example(name):
    member = public()[name]
    assert ">>> " in inspect.getdoc(member)
    signature = inspect.signature(member)
    untyped = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty and parameter.name != "self"
    ]
    assert not untyped
    if not inspect.isclass(member):
        assert signature.return_annotation is not signature.empty
