"""The probability of 1, for a target of 0 and 1: the sigmoid of the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .head_kind import HeadKind


@dataclass(frozen=True)
class Probability(HeadKind):
    """Logistic regression. The target may be a share between 0 and 1, too."""

    activation: ClassVar[str] = "sigmoid"
    own_loss: ClassVar[str] = "log_loss"
    grows_too_sure: ClassVar[bool] = True
    expects: ClassVar[tuple[str, str]] = ("0, 1 or shares between", "other")

    def loss(self, y, f, xp):
        """Minus the logarithm of the likelihood of y with the probability sigmoid(f)."""
        # softplus(f) - y f, without the difference of two large numbers.
        return xp.maximum(f, 0.0) - y * f + xp.softplus(-xp.abs(f))

    def misfits(self, Y):
        return (Y < 0) | (Y > 1)

    def units(self, mean, scale):
        return 0.0, 1.0

    def first_outputs(self, y, w):
        """The logit of the share of 1, as if each had been seen half a time more often."""
        y, w = y.astype(np.float64), w / w.mean()
        return np.array([np.log(((w * y).sum() + 0.5) / ((w * (1 - y)).sum() + 0.5))])
