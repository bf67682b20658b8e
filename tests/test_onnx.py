"""ONNX graphs: under onnxruntime they predict what the estimator does."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.activations import ACTIVATIONS
from skmtl.onnx import ACTIVATIONS as ONNX_ACTIVATIONS
from skmtl.onnx import to_onnx
from tests._inputs import TARGETS, small, small_classifier


def run(graph, X) -> np.ndarray:
    """What onnxruntime makes of a table; a DataFrame goes in column by column."""
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    if isinstance(X, pd.DataFrame):
        feeds = {name: column.to_numpy()[:, None] for name, column in X.items()}
    else:
        feeds = {session.get_inputs()[0].name: X}
    return session.run(["variable"], feeds)[0]


def assert_same_as_onnx(model, X) -> None:
    expected = model.predict(X).reshape(len(X), -1)
    predicted = run(to_onnx(model, X), X)
    assert predicted.shape == expected.shape
    assert np.abs((predicted - expected) / expected.std(axis=0)).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"sharing_depth": 0},
        {"sharing_depth": 2},
        {"share_output": True},
        {"n_members": 2},
        {"n_bins": 0, "clip_features": None},
        {"scale_features": False, "scale_targets": False},
        {"trunk_sizes": (), "head_sizes": ()},
        {"loss": ["poisson", "huber", "log_loss"]},
        {"loss": ["normal", ("quantile", (0.1, 0.5, 0.9)), "log_loss"]},
    ],
    ids=str,
)
def test_every_option_that_changes_predictions(table, parameters, dtype):
    X, Y = table
    Y = np.column_stack([np.abs(Y[:, 0]), Y[:, 1], Y[:, 2] > Y[:, 2].mean()])
    model = small(epochs=2, **parameters).fit(X, Y)
    beyond = np.vstack([X, 100 * X[:3]]).astype(dtype)  # past what was fitted on

    assert_same_as_onnx(model, beyond)
    assert run(to_onnx(model, beyond), beyond).dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_members", [1, 2])
def test_classifiers_have_an_output_per_target(table, n_members, dtype):
    X, Y = table
    labels = {"up": Y[:, 0] > 5, "same": "yes", "third": pd.cut(Y[:, 2], 3, labels=False)}
    model = make_pipeline(StandardScaler(), small_classifier(n_members=n_members))
    model.fit(X, pd.DataFrame(labels))

    X = X.astype(dtype)
    graph = to_onnx(model, X)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    outputs = [output.name for output in session.get_outputs()]
    assert outputs == [f"probabilities_{name}" for name in labels]
    predicted = session.run(None, {session.get_inputs()[0].name: X})
    for ours, expected in zip(predicted, model.predict_proba(X), strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("sharing_depth", [0, 1])
def test_networks_that_were_merged(table, sharing_depth):
    X, Y = table
    parts = [small().fit(X * scale + 1, Y[:, t]) for t, scale in enumerate([1, 5])]

    assert_same_as_onnx(merge_tasks(parts, sharing_depth), X)


def test_a_single_target(table):
    X, Y = table
    assert_same_as_onnx(small().fit(X, Y[:, 0]), X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(table, fitted, activation):
    X, _ = table
    # The weights are those of another activation: a function like any.
    network = fitted._network
    architecture = replace(network.architecture, activation=activation)
    model = fitted.for_prediction()
    model._members = [replace(network, architecture=architecture)]

    assert_same_as_onnx(model, X)


def test_every_activation_and_link_has_operators():
    assert ONNX_ACTIVATIONS.keys() == ACTIVATIONS.keys()


@pytest.fixture(scope="module")
def mixed(table):
    """Numbers, numbers with holes, and text; two targets."""
    X, Y = table
    frame = pd.DataFrame(X[:, :3].astype(np.float32), columns=["age", "mass", "heat"])
    frame.loc[::7, "mass"] = np.nan
    frame["colour"] = np.where(X[:, 3] > 0, "red", "blue")
    return frame, pd.DataFrame(Y, columns=TARGETS)


NUMBERS, TEXT = ["age", "mass", "heat"], ["colour"]
OF_FRAMES = {
    "one-hot": make_column_transformer(
        (SimpleImputer(), NUMBERS), (OneHotEncoder(sparse_output=False), TEXT)
    ),
    "ordinal": make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        (OrdinalEncoder(), TEXT),
    ),
    "numbers only": make_column_transformer((SimpleImputer(), NUMBERS)),
}
OF_ARRAYS = {
    "scaler": StandardScaler(),
    "range": MinMaxScaler(),
    "products": PolynomialFeatures(degree=2, include_bias=False),
}


@pytest.mark.parametrize("name", OF_FRAMES)
def test_pipelines_of_frames(mixed, name):
    X, Y = mixed
    pipeline = make_pipeline(OF_FRAMES[name], small()).fit(X, Y)
    assert_same_as_onnx(pipeline, X)


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_pipelines_of_arrays(table, name):
    X, Y = table
    pipeline = make_pipeline(OF_ARRAYS[name], small()).fit(X, Y)
    assert_same_as_onnx(pipeline, X)


def test_a_frame_goes_in_column_by_column(fitted_on_frames, table):
    X = pd.DataFrame(table[0], columns=fitted_on_frames.feature_names_in_)
    assert_same_as_onnx(fitted_on_frames, X)


def test_files_are_small(table):
    model = MultiTaskRegressor(epochs=1, n_members=2, random_state=0).fit(*table)
    weights = 4 * sum(w.size for member in model._members for w in member.weights.leaves())

    assert len(to_onnx(model, table[0]).SerializeToString()) <= 1.2 * weights
