"""Copies, files and other processes: the same predictions, and training goes on."""

import copy
import dataclasses
import pickle

import joblib
import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.exceptions import InconsistentVersionWarning

import skmtl
from tests._asserts import assert_close, assert_same_predictions
from tests._inputs import FEATURES, TARGETS, as_frames, small


def through_pickle(estimator, tmp_path):
    return pickle.loads(pickle.dumps(estimator))


def through_joblib(estimator, tmp_path):
    joblib.dump(estimator, tmp_path / "estimator.joblib")
    return joblib.load(tmp_path / "estimator.joblib")


def through_deepcopy(estimator, tmp_path):
    return copy.deepcopy(estimator)


COPIES = [through_pickle, through_joblib, through_deepcopy]


@pytest.mark.parametrize("make_copy", COPIES)
def test_a_copy_predicts_the_same(table, fitted_on_frames, make_copy, tmp_path):
    X, Y = as_frames(*table)

    copied = make_copy(fitted_on_frames, tmp_path)

    np.testing.assert_array_equal(copied.predict(X), fitted_on_frames.predict(X))
    assert copied.score(X, Y) == fitted_on_frames.score(X, Y)
    assert copied.history_ == fitted_on_frames.history_
    assert list(copied.feature_names_in_) == FEATURES
    assert list(copied.target_names_) == TARGETS
    assert_close(
        copied.model_.predict(X, verbose=0), fitted_on_frames.predict(X), atol=1e-4
    )


@pytest.mark.parametrize("make_copy", COPIES)
@pytest.mark.parametrize("look_at_model", [False, True])
def test_training_goes_on_with_a_copy(table, make_copy, look_at_model, tmp_path):
    X, Y = table
    estimator = small(dropout=0.2, warm_start=True).fit(X, Y)
    if look_at_model:
        assert estimator.model_

    copied = make_copy(estimator, tmp_path)

    for go_on in ("partial_fit", "fit", "partial_fit"):
        getattr(estimator, go_on)(X, Y)
        getattr(copied, go_on)(X, Y)
        np.testing.assert_array_equal(copied.predict(X), estimator.predict(X))
    np.testing.assert_equal(copied.history_, estimator.history_)


def test_a_copy_is_of_its_own(table, fitted):
    X, Y = table
    before = fitted.predict(X)

    copy.deepcopy(fitted).partial_fit(X, Y)

    np.testing.assert_array_equal(fitted.predict(X), before)


@pytest.mark.parametrize("look_at_model", [False, True])
@pytest.mark.parametrize("with_callback", [False, True])
@pytest.mark.parametrize("trunk_sizes", [(8,), (128, 128)])
def test_files_are_small(table, trunk_sizes, with_callback, look_at_model, tmp_path):
    X, Y = table
    callbacks = [keras.callbacks.EarlyStopping("loss")] if with_callback else None
    estimator = small(trunk_sizes=trunk_sizes, callbacks=callbacks, epochs=1).fit(X, Y)
    # Of a copy: whether the estimator's own model_ was built is what varies here.
    weights = 4 * sum(w.size for w in copy.copy(estimator).model_.get_weights())
    if look_at_model:
        assert estimator.model_.predict(X, verbose=0).shape == Y.shape

    file = joblib.dump(estimator, tmp_path / "estimator.joblib")[0]

    adam = 2 * weights  # two moments of every weight
    n_bytes = (tmp_path / file).stat().st_size
    assert weights + adam < n_bytes <= 2 * (weights + adam) + 20_000


@pytest.mark.parametrize("parameters", [{"trunk_sizes": (128, 128)}, {"n_members": 2}])
def test_without_what_only_training_needs_files_are_smaller(table, parameters):
    X, Y = table
    estimator = small(epochs=1, **parameters).fit(X, Y)
    weights = 4 * sum(w.size for m in estimator._members for w in m.weights.leaves())
    before = len(pickle.dumps(estimator))

    lean = pickle.loads(pickle.dumps(estimator.for_prediction()))

    assert len(pickle.dumps(lean)) <= 1.1 * weights + 20_000
    assert len(pickle.dumps(estimator)) == before
    np.testing.assert_array_equal(lean.predict(X), estimator.predict(X))
    np.testing.assert_array_equal(lean.model_.predict(X), estimator.model_.predict(X))


def test_training_goes_on_with_a_new_optimizer(table):
    X, Y = table
    estimator = small(optimizer=keras.optimizers.SGD(0.01)).fit(X, Y)  # has no state
    before = estimator.predict(X)

    lean = estimator.for_prediction().partial_fit(X, Y)

    np.testing.assert_array_equal(estimator.predict(X), before)
    assert_same_predictions(lean, estimator.partial_fit(X, Y), X)


def test_an_optimizer_instance_is_kept(table):
    X, Y = table
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.5)
    estimator = small(optimizer=keras.optimizers.Adam(schedule)).fit(X, Y)

    loaded = pickle.loads(pickle.dumps(estimator))

    assert_same_predictions(loaded, estimator, X)
    assert_same_predictions(loaded.partial_fit(X, Y), estimator.partial_fit(X, Y), X)


@pytest.mark.parametrize("part", ["model_", "trunk_"])
def test_keras_exports_a_saved_model(table, fitted, tmp_path, part):
    X = table[0].astype(np.float32)
    model = getattr(fitted, part)

    model.export(tmp_path / "model", format="tf_saved_model", verbose=False)

    loaded = tf.saved_model.load(tmp_path / "model")  # its functions don't keep it
    exported = loaded.serve(X).numpy()
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(exported, expected, atol=1e-5 * expected.std())


def test_keras_takes_the_model_for_called(table):
    """Else it refuses to export to ONNX."""
    for estimator in (small().fit(*table), small(n_members=2).fit(*table)):
        assert estimator.model_._called
        assert estimator.trunk_._called


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_keras_exports_an_onnx_graph(table, tmp_path):
    pytest.importorskip("tf2onnx")  # in no extra: Keras says that it needs patches
    onnxruntime = pytest.importorskip("onnxruntime")
    X = table[0].astype(np.float32)
    fitted = small().fit(*table)

    fitted.model_.export(tmp_path / "model.onnx", format="onnx", verbose=False)

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (exported,) = session.run(None, {session.get_inputs()[0].name: X})
    expected = fitted.predict(X)
    np.testing.assert_allclose(exported, expected, atol=1e-5 * expected.std())


def test_a_pickle_of_another_version_warns(fitted, table):
    state = fitted.__getstate__()
    assert state["_skmtl_version"] == skmtl.__version__
    of_old = type(fitted).__new__(type(fitted))

    with pytest.warns(InconsistentVersionWarning, match=r"from version skmtl 0\.0\.7"):
        of_old.__setstate__(state | {"_skmtl_version": "0.0.7"})

    assert_same_predictions(of_old, fitted, table[0])
    assert "_skmtl_version" not in vars(of_old)


def test_files_of_before_versions_were_written_load_and_train_on(table):
    X, Y = table
    estimator = small().fit(X, Y)
    state = {k: v for k, v in estimator.__getstate__().items() if k != "_skmtl_version"}
    del state["best_epoch_"]
    (member,) = estimator._members  # which then were in files themselves
    of_old_key = member.optimizer_state._replace(key="as it was")
    state["_members"] = [dataclasses.replace(member, optimizer_state=of_old_key)]
    old = type(estimator).__new__(type(estimator))

    old.__setstate__(state)

    assert_same_predictions(old, estimator, X)
    new_optimizer = estimator.for_prediction().partial_fit(X, Y)
    assert_same_predictions(old.partial_fit(X, Y), new_optimizer, X)


def test_an_optimizers_state_is_known_by_its_variables_and_keras(fitted):
    key = fitted._network.optimizer_state.key

    assert f"Keras {keras.__version__}" in key
    assert "momentum" in key
