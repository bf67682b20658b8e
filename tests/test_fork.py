"""Processes that are forked: all but predict is refused there if it would hang."""

import os
import subprocess
import sys

import pytest

from tests._inputs import SMALL

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="no fork on this system (2026-11)"
)
START = """
import os
import signal
import numpy as np

X = np.random.default_rng(0).normal(size=(40, 3))

def forked(call):
    "What it prints in a child, which is given a minute."
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            print(call(), flush=True)
        except BaseException as error:
            print(type(error).__name__, *str(error).split(), flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        print("hangs", flush=True)
"""
AFTER_A_FIT = f"""{START}
from skmtl import MultiTaskRegressor
from skmtl.model_selection import task_affinity

model = MultiTaskRegressor(**{SMALL}).fit(X, X[:, :2])
before = model.predict(X)
keras_model, trunk = model.model_, model.trunk_
scikeras = model.to_scikeras(epochs=1, verbose=0).fit(X, X[:, :2])
keras_model.predict(X, verbose=0), trunk.predict(X, verbose=0)
calls = dict(
    fit=lambda: model.fit(X, X[:, :2]),
    partial_fit=lambda: model.partial_fit(X, X[:, :2]),
    add_task=lambda: model.add_task(X, X[:, 2], name="c"),
    model_=lambda: model.model_,
    trunk_=lambda: model.trunk_,
    call=lambda: keras_model(X),
    keras_predict=lambda: keras_model.predict(X, verbose=0),
    keras_predict_on_batch=lambda: keras_model.predict_on_batch(X),
    call_trunk=lambda: trunk(X),
    predict_trunk=lambda: trunk.predict(X, verbose=0),
    to_scikeras=lambda: model.to_scikeras(),
    scikeras_fit=lambda: scikeras.fit(X, X[:, :2]),
    scikeras_partial_fit=lambda: scikeras.partial_fit(X, X[:, :2]),
    scikeras_predict=lambda: scikeras.predict(X),
    scikeras_model=lambda: scikeras.model_.predict(X, verbose=0),
    task_affinity=lambda: task_affinity(model, X, X[:, :2]),
    predict=lambda: (model.predict(X) == before).all(),
)
for name, call in calls.items():
    print(name, end=": ", flush=True)
    forked(call)
model.fit(X, X[:, :2])
keras_model.predict(X, verbose=0)
print("the parent goes on")
"""
FIT = f"""{START}
def fit():
    from skmtl import MultiTaskRegressor
    MultiTaskRegressor(**{SMALL}).fit(X, X[:, :2])
    return "trained"
"""
AFTER_IMPORTS = f"""{FIT}
import skmtl._estimators.regressor, skmtl._training
forked(fit)
import tensorflow as tf
forked(fit)
tf.constant(1.0)
forked(fit)
"""
KERAS_FIRST = f"""{FIT}
import keras
keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
forked(fit)
"""


def printed(code):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_a_fit_all_but_predict_says_what_to_do_instead():
    *calls, last = printed(AFTER_A_FIT).splitlines()

    assert last == "the parent goes on"
    answers = dict(line.split(": ", 1) for line in calls)
    assert answers.pop("predict") == "True"
    assert len(answers) == 16
    for name, answer in answers.items():
        assert answer.startswith("RuntimeError"), name
        assert "This process was forked" in answer, name
        assert "spawn" in answer, name
        assert "loky" in answer, name


def test_training_is_refused_once_tensorflow_has_started_and_not_by_an_import_alone():
    imported, imported_again, started = printed(AFTER_IMPORTS).splitlines()

    assert imported == imported_again == "trained"
    assert started.startswith("RuntimeError This process was forked")


def test_training_is_refused_where_keras_was_used_before_skmtl_was_imported():
    assert "RuntimeError This process was forked" in printed(KERAS_FIRST)
