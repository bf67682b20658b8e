"""What a process imports, prints and changes that has imported nothing beforehand.

One process does all of it, step by step, and a second one that imports Keras first:
importing TensorFlow takes seconds.
"""

import os
import re
import subprocess
import sys
from typing import NamedTuple

import joblib
import numpy as np
import pytest

from tests._asserts import assert_close
from tests._inputs import small

LIBRARIES = {"tensorflow", "keras", "scikeras", "matplotlib"}
STEPS = """
import os
import sys
import warnings

warnings.simplefilter("error")
environment, steps = dict(os.environ), {}

def end_of(step):
    top = {name.split(".")[0] for name in sys.modules}
    changed = set(os.environ.items()) ^ set(environment.items())
    steps[step] = top, changed
    for stream in (sys.stdout, sys.stderr):
        print("--", step, file=stream, flush=True)

import skmtl, skmtl.calibration, skmtl.datasets, skmtl.inspection, skmtl.metrics
import skmtl.model_selection
import joblib
end_of("import")

estimator, X, Y = joblib.load("in.joblib")
predicted = estimator.predict(X)
assert estimator.score(X, Y) is not None
end_of("predict")

trained_on = estimator.partial_fit(X, Y).predict(X)
for width in range(1, 7):
    model = skmtl.MultiTaskRegressor(
        trunk_sizes=(width,), head_sizes=(), activation="sigmoid", epochs=1, optimizer="sgd"
    )
    model.fit(X, Y).predict(X)
model.model_
from skmtl._training import PROGRAMS
assert PROGRAMS.n_built == 7, "they share programs"
end_of("train")

import tensorflow as tf
tf.linalg.cholesky(tf.constant([[1.0, 2.0], [3.0, -4.0]]))
end_of("a model of the user")

warnings.simplefilter("ignore")
model.to_scikeras()
end_of("to_scikeras")
joblib.dump([steps, predicted, trained_on], "out.joblib")
"""


def run(script, folder) -> subprocess.CompletedProcess:
    # A level that whoever runs the tests has set would hide lines.
    fresh = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=fresh,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


class Step(NamedTuple):
    libraries: set[str]  # that were imported by its end
    environment: set[tuple[str, str]]  # in which it has changed
    printed: str
    errors: str


class Process(NamedTuple):
    steps: dict[str, Step]
    predicted: np.ndarray
    trained_on: np.ndarray  # what it predicts after one epoch more


@pytest.fixture(scope="module")
def process(table, fitted, tmp_path_factory) -> Process:
    folder = tmp_path_factory.mktemp("process")
    joblib.dump((fitted, *table), folder / "in.joblib")
    done = run(STEPS, folder)
    noted, *predictions = joblib.load(folder / "out.joblib")
    printed, errors = (
        re.split(r"^-- .*\n", text, flags=re.MULTILINE)
        for text in (done.stdout, done.stderr)
    )
    steps = {
        name: Step(top & LIBRARIES, changed, printed[i], errors[i])
        for i, (name, (top, changed)) in enumerate(noted.items())
    }
    return Process(steps, *predictions)


@pytest.mark.parametrize("step", ["import", "predict"])
def test_importing_and_predicting_take_in_none_of_the_large_libraries(process, step):
    assert process.steps[step].libraries == set()


def test_training_takes_in_no_scikeras(process):
    assert "tensorflow" in process.steps["train"].libraries
    assert "scikeras" not in process.steps["train"].libraries
    assert "scikeras" in process.steps["to_scikeras"].libraries


@pytest.mark.parametrize("step", ["import", "predict", "train"])
def test_nothing_is_printed_however_many_programs_are_compiled(process, step):
    assert (process.steps[step].printed, process.steps[step].errors) == ("", "")


def test_the_environment_stays_as_it_was(process):
    assert process.steps["train"].environment == set()


def test_warnings_of_the_users_models_are_seen(process):
    assert re.search(r"W\d{4} .*Cholesky", process.steps["a model of the user"].errors)


def test_a_file_predicts_the_same_and_trains_on(process, table):
    X, Y = table
    model = small().fit(X, Y)

    np.testing.assert_array_equal(process.predicted, model.predict(X))
    assert_close(process.trained_on, model.partial_fit(X, Y).predict(X))


KERAS_FIRST = """
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

X = np.load("X.npy")
for file in Path.cwd().glob("*.keras"):
    np.save(f"{file.stem}.npy", keras.models.load_model(file).predict(X, verbose=0))
assert "skmtl" not in sys.modules
print("loaded", file=sys.stderr, flush=True)

warnings.simplefilter("error")
from skmtl import MultiTaskRegressor

model = MultiTaskRegressor(trunk_sizes=(2,), head_sizes=(), epochs=1).fit(X, X)
model.predict(X), model.model_
"""


def test_keras_alone_loads_models_and_nothing_is_printed_if_it_was_imported_first(
    table, fitted, tmp_path
):
    X, Y = table
    estimators = {
        "trunk": fitted,
        "separate": small(sharing_depth=0).fit(X, Y),
        "dropout": small(dropout=0.2).fit(X, Y),
        "experts": small(n_experts=2, n_members=2).fit(X, Y),
        "one target": small().fit(X, Y[:, 0]),
    }
    for name, estimator in estimators.items():
        estimator.model_.save(tmp_path / f"{name}.keras")
    np.save(tmp_path / "X.npy", X)

    done = run(KERAS_FIRST, tmp_path)

    for name, estimator in estimators.items():
        loaded = np.load(tmp_path / f"{name}.npy")
        assert_close(loaded, estimator.predict(X), atol=1e-4)
    assert (done.stdout, done.stderr.partition("loaded\n")[2]) == ("", "")
