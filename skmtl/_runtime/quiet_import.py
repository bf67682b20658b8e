"""Importing TensorFlow without the lines it writes to the terminal when it starts.

A first import writes some ten lines about the processor and about GPUs that are not there.
Some come before TensorFlow reads its level, ``TF_CPP_MIN_LOG_LEVEL``, and go straight to
file descriptor 2. So for the import alone

- that descriptor is a file, and all but log lines are passed on when TensorFlow is there,
- the level is 1, unless the user has set one: the process goes on without TensorFlow's
  notes, and with its warnings and errors. The environment is as before afterwards, and
  child processes inherit nothing.

Where TensorFlow is there already, its level stays what it is. It writes more notes when it
first compiles by XLA, and so one small function is compiled, with the descriptor a file.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# As in "I0000 00:00:1795357207.117031    3299 port.cc:153] oneDNN custom operations ..."
LOG_LINE = re.compile(
    r"([IWEF]\d{4} .*\]|\d{4}-\d\d-\d\d .*: [IWEF] |WARNING: All log messages before absl"
    r"|To enable the following instructions)"
)


def import_tensorflow() -> None:
    """Import TensorFlow and keep the log lines of its start from the standard error."""
    already_imported = "tensorflow" in sys.modules
    with _only_warnings_logged(), _log_lines_dropped():
        import tensorflow as tf

        if already_imported:
            tf.function(tf.nn.relu, jit_compile=True)(tf.zeros((2, 2)))
        else:
            # Without a GPU it says so at the first look for one, as an error.
            tf.config.list_physical_devices()


@contextmanager
def _only_warnings_logged() -> Iterator[None]:
    """The level that TensorFlow reads once, when it is imported, and keeps."""
    if LEVEL in os.environ:
        yield
        return
    os.environ[LEVEL] = "1"
    try:
        yield
    finally:
        os.environ.pop(LEVEL, None)


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
