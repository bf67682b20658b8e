"""Rows of a table for a program: encoded piece by piece, so that memory holds one copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from .._network.network import Network
from .._tables.chunks import pieces
from .._tables.table import Table
from .spec import Rows

ALIGNMENT = 64  # bytes, that TensorFlow asks of memory which it did not allocate itself


@dataclass(frozen=True)
class TableRows:
    """Some rows of a table, which become `Rows` where a program needs them."""

    network: Network
    table: Table
    which: slice | np.ndarray

    @cached_property
    def numbers(self) -> np.ndarray:
        """Row numbers in the table."""
        if isinstance(self.which, slice):
            return np.arange(len(self.table.X))[self.which]
        return self.which

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def mean_weight(self) -> np.ndarray:
        """Mean weight (T,) of a cell of each target."""
        W = self.table.W
        sums = [W[self.numbers[part]].sum(axis=0) for part in pieces(len(self), W.shape[1])]
        return sum(sums, start=np.zeros(W.shape[1])) / max(len(self), 1)

    def encoded(self) -> Iterator[tuple[slice, Rows]]:
        """Pieces of the rows as training sees them, and where each belongs."""
        for part in pieces(len(self), self.table.X.shape[1]):
            own = self.table.rows(self.numbers[part])
            yield part, Rows(*self.network.encode(own.X, own.Y, own.W, self.mean_weight))

    def with_room(self, capacity: int, n_numbers: int) -> Rows:
        """Tensors of the rows, with zeros behind their numbers and behind them all.

        Codes of categories are behind the numbers, without room for more.
        """
        own, n_targets = self.network.architecture, self.table.Y.shape[1]
        n_columns = n_numbers + own.n_categorical, n_targets, n_targets
        X, Y, W = arrays = [_zeros((capacity, n)) for n in n_columns]
        for part, piece in self.encoded():
            X[part, : own.n_features] = piece.X[:, : own.n_features]
            X[part, n_numbers:] = piece.X[:, own.n_features :]
            Y[part], W[part] = piece.Y, piece.W
        # Without a copy: nothing else writes to these arrays.
        return Rows(*(tf.experimental.dlpack.from_dlpack(A.__dlpack__()) for A in arrays))


def _zeros(shape: tuple[int, int]) -> np.ndarray:
    """An array where TensorFlow can read it."""
    n_bytes = 4 * shape[0] * shape[1]
    memory = np.zeros(n_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n_bytes].view(np.float32).reshape(shape)
