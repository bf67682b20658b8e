"""Seconds for a training: how many epochs there is time for."""

from __future__ import annotations

import time


class Budget:
    """Time that starts to run when it is made; None is all the time in the world."""

    def __init__(self, seconds: float | None):
        self._seconds = seconds
        self._started = time.perf_counter()
        self._first: tuple[int, float] | None = None  # epochs of the first call; its end

    def n_epochs(self, n_done: int, n_planned: int) -> int:
        """How many epochs it will be, of those planned, as far as it is known by now."""
        if self._seconds is None or not n_done:
            return n_planned
        passed = time.perf_counter() - self._started
        if self._first is None:
            self._first = n_done, passed
        if passed >= self._seconds:
            return n_done
        n_first, end_of_first = self._first
        if n_done == n_first:  # the first call has compiled, the next ones will be quicker
            return n_planned
        seconds_per_epoch = (passed - end_of_first) / (n_done - n_first)
        n_more = int((self._seconds - passed) / seconds_per_epoch)
        return min(n_planned, n_done + n_more)
