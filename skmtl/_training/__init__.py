"""The compiled training loop. Nothing else in the package runs TensorFlow.

``train`` borrows a ``Program`` from a cache and calls it, some epochs at a time. A
program is one architecture's loop over epochs and batches, compiled by XLA once.
"""

from ._cache import PROGRAMS
from ._callbacks import EpochCallbacks
from ._loop import train
from ._optimizer import choose_optimizer
from ._program import ProgramSpec, Rows, Settings

__all__ = [
    "PROGRAMS",
    "EpochCallbacks",
    "ProgramSpec",
    "Rows",
    "Settings",
    "choose_optimizer",
    "train",
]
