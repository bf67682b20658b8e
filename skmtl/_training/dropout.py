"""Dropout masks, and other random numbers, from an integer hash.

XLA compiles the generators of TensorFlow badly on a CPU: drawing the masks with them takes
thirty times as long as the rest of an optimiser step. A hash of a counter is fused
into the product it masks.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def dropout_mask(shape, key, rate):
    """0 with probability ``rate``, else 1 / (1 - rate), a float32 tensor of this shape.

    ``key`` is a sequence of int32 numbers; another key gives an unrelated mask. A number
    of the mask depends on its row and its unit, not on how many units (the last axis)
    there are: a wider layer has the same mask in front.
    """
    return tf.where(uniform(shape, key) < rate, 0.0, 1.0 / (1.0 - rate))


def uniform(shape, key):
    """Numbers from 0 to 1, without 1, by a key of int32 numbers."""
    *rows, n_units = shape
    row = tf.cast(tf.range(int(np.prod(rows)), dtype=tf.int32), tf.uint32)
    unit = tf.cast(tf.range(n_units, dtype=tf.int32), tf.uint32)
    bits = _hash(_hash(row ^ _hash_key(key))[:, None] ^ unit)
    # float32 has 24 bits for digits. The upper 24 bits of the hash make a whole number that
    # it holds exactly, so that times 2**-24 none is rounded up to 1, and all 2**24 numbers
    # are as likely.
    numbers = tf.cast(tf.cast(_shift(bits, 8), tf.int32), tf.float32) * 2.0**-24
    return tf.reshape(numbers, shape)


def _hash_key(key):
    bits = tf.constant(0x9E3779B9, tf.uint32)
    for part in key:
        bits = _hash(bits ^ tf.cast(part, tf.uint32)) + np.uint32(0x9E3779B9)
    return bits


def _hash(bits):
    """lowbias32 of C. Wellons' hash prospector: every input bit flips every output bit."""
    bits = (bits ^ _shift(bits, 16)) * np.uint32(0x7FEB352D)
    bits = (bits ^ _shift(bits, 15)) * np.uint32(0x846CA68B)
    return bits ^ _shift(bits, 16)


def _shift(bits, n):
    return tf.bitwise.right_shift(bits, np.uint32(n))
