"""Losses and weights of tasks, one output layer for all: against Keras and NumPy."""

import copy
import pickle
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
)
from sklearn.metrics import mean_pinball_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV

from skmtl._training import PROGRAMS, task_losses
from tests._asserts import assert_close, raises_naming
from tests._inputs import full_batch

D, T, N = 4, 3, 48
NAMES = ["a", "b", "c"]

rng = np.random.default_rng(0)
X = rng.normal(size=(N, D)).astype("float32").astype(float)
Y = np.tanh(X @ rng.normal(size=(D, T))) + 0.3 * rng.normal(size=(N, T))
Y = np.round(Y, 3)
COUNTS = rng.poisson(np.exp(Y)).astype(float)
FRAME = pd.DataFrame(Y, columns=NAMES)

NOTHING_LEARNT = {"learning_rate": 1e-12, "epochs": 1}
UNSCALED = {"scale_features": False, "scale_targets": False}


def regressor(**parameters):
    return full_batch(**({"trunk_sizes": (5,), "linear_path": False} | parameters))


def n_built(fit):
    before = PROGRAMS.n_built
    fit()
    return PROGRAMS.n_built - before


# ---------------------------------------------------------------------------------------
# The loss of a cell


class Lopsided(keras.losses.Loss):
    """As many users write them: without a get_config."""

    def __init__(self, factor):
        super().__init__(name="lopsided")
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * (y_true - y_pred) ** 2


def quartic(y_true, y_pred):
    return (y_true - y_pred) ** 4


WIDE_HUBER = partial(keras.losses.huber, delta=2.0)


def of_keras(name):
    """A function of Keras, which averages over the last axis, cell by cell."""
    return lambda y, f: getattr(keras.losses, name)(y[..., None], f[..., None]).numpy()


CELL_LOSSES = {
    "squared_error": ("squared_error", of_keras("mean_squared_error")),
    "absolute_error": ("absolute_error", of_keras("mean_absolute_error")),
    "huber": ("huber", of_keras("huber")),
    "log_cosh": ("log_cosh", of_keras("log_cosh")),
    "quantile": (
        ("quantile", 0.9),
        lambda y, f: np.where(y >= f, 0.9 * (y - f), 0.1 * (f - y)),
    ),
    "Keras' name": ("mean_squared_error", of_keras("mean_squared_error")),
    "Keras' short name": ("mae", of_keras("mean_absolute_error")),
    "Keras' class name": ("MeanSquaredError", of_keras("mean_squared_error")),
    "instance": (keras.losses.LogCosh(), of_keras("log_cosh")),
    "function with settings": (
        WIDE_HUBER,
        lambda y, f: keras.losses.huber(y[..., None], f[..., None], delta=2.0).numpy(),
    ),
    "user's class": (Lopsided(3.0), lambda y, f: 3 * (y - f) ** 2),
    "function": (quartic, lambda y, f: (y - f) ** 4),
    "averaging function": (
        lambda y, f: ops.mean(ops.abs(y - f), axis=-1),
        lambda y, f: np.abs(y - f),
    ),
}


@pytest.mark.parametrize("name", CELL_LOSSES)
@pytest.mark.parametrize("shape", [(6, 3), (3, 3), (5, 1)])
def test_the_loss_of_a_cell_is_that_of_keras_or_numpy(name, shape):
    loss, expected = CELL_LOSSES[name]
    cells = np.random.default_rng(1)
    y, f = (cells.uniform(0.1, 6, shape).astype("float32") for _ in range(2))

    (one,) = task_losses(loss, ["a"])

    np.testing.assert_allclose(one.cells(y, f), expected(y, f), rtol=1e-5, atol=1e-6)


def test_poisson_is_the_likelihood_of_counts_with_a_log_link():
    """Up to what depends on the counts alone, the loss of Keras at the exponential."""
    y = COUNTS.astype("float32")
    f = Y.astype("float32")

    (loss,) = task_losses("poisson", ["a"])

    gaps = loss.cells(y, f) - of_keras("poisson")(y, np.exp(f))
    for count in np.unique(y):
        np.testing.assert_allclose(gaps[y == count], gaps[y == count][0], atol=1e-5)


def test_log_loss_is_the_crossentropy_of_keras_with_a_logit():
    y = (COUNTS > 1).astype("float32")
    f = 10 * Y.astype("float32")

    (loss,) = task_losses("log_loss", ["a"])

    expected = keras.losses.binary_crossentropy(y[..., None], f[..., None], True)
    np.testing.assert_allclose(loss.cells(y, f), expected, rtol=1e-5, atol=1e-6)


OF_ERRORS = {"meansquarederror", "meanabsoluteerror", "huber", "logcosh"}
LOSSES_OF_KERAS = [
    name
    for name, loss in vars(keras.losses).items()
    if callable(loss) and name not in {"get", "serialize", "deserialize", "Loss"}
]


@pytest.mark.parametrize("name", LOSSES_OF_KERAS)
def test_a_loss_of_keras_is_one_of_errors_or_refused_with_a_remedy(name):
    """To others, scaled targets mean nothing: without an error they train to nonsense."""
    loss = getattr(keras.losses, name)
    choices = [loss() if isinstance(loss, type) else loss]
    if loss is keras.losses.Huber:  # copies of an instance are another loss
        choices = []
    if name != "poisson":  # by this name there is one with a link
        choices.append(name)

    for choice in choices:
        if name.replace("_", "").lower() in OF_ERRORS:
            task_losses(choice, ["a"])
        else:
            with pytest.raises(ValueError, match=r"scaled targets.*Use |is not known"):
                task_losses(choice, ["a"])


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_the_quantile_loss_is_the_pinball_loss_of_scikit_learn(level):
    y, f = np.random.default_rng(1).normal(size=(2, 50, 1)).astype("float32")

    (loss,) = task_losses(("quantile", level), ["a"])

    expected = mean_pinball_loss(y, f, alpha=level)
    np.testing.assert_allclose(np.mean(loss.cells(y, f)), expected, rtol=1e-5)


def test_a_large_error_has_a_finite_loss():
    y, f = np.full((2, 1), 1e4, "float32"), np.array([[-1e4], [1e4]], "float32")

    for name, expected in [("log_cosh", 2e4 - np.log(2)), ("huber", 2e4 - 0.5)]:
        (loss,) = task_losses(name, ["a"])
        np.testing.assert_allclose(loss.cells(y, f), [[expected], [0]], rtol=1e-6)


# ---------------------------------------------------------------------------------------
# One for all, a sequence, a mapping; any mixture in one program


@pytest.fixture(scope="module")
def zoo():
    """A target per loss, all positive, before and after some training."""
    losses = [loss for loss, _ in CELL_LOSSES.values()]
    table = np.random.default_rng(1).uniform(0.5, 3, (N, len(losses)))
    model = regressor(loss=losses, **UNSCALED)
    programs = n_built(lambda: model.fit(X, table))
    # Not a clone: Keras copies only losses of registered classes.
    still = regressor(**(model.get_params(deep=False) | NOTHING_LEARNT)).fit(X, table)
    return model, still, table, programs


def test_mixed_losses_train_in_one_program(zoo):
    model, _, _, programs = zoo

    assert programs == 1
    for name in model.target_names_:
        course = model.history_[f"loss_{name}"]
        assert course[-1] < course[0], name


def test_history_holds_the_loss_of_every_target(zoo):
    _, still, table, _ = zoo
    predicted = still.predict(X)

    for t, (name, (_, cells)) in enumerate(CELL_LOSSES.items()):
        expected = cells(table[:, [t]].astype("float32"), predicted[:, [t]]).mean()
        recorded = still.history_[f"loss_target_{t}"][0]
        np.testing.assert_allclose(recorded, expected, rtol=1e-4, err_msg=name)
    every = [still.history_[f"loss_target_{t}"][0] for t in range(table.shape[1])]
    np.testing.assert_allclose(still.history_["loss"][0], np.mean(every), rtol=1e-5)


def test_one_name_a_sequence_and_a_mapping_are_the_same():
    expected = regressor(loss="huber").fit(X, FRAME).predict(X)

    mapping = {"c": "huber", "a": "huber", "b": "huber"}
    for loss in (["huber"] * 3, ("huber",) * 3, np.array(["huber"] * 3), mapping):
        fitted = regressor(loss=loss)
        assert n_built(lambda fitted=fitted: fitted.fit(X, FRAME)) == 0
        np.testing.assert_array_equal(fitted.predict(X), expected)


def test_a_mapping_goes_by_name_and_a_sequence_by_position():
    losses = ["squared_error", ("quantile", 0.9), "absolute_error"]
    by_name = dict(zip(NAMES, losses, strict=True))
    backwards = FRAME[["c", "b", "a"]]

    expected = regressor(loss=losses, **UNSCALED, **NOTHING_LEARNT).fit(X, FRAME)
    same = regressor(loss=dict(reversed(by_name.items())), **UNSCALED, **NOTHING_LEARNT)
    turned = regressor(loss=by_name, **UNSCALED, **NOTHING_LEARNT)

    assert same.fit(X, FRAME).history_ == expected.history_
    turned.fit(X, backwards)
    error = Y - turned.predict(X)[:, ::-1]
    np.testing.assert_allclose(
        [turned.history_[f"loss_{name}"][0] for name in NAMES],
        [
            (error[:, 0] ** 2).mean(),
            np.maximum(0.9 * error[:, 1], -0.1 * error[:, 1]).mean(),
            np.abs(error[:, 2]).mean(),
        ],
        rtol=1e-4,
    )


MIXED = ["squared_error", ("quantile", 0.8), "poisson"]
MIXED_Y = np.column_stack([Y[:, 0], Y[:, 1], COUNTS[:, 2]])


@pytest.fixture(scope="module")
def mixed():
    return regressor(loss=MIXED, epochs=30).fit(X, MIXED_Y)


def test_targets_in_other_units_give_the_same_network(mixed):
    """Losses see scaled targets, counts divided by their mean."""
    factors = np.array([10, 0.1, 5])

    scaled = regressor(loss=MIXED, epochs=30).fit(X, MIXED_Y * factors)

    np.testing.assert_allclose(scaled.predict(X), mixed.predict(X) * factors, rtol=1e-3)


def test_the_keras_model_has_the_links_of_mixed_losses(mixed):
    predicted = mixed.predict(X)

    np.testing.assert_allclose(
        mixed.model_.predict(X, verbose=0), predicted, rtol=1e-4, atol=1e-5
    )
    assert (predicted[:, 2] > 0).all()
    assert (predicted[:, :2] < 0).any()


def test_counts_are_positive_even_far_outside_of_the_data(mixed):
    far = np.vstack([100 * X, -100 * X])

    assert (mixed.predict(far)[:, 2] > 0).all()
    assert np.isfinite(mixed.predict(far)).all()


@pytest.fixture(scope="module")
def flags():
    """Whether the first target is large, beside two that are measured."""
    table = FRAME.assign(a=FRAME["a"] > FRAME["a"].median())
    losses = {"a": "log_loss", "b": "squared_error", "c": "squared_error"}
    return table, regressor(loss=losses, epochs=30).fit(X, table)


def test_probabilities_lie_between_0_and_1_and_tell_the_classes_apart(flags):
    table, model = flags
    far = np.vstack([X, 100 * X, -100 * X])

    probability = model.predict(far)[:, 0]

    assert ((probability >= 0) & (probability <= 1)).all()
    assert roc_auc_score(table["a"], probability[:N]) > 0.9
    assert_close(model.model_.predict(far, verbose=0), model.predict(far), atol=1e-4)


def test_without_hidden_layers_log_loss_is_logistic_regression():
    y = (Y[:, 0] + 0.5 * np.sin(7 * Y[:, 1]) > 0).astype(float)
    model = regressor(
        trunk_sizes=(), head_sizes=(), loss="log_loss", epochs=3000, clip_features=None
    ).fit(X, y)

    expected = LogisticRegression(C=np.inf).fit(X, y).predict_proba(X)[:, 1]

    np.testing.assert_allclose(model.predict(X), expected, atol=2e-3)


@pytest.mark.parametrize("value", [-1, 1.5, 2])
def test_what_is_no_probability_is_an_error_that_names_the_target(flags, value):
    table = flags[0].astype(float)
    table.loc[3, "a"] = value

    with pytest.raises(ValueError, match=rf"log_loss.*such as {value}.*'a'"):
        regressor(loss=["log_loss", "huber", "huber"]).fit(X, table)


def test_a_network_of_probabilities_goes_on_as_such_only(flags):
    table, model = flags
    other = copy.deepcopy(model).set_params(loss="squared_error")

    with pytest.raises(ValueError, match="log_loss"):
        other.partial_fit(X, table)
    copy.deepcopy(model).partial_fit(X, table.astype(float))


def test_the_share_of_observations_below_a_quantile_is_its_level():
    many = np.random.default_rng(2)
    features = many.normal(size=(400, D))
    y = features[:, 0] + (0.5 + np.abs(features[:, 1])) * many.normal(size=400)
    levels = np.array([0.1, 0.5, 0.9])
    model = regressor(
        loss=[("quantile", level) for level in levels],
        epochs=400,
        batch_size=512,
        learning_rate=0.01,
    )

    predicted = model.fit(features, np.column_stack([y] * 3)).predict(features)

    below = (y[:, None] < predicted).mean(axis=0)
    np.testing.assert_allclose(below, levels, atol=0.04)


def test_without_hidden_layers_it_is_the_linear_model_of_each_loss():
    """The optimum is unique: scikit-learn's solvers must find the same."""
    many = np.random.default_rng(3)
    features = many.normal(size=(200, 2))
    noise = many.standard_t(3, size=200)
    y = 1 + features @ [1, -2] + noise
    counts = many.poisson(np.exp(0.5 + features @ [0.5, -0.3])).astype(float)
    table = np.column_stack([y, counts, y, y])
    model = regressor(
        trunk_sizes=(),
        head_sizes=(),
        loss=["squared_error", "poisson", ("quantile", 0.7), "huber"],
        batch_size=256,
        epochs=1500,
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(0.05, 150, 0.5)
        ),
    )

    predicted = model.fit(features, table).predict(features)

    least_squares = LinearRegression().fit(features, y).predict(features)
    np.testing.assert_allclose(predicted[:, 0], least_squares, atol=2e-3)
    poisson = PoissonRegressor(alpha=0, tol=1e-8).fit(features, counts)
    np.testing.assert_allclose(predicted[:, 1], poisson.predict(features), rtol=2e-3)
    quantile = QuantileRegressor(quantile=0.7, alpha=0).fit(features, y)
    np.testing.assert_allclose(predicted[:, 2], quantile.predict(features), atol=0.05)
    # Theirs estimates the scale too: compare the objective with that of a nearby optimum.
    scale = y.std()
    huber = HuberRegressor(epsilon=1.01, alpha=0).fit(features, y).predict(features)
    (cells,) = task_losses("huber", ["a"])
    losses = [
        np.mean(cells.cells(y[:, None] / scale, f[:, None] / scale))
        for f in (predicted[:, 3], huber, least_squares)
    ]
    assert losses[0] <= min(losses[1:]) + 1e-6


def test_training_with_mixed_losses_equals_a_search_over_none():
    """Separate networks do not notice which losses the others have."""
    alone = regressor(sharing_depth=0, loss="absolute_error").fit(X, Y)

    together = regressor(
        sharing_depth=0, loss=["huber", "absolute_error", ("quantile", 0.3)]
    ).fit(X, Y)

    np.testing.assert_allclose(
        together.predict(X)[:, 1], alone.predict(X)[:, 1], rtol=1e-5, atol=1e-6
    )
    assert np.abs(together.predict(X)[:, 0] - alone.predict(X)[:, 0]).max() > 1e-3


# ---------------------------------------------------------------------------------------
# Against the recipes in Keras


class FirstWeights(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.weights = [w.numpy() for w in self.model.trainable_variables]


def recipe(first, *, share_output=False, loss, loss_weights):
    """Trunk, one branch per task, one output layer per branch or one for all of them."""
    trunk_K, trunk_b, heads_K, heads_b, out_K, out_b = first
    inputs = keras.Input((D,))
    trunk = keras.layers.Dense(5, "tanh")
    shared = keras.layers.Dense(1)
    layers, outputs = [(trunk, trunk_K, trunk_b)], []
    H = trunk(inputs)
    for t in range(T):
        branch = keras.layers.Dense(3, "tanh")
        output = shared if share_output else keras.layers.Dense(1)
        outputs.append(output(branch(H)))
        layers.append((branch, heads_K[t], heads_b[t]))
        own = (out_K, out_b) if share_output else (out_K[t], out_b[t])
        layers.append((output, *own))
    for layer, K, b in layers:
        layer.set_weights([K, b])
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.05),
        loss,
        # Keras adds the losses up, the objective here is their mean.
        loss_weights=[float(v) / T for v in loss_weights],
    )
    return model


def assert_trains_like_keras(model, keras_loss, loss_weights=(1, 1, 1)):
    seen = FirstWeights()
    model.set_params(callbacks=[seen], **UNSCALED).fit(X, Y)
    counterpart = recipe(
        seen.weights,
        share_output=model.share_output,
        loss=keras_loss,
        loss_weights=loss_weights,
    )
    start = np.hstack(counterpart.predict(X, verbose=0))

    for _ in range(model.epochs):
        counterpart.train_on_batch(X, [Y[:, [t]] for t in range(T)])

    expected = np.hstack(counterpart.predict(X, verbose=0))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-4)
    assert np.abs(expected - start).max() > 0.01


def test_mixed_losses_with_weights_train_as_in_keras():
    def pinball(y, f):
        return ops.mean(ops.maximum(0.8 * (y - f), -0.2 * (y - f)), axis=-1)

    assert_trains_like_keras(
        regressor(
            loss=[
                "squared_error",
                ("quantile", 0.8),
                partial(keras.losses.huber, delta=0.5),
            ],
            loss_weights=[1, 0.5, 3],
        ),
        ["mse", pinball, keras.losses.Huber(0.5)],
        [1, 0.5, 3],
    )


def test_a_shared_output_layer_trains_as_one_dense_called_on_every_branch():
    assert_trains_like_keras(regressor(share_output=True), ["mse"] * 3)


# ---------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize(
    ("loss", "near"),
    [
        ("square_error", "squared_error"),
        ("hubber", "huber"),
        ("logcosh", "log_cosh"),
        ("Absolute_Error", "absolute_error"),
        ("mean_square_error", "mean_squared_error"),
        (["huber", "huber", "poison"], "poisson"),
    ],
)
def test_an_unknown_name_gives_an_error_with_the_near_one(loss, near):
    with pytest.raises(ValueError, match=f"loss=.*Did you mean '{near}'"):
        regressor(loss=loss).fit(X, Y)


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, "0.5", None])
def test_the_level_of_a_quantile_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        regressor(loss=("quantile", level)).fit(X, Y)


@pytest.mark.parametrize("loss", [None, 3, {"a": None, "b": "huber", "c": "huber"}])
def test_what_is_no_loss_is_an_error(loss):
    with pytest.raises((TypeError, ValueError), match="loss must be"):
        regressor(loss=loss).fit(X, FRAME)


def test_a_function_of_whole_batches_is_an_error():
    """Its value has no cells: holes and weights could not be told apart."""
    with pytest.raises(ValueError, match=r"(?i)each cell|per cell|every cell|shape"):
        regressor(loss=lambda y, f: ops.mean((y - f) ** 2)).fit(X, Y)


@pytest.mark.parametrize("parameter", ["loss", "loss_weights"])
def test_a_mapping_with_other_names_gives_an_error_with_both_sides(parameter):
    one = {"loss": "huber", "loss_weights": 1.0}[parameter]
    value = {"a": one, "height": one, "c": one}

    with pytest.raises(ValueError, match=rf"{parameter} .*'b'.*'height'"):
        regressor(**{parameter: value}).fit(X, FRAME)
    with pytest.raises(ValueError, match=rf"{parameter} lacks targets 'b', 'c'"):
        regressor(**{parameter: {"a": one}}).fit(X, FRAME)
    with pytest.raises(ValueError, match=rf"{parameter} has unknown name 'height'"):
        regressor(**{parameter: dict.fromkeys([*NAMES, "height"], one)}).fit(X, FRAME)


@pytest.mark.parametrize("parameter", ["loss", "loss_weights"])
def test_a_sequence_of_another_length_is_an_error(parameter):
    one = {"loss": "huber", "loss_weights": 1.0}[parameter]

    with pytest.raises(
        ValueError, match=rf"{parameter} has the length 2.* 3 targets: .*'c'"
    ):
        regressor(**{parameter: [one, one]}).fit(X, FRAME)


def test_negative_counts_give_an_error_that_names_the_target():
    table = pd.DataFrame(MIXED_Y, columns=NAMES)
    table.loc[3, "c"] = -1

    with pytest.raises(ValueError, match=r"poisson.*negative.*'c'"):
        regressor(loss=MIXED).fit(X, table)
    weights = np.ones((N, T))
    weights[3, 2] = 0  # a cell that does not count may hold anything
    regressor(loss=MIXED, epochs=1).fit(X, table, sample_weight=weights)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_negative_counts_are_an_error_in_later_calls_too(mixed, method):
    table = MIXED_Y.copy()
    table[3, 2] = -1
    model = copy.deepcopy(mixed).set_params(warm_start=True, epochs=1)

    with pytest.raises(ValueError, match=r"poisson.*negative.*'target_2'"):
        getattr(model, method)(X, table)


def test_a_fitted_network_cannot_go_on_with_another_link():
    """It was trained to give the target itself, not its logarithm."""
    model = regressor(warm_start=True).fit(X, COUNTS)

    with pytest.raises(ValueError, match="loss"):
        model.set_params(loss="poisson").fit(X, COUNTS)
    model.set_params(loss="huber").fit(X, COUNTS)


# ---------------------------------------------------------------------------------------
# Searches, copies, programs


def test_losses_of_every_kind_can_be_searched():
    losses = [
        "huber",
        ("quantile", 0.5),
        ["huber", "squared_error", "log_cosh"],
        {"a": "huber", "b": ("quantile", 0.9), "c": quartic},
        WIDE_HUBER,
    ]
    search = GridSearchCV(regressor(), {"loss": losses}, cv=2, error_score="raise")

    search.fit(X, FRAME)

    assert len(search.cv_results_["params"]) == len(losses)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert np.diff(np.sort(scores)).min() > 1e-3


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": [WIDE_HUBER, ("quantile", 0.5), keras.losses.LogCosh()]},
        {"loss": {"a": "huber", "b": quartic, "c": "mae"}, "loss_weights": [0, 1, 2]},
        {"loss_weights": "uncertainty"},
        {"loss_weights": {"a": 0.5, "b": 1, "c": 2}},
        {"share_output": True},
    ],
    ids=["losses", "mapping", "uncertainty", "weights", "output"],
)
def test_parameters_survive_clone_pickle_and_deepcopy(parameters):
    model = regressor(**parameters).fit(X, FRAME)
    expected = model.predict(X)

    def copies_fit():
        for copied in (
            clone(model),
            copy.deepcopy(model),
            pickle.loads(pickle.dumps(model)),
        ):
            np.testing.assert_array_equal(copied.fit(X, FRAME).predict(X), expected)
            np.testing.assert_array_equal(copied.loss_weights_, model.loss_weights_)

    assert n_built(copies_fit) == 0
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), expected)


def test_a_loss_that_is_another_when_copied_is_refused():
    loss = keras.losses.Huber(2.0)
    if copy.deepcopy(loss)._fn_kwargs == loss._fn_kwargs:
        assert regressor(loss=loss).fit(X, Y)
        return

    with raises_naming("Huber", "delta", "partial(keras.losses.huber, delta=...)"):
        regressor(loss=loss).fit(X, Y)


def test_losses_with_other_settings_do_not_share_a_program():
    """Whether or not the class tells its settings by a get_config."""

    def first_loss(loss):
        return regressor(loss=loss, **NOTHING_LEARNT).fit(X, Y).history_["loss"][0]

    once = first_loss(Lopsided(1.0))

    np.testing.assert_allclose(first_loss(Lopsided(100.0)), 100 * once, rtol=1e-5)
    both = regressor(loss=[Lopsided(1.0), Lopsided(100.0), "mse"], **NOTHING_LEARNT)
    history = both.fit(X, Y[:, [0, 0, 1]]).history_
    assert history["loss_target_1"][0] > 10 * history["loss_target_0"][0]


def test_losses_of_classes_with_the_same_name_do_not_share_a_program():
    """As when the cell of a notebook that defines one is changed and run again."""

    def defined_with(factor):
        class Mine(keras.losses.Loss):
            def call(self, y_true, y_pred):
                return factor * (y_true - y_pred) ** 2

        return Mine(name="mine")

    first, second = (
        regressor(loss=defined_with(factor), **NOTHING_LEARNT).fit(X, Y).history_["loss"][0]
        for factor in (1.0, 100.0)
    )

    np.testing.assert_allclose(second, 100 * first, rtol=1e-5)


# ---------------------------------------------------------------------------------------
# Loss weights


def test_no_weights_are_ones_and_all_static_weights_share_a_program():
    plain = regressor().fit(X, FRAME)
    np.testing.assert_array_equal(plain.loss_weights_, np.ones(T))

    def others():
        ones = regressor(loss_weights=[1, 1, 1]).fit(X, FRAME)
        np.testing.assert_array_equal(ones.predict(X), plain.predict(X))
        array = regressor(loss_weights=np.array([1, 2, 0.5])).fit(X, FRAME)
        mapping = regressor(loss_weights={"c": 0.5, "b": 2, "a": 1}).fit(X, FRAME)
        np.testing.assert_array_equal(mapping.predict(X), array.predict(X))
        np.testing.assert_array_equal(mapping.loss_weights_, [1, 2, 0.5])
        assert np.abs(array.predict(X) - plain.predict(X)).max() > 1e-3
        grid = {"loss_weights": [None, [1, 2, 3], [0, 0, 1], {"a": 1, "b": 0, "c": 0}]}
        GridSearchCV(regressor(), grid, cv=[(np.arange(N), np.arange(N))] * 2).fit(X, FRAME)

    assert n_built(others) == 0


def test_the_loss_is_the_weighted_mean_over_targets():
    model = regressor(loss_weights=[1, 2, 0.5]).fit(X, FRAME)

    of_targets = [model.history_[f"loss_{name}"] for name in NAMES]

    expected = np.mean(np.array(of_targets) * [[1], [2], [0.5]], axis=0)
    np.testing.assert_allclose(model.history_["loss"], expected, rtol=1e-5)


def test_doubled_weights_double_the_step_of_gradient_descent():
    def fit(learning_rate, loss_weights):
        sgd = regressor(
            optimizer="sgd", learning_rate=learning_rate, loss_weights=loss_weights
        )
        return sgd.fit(X, Y).predict(X)

    np.testing.assert_allclose(
        fit(0.1, [2, 4, 6]), fit(0.2, [1, 2, 3]), rtol=1e-5, atol=1e-6
    )
    assert np.abs(fit(0.1, [2, 4, 6]) - fit(0.1, [1, 2, 3])).max() > 1e-3


@pytest.mark.parametrize("sharing_depth", [0, 1, 2])
def test_a_task_that_is_switched_off_does_not_touch_the_others(sharing_depth):
    parameters = {"sharing_depth": sharing_depth, "loss_weights": [1, 0, 2]}
    other = Y.copy()
    other[:, 1] = np.random.default_rng(5).permutation(Y[:, 1] ** 3)

    model = regressor(**parameters).fit(X, Y)
    predicted = model.predict(X)
    changed = regressor(**parameters).fit(X, other).predict(X)

    np.testing.assert_array_equal(changed[:, [0, 2]], predicted[:, [0, 2]])
    assert predicted.shape == Y.shape
    np.testing.assert_array_equal(model.loss_weights_, [1, 0, 2])


def test_a_task_that_is_switched_off_keeps_its_head():
    first, model = FirstWeights(), regressor(loss_weights=[1, 0, 2])

    model.set_params(callbacks=[first]).fit(X, Y)

    last = [w.numpy() for w in model.model_.trainable_variables]
    for before, after in zip(first.weights[2:], last[2:], strict=True):
        np.testing.assert_array_equal(after[1], before[1])
        assert not np.array_equal(after[0], before[0])


def test_switching_a_task_off_is_leaving_its_column_out():
    """The mean is over all T tasks, so the others weigh T / (T - 1) as much to make up."""
    no_head = {"head_sizes": (), "optimizer": "sgd", "learning_rate": 0.2}

    without = regressor(**no_head).fit(X, Y[:, :2]).predict(X)
    off = regressor(loss_weights=[1.5, 1.5, 0], **no_head).fit(X, Y).predict(X)

    np.testing.assert_allclose(off[:, :2], without, rtol=1e-5, atol=1e-6)


def test_a_task_that_is_switched_off_has_no_say_in_early_stopping():
    parameters = {
        "loss_weights": [1, 1, 0],
        "early_stopping": True,
        "n_iter_no_change": 2,
        "epochs": 60,
        "validation_fraction": 0.3,
    }
    noise = Y.copy()
    noise[:, 2] = np.random.default_rng(5).normal(size=N)

    model = regressor(**parameters).fit(X, Y)
    changed = regressor(**parameters).fit(X, noise)

    assert changed.n_iter_ == model.n_iter_ < 60
    np.testing.assert_array_equal(changed.predict(X)[:, :2], model.predict(X)[:, :2])


@pytest.mark.parametrize(
    "loss_weights",
    [[1, -1, 1], [1, np.nan, 1], [np.inf, 1, 1], [0, 0, 0], [[1], [1], [1]]],
)
def test_weights_that_make_no_sense_are_an_error(loss_weights):
    with pytest.raises(ValueError, match="loss_weights must be"):
        regressor(loss_weights=loss_weights).fit(X, Y)


@pytest.mark.parametrize("loss_weights", ["uncertain", 2.0, True])
def test_weights_of_another_type_are_an_error(loss_weights):
    with pytest.raises(ValueError, match="'loss_weights' parameter"):
        regressor(loss_weights=loss_weights).fit(X, Y)


def test_learnt_weights_train_as_written_by_hand_in_keras():
    """The sum over tasks of exp(-s) loss + s, with the s trained like any weight."""
    import tensorflow as tf

    first = FirstWeights()
    model = regressor(loss_weights="uncertainty", callbacks=[first], **UNSCALED).fit(X, Y)
    by_hand = recipe(first.weights, loss=["mse"] * 3, loss_weights=[1] * 3)
    s = keras.Variable(np.zeros(T), dtype="float32")
    variables = [*by_hand.trainable_variables, s]
    optimizer = keras.optimizers.Adam(0.05)
    course = []
    for _ in range(model.epochs):
        with tf.GradientTape() as tape:
            f = ops.concatenate(by_hand(X.astype("float32")), axis=1)
            losses = ops.mean((Y.astype("float32") - f) ** 2, axis=0)
            loss = ops.mean(ops.exp(-s) * losses + s)
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        course.append(np.exp(-s.numpy()))

    np.testing.assert_allclose(model.loss_weights_, course[-1], rtol=1e-4)
    for t in range(T):
        np.testing.assert_allclose(
            model.history_[f"loss_weight_target_{t}"], np.array(course)[:, t], rtol=1e-4
        )
    predicted = np.hstack(by_hand.predict(X, verbose=0))
    np.testing.assert_allclose(model.predict(X), predicted, rtol=1e-4, atol=1e-4)


def test_learnt_weights_are_those_of_the_epoch_that_is_kept():
    model = regressor(
        loss_weights="uncertainty",
        early_stopping=True,
        n_iter_no_change=3,
        refit=False,
        epochs=40,
    ).fit(X, FRAME)

    best = int(np.argmin(model.history_["val_loss"]))

    course = [model.history_[f"loss_weight_{name}"] for name in NAMES]
    assert {len(values) for values in course} == {model.n_iter_}
    np.testing.assert_allclose(model.loss_weights_, np.array(course)[:, best], rtol=1e-6)
    # Validation losses are not weighted.
    of_targets = [model.history_[f"val_loss_{name}"] for name in NAMES]
    np.testing.assert_allclose(
        model.history_["val_loss"], np.mean(of_targets, axis=0), rtol=1e-5
    )


def test_learnt_weights_end_as_the_inverse_of_the_losses():
    """The derivative of exp(-s) L + s is zero where exp(-s) L = 1: a noisier task counts
    less."""
    many = np.random.default_rng(4)
    features = many.normal(size=(256, D))
    table = features[:, :T] + many.normal(size=(256, T)) * [0.3, 1, 3]
    model = regressor(
        trunk_sizes=(),
        head_sizes=(),
        loss_weights="uncertainty",
        batch_size=256,
        epochs=1500,
        learning_rate=0.02,
        **UNSCALED,
    ).fit(features, table)

    losses = np.mean((table - model.predict(features)) ** 2, axis=0)

    np.testing.assert_allclose(model.loss_weights_ * losses, 1, rtol=0.01)
    assert (np.diff(model.loss_weights_) < 0).all()


def test_learnt_weights_stay_finite_with_counts():
    """Where a log-likelihood L is negative, exp(-s) L + s has no lowest value."""
    counts = np.random.default_rng(0).poisson(np.exp(2.5 * X[:, :1])).astype(float)
    table = np.column_stack([counts, Y[:, :2]])

    model = regressor(
        loss=["poisson", "squared_error", "squared_error"],
        loss_weights="uncertainty",
        epochs=1500,
    ).fit(X, table)

    assert np.isfinite(model.loss_weights_).all()
    assert model.loss_weights_[0] < 1e4


def test_a_perfect_prediction_of_counts_has_no_loss():
    """With "uncertainty" a loss below 0 would be made ever larger by its weight."""
    y = np.array([[0.0], [0.5], [1], [7]], "float32")
    best = np.log(np.maximum(y, 1e-30))

    (loss,) = task_losses("poisson", ["a"])

    np.testing.assert_allclose(loss.cells(y, best), 0, atol=1e-5)
    f = np.array([[-1], [0], [2], [1]], "float32")
    deviance = np.exp(f) - y + xlogy(y, y) - y * f
    np.testing.assert_allclose(loss.cells(y, f), deviance, atol=1e-5)


def test_the_learnt_weight_of_a_task_without_data_stays():
    model = regressor(loss_weights="uncertainty").partial_fit(X, Y)
    model.partial_fit(X, Y)
    before = model.loss_weights_
    holes = Y.copy()
    holes[:, 1] = np.nan

    for _ in range(3):
        model.partial_fit(X, holes)

    assert model.loss_weights_[1] == before[1]
    assert model.loss_weights_[0] != before[0]


# ---------------------------------------------------------------------------------------
# One output layer for all heads


@pytest.mark.parametrize("sharing_depth", [0, 1])
def test_there_is_one_kernel_and_one_bias(sharing_depth):
    shared = regressor(share_output=True, sharing_depth=sharing_depth).fit(X, Y)
    own = regressor(sharing_depth=sharing_depth).fit(X, Y)

    trunk = (D + 1) * 5 * (T if sharing_depth == 0 else 1)
    assert shared.model_.count_params() == trunk + T * (5 + 1) * 3 + (3 + 1)
    assert own.model_.count_params() == trunk + T * (5 + 1) * 3 + T * (3 + 1)
    np.testing.assert_allclose(
        shared.model_.predict(X, verbose=0), shared.predict(X), rtol=1e-4, atol=1e-5
    )


def test_a_shared_output_serves_holes_early_stopping_and_one_target():
    holes = np.where(np.random.default_rng(1).random(Y.shape) < 0.4, np.nan, Y)
    holes[:, 0] = Y[:, 0]
    model = regressor(
        share_output=True, sharing_depth=0, early_stopping=True, n_iter_no_change=2
    )

    assert np.isfinite(model.fit(X, holes).predict(X)).all()
    assert clone(model).fit(X, Y[:, 0]).predict(X).shape == (N,)


@pytest.mark.parametrize(
    "parameters", [{"sharing_depth": 2}, {"head_sizes": ()}], ids=["all shared", "no head"]
)
def test_a_shared_output_without_heads_gives_an_error_that_says_what_to_change(parameters):
    with pytest.raises(ValueError, match=r"share_output=True needs.*(lower|head_sizes)"):
        regressor(share_output=True, **parameters).fit(X, Y)


def test_a_shared_output_can_be_searched():
    grid = {"share_output": [False, True], "sharing_depth": [0, 1]}

    search = GridSearchCV(regressor(), grid, cv=2, error_score="raise").fit(X, Y)

    assert len(np.unique(search.cv_results_["mean_test_score"])) == 4
