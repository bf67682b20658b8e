"""Losses: what ``loss=`` may name, and how a name becomes a function of cells.

Inside, a loss is a function of scaled targets (b, k) and of network outputs, and gives the
loss of every cell (b, k). The outputs are (b, k), or (b, k, O) if its link needs several.
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
from scipy.stats import norm

from .._features import did_you_mean
from .._links import Link, quantiles_of, variance_of
from .._targets import is_one_loss, is_quantile, per_target


@dataclass(frozen=True)
class TaskLoss:
    """The loss of one task; equal keys share a compiled program."""

    key: Hashable
    cells: Callable = field(compare=False, repr=False)
    link: Link = Link()  # noqa: RUF009 (it is frozen)

    def of_outputs(self, Y, outputs):
        """The loss of every cell (b, k), of what heads put out (b, k, O)."""
        n = self.link.n_outputs
        return self.cells(Y, outputs[..., 0] if n == 1 else outputs[..., :n])


def task_losses(loss, names: Sequence[str]) -> tuple[TaskLoss, ...]:
    """One loss per target, from one for all, a sequence, or a mapping by target name."""
    return tuple(_resolve(one) for one in per_target("loss", loss, names, is_one_loss))


def class_losses(n_classes: Sequence[int]) -> tuple[TaskLoss, ...]:
    """The log loss of targets that are numbers of classes."""
    return tuple(_of_classes(n) for n in n_classes)


def cell_losses(losses: Sequence[TaskLoss], Y, outputs):
    """The loss of every cell (b, T), of outputs (b, T, O).

    Tasks of the same loss are computed together.
    """
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
    """A loss for ``keras.Model``, which knows no third axis.

    With targets and cell weights side by side, (b, 2 T), and outputs (b, T O).
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
    if isinstance(loss, str) and loss in _BY_NAME:
        return TaskLoss(loss, _BY_NAME[loss], _LINKS.get(loss, Link()))
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
    """Equal for copies of a loss with settings, which is what a search fits.

    Changing a setting changes the key, and so does defining a function or class anew.
    """
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
    """Keeps functions and classes themselves: one defined anew has the same name."""

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


def _poisson(y, f):
    """Half the deviance of counts with mean exp(f): 0 at best."""
    y_log_y = ops.where(y > 0, y * ops.log(ops.where(y > 0, y, 1.0)), 0.0)
    return ops.exp(f) - y * f + y_log_y - y


def _log_loss(y, f):
    """Minus the logarithm of the likelihood of y with the probability sigmoid(f)."""
    # softplus(f) - y f, without the difference of two large numbers.
    return ops.maximum(f, 0.0) - y * f + ops.softplus(-ops.abs(f))


def _normal(y, f):
    """Minus the logarithm of a normal density, without log(2 pi) / 2."""
    variance = variance_of(f[..., 1], ops)
    return (ops.log(variance) + (y - f[..., 0]) ** 2 / variance) / 2


def _of_classes(n_classes: int) -> TaskLoss:
    """Minus the logarithm of the probability of the class, one output standing for two."""
    n_outputs = n_classes if n_classes > 2 else 1
    link = Link("classes", n_outputs, n_classes=n_classes)
    if n_classes == 1:
        return TaskLoss(("classes", 1), lambda y, f: 0.0 * f, link)
    if n_classes == 2:
        return TaskLoss(("classes", 2), _log_loss, link)

    def cells(y, f):
        of_class = ops.one_hot(ops.cast(y, "int32"), n_classes)
        return ops.logsumexp(f, axis=-1) - ops.sum(of_class * f, axis=-1)

    return TaskLoss(("classes", n_classes), cells, link)


def _pinball(y, f, level):
    """The loss of quantiles (Koenker & Bassett 1978)."""
    return ops.maximum(level * (y - f), (level - 1) * (y - f))


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
    key = ("quantile", *levels)
    if len(levels) == 1:
        return TaskLoss(key, partial(_pinball, level=levels[0]))

    # Every level counts alike: its loss is in units of what a normal distribution has.
    # Else early stopping would look at the median, whose loss is the largest, alone.
    weights = 1 / norm.pdf(norm.ppf(levels))
    weights = (weights / weights.mean()).astype(np.float32)

    def cells(y, f):
        quantiles = quantiles_of(f, levels, ops)
        losses = _pinball(y[..., None], quantiles, np.array(levels, np.float32))
        return ops.mean(weights * losses, axis=-1)

    return TaskLoss(key, cells, Link("quantiles", len(levels), levels))


_BY_NAME = {
    "squared_error": _squared_error,
    "absolute_error": _absolute_error,
    "huber": _huber,
    "log_cosh": _log_cosh,
    "poisson": _poisson,
    "log_loss": _log_loss,
    "normal": _normal,
}
_LINKS = {
    "poisson": Link("exponential"),
    "log_loss": Link("sigmoid"),
    "normal": Link("normal", n_outputs=2),
}

# Of Keras' own losses, those that mean the same whatever a target is scaled by.
_OF_ERRORS = {"mean_squared_error", "mean_absolute_error", "huber", "log_cosh"}


def _refuse_class(loss) -> None:
    kind = loss.func if isinstance(loss, partial) else loss
    if isinstance(kind, type):
        raise TypeError(
            f"loss is the class {kind.__name__}: give an instance, as in "
            f"{kind.__name__}(), or a name."
        )


def _refuse_where_scaling_destroys(loss) -> None:
    """Keras' losses for classes, counts, relative errors, directions, sequences."""
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
        known = [*_BY_NAME, *_OF_ERRORS]
        raise ValueError(
            f"loss={name!r} is not known.{did_you_mean(name, known)} Known are "
            f"{', '.join(_BY_NAME)}, ('quantile', level or levels) and the losses of Keras."
        ) from None


def _per_cell(function: Callable) -> Callable:
    """A loss of Keras, which averages over the last axis, as a function of cells."""

    def cells(y, f):
        losses = function(y[..., None], f[..., None])
        if len(losses.shape) not in (2, 3):
            raise ValueError(
                "A loss must give the loss of every cell or average over the last axis, "
                f"but {function!r} made {losses.shape} of {(*y.shape, 1)}."
            )
        return losses[..., 0] if len(losses.shape) == 3 else losses

    return cells
