"""Compiled programs, kept for the next fit of the same architecture."""

from __future__ import annotations

import threading

from .padding import roomy, serves
from .program import VALIDATION_CHUNK, Program
from .spec import ProgramSpec

MAX_PROGRAMS = 32
FEWEST_ROWS = 1024  # that a program has room for, and of rows held out a quarter


class ProgramCache:
    """The most recently used programs. One program serves any number of threads.

    Networks of about the same size share one, which has room for the larger of them.
    """

    def __init__(self, max_programs: int = MAX_PROGRAMS):
        self.n_built = 0
        self._max_programs = max_programs
        self._programs: list[Program] = []  # the most recently used last
        self._lock = threading.Lock()

    def get(
        self, spec: ProgramSpec, n_train: int, n_validation: int, *, exact: bool = False
    ) -> Program:
        """A program for such networks and so many rows: the smallest there, or a new one.

        ``exact`` asks for one that has the sizes of the network.
        """
        asked = spec if exact else roomy(spec)
        with self._lock:
            program = self._find(asked, n_train, n_validation, exact)
            if program is None:
                program = Program(
                    asked,
                    _with_headroom(
                        n_train + n_validation, FEWEST_ROWS, multiple_of=spec.batch_size
                    ),
                    _with_headroom(
                        n_validation, FEWEST_ROWS // 4, multiple_of=VALIDATION_CHUNK
                    ),
                )
                self.n_built += 1
            else:
                self._programs.remove(program)
            self._programs.append(program)
            del self._programs[: -self._max_programs]
        return program

    def _find(self, asked, n_train, n_validation, exact) -> Program | None:
        fitting = [
            program
            for program in self._programs
            if (program.spec == asked if exact else serves(program.spec, asked))
            and _fits(n_train + n_validation, program.train_capacity)
            and _fits(n_validation, program.validation_capacity)
        ]
        return min(fitting, key=_size, default=None)

    def clear(self):
        with self._lock:
            self._programs.clear()


def _size(program: Program) -> tuple[int, ...]:
    """By this one of several is chosen, whatever was used last."""
    n_weights = program.spec.architecture.n_weights
    return n_weights, program.train_capacity, program.validation_capacity


def _with_headroom(n_rows: int, at_least: int, multiple_of: int) -> int:
    """A capacity that also serves the other folds, and the whole table of three or more.

    Small tables of any size share one: a few rows more cost next to nothing.
    """
    n_rows = max(n_rows + min(n_rows // 2, 4096), at_least)
    return -(-n_rows // multiple_of) * multiple_of


def _fits(n_rows: int, capacity: int) -> bool:
    """Rows beyond the table are copied in vain, so a capacity may not be far too large."""
    return n_rows == 0 or n_rows <= capacity <= max(2 * n_rows, 4096)


PROGRAMS = ProgramCache()
