"""A number: whatever is typical of the target by the loss that it is trained with."""

from __future__ import annotations

from dataclasses import dataclass

from .head_kind import HeadKind


@dataclass(frozen=True)
class Mean(HeadKind):
    """The mean by squared errors, the median by absolute ones, a quantile, and so on."""
