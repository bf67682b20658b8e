"""From what the network puts out to a prediction: one link per target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

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
    - "classes": the probabilities of classes, of an output for each, of one for two
      classes, and of an idle one where there is but a single class;
    - "normal": a mean and, of the second output, a variance;
    - "quantiles": of these levels, which do not cross.
    """

    name: str = "linear"
    n_outputs: int = 1
    levels: tuple[float, ...] = ()  # of quantiles
    n_classes: int = 0

    @property
    def activation(self) -> str:
        """What makes the prediction of the first output, the one that `predict` gives."""
        return {"normal": "linear", "quantiles": "linear"}.get(self.name, self.name)

    @property
    def unscaled(self) -> bool:
        """Whether the loss needs the target as it is."""
        return self.name in {"sigmoid", "classes"}

    @property
    def grows_too_sure(self) -> bool:
        """Whether more epochs than the best on rows held out narrow what it predicts."""
        return self.name in {"sigmoid", "classes", "quantiles"}


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


def probabilities_of(outputs: np.ndarray, n_classes: int) -> np.ndarray:
    """Probabilities (n, C) of classes, of outputs (n, O)."""
    if n_classes == 1:
        return np.ones((len(outputs), 1))
    if n_classes == 2:
        return np.stack([expit(-outputs[:, 0]), expit(outputs[:, 0])], axis=1)
    return softmax(outputs[:, :n_classes], axis=1)


def first_outputs(links: Sequence[Link], Y: np.ndarray, W: np.ndarray) -> np.ndarray:
    """What heads put out (T, O) before they have learnt: the shares of classes, as logits.

    As if every class had been seen half a time more often.
    """
    start = np.zeros((len(links), max(link.n_outputs for link in links)))
    for t, link in enumerate(links):
        if not link.unscaled or link.n_classes == 1:
            continue
        seen = W[:, t] > 0
        y, w = Y[seen, t].astype(np.float64), W[seen, t] / W[seen, t].mean()
        if link.n_outputs == 1:
            start[t, 0] = np.log(((w * y).sum() + 0.5) / ((w * (1 - y)).sum() + 0.5))
        else:
            counts = np.bincount(y.astype(int), weights=w, minlength=link.n_classes)
            logs = np.log(counts + 0.5)
            start[t, : link.n_classes] = logs - logs.mean()
    return start


def middle(levels: Sequence[float]) -> int:
    """Position of the level nearest to 0.5."""
    return int(np.argmin(np.abs(np.subtract(levels, 0.5))))
