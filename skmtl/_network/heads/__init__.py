"""Kinds of heads: a file for each way to end a head.

A kind is one object. It knows how many numbers its head puts out, how they are trained,
what they say, and where they start. Training asks it with ``xp=keras.ops``, prediction with
NumPy, the Keras model and the ONNX graph with operators of their own: a new kind is written
in its file, and named in `OF_LOSSES` if a loss asks for it.
"""

from .classes import Classes
from .counts import Counts
from .head_kind import OUTPUT_ACTIVATIONS, HeadKind, by_activation, first_outputs
from .mean import Mean
from .normal import Normal
from .probability import Probability
from .quantiles import Quantiles

# Of losses that a kind has for itself, by the name that `loss` has for them.
OF_LOSSES = {"poisson": Counts(), "log_loss": Probability(), "normal": Normal()}

__all__ = [
    "OF_LOSSES",
    "OUTPUT_ACTIVATIONS",
    "Classes",
    "Counts",
    "HeadKind",
    "Mean",
    "Normal",
    "Probability",
    "Quantiles",
    "by_activation",
    "first_outputs",
]
