"""From what the network puts out to a prediction: one link per target, by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

IDENTITY = "linear"
# By the names of Keras' activations, which the Keras model has in their place.
LINKS = {
    "exponential": np.exp,  # of counts
    "sigmoid": expit,  # of probabilities
}


def columns_by_link(links: np.ndarray) -> list[tuple[Callable, np.ndarray]]:
    """Each function that some targets need, and which (T,) these are."""
    return [(LINKS[name], links == name) for name in LINKS if name in links]
