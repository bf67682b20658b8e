"""The forward pass, activations and first weights, against Keras and by their laws."""

import dataclasses

import keras
import numpy as np
import pytest

from skmtl._network.activations import ACTIVATIONS
from skmtl._network.architecture import OUTPUT_SCALE, Architecture, initial_weights
from skmtl._network.forward import forward
from skmtl._network.heads import Mean, Quantiles
from skmtl._network.inputs import LINEAR_REACH, Inputs
from skmtl._network.network import Network
from skmtl._network.scaling import Scaling
from skmtl._network.units import features_cut_off
from skmtl._training import build_keras_model
from skmtl._training.keras_model import build_ensemble
from tests._asserts import assert_close, assert_equal_up_to_rounding

SPLITS = [((8, 6, 4), depth) for depth in range(4)] + [((), 0)]


def make_network(
    hidden_sizes,
    sharing_depth,
    activation="relu",
    n_targets=3,
    *,
    share_output=False,
    linear_path=False,
    limit=np.inf,
):
    architecture = Architecture(
        5, n_targets, hidden_sizes, sharing_depth, activation, share_output, linear_path
    )
    rng = np.random.default_rng(0)
    weights = initial_weights(architecture, rng).map(
        lambda w: w + 0.3 * rng.normal(size=w.shape).astype("float32")
    )
    scaling = Scaling(rng.normal(size=5), rng.uniform(0.5, 2, 5))
    features = Inputs(
        scaling, features_cut_off(5, limit), features_cut_off(5, LINEAR_REACH * limit)
    )
    targets = Scaling(rng.normal(size=n_targets), rng.uniform(0.5, 2, n_targets))
    links = (Mean(),) * n_targets
    network = Network.untrained(architecture, rng, features, targets, links)
    return dataclasses.replace(network, weights=weights)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_equal_those_of_keras(name):
    x = np.linspace(-30, 30, 601)

    expected = keras.activations.get(name)(keras.ops.convert_to_tensor(x))

    np.testing.assert_allclose(ACTIVATIONS[name](x), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("share_output", [False, True])
@pytest.mark.parametrize(("hidden_sizes", "sharing_depth"), SPLITS)
def test_predictions_equal_those_of_the_keras_model(
    hidden_sizes, sharing_depth, share_output, linear_path
):
    network = make_network(
        hidden_sizes,
        sharing_depth,
        "tanh",
        share_output=share_output and sharing_depth < len(hidden_sizes),
        linear_path=linear_path,
    )
    X = np.random.default_rng(1).normal(size=(7, 5))

    expected = build_keras_model(network).predict(X, verbose=0)

    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_features_far_off_are_cut_off_in_the_keras_model_too():
    network = make_network((8, 6), 1, limit=3.0)
    X = np.random.default_rng(1).normal(size=(50, 5)) * 4
    X[0] = 1e6

    scaling = network.features.scaling
    inside = scaling.undo(np.clip(scaling.apply(X), -3, 3))
    np.testing.assert_allclose(network.predict(X), network.predict(inside))
    expected = build_keras_model(network).predict(X, verbose=0)
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_without_hidden_layers_features_are_cut_off_where_a_linear_path_would():
    network = make_network((), 0, limit=2.0)
    X = np.random.default_rng(1).normal(size=(50, 5)) * 4
    kernel, bias = network.weights.output

    outputs = raw_outputs(network, X)

    expected = np.clip(X, -6, 6) @ kernel[:, :, 0].T + bias[:, 0, 0]
    np.testing.assert_allclose(outputs[..., 0], expected)
    expected = build_keras_model(network).predict(X, verbose=0)
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_the_linear_path_sees_three_times_as_far_as_the_hidden_layers():
    network = make_network((8, 6), 1, limit=2.0, linear_path=True)
    X = np.random.default_rng(1).normal(size=(50, 5)) * 4
    weights, relu = network.weights, ACTIVATIONS["relu"]

    architecture = network.architecture
    outputs = forward(architecture, weights, X, network.features.units, relu)

    as_they_are = Inputs.unscaled(5).units
    without = dataclasses.replace(architecture, linear_path=False)
    expected = forward(
        without, weights._replace(linear=None), np.clip(X, -2, 2), as_they_are, relu
    )
    expected[..., 0] += np.clip(X, -6, 6) @ weights.linear[:, :, 0].T
    np.testing.assert_allclose(outputs, expected)
    expected = build_keras_model(network).predict(X, verbose=0)
    np.testing.assert_allclose(network.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_the_linear_path_adds_a_linear_function_of_the_features():
    network = make_network((8, 6), 1, linear_path=True)
    X = np.random.default_rng(1).normal(size=(7, 5))

    architecture, units = network.architecture, network.features.units
    plain = dataclasses.replace(architecture, linear_path=False)

    both = forward(architecture, network.weights, X, units, ACTIVATIONS["relu"])

    weights = network.weights._replace(linear=None)
    without = forward(plain, weights, X, units, ACTIVATIONS["relu"])
    expected = X @ network.weights.linear[:, :, 0].T
    np.testing.assert_allclose((both - without)[..., 0], expected)


def raw_outputs(network, X):
    of_features, relu = network.features.units, ACTIVATIONS["relu"]
    return forward(network.architecture, network.weights, X, of_features, relu)


@pytest.mark.parametrize(("hidden_sizes", "sharing_depth"), SPLITS)
def test_each_task_is_a_plain_network_of_its_own_weights(hidden_sizes, sharing_depth):
    network = make_network(hidden_sizes, sharing_depth)
    X = np.random.default_rng(1).normal(size=(7, 5))
    outputs = raw_outputs(network, X)

    for task in range(3):
        own = [w[task] if w.ndim == 3 else w for w in network.weights.leaves()]
        H = X
        for K, b in zip(own[:-2:2], own[1:-2:2], strict=True):
            H = np.maximum(H @ K + b, 0)
        expected = H @ own[-2] + own[-1]
        np.testing.assert_allclose(outputs[:, task], expected, rtol=1e-5, atol=1e-6)


def test_the_number_of_weights_is_that_of_the_keras_model():
    network = make_network((8, 6, 4), 2)

    assert network.architecture.n_weights == build_keras_model(network).count_params()


def test_predictions_do_not_depend_on_the_rows_beside_them(monkeypatch):
    network = make_network((8, 6, 4), 1)
    X = np.random.default_rng(1).normal(size=(50, 5))
    whole = network.predict(X)

    monkeypatch.setattr(
        "skmtl._network.network.PREDICTION_CHUNK", 7 * network.architecture.width
    )
    np.testing.assert_allclose(network.predict(X), whole, rtol=1e-12)
    np.testing.assert_allclose(network.predict(X[3:4]), whole[3:4], rtol=1e-12)


@pytest.mark.parametrize("n_targets", [1, 3, 100])
def test_heads_start_as_if_they_stood_alone(n_targets):
    architecture = Architecture(5, n_targets, (400, 300), 1, "relu")

    weights = initial_weights(architecture, np.random.default_rng(0))

    kernels, biases = zip(*weights.layers, strict=True)
    # Uniform in +-limit: the largest of many draws is close to the limit.
    for kernel, fan_in, fan_out, scale in zip(
        kernels, (5, 400, 300), (400, 300, 1), (1, 1, OUTPUT_SCALE), strict=True
    ):
        limit = scale * np.sqrt(6 / (fan_in + fan_out))
        assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert not any(b.any() for b in biases)


def test_tasks_start_from_different_weights():
    weights = initial_weights(Architecture(5, 2, (4,), 0, "relu"), np.random.default_rng(0))

    kernel = weights.heads[0].kernel
    assert not np.allclose(kernel[0], kernel[1])


KINDS = {
    "heads": {},
    "no hidden layer": {"hidden_sizes": (), "sharing_depth": 0},
    "separate": {"sharing_depth": 0},
    "no head layer": {"sharing_depth": 3},
    "several outputs": {"sharing_depth": 3, "n_outputs": 3},
    "experts": {"n_experts": 3},
    "own experts": {"n_experts": 1, "n_task_experts": 2, "sharing_depth": 2},
    "groups": {"groups": (0, 1, 1, 0, 2)},
    "common output": {"share_output": True},
}


def any_network(n_targets=5, **kind) -> Network:
    shape = {"hidden_sizes": (40, 24, 9), "sharing_depth": 1, "linear_path": True, **kind}
    architecture = Architecture(7, n_targets, activation="elu", **shape)
    rng = np.random.default_rng(0)
    inputs = Inputs.unscaled(7)
    kind = Mean() if architecture.n_outputs == 1 else Quantiles((0.1, 0.5, 0.9))
    scaling = Scaling.identity(n_targets)
    network = Network.untrained(architecture, rng, inputs, scaling, (kind,) * n_targets)
    weights = network.weights.map(lambda w: rng.normal(size=w.shape).astype(np.float32))
    return dataclasses.replace(network, weights=weights)


def without_last_target(network: Network) -> Network:
    whole = network.architecture
    n = whole.n_targets - 1
    leaves = [
        w if users is None else w[users[:, :n].any(axis=1)]
        for w, users in zip(network.weights.leaves(), whole.users, strict=True)
    ]
    weights = network.weights.with_leaves(leaves)
    architecture = dataclasses.replace(whole, n_targets=n, groups=whole.groups[:n])
    kinds, targets = network.kinds[:n], Scaling.identity(n)
    return dataclasses.replace(
        network, architecture=architecture, weights=weights, targets=targets, kinds=kinds
    )


@pytest.mark.parametrize("n_rows", [1, 2, 50])
@pytest.mark.parametrize("kind", KINDS)
def test_a_target_does_not_depend_on_those_beside_it(kind, n_rows):
    network = any_network(**KINDS[kind])
    X = np.random.default_rng(1).normal(size=(n_rows, 7))

    alone = without_last_target(network).outputs(X)

    assert_equal_up_to_rounding(network.outputs(X)[:, :-1], alone)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_does_not_depend_on_those_beside_it(kind):
    network = any_network(**KINDS[kind])
    X = np.random.default_rng(1).normal(size=(61, 7))

    alone = np.concatenate([network.outputs(x[None]) for x in X])

    assert_equal_up_to_rounding(network.outputs(X), alone)


FAR = {
    "time stamps far from 0": lambda x: 1.7e12 + 8.64e7 * x,
    "far from 0": lambda x: 1e9 + x,
    "far from 0 but for one": lambda x: np.where(np.arange(len(x)) == 5, 0.0, 1e9 + x),
    "ordinary": lambda x: x,
    "one huge value": lambda x: np.where(np.arange(len(x)) == 5, 1e12, x),
}


def network_reading(X, n_bins) -> Network:
    inputs = Inputs.fit(X, np.ones(len(X)), scale=True, limit=3.0, n_bins=n_bins)
    n_bins = inputs.hidden.n_units - X.shape[1]
    architecture = Architecture(
        X.shape[1], 2, (8,), 1, "relu", linear_path=True, n_bins=n_bins
    )
    rng = np.random.default_rng(0)
    network = Network.untrained(
        architecture, rng, inputs, Scaling.identity(2), (Mean(),) * 2
    )
    weights = network.weights.map(lambda w: rng.normal(size=w.shape).astype(np.float32))
    return dataclasses.replace(network, weights=weights)


@pytest.mark.parametrize("n_members", [1, 2])
@pytest.mark.parametrize("n_bins", [0, 8])
@pytest.mark.parametrize("kind", FAR)
def test_the_keras_model_tells_values_apart_that_lie_far_from_0(
    kind, n_bins, n_members, tmp_path
):
    X = np.random.default_rng(1).normal(size=(200, 2))
    X[:, 0] = FAR[kind](X[:, 0])
    network = network_reading(X, n_bins)

    model = build_ensemble([network] * n_members)
    model.save(tmp_path / "model.keras")

    if kind == "ordinary":
        assert model.inputs[0].dtype == "float32"
    for either in (model, keras.saving.load_model(tmp_path / "model.keras")):
        assert_close(np.array(either(X)), network.predict(X), atol=1e-3)
