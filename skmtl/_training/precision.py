"""Single precision, whatever Keras' default type is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import keras

_lock = threading.Lock()
_n_inside = 0
_set_by_user = "float32"


@contextmanager
def single_precision() -> Iterator[None]:
    """Keras' default type is single precision inside, and afterwards what it was.

    Keras makes an optimizer's rates of that type, and constants in its losses. It knows one
    default type for all threads: the first to come sets it, the last to leave resets it.
    """
    global _n_inside, _set_by_user
    # Counted, because members of an ensemble train in threads. If each thread put back what
    # it found, one that ends late could put back another thread's float32 for good.
    with _lock:
        if not _n_inside:
            _set_by_user = keras.config.floatx()
            if _set_by_user != "float32":
                keras.config.set_floatx("float32")
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside and _set_by_user != "float32":
                keras.config.set_floatx(_set_by_user)
