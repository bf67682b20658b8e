"""What the layers of a Keras model read of a table: scaled numbers, units, and levels."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from .._network.architecture import Architecture
from .._network.inputs import Inputs
from .._network.units import Units
from .keras_layers import fixed, per_task, rescaling, reshape


def numbers_and_codes(features: Inputs, table):
    """Scaled numbers (b, d), and rows of levels (b, C) if there are categories.

    A category is a position among the levels of its feature; all else is unknown.
    """
    scale = 1 / features.scaling.scale
    offset = -features.scaling.mean * scale
    X, codes = table, None
    if len(features.categorical):
        others = np.setdiff1d(np.arange(table.shape[1]), features.categorical)
        X = ops.take(table, others, axis=1)
        codes = _rows_of_levels(features, ops.take(table, features.categorical, axis=1))
    return rescaling(scale, offset, "scale_features", table.dtype)(X), codes


def _rows_of_levels(features: Inputs, codes):
    n_levels, unknown = features.n_levels, features.unknown
    dtype = codes.dtype
    # NaN compares as False.
    known = ops.logical_and(codes >= 0, ops.less(codes, n_levels.astype(dtype)))
    rows = codes + (unknown - n_levels).astype(dtype)
    return ops.cast(ops.where(known, rows, unknown.astype(dtype)), "int32")


def embedded(architecture: Architecture, codes):
    """The numbers of these levels (b, C w), or (b, N, C w) of several networks' own."""
    shape = architecture.shapes.embeddings
    if shape is None:
        return None
    *several, n_levels, size = shape
    E = _looked_up(codes, several, n_levels, size, "embeddings")
    return reshape((*several, architecture.n_categorical * size), "embedded_levels")(E)


def effects(architecture: Architecture, codes):
    """What levels add to the outputs (b, T, O); None if they add nothing."""
    if architecture.shapes.effects is None:
        return None
    n_targets, n_levels, n_outputs = architecture.shapes.effects
    E = _looked_up(codes, [n_targets], n_levels, n_outputs, "effects")
    return ops.sum(E, axis=2)


def _looked_up(codes, several, n_levels: int, size: int, name: str):
    """Rows of tables that stand behind each other in one layer: (b, C, w), (b, N, C, w)."""
    n_tables = 1
    if several:
        (n_tables,) = several
        first = n_levels * np.arange(n_tables, dtype=np.int32)
        # Keras (3.15) takes an array (N, 1) for a bias, which it adds along another axis.
        first = np.repeat(first[:, None], codes.shape[1], axis=1)
        codes = ops.expand_dims(codes, 1) + first
    layer = keras.layers.Embedding(
        n_tables * n_levels,
        size,
        name=name,
        dtype="float32",
        embeddings_initializer="zeros",
    )
    return layer(codes)


def read_levels(E, kernel_shape, name: str):
    """What kernels make of embedded levels, for a layer or for each of several."""
    *several, _, size = kernel_shape
    if not several:
        return keras.layers.Dense(
            size, use_bias=False, name=name, dtype="float32", kernel_initializer="zeros"
        )(E)
    equation = "bi,tio->bto" if len(E.shape) == 2 else "bti,tio->bto"
    return per_task(equation, several[0], size, name=name)(E)


def units_of(units: Units, X, name: str):
    """The units of scaled features; the last of their layers is called ``name``.

    A unit with ends is a multiple of a number between 0 and 1, one without them is linear.
    """
    if not units.n_units:  # all features are categories
        return rescaling(1.0, 0.0, name, X.dtype)(X)
    if units.if_missing is not None:
        missing = ops.isnan(X)
        own = units._replace(if_missing=None)
        known = units_of(own, ops.where(missing, 0.0, X), f"{name}_known")
        if units.columns is not None:
            missing = ops.take(missing, units.columns, axis=1)
        H = ops.where(missing, units.if_missing.astype(X.dtype), known)
        return rescaling(1.0, 0.0, name, X.dtype)(H)  # a layer has a name, ops have none
    bounded = np.isfinite(units.low)
    both = bounded.any() and not bounded.all()
    parts = []
    if bounded.any():
        width = np.where(bounded & (units.high > units.low), units.high - units.low, 1.0)
        low = np.where(bounded, units.low, 0.0)
        share = _taken(units, bounded / width, -low / width, X, f"{name}_share")
        share = keras.layers.ReLU(max_value=1.0, name=f"{name}_cut", dtype=X.dtype)(share)
        offset = (low - units.shift) * units.slope * bounded
        last = f"{name}_bounded" if both else name
        scale = width * units.slope * bounded
        parts.append(rescaling(scale, offset, last, X.dtype)(share))
    if not bounded.all():
        slope = units.slope * ~bounded
        last = f"{name}_linear" if both else name
        parts.append(_taken(units, slope, -units.shift * slope, X, last))
    if not both:
        return parts[0]
    return keras.layers.Add(name=name, dtype=X.dtype)(parts)


def _taken(units: Units, slope, offset, X, name: str):
    """Each unit's feature times its slope, plus its offset: (n, K) or (n, T, K)."""
    if units.columns is None:
        return rescaling(slope, offset, name, X.dtype)(X)
    axes = "tk" if units.of_tasks else "k"
    which = np.arange(X.shape[-1]).reshape(-1, *[1] * units.columns.ndim)
    kernel = (which == units.columns) * slope
    return fixed(f"bd,d{axes}->b{axes}", kernel, X, name, offset)
