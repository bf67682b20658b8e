"""Quantiles of several levels, which do not cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import norm

from .head_kind import HeadKind


@dataclass(frozen=True)
class Quantiles(HeadKind):
    """One output for each level."""

    of_levels: tuple[float, ...]
    grows_too_sure: ClassVar[bool] = True

    @property
    def levels(self) -> tuple[float, ...]:
        return self.of_levels

    @property
    def n_outputs(self) -> int:
        return len(self.levels)

    def loss(self, y, f, xp):
        """The mean over levels, each in units of what a normal distribution has.

        Else early stopping would look at the median, whose loss is the largest, alone.
        """
        weights = 1 / norm.pdf(norm.ppf(self.levels))
        weights = (weights / weights.mean()).astype(np.float32)
        levels = np.array(self.levels, np.float32)
        losses = pinball(y[..., None], self.quantiles(f, xp), levels, xp)
        return xp.mean(weights * losses, axis=-1)

    def quantiles(self, f, xp=np):
        """Quantiles (..., Q), in the order of the levels.

        The first output is the quantile of the level nearest to 0.5. The others are
        distances, made positive, from one level to the next: upwards from there, then
        downwards.
        """
        n_below = int(np.argmin(np.abs(np.subtract(self.levels, 0.5))))
        n_above = self.n_outputs - 1 - n_below
        distances = xp.logaddexp(0.0, f[..., 1:])
        up = xp.cumsum(distances[..., :n_above], axis=-1)
        down = xp.cumsum(distances[..., n_above:], axis=-1)
        at = f[..., :1]
        return xp.concatenate([at - xp.flip(down, axis=-1), at, at + up], axis=-1)


def pinball(y, f, level, xp):
    """The loss of a quantile f (Koenker & Bassett 1978)."""
    return xp.maximum(level * (y - f), (level - 1) * (y - f))
