"""Networks in the program of a larger one: padded with zeros on the way in, cut out after.

A hidden unit whose weights and biases are zero puts out f(0). Where that is zero, so is
the gradient of the weights behind it, and as its error comes through zeros, that of the
weights before it: it stays zero, whatever an optimizer does element by element. The same
holds for features and bins of zeros.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from .._network.activations import ACTIVATIONS
from .._network.architecture import Architecture
from .._network.inputs import Units
from .arrays import padded
from .spec import ProgramSpec

# Units: fewer take a step as long, of a layer that exists once and of others.
SMALLEST_LAYER, SMALLEST_OF_SEVERAL = 64, 32
# Their step for one weight depends on the shape of its kernel, or on its mean.
NOT_ELEMENTWISE = {"Adafactor", "Muon"}


def roomy(spec: ProgramSpec) -> ProgramSpec:
    """The program that serves this network and others of about its size.

    A function of the network alone: which program trains it must not depend on others.
    """
    if not _is_elementwise(spec):
        return spec
    old = spec.architecture
    hidden_sizes = old.hidden_sizes
    if _hidden_units_pad(spec):
        exist_once = [len(layer.kernel) == 2 for layer in old.shapes.layers]
        hidden_sizes = tuple(
            max(
                SMALLEST_LAYER if once else SMALLEST_OF_SEVERAL,
                1 << (size - 1).bit_length(),
            )
            for size, once in zip(hidden_sizes, exist_once, strict=False)
        )
    architecture = dataclasses.replace(
        old,
        n_features=_rounded_up(old.n_features),
        n_bins=_rounded_up(old.n_bins),
        hidden_sizes=hidden_sizes,
    )
    return dataclasses.replace(spec, architecture=architecture)


def _hidden_units_pad(spec: ProgramSpec) -> bool:
    """Whether what a unit with zero weights puts out is zero."""
    return not ACTIVATIONS[spec.architecture.activation](np.zeros(1)).any()


def _is_elementwise(spec: ProgramSpec) -> bool:
    config = json.loads(spec.optimizer_config.json)
    of_keras = config["module"] == "keras.optimizers"
    divides_by_zero = config["config"].get("epsilon") == 0
    return (
        of_keras
        and config["class_name"] not in NOT_ELEMENTWISE
        and not divides_by_zero  # 0 / 0 is no zero
    )


def _rounded_up(n: int) -> int:
    """To a multiple of 8, from 64 on of an eighth to a quarter of the number; 0 stays."""
    step = max(8, 1 << max(n.bit_length() - 3, 0))
    return -(-n // step) * step


def _padded_units(units: Units, n_units: int) -> Units:
    """The units, and others behind them that are always zero."""
    return Units(
        *(
            None if array is None else padded(array, (*array.shape[:-1], n_units))
            for array in units
        )
    )


def padded_inputs(
    inputs: tuple[Units, Units], architecture: Architecture
) -> tuple[Units, Units]:
    """Inputs of a network for the program of a larger one."""
    hidden, linear = inputs
    return (
        _padded_units(hidden, architecture.n_inputs),
        _padded_units(linear, architecture.n_features),
    )
