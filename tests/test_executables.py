"""Memory mappings of compiled programs, of which a process may have so many only."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from skmtl._runtime import executables as _executables
from skmtl._training import PROGRAMS
from tests._inputs import SMALL, small

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="mappings are read off Linux' /proc (2026-11)"
)
ACTIVATIONS = ["softplus", "elu", "silu"]


def n_mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


@linux_only
def test_executables_are_given_back_and_compiled_again_when_needed(table, monkeypatch):
    PROGRAMS.clear()  # all below compile, whatever ran before

    def fit(activation):
        return small(activation=activation).fit(*table).predict(table[0])

    monkeypatch.setattr(_executables, "MAX_COMPILED", np.inf)
    before = n_mappings()
    expected = [fit(activation) for activation in ACTIVATIONS]
    of_three = n_mappings() - before

    monkeypatch.setattr(_executables, "MAX_COMPILED", 0)
    fit("selu")  # compiles

    assert of_three > 3 * 50, "programs have fewer mappings now: is all this needed still?"
    assert n_mappings() < before + of_three / 2
    for activation, predicted in zip(ACTIVATIONS, expected, strict=True):
        np.testing.assert_array_equal(fit(activation), predicted)


# What is wrong here ends the process by a signal.
THREADS = f"""
import threading
import numpy as np
import tensorflow as tf
from sklearn.base import clone
from skmtl import MultiTaskRegressor
from skmtl._runtime import executables as _executables

X = np.random.default_rng(0).normal(size=(40, 3))
model = MultiTaskRegressor(**{SMALL}).fit(X, X[:, :2])
keras_model, expected = model.model_, model.predict(X)
of_user = tf.function(lambda x: tf.reduce_sum(tf.tanh(x @ x)), jit_compile=True)
x, wrong = tf.ones((60, 60)), []

def train():
    if not (clone(model).fit(X, X[:, :2]).predict(X) == expected).all():
        wrong.append("fit")

def run(i, call):
    while not done.is_set():
        call()
        calls[i] += 1

every = [lambda: of_user(x), train, train, lambda: keras_model.predict(X, verbose=0)]
for n_threads in (2, 4):
    done, calls = threading.Event(), [0] * n_threads
    threads = [
        threading.Thread(target=run, args=pair) for pair in enumerate(every[:n_threads])
    ]
    for thread in threads:
        thread.start()
    n_given_back = 0
    for _ in range(4):
        n_given_back += _executables.give_back()
        done.wait(0.1)
    done.set()
    for thread in threads:
        thread.join()
    print(n_given_back, all(calls), wrong)
"""


def test_it_is_safe_and_done_while_threads_train_and_others_use_tensorflow():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THREADS],
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 True []\n4 True []\n"


@pytest.fixture
def thread_inside_tensorflow():
    """Another thread that is there until the test is over, or has set the event."""
    entered, leave = threading.Event(), threading.Event()

    def stay():
        entered.set()
        leave.wait(60)
        return 0.0

    stranger = threading.Thread(target=lambda: tf.py_function(stay, [], tf.float32))
    stranger.start()
    entered.wait(60)
    yield lambda: (leave.set(), stranger.join())
    leave.set()
    stranger.join()


def test_nothing_is_given_back_while_another_thread_is_inside(
    thread_inside_tensorflow, monkeypatch
):
    monkeypatch.setattr(_executables, "PATIENCE", 0.05)
    compiled = tf.function(lambda x: 2 * x, jit_compile=True)

    assert not _executables.give_back()
    assert compiled(tf.constant(1.0)) == 2.0  # and the gate is open again

    thread_inside_tensorflow()
    assert _executables.give_back()
    assert compiled(tf.constant(1.0)) == 2.0


def test_nothing_is_given_back_by_a_thread_that_tensorflow_has_called(monkeypatch):
    monkeypatch.setattr(_executables, "PATIENCE", np.inf)

    def traced(x):
        assert not _executables.give_back()
        return x

    tf.function(traced, autograph=False)(tf.constant(1.0))


@pytest.mark.usefixtures("thread_inside_tensorflow")
def test_what_can_not_be_given_back_ends_in_an_error_and_not_in_a_crash(monkeypatch):
    monkeypatch.setattr(_executables, "PATIENCE", 0.05)
    monkeypatch.setattr(_executables, "_mappings", lambda: (65000, 65530))

    with pytest.raises(RuntimeError, match="65000 of the 65530 memory mappings"):
        _executables.compiling()

    monkeypatch.setattr(_executables, "_mappings", lambda: (30000, 65530))
    _executables.compiling()


@linux_only
def test_mappings_are_counted():
    n, most = _executables._mappings()

    assert abs(n - n_mappings()) < 100
    assert most >= n
