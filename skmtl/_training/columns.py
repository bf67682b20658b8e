"""What units read of a batch: columns, each as often as it has units."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from .._network.units import Units

MOST_BY_PRODUCT = 64  # columns: beyond, the product costs what it saves


def by_product(units: Units) -> partial:
    """The function of these units, which takes columns as `columns_of` does."""
    return partial(units, take=partial(columns_of, missing=units.if_missing is not None))


def columns_of(X, columns, *, missing: bool):
    """``tf.gather(X, columns, axis=1)``, to the last bit, for columns (K,) or (T, K).

    XLA looks up one number after the other on a CPU, which takes half as long as what a
    layer does with them. A product with zeros and ones takes a tenth. ``missing`` says
    whether there may be NaN.
    """
    few = len(columns.shape) == 1 and X.shape[1] <= MOST_BY_PRODUCT
    # A GPU may round what it multiplies.
    if not few or tf.config.list_logical_devices("GPU"):
        return tf.gather(X, columns, axis=1)
    chosen = tf.one_hot(columns, X.shape[1], axis=0)
    finite = tf.clip_by_value(X, tf.float32.min, tf.float32.max)
    if not missing:
        return finite @ chosen
    absent = tf.math.is_nan(X)
    taken = tf.where(absent, 0.0, finite) @ chosen
    return tf.where(tf.cast(absent, tf.float32) @ chosen > 0, float("nan"), taken)
