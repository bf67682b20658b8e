"""The fitted network as a Keras model of standard layers, which needs no skmtl to load."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from .._network import Network


def build_keras_model(
    network: Network, dropout: float = 0.0, one_dimensional: bool = False
) -> keras.Model:
    """Raw features (n, d) in, targets (n, T) in their own units out, or (n,) if asked.

    Its trainable variables are the network's weights in their order; a bias (T, 1, o)
    has the shape (T, o) here.
    """
    architecture, features, targets = (
        network.architecture,
        network.features,
        network.targets,
    )
    # A policy such as mixed_float16 that is set for the process must not reach in here.
    float32 = {"dtype": "float32"}
    n_layers = len(architecture.hidden_sizes)
    inputs = keras.Input((architecture.n_features,), name="features", **float32)
    H = keras.layers.Rescaling(
        1 / features.scale,
        -features.mean / features.scale,
        name="scale_features",
        **float32,
    )(inputs)
    for layer, size in enumerate(architecture.hidden_sizes):
        if layer < architecture.sharing_depth:
            dense = keras.layers.Dense(
                size, architecture.activation, name=f"trunk_{layer + 1}", **float32
            )
        else:
            dense = _head_layer(
                architecture, layer, size, architecture.activation, f"heads_{layer + 1}"
            )
        H = dense(H)
        if dropout:
            H = keras.layers.Dropout(dropout, name=f"dropout_{layer + 1}", **float32)(H)
    H = _head_layer(architecture, n_layers, 1, "linear", "outputs")(H)
    H = keras.layers.Reshape((architecture.n_targets,), name="targets", **float32)(H)
    H = keras.layers.Rescaling(
        targets.scale, targets.mean, name="unscale_targets", **float32
    )(H)
    if one_dimensional:
        H = keras.layers.Reshape((), name="target", **float32)(H)
    model = keras.Model(inputs, H, name="multi_task_regressor")
    set_weights(model, network.weights)
    return model


def _head_layer(architecture, layer, size, activation, name) -> keras.layers.Layer:
    """One dense layer per task; the first of them reads what all tasks share."""
    is_first = layer == architecture.sharing_depth
    return keras.layers.EinsumDense(
        "bi,tio->bto" if is_first else "bti,tio->bto",
        output_shape=(architecture.n_targets, size),
        activation=activation,
        bias_axes="to",
        name=name,
        dtype="float32",
    )


def set_weights(model: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Put the network's weights into a model that ``build_keras_model`` made."""
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(np.reshape(value, variable.shape))


def get_weights(model: keras.Model, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The weights of such a model in the shapes of the network."""
    variables = model.trainable_variables
    return [v.numpy().reshape(s) for v, s in zip(variables, shapes, strict=True)]
