"""Compiled programs, kept for the next fit of the same architecture."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ._program import VALIDATION_CHUNK, Program, ProgramSpec

MAX_IDLE_PROGRAMS = 32


class ProgramCache:
    """Lends each program to one thread at a time; compiles a new one if none is free."""

    def __init__(self, max_idle: int = MAX_IDLE_PROGRAMS):
        self.n_built = 0
        self._max_idle = max_idle
        self._idle: list[Program] = []  # the most recently used last
        self._lock = threading.Lock()

    @contextmanager
    def borrow(
        self, spec: ProgramSpec, n_train: int, n_validation: int
    ) -> Iterator[Program]:
        program = self._take(spec, n_train, n_validation)
        if program is None:
            program = Program(
                spec,
                _with_headroom(n_train, multiple_of=spec.batch_size),
                _with_headroom(n_validation, multiple_of=VALIDATION_CHUNK),
            )
            with self._lock:
                self.n_built += 1
        try:
            yield program
        finally:
            if program.compiled:  # else something failed on the way
                with self._lock:
                    self._idle.append(program)
                    del self._idle[: -self._max_idle]

    def _take(self, spec, n_train, n_validation) -> Program | None:
        with self._lock:
            for program in reversed(self._idle):
                if (
                    program.spec == spec
                    and _fits(n_train, program.train_capacity)
                    and _fits(n_validation, program.validation_capacity)
                ):
                    self._idle.remove(program)
                    return program
        return None

    def clear(self):
        with self._lock:
            self._idle.clear()


def _with_headroom(n_rows: int, multiple_of: int) -> int:
    """A capacity that also serves the other folds, and the whole table of three or more."""
    n_rows += min(n_rows // 2, 4096)
    return max(1, -(-n_rows // multiple_of)) * multiple_of


def _fits(n_rows: int, capacity: int) -> bool:
    """Rows beyond the table are copied in vain, so a capacity may not be far too large."""
    return n_rows <= capacity <= max(2 * n_rows, 4096)


PROGRAMS = ProgramCache()
