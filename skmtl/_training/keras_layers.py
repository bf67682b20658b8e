"""Keras' standard layers, as the models of fitted networks are made of them.

Every layer has its dtype, so that a policy set for the process, such as mixed_float16, does
not reach in, and what would draw a seed from Python's global generator has no need for one.
"""

from __future__ import annotations

import keras
import numpy as np


def fixed(equation: str, kernel: np.ndarray, H, name: str, bias=None):
    """The product with a constant kernel, plus a constant bias if one is given.

    The bias has all axes of the result but the first.
    """
    # A standard layer whose weights do not train. A Lambda layer would be shorter, but a
    # model with code in it is loaded by Keras only if the user allows that.
    layer = keras.layers.EinsumDense(
        equation,
        output_shape=_shape_after(equation, kernel, H),
        bias_axes=None if bias is None else equation.split("->b")[1],
        kernel_initializer="zeros",
        trainable=False,
        name=name,
        dtype=H.dtype,
    )
    product = layer(H)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return product


def _shape_after(equation: str, kernel: np.ndarray, H) -> list[int]:
    """Shape, without the batch, of the result of an equation such as "bei,et->bti"."""
    operands, result = equation.split("->")
    letters = operands.replace(",", "")
    sizes = dict(zip(letters, [*H.shape, *kernel.shape], strict=True))
    return [sizes[letter] for letter in result[1:]]


def per_task(equation, n, size, **options) -> keras.layers.Layer:
    """A layer that exists n times, for each task or trunk."""
    return keras.layers.EinsumDense(
        equation,
        output_shape=(n, size),
        kernel_initializer="zeros",
        dtype="float32",
        **options,
    )


def rescaling(scale, offset, name, dtype="float32") -> keras.layers.Layer:
    return keras.layers.Rescaling(scale, offset, name=name, dtype=dtype)


def reshape(shape, name) -> keras.layers.Layer:
    return keras.layers.Reshape(shape, name=name, dtype="float32")
