"""Processes forked from one in which TensorFlow has started.

TensorFlow's threads do not come along into a forked process: there, whatever waits for them
would hang for ever. TensorFlow starts with its first operation; a process that is forked
before, even after the import, may train.
"""

from __future__ import annotations

import os
import threading
import weakref

from .._third_party import tensorflow_has_started

THREADS = "/proc/self/task"  # one entry for each, Linux only

_models = weakref.WeakSet()  # Keras models that were made of networks
_forked = False


def check_not_forked(*_, **__) -> None:
    """Refuse what would hang."""
    if _forked:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had started, by training "
            "or otherwise, and TensorFlow would hang in it; predict works. Start processes "
            "by 'spawn', or use joblib's default backend (loky) or threads."
        )


def refuse_after_fork(model):
    """The Keras model, which will raise the error above in forked processes."""
    _models.add(model)
    return model


def _has_lost_its_threads() -> bool:
    """Whether TensorFlow has started and none of the process's threads can be its own."""
    if not tensorflow_has_started() or not os.path.isdir(THREADS):
        return False
    return len(os.listdir(THREADS)) <= threading.active_count()


def _after_fork() -> None:
    global _forked
    _forked = _forked or tensorflow_has_started()
    if _forked:
        for model in _models:
            model.call = model.make_predict_function = check_not_forked
            model.make_train_function = model.make_test_function = check_not_forked


if hasattr(os, "register_at_fork"):
    _forked = _has_lost_its_threads()  # if it was forked before this import
    os.register_at_fork(after_in_child=_after_fork)
