"""The compiled training loop. Nothing else in the package imports TensorFlow.

``train`` fetches a ``Program`` from a cache and calls it, some epochs at a time. A
program is one architecture's loop over epochs and batches, compiled by XLA once.
"""

from .._kept import keep_programs
from ._backend import check_backend
from ._quiet import import_tensorflow

check_backend()
keep_programs()
import_tensorflow()

# After TensorFlow, which all of these import.
from ._cache import PROGRAMS  # noqa: E402
from ._callbacks import EpochCallbacks  # noqa: E402
from ._keras_model import build_ensemble, build_keras_model, build_trunk  # noqa: E402
from ._loop import DivergedError, train  # noqa: E402
from ._losses import class_losses, mean_loss, task_losses  # noqa: E402
from ._optimizer import choose_optimizer, optimizer_class  # noqa: E402
from ._rows import TableRows  # noqa: E402
from ._spec import ProgramSpec, Settings  # noqa: E402

__all__ = [
    "PROGRAMS",
    "DivergedError",
    "EpochCallbacks",
    "ProgramSpec",
    "Settings",
    "TableRows",
    "build_ensemble",
    "build_keras_model",
    "build_trunk",
    "choose_optimizer",
    "class_losses",
    "mean_loss",
    "optimizer_class",
    "task_losses",
    "train",
]
