"""Keras callbacks around the compiled epochs: what they see, and what they change."""

import copy
import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score

from skmtl._training import PROGRAMS
from tests._asserts import (
    assert_close,
    assert_differ,
    assert_same_predictions,
    leaves_unchanged,
)
from tests._inputs import as_frames, small


class Recorder(keras.callbacks.Callback):
    """Notes every call, with the predictions of the model at that time."""

    def __init__(self, X):
        super().__init__()
        self.X = X
        self.calls = []
        self.logs = []
        self.predictions = []

    def on_train_begin(self, logs=None):
        self.calls.append("train begins")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"{epoch} begins")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"{epoch} ends")
        self.logs.append(dict(logs))
        self.predictions.append(self.model.predict_on_batch(self.X))

    def on_train_end(self, logs=None):
        self.calls.append("train ends")


class StopsAfter(keras.callbacks.Callback):
    def __init__(self, n_epochs):
        super().__init__()
        self.n_epochs = n_epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 == self.n_epochs


class SetsWeights(keras.callbacks.Callback):
    """Sets all weights to zero in one of the hooks, once."""

    def __init__(self, hook):
        super().__init__()

        def set_weights(*args, **kwargs):
            if self.n_set == 0:
                self.n_set += 1
                self.model.set_weights([0 * w for w in self.model.get_weights()])

        self.n_set = 0
        setattr(self, hook, set_weights)


def after(n_epochs, table, **parameters):
    return small(epochs=n_epochs, early_stopping=False, **parameters).fit(*table)


def test_what_callbacks_see(table):
    X, Y = as_frames(*table)
    recorder = Recorder(table[0])

    estimator = small(callbacks=[recorder], epochs=2).fit(X, Y)

    assert recorder.calls == [
        "train begins",
        "0 begins",
        "0 ends",
        "1 begins",
        "1 ends",
        "train ends",
    ]
    for name, values in estimator.history_.items():
        assert [logs[name] for logs in recorder.logs] == values
    assert set(recorder.logs[0]) == {
        f"{prefix}{name}"
        for prefix in ("", "val_")
        for name in ("loss", "loss_cost", "loss_time", "loss_risk")
    }
    assert recorder.params["epochs"] == 2


def test_the_model_is_current_in_every_epoch(table):
    X, _ = table
    recorder = Recorder(X)

    after(3, table, callbacks=[recorder])

    for epoch, predicted in enumerate(recorder.predictions):
        assert_close(predicted, after(epoch + 1, table).predict(X), atol=1e-4)


def test_callbacks_that_only_look_change_nothing(table, fitted):
    X, Y = table

    estimator = small(callbacks=[Recorder(X)]).fit(X, Y)

    assert_same_predictions(estimator, fitted, X)
    np.testing.assert_allclose(estimator.history_["loss"], fitted.history_["loss"])
    assert_close(estimator.model_.predict_on_batch(X), estimator.predict(X), atol=1e-4)


def test_partial_fit_calls_them_too(table):
    X, Y = table
    recorder = Recorder(X)
    estimator = small(callbacks=[recorder]).partial_fit(X, Y)

    estimator.partial_fit(X, Y)

    calls = ["train begins", "0 begins", "0 ends", "train ends"]
    assert recorder.calls == 2 * calls


def test_stop_training(table):
    X, _ = table

    estimator = after(4, table, callbacks=[StopsAfter(2)])

    assert estimator.n_iter_ == 2
    assert_same_predictions(estimator, after(2, table), X)


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end"])
def test_weights_that_are_set_are_trained_on(table, hook):
    X, _ = table
    parameters = {"learning_rate": 1e-12}

    estimator = after(2, table, callbacks=[SetsWeights(hook)], **parameters)

    # Without weights, the outputs are the means of the targets.
    np.testing.assert_allclose(
        estimator.predict(X), np.tile(table[1].mean(axis=0), (len(X), 1)), rtol=1e-5
    )


def test_weights_set_at_the_end_are_kept(table):
    X, Y = table

    estimator = small(callbacks=[SetsWeights("on_train_end")]).fit(X, Y)

    np.testing.assert_allclose(
        estimator.predict(X), np.tile(Y.mean(axis=0), (len(X), 1)), rtol=1e-5
    )


def test_early_stopping_of_keras(table):
    X, _ = table
    # No epoch is better than the one before by a thousand.
    stops = keras.callbacks.EarlyStopping("loss", min_delta=1e3, patience=2)

    estimator = after(30, table, callbacks=[stops])

    assert estimator.n_iter_ == 3
    assert_same_predictions(estimator, after(3, table), X)


def test_early_stopping_of_keras_restores_the_best_weights(table):
    X, _ = table
    stops = keras.callbacks.EarlyStopping(
        "loss", min_delta=1e3, patience=2, restore_best_weights=True
    )

    estimator = after(30, table, callbacks=[stops])

    assert estimator.n_iter_ == 3
    assert_same_predictions(estimator, after(1, table), X)


def test_early_stopping_of_keras_on_the_rows_held_out(table):
    X, Y = table
    stops = keras.callbacks.EarlyStopping(
        "val_loss_target_1", min_delta=1e3, patience=1, mode="min"
    )

    assert small(callbacks=[stops], epochs=30).fit(X, Y).n_iter_ == 2


def test_a_lower_rate_of_a_callback_slows_training(table):
    X, _ = table
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", min_delta=1e3, patience=1, factor=1e-9
    )

    estimator = after(6, table, callbacks=[plateau])

    assert_same_predictions(estimator, after(2, table), X)
    assert_differ(estimator, after(6, table), X)


def test_a_scheduled_rate_is_used_from_its_epoch_on(table):
    X, _ = table
    seen = []

    def schedule(epoch, rate):
        seen.append(rate)
        return rate if epoch < 2 else 0.0

    estimator = after(5, table, callbacks=[keras.callbacks.LearningRateScheduler(schedule)])

    assert seen == pytest.approx([0.01, 0.01, 0.01, 0, 0])
    assert_same_predictions(estimator, after(2, table), X, atol=1e-6)
    constant = keras.callbacks.LearningRateScheduler(lambda epoch: 0.03)
    assert_same_predictions(
        after(3, table, callbacks=[constant]), after(3, table, learning_rate=0.03), X
    )


def test_csv_logger(table, tmp_path):
    X, Y = table
    file = tmp_path / "log.csv"

    estimator = small(callbacks=[keras.callbacks.CSVLogger(file)]).fit(X, Y)

    logged = np.genfromtxt(file, delimiter=",", names=True)
    assert set(logged.dtype.names) == {"epoch", *estimator.history_}
    np.testing.assert_array_equal(logged["epoch"], range(4))
    for name, values in estimator.history_.items():
        np.testing.assert_allclose(logged[name], values)


def test_model_checkpoint(table, tmp_path):
    X, Y = table
    every = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", save_freq="epoch")
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5",
        monitor="val_loss",
        save_best_only=True,
        save_weights_only=True,
    )

    estimator = small(callbacks=[every, best]).fit(X, Y)

    kept = int(np.argmin(estimator.history_["val_loss"])) + 1
    model = keras.models.load_model(tmp_path / f"{kept}.keras")
    assert_close(model.predict_on_batch(X), estimator.predict(X), atol=1e-4)
    model = estimator.model_
    model.load_weights(tmp_path / "best.weights.h5")
    assert_close(model.predict_on_batch(X), estimator.predict(X), atol=1e-4)
    assert len(list(tmp_path.glob("*.keras"))) == 4


@pytest.mark.parametrize(
    "make_callback",
    [
        keras.callbacks.TerminateOnNaN,
        keras.callbacks.ProgbarLogger,
        lambda: keras.callbacks.ModelCheckpoint("x.keras", save_freq=10),
        lambda: keras.callbacks.LambdaCallback(on_train_batch_begin=print),
    ],
)
def test_callbacks_for_batches_are_refused(table, make_callback):
    callback = make_callback()

    with pytest.raises(ValueError, match=f"{type(callback).__name__}.*batch.*on_epoch_end"):
        small(callbacks=[callback]).fit(*table)


def test_lambda_callback(table):
    epochs = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epochs.append(epoch)
    )

    small(callbacks=[callback]).fit(*table)

    assert epochs == [0, 1, 2, 3]


def test_no_rate_of_a_callback_outlives_its_fit(table):
    X, Y = table
    estimator = small(
        callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.0)],
        warm_start=True,
        early_stopping=False,
    ).fit(X, Y)
    before = estimator.predict(X)

    estimator.set_params(callbacks=None).fit(X, Y)

    assert np.abs(estimator.predict(X) - before).max() > 0


class OpensAFile(keras.callbacks.Callback):
    """Leaves a file open, in an attribute that it did not have, and counts epochs."""

    n_epochs = 0

    def on_train_begin(self, logs=None):
        self.file = open(__file__)  # noqa: SIM115
        self.file.close()

    def on_epoch_end(self, epoch, logs=None):
        self.n_epochs += 1


class Breaks(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


class Fails(keras.callbacks.Callback):
    """Raises in one of the hooks; in those of epochs, in the second."""

    def __init__(self, hook):
        super().__init__()

        def fail(epoch=None, logs=None):
            if epoch != 0:
                raise ZeroDivisionError(f"in {hook}")

        setattr(self, hook, fail)


def test_an_estimator_can_be_copied_after_its_callbacks_ran(table, tmp_path):
    X, Y = table
    callbacks = [
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.History(),
        keras.callbacks.BackupAndRestore(tmp_path / "backup.weights.h5"),
        OpensAFile(),
    ]
    estimator = small(callbacks=callbacks).fit(X, Y)

    assert_same_predictions(pickle.loads(pickle.dumps(estimator)), estimator, X)
    assert_same_predictions(copy.deepcopy(estimator), estimator, X)
    assert_same_predictions(estimator.for_prediction(), estimator, X)
    assert clone(estimator).fit(X, Y).n_iter_ == 4
    assert np.isfinite(cross_val_score(estimator, X, Y, cv=2)).all()
    # What they have seen stays with them.
    assert callbacks[1].history["loss"] == estimator.history_["loss"]
    assert callbacks[-1].n_epochs == 4


def test_an_interrupted_fit_leaves_callbacks_that_can_be_copied(table, tmp_path):
    estimator = small(callbacks=[keras.callbacks.CSVLogger(tmp_path / "log.csv"), Breaks()])

    with pytest.raises(KeyboardInterrupt):
        estimator.fit(*table)

    assert pickle.loads(pickle.dumps(clone(estimator))).callbacks[0].model is None


def scratch_variables():
    """How many sets lie ready in all programs."""
    return sum(len(program._free) for program in PROGRAMS._programs.values())


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_end"]
)
def test_a_callback_that_raises_leaves_all_as_it_was(table, hook):
    X, Y = table
    looks = Recorder(X)
    estimator = small(callbacks=[looks]).fit(X, Y)
    expected = copy.deepcopy(estimator).partial_fit(X, Y)
    programs = PROGRAMS.n_built, scratch_variables()

    fails = Fails(hook)
    for warm_start in (False, True):
        estimator.set_params(callbacks=[looks, fails], warm_start=warm_start)
        with leaves_unchanged(estimator, X), pytest.raises(ZeroDivisionError, match=hook):
            estimator.fit(X, Y)
        assert looks.model is fails.model is None

    # Training goes on from there, in the same program with the same variables.
    estimator.set_params(callbacks=[looks]).partial_fit(X, Y)
    assert_same_predictions(estimator, expected, X)
    assert (PROGRAMS.n_built, scratch_variables()) == programs


def test_divergence_after_a_good_epoch_is_told_and_the_good_one_kept(table):
    X, Y = table
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 if epoch < 3 else 1e30)
    parameters = {"optimizer": "sgd", "callbacks": [rates], "epochs": 6}

    with pytest.warns(ConvergenceWarning, match=r"finite in epoch [45].*learning_rate"):
        estimator = small(**parameters, warm_start=True).fit(X, Y)

    assert estimator.best_epoch_.max() <= 4
    assert np.isfinite(estimator.predict(X)).all()
    estimator.set_params(callbacks=None).partial_fit(X, Y)  # from the good weights
