"""Probabilities of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit, softmax

from .head_kind import HeadKind
from .probability import Probability


class NumPyOperators:
    """What `Classes.probabilities` computes with; Keras and ONNX have their own."""

    sigmoid = staticmethod(expit)
    softmax = staticmethod(lambda f: softmax(f, axis=1))
    negative = staticmethod(np.negative)
    ones_like = staticmethod(np.ones_like)
    side_by_side = staticmethod(lambda *parts: np.concatenate(parts, axis=1))


@dataclass(frozen=True)
class Classes(HeadKind):
    """A softmax. One output stands for two classes, an idle one for a single class."""

    of_classes: int
    grows_too_sure: ClassVar[bool] = True

    @property
    def n_classes(self) -> int:
        return self.of_classes

    @property
    def n_outputs(self) -> int:
        return self.n_classes if self.n_classes > 2 else 1

    def loss(self, y, f, xp):
        """Minus the logarithm of the probability of the class."""
        if self.n_classes == 1:
            return 0.0 * f
        if self.n_classes == 2:
            return Probability().loss(y, f, xp)
        of_class = xp.one_hot(xp.cast(y, "int32"), self.n_classes)
        return xp.logsumexp(f, axis=-1) - xp.sum(of_class * f, axis=-1)

    def units(self, mean, scale):
        return 0.0, 1.0

    def first_outputs(self, y, w):
        """Logits of the shares, as if each class had been seen half a time more often."""
        if self.n_classes == 1:
            return np.zeros(1)
        if self.n_classes == 2:
            return Probability().first_outputs(y, w)
        counts = np.bincount(y.astype(int), weights=w / w.mean(), minlength=self.n_classes)
        logs = np.log(counts + 0.5)
        return logs - logs.mean()

    def probabilities(self, f, xp=NumPyOperators):
        """Probabilities (n, C), of outputs (n, O)."""
        if self.n_classes == 1:
            return xp.ones_like(f)
        if self.n_classes == 2:
            return xp.sigmoid(xp.side_by_side(xp.negative(f), f))
        return xp.softmax(f)
