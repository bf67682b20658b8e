"""Scores that early stopping may go by: metrics of the rows held out, compiled.

Each is what `skmtl.metrics` has by the same name, of one target or several alike: of
scaled targets Y (n, k), outputs of heads F (n, k, O), and cell weights W (n, k), which are
0 where a target is not observed. More is better.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sklearn.exceptions import UndefinedMetricWarning

from .._messages import did_you_mean, listed
from .._network.heads import HeadKind, Probability
from .._tables.per_target import is_one_score, per_target
from .losses import TaskLoss

if TYPE_CHECKING:  # which imports this file
    from .rows import TableRows

BY_LOSS = "loss"
SCALES = 1e-30, 1e30  # smallest and largest


@dataclass(frozen=True)
class TaskScore:
    """What one target is scored by; equal ones are computed together."""

    name: str
    kind: HeadKind


class ScoreUnits(NamedTuple):
    """Run-time values (T,) that scores need."""

    scale: np.ndarray  # a unit of the scaled target, in the target's own
    center: np.ndarray  # the mean in training, in scaled units
    defined: np.ndarray  # 1 where the rows held out tell the score, else 0


def task_scores(
    scoring, losses: Sequence[TaskLoss], names: Sequence[str]
) -> tuple[TaskScore, ...]:
    """One score per target, or none if all go by their losses."""
    found = per_target("scoring", scoring, names, is_one_score)
    for metric, loss, name in zip(found, losses, names, strict=True):
        _check(metric, loss.kind, name)
    if all(metric == BY_LOSS for metric in found):
        return ()
    return tuple(
        TaskScore(metric, loss.kind) for metric, loss in zip(found, losses, strict=True)
    )


def scores_of(scores: Sequence[TaskScore], losses, Y, F, W, units: ScoreUnits):
    """The score (T,) of every target, of which ``losses`` (T,) are known already."""
    tasks_of: dict[TaskScore, list[int]] = {}
    for task, score in enumerate(scores):
        tasks_of.setdefault(score, []).append(task)
    parts = []
    for score, tasks in tasks_of.items():
        if score.name == BY_LOSS:
            parts.append(-tf.gather(losses, tasks))
            continue
        y, f, w = (tf.gather(A, tasks, axis=1) for A in (Y, F, W))
        scale, center = (tf.gather(u, tasks) for u in (units.scale, units.center))
        if score.name in OF_NUMBERS:
            p = keras.activations.get(score.kind.activation)(f[..., 0])
            parts.append(OF_NUMBERS[score.name](y, p, w, scale, center))
        else:
            f = f[..., : score.kind.n_outputs]
            parts.append(OF_CLASSES[score.name](y, f, w, score.kind))
    order = np.argsort(np.concatenate(list(tasks_of.values())))
    return tf.gather(tf.concat(parts, axis=0), order)


def score_units(
    scores: Sequence[TaskScore], rows: TableRows, means: np.ndarray
) -> ScoreUnits:
    """Units of the scores of rows to validate on, of targets with these training means.

    Warns of targets that have no score.
    """
    undefined: dict[str, list[str]] = {}
    defined, table = np.ones(len(scores)), rows.table
    for t, score in enumerate(scores):
        y, w = table.Y[rows.numbers, t], table.W[rows.numbers, t]
        if not _is_defined(score, y[w > 0]):
            undefined.setdefault(score.name, []).append(table.names[t])
            defined[t] = 0.0
    for metric, names in undefined.items():
        warnings.warn(
            f"The rows to validate on do not tell {metric} of the "
            f"{listed('target', names)}: it needs {NEEDS.get(metric, 'values of 0 and 1')}."
            " Early stopping goes by the other targets of the same network, or if there "
            "are none, by the loss. Hold out more rows, by validation_fraction or X_val, "
            "or take scoring='loss'.",
            UndefinedMetricWarning,
            stacklevel=2,
        )
    targets = rows.network.targets
    centers = (means - targets.mean) / targets.scale
    # Errors in such units are finite in single precision.
    return ScoreUnits(np.clip(targets.scale, *SCALES), centers, defined)


NEEDS = {
    "r2": "two different values",
    "neg_average_relative_rmse": "two different values",
    "roc_auc": "rows of every class",
}


def _check(metric, kind: HeadKind, name: str) -> None:
    if callable(metric):
        raise TypeError(
            f"scoring={metric!r} is a function, which a compiled program cannot call: give "
            "the name of a metric, or write a callback that sets model.stop_training "
            "(callbacks=[...])."
        )
    known = [BY_LOSS, *OF_NUMBERS, *OF_CLASSES]
    if metric not in known:
        raise ValueError(
            f"scoring={metric!r} is not known.{did_you_mean(str(metric), known)} Known are "
            f"{', '.join(map(repr, known))}."
        )
    of_classes = kind.n_classes > 0
    wrong = metric in (OF_NUMBERS if of_classes else OF_CLASSES)
    if not wrong or (isinstance(kind, Probability) and metric in OF_CLASSES):
        return
    fitting = OF_CLASSES if of_classes else OF_NUMBERS
    alternative = "" if of_classes else ", or loss='log_loss' for a target of 0 and 1"
    raise ValueError(
        f"scoring={metric!r} is no metric of {'labels' if of_classes else 'numbers'}, but "
        f"the target {name!r} has such: choose 'loss' or one of "
        f"{', '.join(map(repr, fitting))}{alternative}."
    )


def _is_defined(score: TaskScore, seen: np.ndarray) -> bool:
    """Whether these observed values tell the score."""
    if score.name in ("r2", "neg_average_relative_rmse"):
        return len(seen) > 1 and bool(np.ptp(seen))
    if score.name not in OF_CLASSES or score.name == "neg_log_loss":
        return len(seen) > 0
    classes = np.arange(_n_classes(score.kind))
    if score.name == "roc_auc":
        return len(classes) > 1 and np.array_equal(np.unique(seen), classes)
    return len(seen) > 0 and bool(np.isin(seen, classes).all())


def _n_classes(kind: HeadKind) -> int:
    return kind.n_classes or 2  # the probability of 1 knows 0 and 1


def _sum(A):
    return tf.reduce_sum(A, axis=0)


def _mean(A, w):
    return _sum(w * A) / _sum(w)


def _r2(y, p, w, scale, center):
    return 1.0 - _sum(w * (y - p) ** 2) / _sum(w * (y - _mean(y, w)) ** 2)


def _neg_mae(y, p, w, scale, center):
    return -scale * _mean(tf.abs(y - p), w)


def _neg_rmse(y, p, w, scale, center):
    return -scale * tf.sqrt(_mean((y - p) ** 2, w))


def _neg_relative_rmse(y, p, w, scale, center):
    return -tf.sqrt(_sum(w * (y - p) ** 2) / _sum(w * (y - center) ** 2))


def _right(y, f, kind: HeadKind):
    """1 where the most probable class is the true one."""
    likeliest = tf.cast(f[..., 0] > 0, y.dtype)
    if kind.n_classes == 1:
        likeliest = tf.zeros_like(y)
    if kind.n_classes > 2:
        likeliest = tf.cast(tf.argmax(f, axis=-1, output_type=tf.int32), y.dtype)
    return tf.cast(likeliest == y, y.dtype)


def _accuracy(y, f, w, kind: HeadKind):
    return _mean(_right(y, f, kind), w)


def _balanced_accuracy(y, f, w, kind: HeadKind):
    w_of_classes = w[..., None] * tf.one_hot(tf.cast(y, tf.int32), _n_classes(kind))
    seen = _sum(w_of_classes)
    recalls = tf.math.divide_no_nan(
        _sum(w_of_classes * _right(y, f, kind)[..., None]), seen
    )
    n_seen = tf.reduce_sum(tf.cast(seen > 0, y.dtype), axis=-1)
    return tf.reduce_sum(recalls, axis=-1) / n_seen


def _roc_auc(y, f, w, kind: HeadKind):
    """The mean over classes of each against the rest; of two, they are the same."""
    if _n_classes(kind) == 2:
        return _area(y == 1, f[..., 0], w)
    P = tf.nn.softmax(f)
    areas = [_area(y == c, P[..., c], w) for c in range(kind.n_classes)]
    return tf.reduce_mean(tf.stack(areas), axis=0)


def _area(is_class, p, w):
    """The share of pairs, a row of the class and another, whose p are in order."""
    is_class, p, w = (tf.transpose(A) for A in (is_class, p, w))
    n_targets, n_rows = p.shape
    order = tf.argsort(p)
    is_class, p, w = (tf.gather(A, order, batch_dims=1) for A in (is_class, p, w))
    # Rows of equal p are one step: half of their pairs are in order.
    rises = tf.pad(tf.cast(p[:, 1:] > p[:, :-1], tf.int32), [[0, 0], [1, 0]])
    steps = tf.cumsum(rises, axis=1) + n_rows * tf.range(n_targets)[:, None]
    inside, outside = (
        tf.reshape(
            tf.math.unsorted_segment_sum(tf.where(side, w, 0.0), steps, n_targets * n_rows),
            p.shape,
        )
        for side in (is_class, ~is_class)
    )
    in_order = inside * (tf.cumsum(outside, axis=1) - outside / 2)
    totals = tf.reduce_sum(inside, axis=1) * tf.reduce_sum(outside, axis=1)
    return tf.reduce_sum(in_order, axis=1) / totals


def _neg_log_loss(y, f, w, kind: HeadKind):
    f = f[..., 0] if kind.n_outputs == 1 else f
    return -_mean(kind.loss(y, f, keras.ops), w)


OF_NUMBERS: dict[str, Callable] = {
    "r2": _r2,
    "neg_mean_absolute_error": _neg_mae,
    "neg_root_mean_squared_error": _neg_rmse,
    "neg_average_relative_rmse": _neg_relative_rmse,
}
OF_CLASSES: dict[str, Callable] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "roc_auc": _roc_auc,
    "neg_log_loss": _neg_log_loss,
}
