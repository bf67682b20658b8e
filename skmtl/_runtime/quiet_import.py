"""Importing TensorFlow without the lines it writes to the terminal."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# As in "I0000 00:00:1795357207.117031    3299 port.cc:153] oneDNN custom operations ..."
LOG_LINE = re.compile(
    r"([IWEF]\d{4} .*\]|\d{4}-\d\d-\d\d .*: [IWEF] |WARNING: All log messages before absl"
    r"|To enable the following instructions)"
)


def import_tensorflow() -> None:
    """Import TensorFlow and keep the log lines of its start from the standard error.

    The level can be set by an environment variable, but some lines are written before it
    is read, and so straight to the file descriptor that only a redirection helps.
    """
    already_imported = "tensorflow" in sys.modules
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _log_lines_dropped():
        import tensorflow as tf

        if already_imported:  # with its own level: XLA greets at the first compilations
            tf.function(tf.nn.relu, jit_compile=True)(tf.zeros((2, 2)))


@contextmanager
def _log_lines_dropped() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then pass on all but log lines."""
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # a process without a standard error has nothing to keep clean
        yield
        return
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not LOG_LINE.match(line.decode(errors="replace")):
                    os.write(2, line)
