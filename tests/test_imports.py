"""What importing TensorFlow and Keras does to a process, and when it is refused."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from skmtl import _third_party as _foreign
from skmtl._runtime import keras_backend as _backend
from skmtl._training import optimizer as _optimizer

WARNS = """
import skmtl._training
import tensorflow as tf
tf.linalg.cholesky(tf.constant([[1.0, 2.0], [3.0, -4.0]]))
"""


def run(code, **environment):
    fresh = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "KERAS_"))}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=fresh | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_level_of_the_user_stays():
    """Without it, the warning is seen: see test_fresh_process."""
    done = run(WARNS, TF_CPP_MIN_LOG_LEVEL="2")

    assert done.returncode == 0, done.stderr
    assert "Cholesky" not in done.stderr


def test_another_backend_of_keras_is_refused_in_one_sentence():
    done = run(
        "import numpy, skmtl; skmtl.MultiTaskRegressor().fit(numpy.eye(9), numpy.eye(9))",
        KERAS_BACKEND="jax",
    )

    assert done.stderr.splitlines()[-1] == (
        "ImportError: skmtl trains with TensorFlow, but the backend of Keras is 'jax', "
        "from the environment variable KERAS_BACKEND: set KERAS_BACKEND=tensorflow in the "
        "environment before Keras is imported (predict needs no backend)."
    )


@pytest.fixture
def before_keras(monkeypatch, tmp_path):
    """As it is when nothing has imported Keras yet; gives the folder of its settings."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv(_backend.SETTING, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def test_keras_that_was_imported_with_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")

    with pytest.raises(ImportError, match=r"'torch', from the program that imported Keras"):
        _backend.check_backend()


def test_a_backend_in_the_settings_file_is_refused_before_keras_looks_for_it(before_keras):
    file = before_keras / "keras.json"
    file.write_text(json.dumps({"backend": "jax"}))

    with pytest.raises(ImportError, match=f"'jax', from {re.escape(str(file))}: set"):
        _backend.check_backend()


@pytest.mark.parametrize("settings", ["{}", '{"backend": "tensorflow"}', "no JSON", None])
def test_tensorflow_is_what_keras_takes_unless_told_otherwise(before_keras, settings):
    if settings is not None:
        (before_keras / "keras.json").write_text(settings)

    _backend.check_backend()


def test_the_environment_comes_before_the_settings_file(before_keras, monkeypatch):
    (before_keras / "keras.json").write_text('{"backend": "jax"}')
    monkeypatch.setenv(_backend.SETTING, "tensorflow")

    _backend.check_backend()


def test_a_private_name_that_is_gone_ends_in_one_sentence(monkeypatch):
    name = "_all_reduce_sum_gradients"
    (owner,) = (cls for cls in keras.optimizers.Optimizer.__mro__ if name in vars(cls))
    monkeypatch.delattr(owner, name)
    choice = _optimizer.choose_optimizer("adam", 0.01, 0.0, 0.0)

    expected = (
        rf"keras [\d.]+ has no '{name}', which skmtl relies on: install a version that "
        r"skmtl was tested with, keras[<>=.,\d]+\.$"
    )
    with pytest.raises(ImportError, match=expected):
        _optimizer.CompiledOptimizer(choice.config, [(2, 1)], [True])


def test_a_private_module_that_is_gone_ends_in_one_sentence():
    with pytest.raises(ImportError, match=r"tensorflow .* has no 'gone', which skmtl"):
        _foreign._private("tensorflow.python.no_such_module", "gone", "tensorflow")


def test_libraries_with_private_names_in_use_have_upper_bounds():
    project = tomllib.loads(
        Path(__file__).parents[1].joinpath("pyproject.toml").read_text()
    )

    for library in ("keras", "scikeras", "scikit-learn", "tensorflow"):
        bounds = project["project"]["dependencies"]
        (bound,) = (b for b in bounds if re.match(rf"{library}\b", b))
        assert "<" in bound


def test_whether_tensorflow_has_started_is_told():
    tf.constant(1.0)

    assert _foreign.tensorflow_has_started() is True
