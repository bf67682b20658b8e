"""ONNX graphs: under onnxruntime they predict what the estimator does."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
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
from skmtl.ensemble import MultiTaskStackingRegressor
from skmtl.onnx import ACTIVATIONS as ONNX_ACTIVATIONS
from skmtl.onnx import to_onnx
from tests._asserts import assert_close
from tests._inputs import TARGETS, as_frames, make_table, small, small_classifier


def run_all(graph, X) -> list[np.ndarray]:
    """What onnxruntime makes of a table; a DataFrame goes in column by column."""
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    inputs = session.get_inputs()
    if isinstance(X, pd.DataFrame):
        feeds = {node.name: as_input(X[node.name], node.type) for node in inputs}
    else:
        feeds = {inputs[0].name: X}
    return session.run(None, feeds)


def as_input(column: pd.Series, kind: str) -> np.ndarray:
    if kind == "tensor(string)":
        column = column.astype(object).map(str, na_action="ignore").astype(object)
        column = column.where(column.notna(), "")
    elif kind == "tensor(double)":
        column = column.astype(np.float64)
    return column.to_numpy()[:, None]


def run(graph, X) -> np.ndarray:
    (variable,) = run_all(graph, X)
    return variable


def assert_same_as_onnx(model, X) -> None:
    expected = model.predict(X).reshape(len(X), -1)
    predicted = run(to_onnx(model, X[:1]), X)
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


ARCHITECTURES = {
    "shared trunk": {},
    "networks of their own": {"sharing_depth": 0},
    "experts": {"n_experts": 2, "n_task_experts": 1},
    "experts of their own": {"sharing_depth": 0, "n_task_experts": 2},
    "groups": {"target_groups": [[0, 2], [1]]},
    "shared output": {"share_output": True, "linear_path": False},
    "no hidden layers": {"trunk_sizes": (), "head_sizes": ()},
    "members": {"n_members": 2},
}


@pytest.fixture(scope="module")
def raw():
    """Every type of column, with holes where it may have them; three targets."""
    rng = np.random.default_rng(0)
    n = 80
    X = pd.DataFrame(
        {
            "town": rng.choice([f"town {i}" for i in range(9)], n),
            "mass": rng.normal(50, 10, n),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n)),
            "grade": pd.Categorical(rng.choice([3, 1, 2], n)),
            "share": pd.Categorical(rng.choice([0.25, 0.1, 1 / 3], n)),
            "new": rng.random(n) < 0.4,
            "known": rng.choice(np.array([True, False, None]), n),
            "floor": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "count": rng.integers(0, 5, n),
        }
    )
    for name in ("town", "mass", "size", "grade", "share", "floor"):
        X.loc[rng.random(n) < 0.1, name] = None
    noise = rng.normal(size=(n, 3))
    by_town = X["town"].map(hash_of, na_action="ignore").fillna(0).astype(float)
    signal = by_town + 2 * X["new"] + X["count"]
    return X, pd.DataFrame(signal.to_numpy()[:, None] + noise, columns=TARGETS)


def hash_of(text: str) -> int:
    return sum(map(ord, text)) % 7


def unlike(X):
    """The rows with levels and holes that the fit did not see."""
    more = X.astype({"size": object, "grade": float, "share": float})
    more.loc[::3, ["town", "size"]] = "elsewhere"
    more.loc[1::3, ["grade", "share"]] = 99.5
    more.loc[2::3, ["mass", "grade", "share"]] = np.nan
    return pd.concat([X.astype(more.dtypes), more], ignore_index=True)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_raw_tables(raw, name):
    X, Y = raw
    model = small(epochs=2, n_bins=4, **ARCHITECTURES[name]).fit(X, Y)

    graph = to_onnx(model, X[:1])

    expected = model.predict(unlike(X))
    predicted = run(graph, unlike(X))
    assert predicted.dtype == np.float64
    assert np.abs((predicted - expected) / expected.std(axis=0)).max() < 1e-5


def test_raw_tables_are_classified(raw):
    X, Y = raw
    labels = Y.apply(lambda y: np.where(y > y.median(), "high", "low"))
    model = small_classifier(n_bins=4).fit(X, labels)

    predicted = run_all(to_onnx(model, X), unlike(X))

    for ours, expected in zip(predicted, model.predict_proba(unlike(X)), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_raw_table_in_a_pipeline(raw):
    X, Y = raw
    X = X.sort_values("town", na_position="first")  # the row that types are read off
    assert_same_as_onnx(make_pipeline(small(n_bins=4)).fit(X, Y), X)


def test_positions_of_levels_from_another_step(raw):
    X, Y = raw
    X = X[["town", "size"]].astype(object).fillna("nowhere")
    network = small(categorical_features=[0])

    assert_same_as_onnx(make_pipeline(OrdinalEncoder(), network).fit(X, Y), X)


@pytest.mark.parametrize("levels", [[3, 1, 2, -7], [0.1, 0.25, -1.5, 2]], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_in_arrays(table, levels, dtype):
    X, Y = table
    X = X.astype(dtype)
    X[:, 1] = np.resize(levels, len(X))
    X[::9, [1, 2]] = np.nan
    model = small(categorical_features=[1]).fit(X, Y)

    X[::7, 1] = 1.75
    X[3::7, 1] = np.nan
    assert_same_as_onnx(model, X)


def test_texts_in_an_array(table):
    X, Y = table
    X = X[:, :3].astype(object)
    X[:, 1] = np.resize(["one", "two", "three"], len(X))
    model = small(categorical_features=[1]).fit(X, Y)

    predicted = run(to_onnx(model, X), X.astype(str))

    assert_close(predicted, model.predict(X))


def test_very_many_levels():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"who": [f"person {i}" for i in rng.integers(0, 2000, 5000)]})
    X["number"] = rng.integers(0, 2000, 5000) * 10**12
    Y = rng.normal(size=(5000, 2))
    model = small(epochs=1, categorical_features=["who", "number"]).fit(X, Y)
    assert all(len(levels) > 1000 for levels in model.categories_.values())

    assert_same_as_onnx(model, X)


def test_levels_that_are_written_alike_are_refused(table):
    _, Y = table
    X = pd.DataFrame({"mark": np.resize(np.array([1, "1", "2"], dtype=object), len(Y))})
    model = small().fit(X, Y)

    with pytest.raises(ValueError, match="'mark' has levels that are written alike"):
        to_onnx(model, X)


def test_merged_networks_of_raw_tables(raw):
    X, Y = raw
    few = X["town"] != "town 3"
    parts = [small().fit(X, Y[["cost"]]), small().fit(X[few], Y.loc[few, ["time"]])]

    assert_same_as_onnx(merge_tasks(parts), X)


def test_files_are_small(table):
    model = MultiTaskRegressor(epochs=1, n_members=2, random_state=0).fit(*table)
    weights = 4 * sum(w.size for member in model._members for w in member.weights.leaves())

    assert len(to_onnx(model, table[0]).SerializeToString()) <= 1.2 * weights


def test_columns_are_those_of_the_fit():
    X, Y = as_frames(*make_table())
    model = small(epochs=1).fit(X, Y)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), model)
    swapped = X[[*X.columns[1::-1], *X.columns[2:]]]

    for fitted in (model, pipeline.fit(X, Y)):
        for other in (swapped, X.rename(columns={"age": "years"}), X.iloc[:, 1:]):
            with pytest.raises(ValueError, match="feature"):
                to_onnx(fitted, other)
        assert to_onnx(fitted, X).graph.input[0].name == "age"
    by_name = make_pipeline(make_column_transformer(("passthrough", list(X))), model)
    assert len(to_onnx(by_name.fit(X, Y), swapped).graph.input) == X.shape[1]


def test_a_stack_is_refused():
    stack = MultiTaskStackingRegressor([("ridge", Ridge())])

    with pytest.raises(TypeError, match=r"no ONNX graph.*named_estimators_"):
        to_onnx(make_pipeline(StandardScaler(), stack), np.zeros((1, 2)))
