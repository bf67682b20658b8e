"""From what the network puts out to a prediction: one link per target, by name."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

IDENTITY = "linear"
# By the names of Keras' activations, which the Keras model has in their place.
LINKS = {
    "exponential": np.exp,  # of counts
    "sigmoid": expit,  # of probabilities
}


def apply_links(links: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Predictions in scaled units from outputs (n, T), which may be overwritten."""
    for name, link in LINKS.items():
        columns = links == name
        if columns.any():
            outputs[:, columns] = link(outputs[:, columns])
    return outputs
