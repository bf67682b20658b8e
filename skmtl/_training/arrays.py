"""Zeros behind arrays, and what stands in front of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def padded(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The array with zeros behind it along every axis."""
    missing = [(0, new - old) for old, new in zip(array.shape, shape, strict=True)]
    return np.pad(array, missing) if any(n for _, n in missing) else array


def in_front(array: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """A copy of the larger array with the other one in front of it along every axis."""
    both = np.array(behind)
    both[tuple(map(slice, np.shape(array)))] = array
    return both


def cut(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """What stands in front of the padding."""
    return np.array(array[tuple(map(slice, shape))])
