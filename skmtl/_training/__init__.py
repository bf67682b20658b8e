"""The compiled training loop. Nothing else in the package imports TensorFlow.

``train`` fetches a ``Program`` from a cache and calls it, some epochs at a time. A
program is one architecture's loop over epochs and batches, compiled by XLA once.
"""

from .._runtime.disk_cache import keep_programs
from .._runtime.keras_backend import check_backend
from .._runtime.quiet_import import import_tensorflow

check_backend()
keep_programs()
import_tensorflow()

# After TensorFlow, which all of these import.
from .ensemble import extended_history, train_members  # noqa: E402
from .keras_model import build_ensemble, build_keras_model, build_trunk  # noqa: E402
from .losses import class_losses, mean_loss, task_losses  # noqa: E402
from .optimizer import choose_optimizer, optimizer_class  # noqa: E402
from .plan import Plan, rows_per_step  # noqa: E402
from .program_cache import PROGRAMS  # noqa: E402
from .scoring import task_scores  # noqa: E402

__all__ = [
    "PROGRAMS",
    "Plan",
    "build_ensemble",
    "build_keras_model",
    "build_trunk",
    "choose_optimizer",
    "class_losses",
    "extended_history",
    "mean_loss",
    "optimizer_class",
    "rows_per_step",
    "task_losses",
    "task_scores",
    "train_members",
]
