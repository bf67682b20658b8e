"""What every kind of head answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

# What makes a prediction of an output, if anything does: by the name of Keras' activation,
# a function of NumPy arrays and the operator of ONNX.
OUTPUT_ACTIVATIONS = {"exponential": (np.exp, "Exp"), "sigmoid": (expit, "Sigmoid")}


@dataclass(frozen=True)
class HeadKind:
    """A way to end a head. Equal ones share a compiled program.

    Outputs f are (..., O), scaled targets y (...).
    """

    activation: ClassVar[str] = "linear"  # of the first output: it makes the prediction
    own_loss: ClassVar[str | None] = None  # its name, where no other can train it
    grows_too_sure: ClassVar[bool] = False  # of its predictions, after the best epoch
    loss_may_be_negative: ClassVar[bool] = False
    has_variance: ClassVar[bool] = False
    expects: ClassVar[tuple[str, str]] = ("numbers", "other")  # and what `misfits` are

    @property
    def n_outputs(self) -> int:
        """O, numbers that the head puts out."""
        return 1

    @property
    def n_classes(self) -> int:
        """C, 0 where the target is a number."""
        return 0

    @property
    def levels(self) -> tuple[float, ...]:
        """Of the quantiles that it predicts, if there are several."""
        return ()

    def loss(self, y, f, xp):
        """The loss of every cell (...), where the kind has one of its own.

        With a single output f is (...).
        """
        raise NotImplementedError

    def misfits(self, Y: np.ndarray) -> np.ndarray:
        """Which values the loss makes no sense for."""
        return np.zeros(Y.shape, bool)

    def units(self, mean: float, scale: float) -> tuple[float, float]:
        """What is subtracted from the target and what it is divided by, before the loss."""
        return mean, scale

    def variance(self, f, xp=np):
        """Variance (...) that the head predicts, in scaled units, if it has one."""
        raise NotImplementedError

    def first_outputs(self, y: np.ndarray, w: np.ndarray) -> np.ndarray:
        """What the head puts out (O,) before it has learnt: of targets and weights (m,)."""
        return np.zeros(self.n_outputs)


def by_activation(kinds: Sequence[HeadKind]) -> dict[str, np.ndarray]:
    """Which targets (T,) have which activation of their first output, but linear ones."""
    names = np.array([kind.activation for kind in kinds])
    return {name: names == name for name in OUTPUT_ACTIVATIONS if name in names}


def first_outputs(kinds: Sequence[HeadKind], Y: np.ndarray, W: np.ndarray) -> np.ndarray:
    """What heads put out (T, O) before they have learnt."""
    start = np.zeros((len(kinds), max(kind.n_outputs for kind in kinds)))
    for t, kind in enumerate(kinds):
        seen = W[:, t] > 0
        first = kind.first_outputs(Y[seen, t], W[seen, t])
        start[t, : len(first)] = first
    return start
