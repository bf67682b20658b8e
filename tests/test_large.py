"""Tables of many rows, and tables that are kept otherwise than as arrays."""

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from skmtl._estimators.classifier import MultiTaskClassifier
from skmtl._estimators.reading import read_table
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.inputs import Inputs
from skmtl._network.prediction import MANY_ROWS, in_single
from skmtl._network.scaling import Scaling
from skmtl._network.units import Units
from skmtl._tables.table import Table
from skmtl._training.rows import TableRows
from tests._inputs import as_frames, small, with_holes


@pytest.fixture(scope="module")
def binned(table) -> MultiTaskRegressor:
    return small(n_bins=4).fit(*table)


def repeated(X, n_rows: int) -> np.ndarray:
    return np.tile(X, (-(-n_rows // len(X)), 1))[:n_rows]


# Predictions


def test_as_many_rows_as_the_docstring_says_are_in_double_precision(table, binned):
    X, _ = table
    alone = binned.predict(X)

    few, many = (binned.predict(repeated(X, MANY_ROWS + n))[: len(X)] for n in (0, 1))

    assert str(MANY_ROWS) in MultiTaskRegressor.predict.__doc__
    np.testing.assert_allclose(few, alone, rtol=1e-12)
    np.testing.assert_allclose(many / alone.std(), alone / alone.std(), atol=1e-5)
    assert not np.array_equal(many, alone)


def test_single_precision_tells_bins_apart_that_are_narrow_and_far_away():
    """1e-9 wide, at 2: there are no numbers of single precision in between."""
    units = Units(
        columns=np.array([0, 1]),
        low=np.array([2.0, -np.inf]),
        high=np.array([2.0 + 1e-9, np.inf]),
        shift=np.array([2.0, 0.5]),
        slope=np.array([1e9, 3.0]),
    )
    X = np.array([[2 + 0.25e-9, 1e3], [3, -1e3], [0, 0.5]])

    np.testing.assert_allclose(in_single(units)(X), units(X), rtol=1e-6)
    assert in_single(units)(X).dtype == np.float32


def test_matrix_products_have_their_threads_again(table, binned):
    before = [library["num_threads"] for library in threadpool_info()]

    binned.predict(repeated(table[0], MANY_ROWS + 1))

    assert [library["num_threads"] for library in threadpool_info()] == before


# Pieces


def test_a_scaling_is_the_same_from_any_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    A, W = rng.normal(3, size=(50, 4)), rng.integers(0, 3, (50, 4))
    whole = Scaling.fit(A, W)

    monkeypatch.setattr("skmtl._tables.chunks.pieces.__defaults__", (7 * 4,))
    parts = Scaling.fit(A.astype(np.float64), W)

    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-12)


def test_training_sees_the_same_from_any_pieces(table, monkeypatch):
    X, Y = table
    Y = with_holes(Y)
    whole = small().fit(X, Y).predict(X)
    monkeypatch.setattr("skmtl._tables.chunks.pieces.__defaults__", (7 * X.shape[1],))

    in_pieces = small().fit(X, Y).predict(X)

    np.testing.assert_allclose(in_pieces, whole, atol=1e-4 * whole.std())


def test_rows_are_encoded_as_a_table_of_their_own(table, fitted):
    X, Y = table
    W = np.broadcast_to(1.0, Y.shape)
    rows = TableRows(fitted._network, Table(X, Y, W, []), np.arange(3, 30, 2))

    ((where, piece),) = rows.encoded()

    expected = fitted._network.encode(X[3:30:2], Y[3:30:2], W[3:30:2])
    assert where == slice(0, len(rows))
    for actual, wanted in zip(piece, expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_single_precision_is_not_widened(table):
    X, Y = (A.astype(np.float32) for A in table)
    model = small()

    read = read_table(model, X, Y, None, resume=False)

    assert read.X is X or np.shares_memory(read.X, X)
    assert np.shares_memory(read.Y, Y)
    assert read.W.strides == (0, 0)
    np.testing.assert_array_equal(
        Inputs.fit(X, read.W[:, 0], scale=False, limit=3.0, n_bins=0).scaling.scale, 1
    )


# Other kinds of tables


def test_memory_mapped_files_are_read_where_they_are(table, tmp_path):
    X, Y = (A.astype(np.float32) for A in table)
    expected = small().fit(X, Y).predict(X)
    for name, A in (("X", X), ("Y", Y)):
        np.save(tmp_path / f"{name}.npy", A)
    X, Y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "XY")

    model = small().fit(X, Y)

    np.testing.assert_array_equal(model.predict(X), expected)
    assert np.shares_memory(read_table(model, X, Y, None, resume=True).X, X)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_nullable_frames_are_as_others(table, backend):
    if backend == "pyarrow":
        pytest.importorskip("pyarrow")
    X, Y = as_frames(*table)
    X["whole"], X["flag"] = np.arange(len(X)), X.iloc[:, 0] > 0
    Y = Y.mask(np.isnan(with_holes(Y.to_numpy())))
    expected = small().fit(X, Y)

    of_backend = [A.convert_dtypes(dtype_backend=backend) for A in (X, Y)]
    model = small().fit(*of_backend)

    # In another order in memory.
    np.testing.assert_allclose(model.predict(of_backend[0]), expected.predict(X), rtol=1e-9)
    assert model.score(*of_backend) == pytest.approx(expected.score(X, Y))
    assert list(model.feature_names_in_) == list(X)
    of_backend[0].iloc[3, 1], X.iloc[3, 1] = pd.NA, np.nan
    of_missing = small().fit(*of_backend).predict(of_backend[0])
    np.testing.assert_allclose(of_missing, small().fit(X, Y).predict(X), rtol=1e-9)


def test_nullable_labels_are_as_others(table):
    pytest.importorskip("pyarrow")
    X, Y = as_frames(*table)
    labels = pd.DataFrame(
        {"a": Y.iloc[:, 0] > 0, "b": np.where(Y.iloc[:, 1] > 0, "x", "y")},
    )
    labels.loc[::5, "b"] = None
    model = MultiTaskClassifier(trunk_sizes=(4,), head_sizes=(), epochs=2, random_state=0)
    expected = model.fit(X, labels).predict_proba(X)

    of_arrow = [A.convert_dtypes(dtype_backend="pyarrow") for A in (X, labels)]
    actual = model.fit(*of_arrow).predict_proba(of_arrow[0])

    for p, wanted in zip(actual, expected, strict=True):
        np.testing.assert_allclose(p, wanted, rtol=1e-9)


def test_single_precision_of_arrow_is_not_widened(table):
    pytest.importorskip("pyarrow")
    X, Y = (A.astype(np.float32) for A in as_frames(*table))
    X, Y = (A.convert_dtypes(dtype_backend="pyarrow") for A in (X, Y))

    read = read_table(small(), X, Y, None, resume=False)
    for A in (read.X, read.Y):
        assert A.dtype == np.float32
