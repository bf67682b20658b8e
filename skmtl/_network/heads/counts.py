"""The mean of a count: the exponential of the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .head_kind import HeadKind


@dataclass(frozen=True)
class Counts(HeadKind):
    """Poisson regression. The target is divided by its mean, and not shifted."""

    activation: ClassVar[str] = "exponential"
    own_loss: ClassVar[str] = "poisson"
    expects: ClassVar[tuple[str, str]] = ("counts", "negative")

    def loss(self, y, f, xp):
        """Half the deviance of counts with mean exp(f): 0 at best."""
        y_log_y = xp.where(y > 0, y * xp.log(xp.where(y > 0, y, 1.0)), 0.0)
        return xp.exp(f) - y * f + y_log_y - y

    def misfits(self, Y):
        return Y < 0

    def units(self, mean, scale):
        return 0.0, mean if mean > 0 else 1.0
