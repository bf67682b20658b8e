"""A mean and a variance for every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .head_kind import HeadKind

SMALLEST_VARIANCE = 1e-6  # in units of the target's own variance


@dataclass(frozen=True)
class Normal(HeadKind):
    """A normal distribution; the second output stands for its variance."""

    own_loss: ClassVar[str] = "normal"
    loss_may_be_negative: ClassVar[bool] = True
    has_variance: ClassVar[bool] = True

    @property
    def n_outputs(self) -> int:
        return 2

    def loss(self, y, f, xp):
        """Minus the logarithm of a normal density, without log(2 pi) / 2."""
        variance = self.variance(f, xp)
        return (xp.log(variance) + (y - f[..., 0]) ** 2 / variance) / 2

    def variance(self, f, xp=np):
        return xp.logaddexp(0.0, f[..., 1]) + SMALLEST_VARIANCE
