"""Clocks of the benchmarks: both sides in turns, in processes of their own, medians."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np


def interleaved(sides: Sequence[Callable[[], float]], repeats: int) -> np.ndarray:
    """Times (repeats, sides), taken in turns; every other repeat in reverse."""
    times = np.empty((repeats, len(sides)))
    for repeat in range(repeats):
        order = range(len(sides)) if repeat % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            times[repeat, side] = sides[side]()
    return times


def seconds(function: Callable, *args) -> float:
    gc.collect()  # what the other side left behind is not to be cleared away in this time
    started = time.perf_counter()
    function(*args)
    return time.perf_counter() - started


def time_epoch(fit: Callable[[int], object], epochs: tuple[int, int]) -> float:
    """Seconds of one more epoch: what every fit costs is in both and cancels."""
    few, many = epochs
    return (seconds(fit, many) - seconds(fit, few)) / (many - few)


def time_call(function: Callable, n_calls: int) -> float:
    """Median over single calls."""
    times = []
    for _ in range(n_calls):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def resident_megabytes() -> float:
    """Physical memory that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def in_fresh_process(function: Callable, *args):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def duration(time_: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if time_ >= size:
            return f"{time_ / size:.3g} {unit}"
    return f"{time_ / 1e-6:.3g} us"
