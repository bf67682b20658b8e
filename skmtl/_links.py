"""From what the network puts out to a prediction: one link per target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

# By the names of Keras' activations, which the Keras model has in their place.
LINKS = {
    "exponential": np.exp,  # of counts
    "sigmoid": expit,  # of probabilities
}
SMALLEST_VARIANCE = 1e-6  # of "normal", in units of the target's own variance


@dataclass(frozen=True)
class Link:
    """What makes predictions of the outputs of one head.

    - "linear", "exponential", "sigmoid": a number, a count, a probability, of one output;
    - "softmax": the probabilities of as many classes;
    - "normal": a mean and, of the second output, a variance;
    - "quantiles": of these levels, which do not cross.
    """

    name: str = "linear"
    n_outputs: int = 1
    levels: tuple[float, ...] = ()

    @property
    def activation(self) -> str:
        """What makes the prediction of the first output, the one that `predict` gives."""
        return {"normal": "linear", "quantiles": "linear"}.get(self.name, self.name)

    @property
    def unscaled(self) -> bool:
        """Whether the loss needs the target as it is."""
        return self.name in {"sigmoid", "softmax"}


def names_of(links: Sequence[Link]) -> np.ndarray:
    return np.array([link.name for link in links])


def by_activation(links: Sequence[Link]) -> dict[str, np.ndarray]:
    """Which targets (T,) have which activation of their first output, but linear ones."""
    names = np.array([link.activation for link in links])
    return {name: names == name for name in LINKS if name in names}


def variance_of(output, xp=np):
    """The variance that the second output of "normal" stands for, in scaled units."""
    return xp.logaddexp(0.0, output) + SMALLEST_VARIANCE


def quantiles_of(outputs, levels: Sequence[float], xp=np):
    """Quantiles (..., Q), in the order of the levels, of as many outputs.

    The first output is the quantile of the level nearest to 0.5. The others are distances,
    made positive, from one level to the next: upwards from there, then downwards.
    """
    n_below = middle(levels)
    n_above = len(levels) - 1 - n_below
    distances = xp.logaddexp(0.0, outputs[..., 1:])
    up = xp.cumsum(distances[..., :n_above], axis=-1)
    down = xp.cumsum(distances[..., n_above:], axis=-1)
    at = outputs[..., :1]
    return xp.concatenate([at - xp.flip(down, axis=-1), at, at + up], axis=-1)


def middle(levels: Sequence[float]) -> int:
    """Position of the level nearest to 0.5."""
    return int(np.argmin(np.abs(np.subtract(levels, 0.5))))
