"""The fitted network as a Keras model of standard layers, which needs no skmtl to load."""

from __future__ import annotations

import re
from collections.abc import Sequence

import keras
import numpy as np

from .._network.architecture import Architecture
from .._network.heads import by_activation
from .._network.network import Network
from .._runtime.forks import check_not_forked, refuse_after_fork
from .keras_inputs import (
    effects,
    embedded,
    numbers_and_codes,
    read_levels,
    units_of,
)
from .keras_layers import fixed, per_task, rescaling, reshape


def build_keras_model(
    network: Network,
    dropout: float = 0.0,
    *,
    one_dimensional: bool = False,
    scaled_outputs: bool = False,
) -> keras.Model:
    """Raw features (n, d) in, targets (n, T) in their own units out, or (n,) if asked.

    For targets with classes, one output of probabilities (n, C) for each.

    With ``scaled_outputs`` it ends in what the loss is computed from, (n, T O).

    Its trainable variables are the network's weights; a bias (T, 1, o) has the shape
    (T, o) here.
    """
    check_not_forked()
    architecture, features = network.architecture, network.features
    # Double where it is needed, not always: TensorFlow Lite has no arithmetic for it.
    dtype = "float32" if features.fit_single_precision else "float64"
    inputs = keras.Input((features.n_columns,), name="features", dtype=dtype)
    X, codes = numbers_and_codes(features, inputs)
    units = features.hidden if architecture.hidden_sizes else features.linear
    E = embedded(architecture, codes)
    H = _outputs(architecture, units_of(units, X, "inputs"), E, dropout)
    if architecture.linear_path:
        # Made after the outputs, as its weights come after theirs.
        H = _add_linear_path(architecture, H, units_of(features.linear, X, "linear_inputs"))
    of_levels = effects(architecture, codes)
    if of_levels is not None:
        H = keras.layers.Add(name="add_effects", dtype="float32")([H, of_levels])
    if scaled_outputs:
        n_outputs = architecture.n_targets * architecture.n_outputs
        H = reshape((n_outputs,), "scaled_outputs")(H)
    elif network.kinds[0].n_classes:
        H = _probabilities(network, H)
        H = H[0] if one_dimensional else H
    else:
        H = _in_targetunits_of(network, H[:, :, 0])
        H = reshape((), "target")(H) if one_dimensional else H
    model = keras.Model(inputs, H, name="multi_task_regressor")
    set_weights(model, network.weights.leaves())
    return model


def _outputs(architecture: Architecture, U, E, dropout: float):
    """What the heads put out (b, T, O), of the units of numbers and embedded levels."""
    H = U
    for layer, size in enumerate(architecture.hidden_sizes):
        part = "trunk" if layer < architecture.sharing_depth else "heads"
        name = f"{part}_{layer + 1}"
        if layer or E is None:
            H = _dense(architecture, layer, size, architecture.activation, name)(H)
        else:
            H = _first_of_both(architecture, H, E, name)
        if dropout:
            name = f"dropout_{layer + 1}"
            H = keras.layers.Dropout(dropout, seed=0, name=name, dtype="float32")(H)
        if layer + 1 == architecture.sharing_depth and architecture.n_trunks > 1:
            H = _read_by_heads(architecture, H, U, E)
    n_layers = len(architecture.hidden_sizes)
    return _dense(architecture, n_layers, architecture.n_outputs, "linear", "outputs")(H)


def _first_of_both(architecture: Architecture, U, E, name: str):
    """The first hidden layer, of units of numbers and of embedded levels."""
    of_numbers = _dense(
        architecture, 0, architecture.hidden_sizes[0], "linear", f"{name}_numbers"
    )(U)
    of_levels = read_levels(E, architecture.shapes.embedded, "embedded")
    H = keras.layers.Add(name=f"{name}_sum", dtype="float32")([of_numbers, of_levels])
    return keras.layers.Activation(architecture.activation, name=name, dtype="float32")(H)


def _add_linear_path(architecture: Architecture, H, U):
    """The outputs, plus for each a linear function of the features' units."""
    equation = "bti,tio->bto" if architecture.own_inputs else "bi,tio->bto"
    n_targets, n_outputs = architecture.n_targets, architecture.n_outputs
    linear = per_task(equation, n_targets, n_outputs, name="linear_path")(U)
    return keras.layers.Add(name="add_linear_path", dtype="float32")([H, linear])


def _read_by_heads(architecture: Architecture, H, U, E):
    """What each task reads (b, T, i) of several trunks side by side (b, E, i).

    With groups, it is the trunk of the task's group. Of experts, it is a mean that the
    task's gates weigh, which read the units U of the features.
    """
    tasks = np.eye(architecture.n_targets)
    if architecture.groups:
        which = np.eye(architecture.n_trunks)[:, list(architecture.groups)]
        return fixed("bei,et->bti", which, H, "groups")
    n, P = architecture.n_experts, architecture.n_task_experts
    options = {"bias_axes": "te", "name": "gates"}
    G = per_task("bi,tie->bte", architecture.n_targets, n + P, **options)(U)
    if E is not None:
        of_levels = read_levels(E, architecture.shapes.embedded_gates, "embedded_gates")
        G = keras.layers.Add(name="add_gates", dtype="float32")([G, of_levels])
    G = keras.layers.Softmax(name="shares", dtype="float32")(G)
    # A task has gates for the common experts and for its own. Spread out over all experts,
    # they are 0 for those of other tasks.
    if P:
        where = np.zeros((architecture.n_targets, n + P, architecture.n_trunks))
        where[:, :n, :n] = np.eye(n)
        where[:, n:, n:] = np.einsum("ts,pq->tpsq", tasks, np.eye(P)).reshape(
            -1, P, architecture.n_targets * P
        )
        G = fixed("bte,tek->btk", where, G, "gates_of_all")
    return keras.layers.Dot((2, 1), name="mixture", dtype="float32")([G, H])


def build_ensemble(
    members: Sequence[Network], dropout: float = 0.0, *, one_dimensional: bool = False
) -> keras.Model:
    """The model of one network, or one whose output is the mean of its members' outputs."""
    models = [
        build_keras_model(member, dropout, one_dimensional=one_dimensional)
        for member in members
    ]
    return _called(_side_by_side(models, keras.layers.Average, "multi_task_ensemble"))


def build_trunk(members: Sequence[Network]) -> keras.Model:
    """Raw features in, the output of the last shared layer out.

    The outputs of several trunks, and those of all members, stand side by side.
    """
    models = []
    for member in members:
        depth = member.architecture.sharing_depth
        model = build_keras_model(member)
        output = model.get_layer(f"trunk_{depth}" if depth else "inputs").output
        if depth and member.architecture.n_trunks > 1:
            output = reshape((-1,), "trunks")(output)
        models.append(keras.Model(model.input, output, name="trunk"))
    return _called(_side_by_side(models, keras.layers.Concatenate, "trunk"))


def _called(model: keras.Model) -> keras.Model:
    """The model after its first call, ready to be handed out."""
    # Keras exports no ONNX graph of a model that was never called.
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    # In a process that is forked later, TensorFlow would hang: an error says so instead.
    return refuse_after_fork(model)


def _side_by_side(models: Sequence[keras.Model], join: type, name: str) -> keras.Model:
    if len(models) == 1:
        return models[0]
    for number, model in enumerate(models, start=1):
        model.name = f"member_{number}"
    dtype = models[0].inputs[0].dtype
    inputs = keras.Input(models[0].input_shape[1:], name="features", dtype=dtype)
    outputs = [model(inputs) for model in models]
    if not isinstance(outputs[0], list):
        return keras.Model(
            inputs, join(name="members", dtype="float32")(outputs), name=name
        )
    joined = [
        join(name=f"members_{t}", dtype="float32")(list(parts))
        for t, parts in enumerate(zip(*outputs, strict=True))
    ]
    return keras.Model(inputs, joined, name=name)


def _in_targetunits_of(network: Network, H):
    """Undo the scaling of the targets, after the activation of each target's output."""
    scale, mean = network.targets.scale, network.targets.mean
    linked = by_activation(network.kinds)
    if not linked:
        return rescaling(scale, mean, "unscale_targets")(H)
    # Every activation is computed for all targets. The outputs of those that have another
    # one are set to zero before it: an infinite exponential, times 0 behind it, is NaN.
    linear = ~np.any(list(linked.values()), axis=0)
    parts = [rescaling(scale * linear, mean, "unscale_linear")(H)]
    for name, of_link in linked.items():
        own = rescaling(1.0 * of_link, 0.0, f"{name}_outputs")(H)
        activated = keras.layers.Activation(name, name=name, dtype="float32")(own)
        parts.append(rescaling(scale * of_link, 0.0, f"unscale_{name}")(activated))
    return keras.layers.Add(name="unscale_targets", dtype="float32")(parts)


def _probabilities(network: Network, H) -> list:
    """The probabilities of the classes, an output for each target."""
    return [
        kind.probabilities(H[:, t, : kind.n_outputs], _Operators(f"probabilities_{t}"))
        for t, kind in enumerate(network.kinds)
    ]


class _Operators:
    """The functions that a kind of head computes probabilities with, made of Keras' layers.

    The last layer gets the name.
    """

    def __init__(self, name: str):
        self._name = name

    def sigmoid(self, H):
        return keras.layers.Activation("sigmoid", name=self._name, dtype="float32")(H)

    def softmax(self, H):
        return keras.layers.Softmax(name=self._name, dtype="float32")(H)

    def ones_like(self, H):
        return rescaling(0.0, 1.0, self._name)(H)

    def negative(self, H):
        return rescaling(-1.0, 0.0, f"{self._name}_negative")(H)

    def side_by_side(self, *parts):
        name = f"{self._name}_logits"
        return keras.layers.Concatenate(name=name, dtype="float32")(list(parts))


def _dense(architecture, layer, size, activation, name) -> keras.layers.Layer:
    """A layer that all tasks share, or one per task; the first of those reads shared H."""
    options = {"activation": activation, "name": name}
    if len(architecture.shapes.layers[layer].kernel) == 2:
        return keras.layers.Dense(
            size, kernel_initializer="zeros", dtype="float32", **options
        )
    in_trunk = layer < architecture.sharing_depth
    is_first = layer == 0 or (
        layer == architecture.sharing_depth and architecture.n_trunks == 1
    )
    reads_one = is_first and not architecture.own_inputs
    equation = "bi,tio->bto" if reads_one else "bti,tio->bto"
    n = architecture.n_trunks if in_trunk else architecture.n_targets
    return per_task(equation, n, size, bias_axes="to", **options)


def set_weights(model: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Put the network's weights into a model that ``build_keras_model`` made."""
    for variable, value in zip(_variables(model), weights, strict=True):
        variable.assign(np.reshape(value, variable.shape))


def get_weights(model: keras.Model, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """The weights of such a model in the shapes of the network."""
    pairs = zip(_variables(model), shapes, strict=True)
    return [v.value.numpy().reshape(s) for v, s in pairs]


def _variables(model: keras.Model) -> list[keras.Variable]:
    """The model's variables in the order of the network's weights."""
    # Keras orders layers by their distance from the outputs, which mixes those of parallel
    # paths, such as the trunk and the gates.
    parts = ["embeddings", "embedded", "trunk", "heads", "outputs", "gates"]
    parts += ["linear_path", "embedded_gates", "effects"]

    def part(layer):
        return re.sub(r"_\d+(_numbers)?$", "", layer.name)

    layers = [layer for layer in model.layers if part(layer) in parts]
    layers.sort(key=lambda layer: parts.index(part(layer)))
    return [variable for layer in layers for variable in layer.weights]
