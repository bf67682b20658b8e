"""Losses: what ``loss=`` may name, and how a name becomes a function of cells.

Inside, a loss is a function of scaled targets (b, k) and of network outputs, and gives the
loss of every cell (b, k). The outputs are (b, k), or (b, k, O) of several.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from numbers import Real
from types import FunctionType

import keras
import numpy as np
from keras import ops

from .._messages import did_you_mean
from .._network.heads import OF_LOSSES, Classes, HeadKind, Mean, Quantiles
from .._network.heads.quantiles import pinball
from .._tables.per_target import is_one_loss, is_quantile, per_target


@dataclass(frozen=True)
class TaskLoss:
    """The loss of one task; equal keys share a compiled program."""

    key: Hashable
    cells: Callable = field(compare=False, repr=False)
    kind: HeadKind = Mean()  # noqa: RUF009 (it is frozen)

    def of_outputs(self, Y, outputs):
        """The loss of every cell (b, k), of what heads put out (b, k, O)."""
        n = self.kind.n_outputs
        return self.cells(Y, outputs[..., 0] if n == 1 else outputs[..., :n])


def task_losses(loss, names: Sequence[str]) -> tuple[TaskLoss, ...]:
    """One loss per target, from one for all, a sequence, or a mapping by target name."""
    return tuple(_resolve(one) for one in per_target("loss", loss, names, is_one_loss))


def class_losses(n_classes: Sequence[int]) -> tuple[TaskLoss, ...]:
    """The log loss of targets that are numbers of classes."""
    return tuple(_of_kind(Classes(n)) for n in n_classes)


def cell_losses(losses: Sequence[TaskLoss], Y, outputs):
    """The loss of every cell (b, T), of outputs (b, T, O).

    Tasks of the same loss are computed together.
    """
    # One operation for each different loss. With one for each task, compiling would take
    # longer, the more tasks there are.
    tasks_of = {}
    for task, loss in enumerate(losses):
        tasks_of.setdefault(loss, []).append(task)
    if len(tasks_of) == 1:
        return losses[0].of_outputs(Y, outputs)
    columns = [
        loss.of_outputs(ops.take(Y, tasks, axis=1), ops.take(outputs, tasks, axis=1))
        for loss, tasks in tasks_of.items()
    ]
    order = np.argsort(np.concatenate(list(tasks_of.values())))
    return ops.take(ops.concatenate(columns, axis=1), order, axis=1)


def mean_loss(losses: Sequence[TaskLoss], loss_weights: np.ndarray) -> Callable:
    """A loss for ``keras.Model.compile``, with a weight for every cell.

    Keras hands a loss two arrays with two axes each. So the targets and the cell weights
    come side by side, (b, 2 T), and the outputs in a row, (b, T O).
    """
    n_targets = len(losses)

    def multi_task_loss(packed, outputs):
        Y, W = packed[:, :n_targets], packed[:, n_targets:]
        outputs = ops.reshape(outputs, (-1, n_targets, outputs.shape[-1] // n_targets))
        return ops.mean(loss_weights * W * cell_losses(losses, Y, outputs), axis=1)

    return multi_task_loss


def _resolve(loss) -> TaskLoss:
    if is_quantile(loss):
        return _of_quantiles(loss)
    if isinstance(loss, str) and loss in OF_LOSSES:
        return _of_kind(OF_LOSSES[loss])
    if isinstance(loss, str) and loss in _BY_NAME:
        return TaskLoss(loss, _BY_NAME[loss])
    given, loss = loss, _of_keras(loss) if isinstance(loss, str) else loss
    _refuse_class(loss)
    _refuse_where_scaling_destroys(loss)
    if isinstance(given, keras.losses.Loss):
        _refuse_what_a_copy_forgets(given)
    if isinstance(loss, keras.losses.Loss):
        return TaskLoss(_key(loss), _per_cell(loss.call))
    if callable(loss):
        return TaskLoss(_key(loss), _per_cell(loss))
    raise TypeError(
        "loss must be a name, ('quantile', level or levels), a keras.losses.Loss, a "
        f"function of (y_true, y_pred), or a sequence or mapping of these; got {loss!r}."
    )


def _key(loss) -> Hashable:
    """A key that is equal for equal losses, so that they share a compiled program.

    Changing a setting changes the key, and so does defining a function or class anew.
    """
    # A search fits copies of an estimator, hence of its loss, and most classes of losses
    # define no equality. Two objects with the same class and settings have the same pickle.
    if isinstance(loss, FunctionType):
        return loss
    settings = loss
    if isinstance(loss, keras.losses.Loss):  # its name says nothing, and may be counted
        named = vars(loss).items()
        settings = type(loss), {name: value for name, value in named if name != "name"}
    with BytesIO() as file:
        pickler = _PicklerOfSettings(file)
        try:
            pickler.dump(settings)
        except (pickle.PicklingError, AttributeError, TypeError, RecursionError):
            return _Itself(loss)
        return file.getvalue(), tuple(pickler.defined)


class _PicklerOfSettings(pickle.Pickler):
    """A pickler that sets functions and classes aside, to be compared as they are.

    A pickle has only their names, and one that is defined anew may have the same name.
    """

    def __init__(self, file):
        super().__init__(file)
        self.defined = []

    def persistent_id(self, thing):
        if not isinstance(thing, FunctionType | type):
            return None
        self.defined.append(thing)
        return len(self.defined)


class _Itself:
    """A loss that nothing else is equal to, whether or not it can be hashed."""

    def __init__(self, loss):
        self._loss = loss

    def __eq__(self, other):
        return isinstance(other, _Itself) and other._loss is self._loss

    def __hash__(self):
        return id(self._loss)


def _squared_error(y, f):
    return (y - f) ** 2


def _absolute_error(y, f):
    return ops.abs(y - f)


def _huber(y, f):
    error = ops.abs(y - f)
    return ops.where(error <= 1, error**2 / 2, error - 0.5)


def _log_cosh(y, f):
    error = ops.abs(y - f)
    return error + ops.softplus(-2 * error) - np.log(2)


def _of_quantiles(loss) -> TaskLoss:
    levels = np.atleast_1d(np.array(loss[1], dtype=object))
    if not (
        levels.size
        and all(isinstance(level, Real) and 0 < level < 1 for level in levels)
        and (np.diff(levels) > 0).all()
    ):
        raise ValueError(
            "The levels of a quantile loss must lie between 0 and 1, and rise, got "
            f"{loss!r}."
        )
    levels = tuple(float(level) for level in levels)
    if len(levels) == 1:
        cells = partial(pinball, level=levels[0], xp=ops)
        return TaskLoss(("quantile", *levels), cells, Mean())
    return _of_kind(Quantiles(levels))


def _of_kind(kind: HeadKind) -> TaskLoss:
    """The loss that a kind of head has for itself."""
    return TaskLoss(kind, partial(kind.loss, xp=ops), kind)


_BY_NAME = {
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "log_cosh": _log_cosh,
}

# Of Keras' own losses, those that mean the same whatever a target is scaled by.
_OF_ERRORS = {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh"}


def _refuse_class(loss) -> None:
    # Calling a class makes an object and computes no loss, with an error far from here.
    kind = loss.func if isinstance(loss, partial) else loss
    if isinstance(kind, type):
        raise TypeError(
            f"loss is the class {kind.__name__}: give an instance, as in "
            f"{kind.__name__}(), or a name."
        )


def _refuse_where_scaling_destroys(loss) -> None:
    """Raise an error for Keras' losses of classes, counts, relative errors and the like."""
    # A loss sees standardised targets, which are no longer 0 or 1, counts, or positive.
    if isinstance(loss, partial):
        loss = loss.func
    if type(loss).__module__.startswith("keras."):
        name = _snake_case(type(loss).__name__)
    elif str(getattr(loss, "__module__", "")).startswith("keras."):
        name = loss.__name__
    else:
        return
    if name in _OF_ERRORS:
        return
    remedy = "a function of your own, of (y_true, y_pred) in scaled units"
    if "crossentropy" in name or "cross_entropy" in name or "hinge" in name:
        remedy = "'log_loss' for a target of 0 and 1"
    elif name == "poisson":
        remedy = "'poisson' by its name, for counts"
    elif "percentage" in name or "logarithmic" in name:
        remedy = "'squared_error' for the logarithm of the target"
    raise ValueError(
        f"Keras' loss {name} would see scaled targets, for which it means nothing. Use "
        f"{remedy}."
    )


def _refuse_what_a_copy_forgets(loss: keras.losses.Loss) -> None:
    """Keras 3.15 copies a Huber loss without its delta; other versions may have more."""
    forgotten = sorted(getattr(loss, "_fn_kwargs", {}).keys() - loss.get_config().keys())
    if not forgotten:
        return
    name = type(loss).__name__
    # Not with its value, which a copy has lost already.
    function = f"keras.losses.{_snake_case(name)}, {'=..., '.join(forgotten)}=..."
    raise ValueError(
        f"Keras copies keras.losses.{name} without its {' and '.join(forgotten)}, and "
        "scikit-learn copies estimators: a search would train with another loss. Use "
        f"functools.partial({function}) instead."
    )


def _snake_case(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _of_keras(name: str) -> Callable:
    try:
        return keras.losses.get(name)
    except ValueError:
        own = [*_BY_NAME, *OF_LOSSES]
        known = [*own, *_OF_ERRORS]
        raise ValueError(
            f"loss={name!r} is not known.{did_you_mean(name, known)} Known are "
            f"{', '.join(own)}, ('quantile', level or levels) and the losses of Keras."
        ) from None


def _per_cell(function: Callable) -> Callable:
    """A loss of Keras, which averages over the last axis, as a function of cells."""

    # A last axis of length 1 leaves nothing to average over.
    def cells(y, f):
        losses = function(y[..., None], f[..., None])
        if len(losses.shape) not in (2, 3):
            raise ValueError(
                "A loss must give the loss of every cell or average over the last axis, "
                f"but {function!r} made {losses.shape} of {(*y.shape, 1)}."
            )
        return losses[..., 0] if len(losses.shape) == 3 else losses

    return cells
