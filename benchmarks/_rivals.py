"""What one would write without skmtl: the same network in Keras, or nearly it elsewhere."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from scikeras.wrappers import KerasRegressor
from sklearn.neural_network import MLPRegressor

TRUNK_SIZES = (64, 64)
HEAD_SIZES = (32,)
BATCH_SIZE = 32
LEARNING_RATE = 1e-3  # the default of "adam" in Keras and in scikit-learn as well

# Many models in one process make TensorFlow warn that it traces each of them.
tf.get_logger().setLevel("ERROR")


def hand_written(n_features: int, n_tasks: int, n_classes: int = 0) -> keras.Model:
    """The network as a functional Keras model with an output per task, compiled.

    With classes, an output is their softmax; else it is a number.
    """
    inputs = keras.Input((n_features,))
    outputs = _outputs(inputs, n_tasks, len(TRUNK_SIZES), n_classes)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy" if n_classes else "mse")
    return model


def fit_by_hand(model: keras.Model, X: np.ndarray, Y: np.ndarray, epochs: int) -> None:
    model.fit(X, list(Y.T), epochs=epochs, batch_size=BATCH_SIZE, verbose=0)


def scikeras_regressor(epochs: int) -> KerasRegressor:
    """The network as a scikit-learn estimator, by scikeras.

    scikeras 0.13 has its mixin to the right of BaseEstimator, so scikit-learn >= 1.6 does
    not take it for a regressor. With scikit-learn 1.9 a GridSearchCV runs it all the same,
    with neither a subclass nor a scorer: whatever is no classifier is folded without
    stratification and scored by its own ``score``, which is R2 here. A ``random_state`` is
    left out because it would switch TensorFlow to deterministic, slower operations.
    """
    return KerasRegressor(
        model=_searched_model,
        sharing_depth=len(TRUNK_SIZES),
        optimizer="adam",
        loss="mse",
        epochs=epochs,
        batch_size=BATCH_SIZE,
        verbose=0,
    )


def _searched_model(meta: dict, sharing_depth: int) -> keras.Model:
    inputs = keras.Input((meta["n_features_in_"],))
    outputs = _outputs(inputs, meta["n_outputs_"], sharing_depth)
    # One output of T columns: scikeras wants as many outputs as y has arrays.
    return keras.Model(inputs, keras.layers.Concatenate()(outputs))


def _outputs(inputs, n_tasks: int, sharing_depth: int, n_classes: int = 0) -> list:
    hidden_sizes = TRUNK_SIZES + HEAD_SIZES
    trunk = _dense_layers(inputs, hidden_sizes[:sharing_depth])
    heads = [_dense_layers(trunk, hidden_sizes[sharing_depth:]) for _ in range(n_tasks)]
    if n_classes:
        return [keras.layers.Dense(n_classes, activation="softmax")(h) for h in heads]
    return [keras.layers.Dense(1)(head) for head in heads]


def _dense_layers(H, sizes):
    for size in sizes:
        H = keras.layers.Dense(size, activation="relu")(H)
    return H


def mlp_regressor(epochs: int) -> MLPRegressor:
    """scikit-learn's network, which has no heads, with as many weights for 3 tasks.

    Its last hidden layer stands for the three heads: 20 -> 64 -> 64 -> 93 -> 3 has 11 831
    weights, 20 -> 64 -> 64 -> 3 x [32 -> 1] has 11 843.
    """
    return MLPRegressor(
        hidden_layer_sizes=(*TRUNK_SIZES, 93),
        batch_size=BATCH_SIZE,
        learning_rate_init=LEARNING_RATE,
        alpha=0.0,
        max_iter=epochs,
        early_stopping=False,
        tol=0.0,
        n_iter_no_change=epochs + 1,
    )
