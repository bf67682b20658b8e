"""How long training is: longer than planned where that pays, shorter where time ends it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .losses import TaskLoss

PAYING_FALL = 0.12  # of the losses, see `fall`
ENOUGH = 0.5  # of the epochs planned, see `Length.cut_off`


class Length:
    """How many epochs a training has: those planned, or as many as there is time for.

    In the middle of those planned, they may become as many as are allowed. A learning rate
    that falls along a cosine has not fallen far by then, and starts again.
    """

    def __init__(self, n_planned: int, most_epochs: int, max_seconds: float | None = None):
        self.n_planned, self._most_epochs = n_planned, most_epochs
        self._first_plan = n_planned
        self.in_seconds = max_seconds is not None
        self._seconds_left = np.inf if max_seconds is None else max_seconds
        self._seconds, self._n_timed = 0.0, 0

    @property
    def look(self) -> int:
        """After how many epochs to see whether more would pay; 0 if there are no more."""
        return self.n_planned // 2 if self.n_planned < self._most_epochs else 0

    def extend(self) -> float:
        """Plan as many as are allowed; returns how many times as many that is."""
        times = self._most_epochs / self.n_planned
        self.n_planned = self._most_epochs
        return times

    def took(self, n_epochs: int, seconds: float) -> None:
        """So many epochs took these seconds."""
        self._n_timed += n_epochs
        self._seconds += seconds
        self._seconds_left -= seconds

    def n_epochs(self, n_done: int) -> int:
        """How many epochs it will be, as far as it is known by now."""
        if self._seconds_left <= 0:
            return n_done
        if not self._n_timed or np.isinf(self._seconds_left):
            return self.n_planned
        n_more = int(self._seconds_left * self._n_timed / self._seconds)
        return min(self.n_planned, n_done + n_more)

    def cut_off(self, n_done: int, *, annealed: bool) -> bool:
        """Whether these are too few of the epochs planned at first to judge the network by.

        Where the step size falls, it has fallen to 0 in time: half of the epochs are then a
        whole training, if a short one.
        """
        return n_done < self._first_plan * (ENOUGH if annealed else 1)


def pays(
    losses: np.ndarray,
    best_epoch: int,
    of_targets: Sequence[TaskLoss],
    loss_weights: np.ndarray,
) -> bool:
    """Whether a network's losses (n_epochs, T) on rows held out make it worth to go on.

    They do if they still fell steeply in the second half of the epochs, and the weights to
    keep, of this best epoch, gained by it.
    """
    n_before = len(losses) // 2
    return bool(
        best_epoch > n_before
        and loss_weights.any()
        and fall(losses, n_before, of_targets, loss_weights) > PAYING_FALL
    )


def fall(
    losses: np.ndarray,
    n_before: int,
    of_targets: Sequence[TaskLoss],
    loss_weights: np.ndarray,
) -> float:
    """How much lower the losses (n_epochs, T) have become since the first ``n_before``.

    It is that of the weighted mean of their logarithms: a target that is nearly determined
    counts in it, however much noise others have. A loss that may be negative is itself the
    logarithm of a spread, which is the root of a squared error.
    """
    are_logarithms = [loss.kind.loss_may_be_negative for loss in of_targets]
    positive = np.maximum(losses, np.finfo(np.float32).tiny)
    logarithms = np.where(are_logarithms, 2.0 * losses, np.log(positive))
    means = np.average(logarithms, axis=1, weights=loss_weights)
    return float(means[:n_before].min() - means.min())
