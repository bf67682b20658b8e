"""Compiled programs, kept for the next fit of the same architecture."""

from __future__ import annotations

import threading
from collections import OrderedDict

from .padding import spec_with_room
from .program import Program
from .spec import ProgramSpec

MAX_PROGRAMS = 32
# Rows that a program has room for; of more, each power of two has a program of its own.
# Among few, a table and its folds mostly share one, and little is copied in vain.
ROWS = (1024, 4096)


class ProgramCache:
    """The most recently used programs. One program serves any number of threads.

    Which of them trains a network depends on the network and the number of rows alone, not
    on what is there: zeros behind a network change the order of sums, hence the last bits.
    """

    def __init__(self, max_programs: int = MAX_PROGRAMS):
        self.n_built = 0
        self._max_programs = max_programs
        self._programs: OrderedDict[tuple, Program] = OrderedDict()  # latest used last
        self._lock = threading.Lock()

    def get(
        self, spec: ProgramSpec, n_train: int, n_validation: int, *, exact: bool = False
    ) -> Program:
        """The program for networks of about this size and about so many rows.

        ``exact`` asks for one that has the sizes of the network.
        """
        asked = spec if exact else spec_with_room(spec)
        key = (asked, *_capacities(n_train + n_validation, n_validation, spec.batch_size))
        with self._lock:
            if key not in self._programs:
                self._programs[key] = Program(*key)
                self.n_built += 1
            self._programs.move_to_end(key)
            while len(self._programs) > self._max_programs:
                self._programs.popitem(last=False)
            return self._programs[key]

    def clear(self):
        with self._lock:
            self._programs.clear()


def _capacities(n_rows: int, n_validation: int, batch_size: int) -> tuple[int, int]:
    """Rows of a table, in whole batches, and rows held out, that a program has room for.

    Of the latter a quarter, if that is enough, whether or not any are held out now: going
    on with all rows takes the same program.
    """
    capacity = next((n for n in ROWS if n_rows <= n), 1 << (n_rows - 1).bit_length())
    held_out = capacity // 4 if n_validation <= capacity // 4 else capacity
    return -(-capacity // batch_size) * batch_size, held_out


PROGRAMS = ProgramCache()
