"""What the command line writes to the terminal."""

from __future__ import annotations

import os
import sys


def tell(message: str) -> None:
    """A message about the run, in one line whatever it quotes."""
    sys.stderr.write(f"skmtl: {' '.join(message.split())}\n")


def write(text: str) -> None:
    """Write to the standard output; what its encoding lacks becomes a question mark."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has left, as `| head` does: no one misses the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
