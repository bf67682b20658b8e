"""The bridge to Keras' own loop: same network, same objective, another way to train."""

import copy
import pickle
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests._asserts import assert_close
from tests._inputs import full_batch

D, T, N = 4, 3, 48

rng = np.random.default_rng(0)
X = 3 + rng.normal(size=(N, D)) * [1, 10, 0.1, 5]
Y = np.tanh(X @ rng.normal(size=(D, T))) * [1, 10, 100] + rng.normal(size=(N, T))
HOLES = np.where(rng.random((N, T)) < 0.3, np.nan, Y)
HOLES[:, 0] = Y[:, 0]
WEIGHTS = rng.uniform(0.5, 2, (N, T))


def regressor(**parameters):
    return full_batch(**({"trunk_sizes": (5,), "batch_size": N} | parameters))


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y)


@pytest.fixture(scope="module")
def bridged():
    return regressor().to_scikeras().fit(X, Y)


# ---------------------------------------------------------------------------------------
# Both ways of training

COMPARED = {
    "plain": ({}, Y, None),
    "holes": ({}, HOLES, None),
    "holes and weights per cell": ({}, HOLES, WEIGHTS),
    "losses and their weights": (
        {"loss": ["huber", ("quantile", 0.8), "poisson"], "loss_weights": [1, 2, 0.5]},
        np.abs(HOLES),
        None,
    ),
    "weights of rows, shared output, unscaled": (
        {"share_output": True, "scale_features": False, "scale_targets": False},
        Y,
        WEIGHTS[:, 0],
    ),
    "frozen trunk, weight decay": ({"freeze_trunk": True, "weight_decay": 1.0}, Y, None),
    "separate, momentum": (
        {"sharing_depth": 0, "optimizer": keras.optimizers.SGD(0.05, momentum=0.9)},
        HOLES,
        None,
    ),
    "one target": ({}, Y[:, 0], None),
}


# Whether anything has trained the trunk does not matter here.
@pytest.mark.filterwarnings("ignore:freeze_trunk=True, but init_trunk=None:UserWarning")
@pytest.mark.parametrize("case", COMPARED)
def test_both_train_alike_from_the_same_weights(case):
    parameters, y, sample_weight = COMPARED[case]

    compiled = regressor(**parameters).fit(X, y, sample_weight)
    by_keras = regressor(**parameters).to_scikeras().fit(X, y, sample_weight)

    predicted = by_keras.predict(X)
    scale = np.nanstd(y, axis=0)
    np.testing.assert_allclose(
        predicted / scale, compiled.predict(X) / scale, rtol=1e-4, atol=1e-4
    )
    assert predicted.shape == y.shape
    assert by_keras.score(X, y) == pytest.approx(compiled.score(X, y), abs=1e-4)
    np.testing.assert_allclose(
        by_keras.history_["loss"], compiled.history_["loss"], rtol=1e-4
    )


def test_weights_are_averaged_in_both():
    """Keras' average has no warm-up: its first weights linger."""
    averaged = regressor(ema_momentum=0.9).to_scikeras()

    assert averaged.get_params()["optimizer__use_ema"]
    assert averaged.get_params()["optimizer__ema_momentum"] == 0.9
    optimizer = averaged.fit(X, Y).model_.optimizer
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
    assert "optimizer__use_ema" not in regressor().to_scikeras().get_params()


def test_bridged_training_goes_on_from_fitted_weights(fitted):
    still = fitted.to_scikeras(optimizer__learning_rate=1e-12).fit(X, Y)
    trained = fitted.to_scikeras().fit(X, Y)

    np.testing.assert_allclose(still.predict(X), fitted.predict(X), rtol=1e-4, atol=1e-4)
    assert trained.score(X, Y) > fitted.score(X, Y)


def test_fitted_weights_keep_the_scaling_they_were_trained_with(fitted):
    elsewhere = 1 + 2 * X

    still = fitted.to_scikeras(optimizer__learning_rate=1e-12).fit(elsewhere, 5 * Y)

    np.testing.assert_allclose(still.predict(X), fitted.predict(X), rtol=1e-4, atol=1e-4)


def test_the_estimator_is_left_alone(fitted):
    before = fitted.predict(X)
    parameters = str(fitted.get_params())

    fitted.to_scikeras().fit(X, -Y)

    np.testing.assert_array_equal(fitted.predict(X), before)
    assert str(fitted.get_params()) == parameters


def test_an_optimizer_instance_is_a_description_here_too():
    """As in the estimator, which does not change it: so it serves any number of fits."""
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    by_keras = regressor(optimizer=optimizer).to_scikeras()

    first = by_keras.fit(X, Y).predict(X)
    second = by_keras.fit(X, Y).predict(X)

    assert_close(second, first)
    assert not optimizer.built


@pytest.mark.parametrize("kind", ["estimator", "frozen", "fitted from it"])
def test_a_trunk_to_start_from_comes_along(fitted, kind):
    init_trunk = FrozenEstimator(fitted) if kind == "frozen" else fitted
    model = regressor(init_trunk=init_trunk, freeze_trunk=True)
    if kind == "fitted from it":
        model.fit(X, Y)

    by_keras = model.to_scikeras().fit(X, Y)

    for mine, theirs in zip(
        by_keras.model_.get_layer("trunk_1").get_weights(),
        fitted.model_.get_layer("trunk_1").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_added_tasks_with_a_loss_of_their_own_come_along(fitted):
    counts = np.round(np.abs(Y[:, 0]) * 5)
    model = copy.deepcopy(fitted).add_task(X, counts, loss="poisson")

    by_keras = model.to_scikeras(epochs=60).fit(X, np.column_stack([Y, counts]))

    predicted = by_keras.predict(X)
    assert predicted.shape == (N, T + 1)
    np.testing.assert_allclose(predicted[:, -1].mean(), counts.mean(), rtol=0.2)


# ---------------------------------------------------------------------------------------
# What the compiled loop cannot serve


class SignDescent(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * keras.ops.sign(gradient))


class BatchCounter(keras.callbacks.Callback):
    n_batches = 0

    def on_train_batch_end(self, batch, logs=None):
        type(self).n_batches += 1


def test_callbacks_are_called_at_every_batch():
    BatchCounter.n_batches = 0
    with pytest.raises(ValueError, match=r"to_scikeras|own fit"):
        regressor(callbacks=[BatchCounter()]).fit(X, Y)

    regressor(callbacks=[BatchCounter()], batch_size=16).to_scikeras().fit(X, Y)

    assert BatchCounter.n_batches == 4 * N / 16
    regressor(batch_size=16).to_scikeras(callbacks=BatchCounter, epochs=1).fit(X, Y)
    assert BatchCounter.n_batches == 5 * N / 16


def test_an_optimizer_with_a_train_step_of_its_own():
    by_keras = regressor().to_scikeras(optimizer=SignDescent(0.01)).fit(X, Y)

    assert isinstance(by_keras.model_.optimizer, SignDescent)
    assert by_keras.history_["loss"][-1] < by_keras.history_["loss"][0]


def test_parameters_are_routed_to_the_optimizer():
    slow = regressor().to_scikeras(optimizer__learning_rate=1e-12).fit(X, Y)
    sgd = regressor().to_scikeras(
        optimizer="sgd", optimizer__learning_rate=0.03, optimizer__momentum=0.8
    )
    sgd.fit(X, Y)

    np.testing.assert_allclose(slow.history_["loss"], slow.history_["loss"][0], rtol=1e-5)
    assert isinstance(sgd.model_.optimizer, keras.optimizers.SGD)
    assert sgd.model_.optimizer.momentum == 0.8
    assert float(sgd.model_.optimizer.learning_rate) == pytest.approx(0.03)
    adam = regressor(learning_rate=0.02).to_scikeras().fit(X, Y)
    assert float(adam.model_.optimizer.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["lamb", "adamw", "muon", "nadam"])
def test_every_name_of_an_optimizer_is_known_here_too(name):
    by_keras = regressor(optimizer=name, epochs=1).to_scikeras().fit(X, Y)

    assert type(by_keras.model_.optimizer).__name__.lower() == name


def test_parameters_of_keras_fit_are_passed_on():
    by_keras = regressor().to_scikeras(epochs=2, validation_split=0.25, batch_size=8)

    history = by_keras.fit(X, Y).history_

    assert len(history["loss"]) == len(history["val_loss"]) == 2
    assert int(by_keras.model_.optimizer.iterations) == 2 * 36 // 8 + 1


# ---------------------------------------------------------------------------------------
# In scikit-learn


def test_it_is_a_regressor(bridged):
    assert is_regressor(bridged)
    assert is_regressor(regressor().to_scikeras())
    assert is_regressor(make_pipeline(FunctionTransformer(), bridged))


def test_it_is_a_keras_regressor_of_scikeras(bridged):
    from scikeras.wrappers import KerasRegressor

    assert isinstance(bridged, KerasRegressor)
    assert isinstance(bridged.model_, keras.Model)


def test_shapes_and_types_are_those_of_the_estimator(bridged, fitted):
    assert bridged.predict(X).shape == (N, T)
    assert bridged.predict(X).dtype == fitted.predict(X).dtype == np.float64
    assert bridged.predict(X[:1]).shape == (1, T)
    assert regressor(epochs=1).to_scikeras().fit(X, Y[:, 0]).predict(X).shape == (N,)
    column = regressor(epochs=1).to_scikeras().fit(X, Y[:, :1])
    assert column.predict(X).shape == (N, 1)


def test_data_frames():
    features, targets = pd.DataFrame(X, columns=list("pqrs")), pd.DataFrame(HOLES)
    loss = {"0": "huber", "1": "mae", "2": "huber"}

    by_keras = regressor(loss=loss, epochs=1).to_scikeras().fit(features, targets)

    np.testing.assert_allclose(by_keras.predict(features).shape, (N, T))
    with pytest.raises(ValueError, match="feature names"):
        by_keras.predict(features[list("srqp")])


def test_it_needs_a_fit_to_predict():
    with pytest.raises(NotFittedError):
        regressor().to_scikeras().predict(X)


def test_clones_train_alike(fitted):
    for model in (regressor(), fitted):
        by_keras = model.to_scikeras()
        expected = by_keras.fit(X, Y).predict(X)

        again = clone(by_keras)

        assert not hasattr(again, "model_")
        assert_close(again.fit(X, Y).predict(X), expected, atol=1e-4)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
# Keras' variables do not know the argument copy of NumPy 2's __array__ (2026-11).
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
def test_fitted_and_unfitted_ones_survive_copies(bridged, how):
    copied = {"pickle": lambda m: pickle.loads(pickle.dumps(m)), "deepcopy": copy.deepcopy}

    new = copied[how](regressor().to_scikeras())
    again = copied[how](bridged)

    assert_close(new.fit(X, Y).predict(X), bridged.predict(X), atol=1e-4)
    assert_close(again.predict(X), bridged.predict(X), atol=1e-6)


def test_parameters_can_be_searched():
    grid = {
        "optimizer__learning_rate": [0.1, 1e-5],
        "estimator__sharing_depth": [0],
        "estimator__loss": ["huber"],
    }

    search = GridSearchCV(
        regressor(epochs=2).to_scikeras(), grid, cv=2, error_score="raise"
    ).fit(X, HOLES)

    assert len(np.unique(search.cv_results_["mean_test_score"])) == 2
    assert search.predict(X).shape == (N, T)


def test_cross_validated_predictions():
    predicted = cross_val_predict(regressor(epochs=1).to_scikeras(), X, HOLES, cv=2)

    assert predicted.shape == (N, T)
    assert np.isfinite(predicted).all()


def test_partial_fit_goes_on():
    whole = regressor(epochs=3).to_scikeras().fit(X, Y)
    parts = regressor().to_scikeras()

    for _ in range(3):
        parts.partial_fit(X, Y)

    np.testing.assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-3, atol=1e-3)


def test_the_score_is_that_of_the_observed_cells(bridged):
    from skmtl.metrics import r2_score

    assert bridged.score(X, HOLES) == pytest.approx(r2_score(HOLES, bridged.predict(X)))
    weighted = r2_score(HOLES, bridged.predict(X), sample_weight=WEIGHTS)
    assert bridged.score(X, HOLES, WEIGHTS) == pytest.approx(weighted)


# ---------------------------------------------------------------------------------------
# Errors, and where scikeras is imported


def test_learnt_loss_weights_are_refused():
    with pytest.raises(ValueError, match=r"uncertainty.*numbers or None"):
        regressor(loss_weights="uncertainty").to_scikeras().fit(X, Y)


def test_parameters_and_data_are_checked_as_always():
    bad = X.copy()
    bad[3, 1] = np.inf
    with pytest.raises(ValueError, match="X contains infinity in column '1'"):
        regressor().to_scikeras().fit(bad, Y)
    with pytest.raises(ValueError, match="Did you mean 'huber'"):
        regressor(loss="hubber").to_scikeras().fit(X, Y)
    with pytest.raises(ValueError, match="'dropout' parameter"):
        regressor(dropout=2.0).to_scikeras().fit(X, Y)


def without_bridge(monkeypatch):
    monkeypatch.delitem(sys.modules, "skmtl._estimators.scikeras", raising=False)
    monkeypatch.delattr("skmtl._estimators.scikeras", raising=False)


def test_a_missing_scikeras_gives_an_error_that_says_which_versions_work(monkeypatch):
    without_bridge(monkeypatch)
    for name in [name for name in sys.modules if name.split(".")[0] == "scikeras"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scikeras", None)

    with pytest.raises(ImportError, match=r"scikeras>=0\.13,<0\.14"):
        regressor().to_scikeras()


@pytest.mark.parametrize("error", [AttributeError, TypeError, ImportError])
def test_a_broken_scikeras_gives_that_error_too(monkeypatch, error):
    """It imports private names of Keras and scikit-learn, which may be gone or changed."""
    without_bridge(monkeypatch)

    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "scikeras":
                raise error("module 'keras' has no attribute 'private'")

    for name in [name for name in sys.modules if name.split(".")[0] == "scikeras"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])

    with pytest.raises(ImportError, match=r"scikeras>=0\.13,<0\.14"):
        regressor().to_scikeras()
