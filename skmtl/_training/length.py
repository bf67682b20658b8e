"""How long training is: twice as long as planned, where that pays in the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .losses import TaskLoss

PAYING_FALL = 0.12  # of the losses, see `fall`


class Length:
    """How many epochs it will be, as far as it is planned.

    In the middle, these may become twice as many. A learning rate that falls along a cosine
    has hardly fallen until then: more epochs from the start would have been no better.
    """

    def __init__(self, n_epochs: int, most_epochs: int):
        self.n_epochs, self._most_epochs = n_epochs, most_epochs

    @property
    def look(self) -> int:
        """After how many epochs to see whether more would pay; 0 if there is no way."""
        return self.n_epochs // 2 if 2 * self.n_epochs <= self._most_epochs else 0

    def until_look(self, n_done: int) -> int:
        """How many epochs there are before the look, or else the end."""
        return (self.look if n_done < self.look else self.n_epochs) - n_done

    def double(self) -> None:
        self.n_epochs *= 2


def pays(
    losses: np.ndarray,
    best_epochs: np.ndarray,
    of_targets: Sequence[TaskLoss],
    loss_weights: np.ndarray,
) -> bool:
    """Whether losses (n_epochs, T) on rows held out make it worth while to go on for long.

    They do if they still fell steeply in the second half of the epochs, and the weights to
    keep, of these ``best_epochs`` of the networks, gained by it.
    """
    n_before = len(losses) // 2
    return bool(
        (best_epochs > n_before).any()
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
