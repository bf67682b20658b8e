"""Tables in pieces: what is computed of many rows needs no second table beside them."""

from __future__ import annotations

from collections.abc import Iterator

PIECE = 2**20  # numbers that are held at once: 8 MiB


def pieces(n_rows: int, n_columns: int, size: int = PIECE) -> Iterator[slice]:
    """Slices of rows, one after the other."""
    step = max(1, size // max(n_columns, 1))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
