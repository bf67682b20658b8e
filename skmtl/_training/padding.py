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
from .._network.inputs import Units
from .._network.network import Architecture
from .arrays import padded
from .spec import ProgramSpec

SMALLEST_LAYER = 32  # units: fewer take a step as long
# Their step for one weight depends on the shape of its kernel, or on its mean.
NOT_ELEMENTWISE = {"Adafactor", "Muon"}
MOST_WORK = 4.0  # times that of a network may a larger program's be


def roomy(spec: ProgramSpec) -> ProgramSpec:
    """The program that serves this network and others of about its size."""
    if not _is_elementwise(spec):
        return spec
    old = spec.architecture
    hidden_sizes = old.hidden_sizes
    if _hidden_units_pad(spec):
        hidden_sizes = tuple(
            max(SMALLEST_LAYER, 1 << (size - 1).bit_length()) for size in hidden_sizes
        )
    architecture = dataclasses.replace(
        old,
        n_features=_rounded_up(old.n_features),
        n_bins=_rounded_up(old.n_bins),
        hidden_sizes=hidden_sizes,
    )
    return dataclasses.replace(spec, architecture=architecture)


def serves(there: ProgramSpec, asked: ProgramSpec) -> bool:
    """Whether a program that is there can do, without much idle work, what is asked for."""
    new, old = there.architecture, asked.architecture
    if new == old or not _is_elementwise(asked):
        return there == asked
    sizes = {"n_features": 0, "n_bins": 0}
    if _hidden_units_pad(asked) and len(new.hidden_sizes) == len(old.hidden_sizes):
        sizes["hidden_sizes"] = ()
    of_any_size = [
        dataclasses.replace(
            spec, architecture=dataclasses.replace(spec.architecture, **sizes)
        )
        for spec in (there, asked)
    ]
    return (
        of_any_size[0] == of_any_size[1]
        and bool(new.n_bins) == bool(old.n_bins)
        and all(np.greater_equal(_sizes(new), _sizes(old)))
        and new.n_weights <= MOST_WORK * old.n_weights
    )


def _sizes(architecture: Architecture) -> list[int]:
    return [architecture.n_features, architecture.n_bins, *architecture.hidden_sizes]


def _hidden_units_pad(spec: ProgramSpec) -> bool:
    """Whether what a unit with zero weights puts out is zero."""
    return not ACTIVATIONS[spec.architecture.activation](np.zeros(1)).any()


def _is_elementwise(spec: ProgramSpec) -> bool:
    config = json.loads(spec.optimizer_config)
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
