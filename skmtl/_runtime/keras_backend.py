"""Keras computes with one of several libraries; training needs it to be TensorFlow."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

SETTING = "KERAS_BACKEND"


def check_backend() -> None:
    """Refuse another backend than TensorFlow; before Keras is imported, if it isn't yet."""
    named, where = _named_backend()
    if "keras" in sys.modules:
        import keras

        in_use = keras.config.backend()
        where = where if named == in_use else "the program that imported Keras"
        named = in_use
    if named != "tensorflow":
        raise ImportError(
            f"skmtl trains with TensorFlow, but the backend of Keras is {named!r}, from "
            f"{where}: set {SETTING}=tensorflow in the environment before Keras is "
            "imported (predict needs no backend)."
        )


def _named_backend() -> tuple[str, str]:
    """What Keras takes when it is imported, and where that stands."""
    if os.environ.get(SETTING):
        return os.environ[SETTING], f"the environment variable {SETTING}"
    file = Path(os.environ.get("KERAS_HOME") or Path("~", ".keras").expanduser())
    file /= "keras.json"
    try:
        named = json.loads(file.read_text()).get("backend", "tensorflow")
    except (OSError, ValueError):  # Keras goes on without it, too
        named = "tensorflow"
    return named, str(file)
