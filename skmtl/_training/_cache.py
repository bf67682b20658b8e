"""Compiled programs, kept for the next fit of the same architecture."""

from __future__ import annotations

import threading

from ._program import VALIDATION_CHUNK, Program, ProgramSpec

MAX_PROGRAMS = 32


class ProgramCache:
    """The most recently used programs. One program serves any number of threads."""

    def __init__(self, max_programs: int = MAX_PROGRAMS):
        self.n_built = 0
        self._max_programs = max_programs
        self._programs: list[Program] = []  # the most recently used last
        self._lock = threading.Lock()

    def get(self, spec: ProgramSpec, n_train: int, n_validation: int) -> Program:
        """A program for so many rows: one that is there, or a new one."""
        with self._lock:
            program = self._find(spec, n_train, n_validation)
            if program is None:
                program = Program(
                    spec,
                    _with_headroom(n_train, multiple_of=spec.batch_size),
                    _with_headroom(n_validation, multiple_of=VALIDATION_CHUNK),
                )
                self.n_built += 1
            else:
                self._programs.remove(program)
            self._programs.append(program)
            del self._programs[: -self._max_programs]
        return program

    def _find(self, spec, n_train, n_validation) -> Program | None:
        for program in reversed(self._programs):
            if (
                program.spec == spec
                and _fits(n_train, program.train_capacity)
                and _fits(n_validation, program.validation_capacity)
            ):
                return program
        return None

    def clear(self):
        with self._lock:
            self._programs.clear()


def _with_headroom(n_rows: int, multiple_of: int) -> int:
    """A capacity that also serves the other folds, and the whole table of three or more."""
    n_rows += min(n_rows // 2, 4096)
    return max(1, -(-n_rows // multiple_of)) * multiple_of


def _fits(n_rows: int, capacity: int) -> bool:
    """Rows beyond the table are copied in vain, so a capacity may not be far too large."""
    return n_rows <= capacity <= max(2 * n_rows, 4096)


PROGRAMS = ProgramCache()
