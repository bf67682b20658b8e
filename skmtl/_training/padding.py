"""Room in a program: smaller networks are padded with zeros, trained, and cut out again.

So networks of about the same size share one compiled program. Why it changes nothing: take
a hidden unit whose incoming weights, bias and outgoing weights are all zero, and whose
activation f has f(0) = 0.

- Its output is f(0) = 0, so the gradient of its outgoing weights is zero.
- Its error comes back through its outgoing weights, so the gradient of its incoming weights
  and of its bias is zero.
- An optimizer that works element by element leaves a zero with a zero gradient at zero.

The same holds for a feature or a bin that is always zero, and for a level that no row has.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np

from .._network.activations import ACTIVATIONS
from .._network.architecture import Architecture
from .._network.units import Units
from .spec import ProgramSpec

# Units of a layer that exists once, and of one that exists several times. A step takes as
# long with fewer.
SMALLEST_LAYER, SMALLEST_OF_SEVERAL = 64, 32
# Optimizers whose step of one weight depends on others of its kernel, hence on padding.
NOT_ELEMENTWISE = {"Adafactor", "Muon"}


def spec_with_room(spec: ProgramSpec) -> ProgramSpec:
    """The program that serves this network and others of about its size.

    It follows from the network alone. If it depended on the programs that happen to be
    there, so would the order of sums, and with it the last bits of the result.
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
        n_flags=_rounded_up(old.n_flags),
        n_levels=_rounded_up(old.n_levels),
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
        and not divides_by_zero  # the step of a zero gradient is 0 / (0 + epsilon)
    )


def _rounded_up(n: int) -> int:
    """The next multiple of 8, or above 64 of a power of two that is 1/8 to 1/4 of n.

    So there are few sizes, and less than a quarter of many inputs is padding. 0 stays 0.
    """
    step = max(8, 1 << max(n.bit_length() - 3, 0))
    return -(-n // step) * step


def zero_padded(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An array of the larger shape: this one, and zeros behind it along every axis."""
    missing = [(0, new - old) for old, new in zip(array.shape, shape, strict=True)]
    return np.pad(array, missing) if any(n for _, n in missing) else array


def corner(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A copy of the first entries along every axis: what is there without the padding."""
    return np.array(array[tuple(map(slice, shape))])


def with_corner(array: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A copy whose first entries along every axis are those of a smaller array."""
    changed = np.array(array)
    changed[tuple(map(slice, np.shape(first)))] = first
    return changed


def padded_inputs(
    inputs: tuple[Units, Units], architecture: Architecture
) -> tuple[Units, Units]:
    """Inputs of a network for the program of a larger one."""
    hidden, linear = inputs
    return (
        _padded_units(hidden, architecture.n_inputs),
        _padded_units(linear, architecture.n_linear),
    )


def _padded_units(units: Units, n_units: int) -> Units:
    """The units, and others behind them that are always zero."""
    return Units(
        *(
            None if array is None else zero_padded(array, (*array.shape[:-1], n_units))
            for array in units
        )
    )
