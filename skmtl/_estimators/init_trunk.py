"""Weights from other networks: a trunk to start from, a head to add."""

from __future__ import annotations

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .._messages import listed
from .._network.grafting import Trunk
from .._network.network import Network
from .._network.weights import Layer
from .._tables.categories import Categories, recoded
from .._tables.features import categories_of


def trunks_of(
    source, n_members: int, n_features: int, names: np.ndarray | None
) -> list[Trunk]:
    """What the members of an estimator start from: the first layers of ``source``.

    ``source`` is a fitted estimator, a FrozenEstimator around one, or a Keras model;
    ``names`` are those of the features, if they have any. Of an ensemble, each member
    lends its trunk to one network; a single trunk serves all.
    """
    source = unfrozen(source)
    if hasattr(source, "get_params"):
        trunks = _of_estimator(source)
        if source.n_features_in_ != n_features:
            raise ValueError(
                f"init_trunk was fitted with {source.n_features_in_} features, but X has "
                f"{n_features}: expected as many."
            )
        expected = getattr(source, "feature_names_in_", None)
        if names is not None and expected is not None and list(names) != list(expected):
            raise ValueError(
                f"init_trunk was fitted with {listed('feature', expected)}, but X has "
                f"{listed('feature', names)}: expected the same, in the same order."
            )
    else:
        trunks = [_of_keras(source)]
    if len(trunks) == 1:
        trunks *= n_members
    if len(trunks) != n_members:
        raise ValueError(
            f"init_trunk has n_members={len(trunks)}, but n_members={n_members}: "
            "expected the same, or an init_trunk of one."
        )
    return trunks


def unfrozen(source):
    """What a search is kept from cloning."""
    return source.estimator if isinstance(source, FrozenEstimator) else source


def codes_of(source, X: np.ndarray, own: Categories, is_categorical) -> np.ndarray | None:
    """A table with the codes that ``source`` has for these levels; None if it has none.

    ``X`` (n, d) has codes by ``own``.
    """
    if getattr(source, "is_categorical_", None) is None and is_categorical is None:
        return None
    expected = list(getattr(source, "categories_", {}))
    if list(own) != expected:
        if hasattr(source, "get_params"):  # what is no trunk at all is another mistake
            _of_estimator(source)
        else:
            _of_keras(source)
        before, now = (
            listed("categorical feature", list(names))
            if len(names)
            else "no categorical feature"
            for names in (expected, own)
        )
        raise ValueError(
            f"init_trunk was fitted with {before}, but X has {now}: expected the same. Set "
            "categorical_features as it was; a Keras model reads numbers only."
        )
    return recoded(X, own, categories_of(source), is_categorical)


def unmet_levels_of(source) -> np.ndarray:
    """Rows of levels that the training of ``source`` did not have, if any."""
    return getattr(source, "_unmet_levels", np.zeros(0, dtype=int))


def _of_estimator(estimator) -> list[Trunk]:
    try:
        check_is_fitted(estimator)
        members: list[Network] = estimator._members
    except (AttributeError, TypeError):
        raise ValueError(
            "init_trunk must be a fitted MultiTaskRegressor or MultiTaskClassifier, got "
            f"{estimator!r}. In a search, which clones its parameters, wrap it: "
            "sklearn.frozen.FrozenEstimator(estimator)."
        ) from None
    return [_of_network(member) for member in members]


def _of_network(network: Network) -> Trunk:
    architecture = network.architecture
    # The layers of a single task are as good as shared ones.
    single = architecture.n_targets == 1 and architecture.n_trunks == 1
    layers = network.weights.trunk
    if single:
        of_head = (Layer(K[0], b[0, 0]) for K, b in network.weights.heads)
        layers = (*layers, *of_head)
    # Where every task reads units of its own, none of them serve a new one.
    features = None if architecture.own_inputs else network.features
    known = network.weights.embeddings, network.weights.embedded
    if known[0] is not None and single and not network.weights.trunk:
        known = known[0][0], known[1][0]
    return Trunk(layers, [architecture.activation] * len(layers), features, *known)


def _of_keras(model) -> Trunk:
    import keras

    if not isinstance(model, keras.Model):
        raise TypeError(
            "init_trunk must be a fitted MultiTaskRegressor or MultiTaskClassifier, or a "
            f"keras.Model, got {model!r}."
        )
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    if not all(layer.built for layer in dense):
        raise ValueError(
            "The Keras model in init_trunk has no weights yet: call it on data, or give it "
            "a keras.Input."
        )
    layers = tuple(
        Layer(
            layer.kernel.value.numpy(),
            layer.bias.value.numpy()
            if layer.use_bias
            else np.zeros(layer.units, np.float32),
        )
        for layer in dense
    )
    return Trunk(layers, [_name(layer.activation) for layer in dense], None)


def _name(activation) -> str:
    return getattr(activation, "__name__", type(activation).__name__)
