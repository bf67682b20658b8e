"""Parameters and data that cannot be used: what the errors say, and what stays."""

import dataclasses
import re
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from skmtl._estimators.architecture import warn_of_random_trunk
from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.regressor import MultiTaskRegressor
from tests._asserts import (
    assert_same_predictions,
    leaves_unchanged,
    raises_naming,
)
from tests._inputs import FEATURES, N, as_frames, small


class SeesBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class Fails(keras.callbacks.Callback):
    """Raises in one of its hooks."""

    def __init__(self, hook, error=RuntimeError):
        super().__init__()

        def fail(*args, **kwargs):
            raise error("no")

        setattr(self, hook, fail)


BAD_PARAMETERS = [
    ({"sharing_depth": 3}, "sharing_depth=3", "(8, 4)", "0 to 2"),
    ({"sharing_depth": -1}, "sharing_depth", "-1", "[0"),
    ({"sharing_depth": 1.0}, "sharing_depth", "1.0", "int"),
    ({"trunk_sizes": (0,)}, "trunk_sizes", "(0,)", "positive int"),
    ({"trunk_sizes": (8.0,)}, "trunk_sizes", "(8.0,)", "positive int"),
    ({"trunk_sizes": ("8",)}, "trunk_sizes", "('8',)", "positive int"),
    ({"trunk_sizes": 64}, "trunk_sizes", "64", "array-like"),
    ({"trunk_sizes": None}, "trunk_sizes", "None", "array-like"),
    ({"head_sizes": (4, -1)}, "head_sizes", "(4, -1)", "positive int"),
    ({"head_sizes": "4"}, "head_sizes", "'4'", "array-like"),
    ({"activation": "rellu"}, "activation", "'rellu'", "'relu'"),
    ({"activation": np.tanh}, "activation", "ufunc", "'tanh'"),
    ({"dropout": 1.0}, "dropout", "1.0", "[0.0, 1.0)"),
    ({"dropout": -0.1}, "dropout", "-0.1", "[0.0, 1.0)"),
    ({"optimizer": "adm"}, "optimizer='adm'", "Did you mean 'adam'?", "rmsprop"),
    ({"optimizer": "adma"}, "optimizer='adma'", "Did you mean 'adam'?", "rmsprop"),
    ({"optimizer": "zzz"}, "optimizer='zzz'", "adam", "rmsprop"),
    ({"learning_rate": 0}, "learning_rate", "Got 0", "(0.0, inf)"),
    ({"learning_rate": "fast"}, "learning_rate", "'fast'", "(0.0, inf)"),
    ({"learning_rate_schedule": "step"}, "learning_rate_schedule", "'step'", "'cosine'"),
    ({"max_seconds": 0}, "max_seconds", "Got 0", "(0.0, inf)"),
    ({"embedding_size": 0}, "embedding_size", "Got 0", "'auto'"),
    ({"weight_decay": -1.0}, "weight_decay", "-1.0", "[0.0, inf)"),
    ({"epochs": 0}, "epochs", "Got 0", "[1, inf)"),
    ({"epochs": 2.5}, "epochs", "2.5", "int"),
    ({"batch_size": 0}, "batch_size", "Got 0", "'auto'"),
    ({"batch_size": "all"}, "batch_size", "'all'", "'auto'"),
    ({"early_stopping": "yes"}, "early_stopping", "'yes'", "bool"),
    ({"validation_fraction": 0.0}, "validation_fraction", "0.0", "(0.0, 1.0)"),
    ({"validation_fraction": 1.0}, "validation_fraction", "1.0", "(0.0, 1.0)"),
    ({"n_iter_no_change": 0}, "n_iter_no_change", "Got 0", "[1, inf)"),
    *(
        ({name: True}, name, "True", "int in the range")
        for name in (
            "sharing_depth",
            "n_experts",
            "n_task_experts",
            "epochs",
            "batch_size",
            "n_iter_no_change",
            "n_members",
            "n_jobs",
            "n_bins",
        )
    ),
    *(
        ({name: True}, name, "True", "float in the range")
        for name in ("learning_rate", "weight_decay", "clip_features")
    ),
    ({"dropout": False}, "dropout", "False", "[0.0, 1.0)"),
    ({"trunk_sizes": (True,)}, "trunk_sizes", "(True,)", "positive int"),
    ({"target_groups": [[False], [True, 2]]}, "target_groups", "False", "positions"),
    ({"scale_features": None}, "scale_features", "None", "bool"),
    ({"scale_targets": 2}, "scale_targets", "2", "bool"),
    ({"warm_start": "no"}, "warm_start", "'no'", "bool"),
    ({"callbacks": Fails("on_train_begin")}, "callbacks", "Fails", "list"),
    ({"callbacks": [SeesBatches()]}, "SeesBatches", "on_train_batch_end", "on_epoch_end"),
    ({"verbose": -1}, "verbose", "-1", "bool"),
    ({"random_state": "seed"}, "random_state", "'seed'", "int"),
]
BAD_TYPES = [
    ({"optimizer": 3}, "optimizer", "3", "name of a Keras optimizer"),
    ({"optimizer": keras.optimizers.Adam}, "optimizer", "Adam", "an instance"),
    ({"loss": keras.losses.MeanSquaredError}, "loss", "MeanSquaredError", "an instance"),
    ({"loss": ["huber", keras.losses.Huber, "huber"]}, "loss", "Huber", "an instance"),
    ({"loss": partial(keras.losses.Huber, delta=2.0)}, "loss", "Huber", "an instance"),
    ({"callbacks": [print]}, "callbacks", "print", "keras.callbacks.Callback"),
    (
        {"callbacks": [keras.callbacks.EarlyStopping]},
        "callbacks",
        "EarlyStopping",
        "instances of keras.callbacks.Callback",
    ),
]


@pytest.mark.parametrize(("parameters", "names", "received", "expected"), BAD_PARAMETERS)
def test_bad_parameter(table, parameters, names, received, expected):
    with raises_naming(names, received, expected):
        small(**parameters).fit(*table)


@pytest.mark.parametrize(("parameters", "names", "received", "expected"), BAD_TYPES)
def test_parameter_of_a_bad_type(table, parameters, names, received, expected):
    with raises_naming(names, received, expected, error=TypeError):
        small(**parameters).fit(*table)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rellu", "relu"),
        ("Relu6x", "relu"),
        ("TanH", "tanh"),
        ("leakyrelu", "leaky_relu"),
        ("swish", "silu"),  # Keras' other name, though "mish" looks more like it
        ("logistic", "sigmoid"),  # as scikit-learn calls it
    ],
)
def test_the_nearest_activation_is_named(table, name, near):
    with raises_naming("activation", repr(name), f"Did you mean {near!r}?"):
        small(activation=name).fit(*table)


def test_a_trunk_that_is_frozen_untrained_is_warned_of(fitted):
    architecture = fitted._network.architecture
    separate = dataclasses.replace(architecture, sharing_depth=0)

    with pytest.warns(UserWarning, match="random.*init_trunk.*partial_fit"):
        warn_of_random_trunk(small(freeze_trunk=True), architecture)
    warn_of_random_trunk(small(), architecture)
    warn_of_random_trunk(small(freeze_trunk=True), separate)
    trained = small(freeze_trunk=True, init_trunk=fitted)
    warn_of_random_trunk(trained, architecture)


@pytest.mark.parametrize(
    "numbers",
    [
        {"epochs": np.int8(4), "n_iter_no_change": np.uint8(40)},
        {"sharing_depth": np.uint8(1), "n_members": np.int16(1), "n_experts": np.int8(1)},
        {"batch_size": np.uint16(32), "trunk_sizes": np.array([8], dtype=np.int8)},
    ],
)
def test_numbers_of_numpy_are_numbers(table, fitted, numbers):
    assert_same_predictions(small(**numbers).fit(*table), fitted, table[0])


def test_parameters_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        MultiTaskRegressor((8,))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_features_that_are_infinite(table, fitted_on_frames, value):
    X, Y = as_frames(*table)
    bad = X.copy()
    bad.loc[3, "heat"] = value

    for use in (lambda: small().fit(bad, Y), lambda: fitted_on_frames.predict(bad)):
        with raises_naming("X contains infinity in column 'heat'", "Make it NaN"):
            use()
    bad.loc[3, "load"] = value
    with raises_naming("X contains infinity in columns 'heat', 'load'"):
        small().fit(bad, Y)


def test_very_large_numbers_are_finite():
    X = np.full((40, 5), 1e307)  # whose sum is not
    X[0] = -1e307

    assert np.isfinite(small().fit(X, np.ones((40, 3))).predict(X)).all()


@pytest.mark.parametrize(
    "values",
    [
        ["low", "high"] * 32,
        pd.Categorical(["low", "high"] * 32),
        pd.date_range("2020-01-01", periods=64),
        pd.array(["low", None] * 32, dtype="string"),
    ],
    ids=["strings", "categories", "dates", "nullable strings"],
)
def test_columns_that_are_not_numeric(table, fitted_on_frames, values):
    X, Y = as_frames(*table)

    with raises_naming("X is not numeric", "column 'mass'", "at the fit"):
        fitted_on_frames.predict(X.assign(mass=values))
    for use in (small().fit, fitted_on_frames.score):
        with raises_naming("y is not numeric", "column 'time'"):
            use(X, Y.assign(time=values))


def test_bad_targets(table):
    X, Y = table
    frame, targets = as_frames(X, Y)
    infinite = targets.copy()
    infinite.loc[3, "time"] = np.inf
    cases = [
        (None, "requires y to be passed"),
        (infinite, "infinity in target 'time'"),
        (Y[:-1], "64, 63"),
        (Y[:, :, None], "dim 3"),
        (targets.assign(risk=np.nan), "target 'risk'"),
        (targets.assign(risk=np.nan, cost=np.nan), "targets 'cost', 'risk'"),
        (np.full(len(X), np.nan), "target 'target_0'"),
    ]
    for bad, message in cases:
        with raises_naming(message):
            small().fit(frame, bad)


@pytest.mark.parametrize(
    ("weight", "messages"),
    [
        (np.where(np.arange(64) == 3, -1.0, 1.0), ["not negative", "-1.0"]),
        (np.where(np.arange(64) == 3, np.nan, 1.0), ["finite"]),
        (np.where(np.arange(64) == 3, np.inf, 1.0), ["finite", "inf"]),
        (np.zeros(64), ["All values of sample_weight are zero"]),
        (np.zeros((64, 3)), ["All values of sample_weight are zero"]),
        (np.tile([1, 0, 1], (64, 1)), ["target 'target_1'", "sample weight"]),
        (np.ones(63), ["(63,)", "(64,)", "(64, 3)"]),
        (np.ones((64, 2)), ["(64, 2)", "(64,)", "(64, 3)"]),
        (np.ones((64, 1)), ["(64, 1)", "(64,)", "(64, 3)"]),
        (np.ones((3, 64)), ["(3, 64)", "(64,)", "(64, 3)"]),
        (1.0, ["()", "(64,)", "(64, 3)"]),
    ],
)
def test_bad_sample_weight(table, weight, messages):
    for train in (small().fit, small().partial_fit):
        with raises_naming(*messages):
            train(*table, sample_weight=weight)


def test_other_columns_than_in_fit(table, fitted_on_frames):
    X, Y = as_frames(*table)
    swapped = [FEATURES[1], FEATURES[0], *FEATURES[2:]]
    estimator = small().fit(X, Y)

    for use in (fitted_on_frames.score, estimator.partial_fit):
        with raises_naming("'time', 'cost', 'risk'", "'cost', 'time', 'risk'"):
            use(X, Y[["time", "cost", "risk"]])
        with raises_naming("2 targets", "3"):
            use(X, Y[["cost", "time"]])
        with raises_naming("feature names"):
            use(X[swapped], Y)
        with raises_naming("feature names", "load"):
            use(X[FEATURES[:4]], Y)
    # An array has no names to compare.
    assert fitted_on_frames.score(X, Y.to_numpy()) == fitted_on_frames.score(X, Y)


def test_other_numbers_of_columns_than_in_fit(table, fitted):
    X, Y = table
    estimator = small().fit(X, Y)

    for use in (fitted.score, estimator.partial_fit):
        with raises_naming("4 features", "5 features"):
            use(X[:, :4], Y)
        with raises_naming("2 targets", "3"):
            use(X, Y[:, :2])
        with raises_naming("1 target,", "3"):
            use(X, Y[:, 0])


def test_not_fitted(table):
    X, Y = table
    for use in (
        lambda: small().predict(X),
        lambda: small().score(X, Y),
        lambda: small().model_,
    ):
        with pytest.raises(NotFittedError, match="MultiTaskRegressor"):
            use()


def test_too_few_rows(table):
    X, Y = table

    with raises_naming("n_samples=1", "early_stopping=False"):
        small().fit(X[:1], Y[:1])
    with raises_naming("0 sample(s)"):
        small().fit(X[:0], Y[:0])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence(table, early_stopping):
    estimator = small(learning_rate=1e30, early_stopping=early_stopping)

    with raises_naming("diverged", "epoch 1", "learning_rate"):
        estimator.fit(*table)


WAYS_TO_FAIL = {
    "bad parameter": ({"sharing_depth": 3}, None),
    "bad type": ({"optimizer": 3}, None),
    "bad callback": ({"callbacks": [SeesBatches()]}, None),
    "callback at the start": ({"callbacks": [Fails("on_train_begin")]}, None),
    "callback in an epoch": ({"callbacks": [Fails("on_epoch_end")]}, None),
    "callback at the end": ({"callbacks": [Fails("on_train_end")]}, None),
    "interruption": ({"callbacks": [Fails("on_epoch_end", KeyboardInterrupt)]}, None),
    "divergence": ({"learning_rate": 1e30}, None),
    "unobserved targets": ({}, lambda X, Y: (X, Y * np.nan)),
    "infinite target": ({}, lambda X, Y: (X, Y * [1, np.inf, 1])),
    "infinite feature": ({}, lambda X, Y: (X * [1, 1, 1, 1, np.inf], Y)),
    "other table": ({}, lambda X, Y: (X[:, :3], Y[:, :2] * np.nan)),
    "other names": ({}, lambda X, Y: (pd.DataFrame(X).add_prefix("x"), Y * np.nan)),
}


@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@pytest.mark.parametrize("train", ["fit", "warm fit", "partial_fit"])
@pytest.mark.parametrize("way", WAYS_TO_FAIL)
def test_a_failed_fit_leaves_all_as_it_was(table, way, train):
    X, Y = table
    parameters, spoil = WAYS_TO_FAIL[way]
    estimator = small(warm_start=train == "warm fit").fit(X, Y)
    untouched = small(warm_start=train == "warm fit").fit(X, Y)
    good = estimator.get_params()
    data = spoil(X, Y) if spoil else (X, Y)

    with leaves_unchanged(estimator, X):
        estimator.set_params(**parameters)
        with pytest.raises((ValueError, TypeError, RuntimeError, KeyboardInterrupt)):
            getattr(estimator, train.split()[-1])(*data)

    estimator.set_params(**good)
    assert_same_predictions(
        estimator.partial_fit(X, Y), untouched.partial_fit(X, Y), X, atol=0
    )
    np.testing.assert_equal(estimator.history_, untouched.history_)


def test_a_failed_first_fit_leaves_nothing(table):
    X, Y = table
    estimator = small(callbacks=[Fails("on_epoch_end")])

    with pytest.raises(RuntimeError, match="no"):
        estimator.fit(*as_frames(X, Y))

    assert vars(estimator) == estimator.get_params()
    with pytest.raises(NotFittedError):
        estimator.predict(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trunk_sizes": (9,)}, "(9, 4)"),
        ({"sharing_depth": 0}, "sharing_depth=0"),
        ({"activation": "tanh"}, "activation='tanh'"),
    ],
    ids=str,
)
def test_training_cannot_go_on_as_something_else(table, change, message):
    X, Y = table
    estimator = small(warm_start=True).fit(X, Y).set_params(**change)

    for train in (estimator.fit, estimator.partial_fit):
        with raises_naming(message, "warm_start=False"):
            train(X, Y)


def test_arrays_that_need_no_conversion_are_predicted_as_others(table, fitted):
    X, _ = table
    expected = fitted.predict(X.tolist())

    for same in (X, X.copy(), X[::-1][::-1]):
        np.testing.assert_array_equal(fitted.predict(same), expected)
    rounded = X.astype(np.float32)
    np.testing.assert_array_equal(
        fitted.predict(rounded), fitted.predict(rounded.astype(float).tolist())
    )


@pytest.mark.parametrize("shape", [(3, 4), (3, 6), (0, 5), (5,), (3, 5, 1)])
def test_arrays_of_another_shape_are_refused_as_lists_are(fitted, shape):
    X = np.zeros(shape)

    with pytest.raises(ValueError, match=r"features|sample|2D|dim") as of_array:
        fitted.predict(X)
    with pytest.raises(ValueError, match=r"features|sample|2D|dim") as of_list:
        fitted.predict(X.tolist() if shape[0] else np.zeros(shape, int))

    kind = "Expected 2D|dim 3|minimum of 1|X has"
    assert set(re.findall(kind, str(of_array.value))) == set(
        re.findall(kind, str(of_list.value))
    )


def test_arrays_without_names_are_warned_of_after_a_fit_on_a_frame(table, fitted_on_frames):
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted_on_frames.predict(table[0])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([["low", "high"]] * N, "text such as 'low'"),
        (["low"] * N, "text such as 'low'"),
        ([[1, 2], [1]] * (N // 2), "rows of unequal length"),
        (np.zeros(N, dtype=[("a", float), ("b", float)]), "records"),
    ],
)
def test_what_is_no_number_is_named(table, y, words):
    with raises_naming("y holds", words, "Expected numbers"):
        small().fit(table[0], y)
    with raises_naming("sample_weight holds", words, "Expected numbers"):
        small().fit(*table, sample_weight=y)


def test_a_score_needs_an_observed_value(fitted, table):
    X, Y = table
    with raises_naming("no observed value"):
        fitted.score(X, np.full_like(Y, np.nan))


def test_a_single_estimator_is_no_sequence_to_merge(fitted):
    with raises_naming("sequence of estimators", error=TypeError):
        merge_tasks(fitted)
