"""Trunks to start from, frozen trunks, tasks to add, and training that goes on."""

import copy
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from tests._asserts import assert_close, assert_equal_up_to_rounding
from tests._inputs import full_batch as regressor

D, T, N = 4, 3, 48
NAMES = ["a", "b", "c"]
SCALE = np.array([1, 10, 0.1, 5])

rng = np.random.default_rng(0)
X = 3 + SCALE * rng.normal(size=(N, D))
Y = np.tanh((X - 3) / SCALE @ rng.normal(size=(D, T))) + 0.3 * rng.normal(size=(N, T))
NEW = np.round(np.exp(Y[:, 0] - Y[:, 1]))
ELSEWHERE = 1 + 2 * X  # rows that would be scaled in another way
FRAME = pd.DataFrame(Y, columns=NAMES)


NOTHING_LEARNT = {"learning_rate": 1e-12, "epochs": 1}


def weights_of(model, part):
    """Kernels and biases of the trunk or of the heads, from the Keras model."""
    layers = [layer for layer in model.model_.layers if layer.trainable_variables]
    is_trunk = [layer.name.startswith("trunk") for layer in layers]
    return [
        w
        for layer, shared in zip(layers, is_trunk, strict=True)
        if shared == (part == "trunk")
        for w in layer.get_weights()
    ]


def assert_equal(actual, expected):
    assert len(actual) == len(expected) > 0
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, e)


def assert_all_moved(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        assert (a != e).any()


@pytest.fixture(scope="module")
def fitted_source():
    return regressor(epochs=20, random_state=1).fit(X, Y)


@pytest.fixture
def source(fitted_source):
    return copy.deepcopy(fitted_source)


def keras_source():
    return keras.Sequential(
        [
            keras.Input((D,)),
            keras.layers.Dense(6, "tanh", bias_initializer="random_normal"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(5, "tanh", bias_initializer="random_normal"),
            keras.layers.Dense(7, "relu"),
            keras.layers.Dense(2),
        ]
    )


# ---------------------------------------------------------------------------------------
# trunk_


@pytest.mark.parametrize("sharing_depth", [0, 1, 2, 3])
def test_the_trunk_is_the_shared_layers_of_scaled_features(sharing_depth):
    model = regressor(sharing_depth=sharing_depth, activation="softplus").fit(X, Y)

    H = model._network.features.hidden((X - X.mean(axis=0)) / X.std(axis=0))
    shared = weights_of(model, "trunk")
    assert len(shared) == 2 * sharing_depth
    for K, b in zip(shared[::2], shared[1::2], strict=True):
        H = np.logaddexp(0, H @ K + b)

    assert isinstance(model.trunk_, keras.Model)
    np.testing.assert_allclose(model.trunk_.predict(X, verbose=0), H, rtol=1e-4, atol=1e-4)


def test_the_heads_on_the_trunk_are_the_predictions(source):
    H = source.trunk_.predict(X, verbose=0)
    K, b, K_out, b_out, K_linear = weights_of(source, "heads")

    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    outputs = [
        np.tanh(H @ K[t] + b[t]) @ K_out[t] + b_out[t] + scaled @ K_linear[t]
        for t in range(T)
    ]

    expected = np.hstack(outputs) * Y.std(axis=0) + Y.mean(axis=0)
    np.testing.assert_allclose(source.predict(X), expected, rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------------------------
# init_trunk


@pytest.mark.parametrize("wrap", [lambda est: est, FrozenEstimator])
def test_the_trunk_starts_from_an_estimator_with_its_scaling(source, wrap):
    model = regressor(init_trunk=wrap(source), **NOTHING_LEARNT).fit(ELSEWHERE, Y[:, :2])

    np.testing.assert_allclose(
        model.trunk_.predict(X, verbose=0),
        source.trunk_.predict(X, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
    for mine, theirs in zip(
        weights_of(model, "trunk"), weights_of(source, "trunk"), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def test_the_heads_of_a_started_network_are_new(source):
    started = regressor(init_trunk=source, **NOTHING_LEARNT).fit(X, Y)
    fresh = regressor(**NOTHING_LEARNT).fit(X, Y)

    for mine, new, old in zip(
        weights_of(started, "heads"),
        weights_of(fresh, "heads"),
        weights_of(source, "heads"),
        strict=True,
    ):
        np.testing.assert_allclose(mine, new, atol=1e-9)
        assert not np.allclose(mine, old)


def test_without_freezing_the_trunk_goes_on_learning(source):
    model = regressor(init_trunk=source).fit(X, Y)

    assert_all_moved(weights_of(model, "trunk"), weights_of(source, "trunk"))


@pytest.mark.parametrize("sharing_depth", [1, 2])
def test_the_trunk_starts_from_the_first_dense_layers_of_a_keras_model(sharing_depth):
    network = keras_source()
    model = regressor(
        init_trunk=network, freeze_trunk=True, sharing_depth=sharing_depth
    ).fit(X, Y)

    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    expected = [w for layer in dense[:sharing_depth] for w in layer.get_weights()]

    assert_equal(weights_of(model, "trunk"), expected)
    # A Keras model tells nothing of its features: they are scaled as always.
    H = (X - X.mean(axis=0)) / X.std(axis=0)
    for K, b in zip(expected[::2], expected[1::2], strict=True):
        H = np.tanh(H @ K + b)
    np.testing.assert_allclose(model.trunk_.predict(X, verbose=0), H, rtol=1e-4, atol=1e-4)


def test_a_keras_layer_without_bias_has_a_bias_of_zero():
    network = keras.Sequential(
        [
            keras.Input((D,)),
            keras.layers.Dense(6, "tanh", use_bias=False),
            keras.layers.Dense(5, "tanh"),
        ]
    )

    model = regressor(init_trunk=network, freeze_trunk=True).fit(X, Y)

    assert not weights_of(model, "trunk")[1].any()


def test_a_single_task_lends_all_of_its_layers():
    """Nobody else uses its head: it is as good as a trunk."""
    single = regressor().fit(X, Y[:, 0])

    deeper = regressor(init_trunk=single, freeze_trunk=True, sharing_depth=3).fit(X, Y)

    expected = [
        w.reshape(w.shape[1:]) if i >= 4 else w
        for i, w in enumerate(w.numpy() for w in single.model_.trainable_variables)
    ]
    kernels = [w for w in expected if w.ndim >= 1]
    shared = weights_of(deeper, "trunk")
    assert len(shared) == 6
    assert_equal([w.ravel() for w in shared], [w.ravel() for w in kernels[:6]])


def test_a_trunk_of_other_shapes_is_an_error(source):
    for parameters, features in (
        ({"trunk_sizes": (6, 4)}, X),
        ({"trunk_sizes": (6, 5, 3)}, X),
        ({"sharing_depth": 3}, X),
    ):
        with pytest.raises(ValueError, match=r"init_trunk has shared layers.*\(4, 6\)"):
            regressor(init_trunk=source, **parameters).fit(features, Y)
    with pytest.raises(
        ValueError, match="init_trunk was fitted with 4 features, but X has 3"
    ):
        regressor(init_trunk=source).fit(X[:, :3], Y)
    with pytest.raises(ValueError, match="init_trunk has shared layers"):
        regressor(init_trunk=keras_source(), trunk_sizes=(6, 4)).fit(X, Y)


def test_a_trunk_with_another_activation_is_an_error(source):
    for init_trunk in (source, keras_source()):
        with pytest.raises(ValueError, match=r"'tanh'.*activation='relu'"):
            regressor(init_trunk=init_trunk, activation="relu").fit(X, Y)


@pytest.mark.parametrize(
    "init_trunk",
    [regressor(), LinearRegression().fit(X, Y), LinearRegression(), 3, "trunk"],
    ids=["not fitted", "another estimator", "not fitted either", "number", "name"],
)
def test_what_has_no_trunk_is_an_error(init_trunk):
    with pytest.raises((TypeError, ValueError), match="init_trunk must be"):
        regressor(init_trunk=init_trunk).fit(X, Y)


@pytest.mark.parametrize(
    "network",
    [
        lambda: keras.Sequential([keras.layers.Dense(6, "tanh"), keras.layers.Dense(5)]),
        lambda: keras.Sequential(
            [keras.Input((D,)), keras.layers.Dense(6, keras.layers.LeakyReLU())]
        ),
    ],
    ids=["not built", "a layer as activation"],
)
def test_a_keras_model_that_cannot_serve_gives_a_helpful_error(network):
    with pytest.raises(ValueError, match=r"init_trunk|activation"):
        regressor(init_trunk=network(), sharing_depth=1).fit(X, Y)


def test_features_of_other_names_are_an_error():
    """The first kernel belongs to the columns in their order."""
    named = pd.DataFrame(X, columns=list("pqrs"))
    source = regressor(**NOTHING_LEARNT).fit(named, Y)

    with pytest.raises(ValueError, match=r"feature|column"):
        regressor(init_trunk=source).fit(named[list("srqp")], Y)


COPIES = {
    "clone": clone,
    "deepcopy": copy.deepcopy,
    "pickle": lambda est: pickle.loads(pickle.dumps(est)),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", ["frozen estimator", "keras"])
# Keras' variables do not know the argument copy of NumPy 2's __array__ (2026-11).
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
def test_a_trunk_to_start_from_survives_copies(source, how, kind):
    init_trunk = FrozenEstimator(source) if kind == "frozen estimator" else keras_source()
    model = regressor(init_trunk=init_trunk, freeze_trunk=True)

    copied = COPIES[how](model).fit(X, Y)

    model.fit(X, Y)
    assert_equal(weights_of(copied, "trunk"), weights_of(model, "trunk"))
    np.testing.assert_array_equal(copied.predict(X), model.predict(X))
    again = COPIES[how](model)
    if how != "clone":
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


# Whether anything has trained the trunk does not matter here.
@pytest.mark.filterwarnings("ignore:freeze_trunk=True, but init_trunk=None:UserWarning")
def test_trunks_can_be_searched(source):
    grid = {
        "init_trunk": [None, FrozenEstimator(source)],
        "freeze_trunk": [False, True],
    }

    search = GridSearchCV(regressor(), grid, cv=2, error_score="raise").fit(X, Y)

    assert len(np.unique(search.cv_results_["mean_test_score"])) == 4
    with pytest.raises(ValueError, match="FrozenEstimator"):
        clone(regressor(init_trunk=source)).fit(X, Y)


def test_the_source_is_left_alone(source):
    before, predicted = source.model_.get_weights(), source.predict(X)

    regressor(init_trunk=source).fit(ELSEWHERE, Y)
    regressor(init_trunk=FrozenEstimator(source), freeze_trunk=True).fit(ELSEWHERE, Y)

    assert_equal(source.model_.get_weights(), before)
    np.testing.assert_array_equal(source.predict(X), predicted)


# ---------------------------------------------------------------------------------------
# freeze_trunk

FREEZING = {
    "adam with decay": {"weight_decay": 0.5},
    "momentum": {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)},
    "moving average": {"optimizer": keras.optimizers.Adam(0.05, use_ema=True)},
    "dropout and early stopping": {"dropout": 0.3, "early_stopping": True, "epochs": 8},
    "uncertainty": {"loss_weights": "uncertainty", "weight_decay": 0.1},
    "shared output": {"share_output": True},
    "callback": {"callbacks": [keras.callbacks.Callback()], "weight_decay": 0.5},
    "all layers": {"sharing_depth": 3},
}


@pytest.mark.parametrize("how", FREEZING)
def test_a_frozen_trunk_stays_bit_for_bit(source, how):
    parameters = FREEZING[how]
    if how == "all layers":
        source = regressor(sharing_depth=3).fit(X, Y)

    model = regressor(init_trunk=source, freeze_trunk=True, **parameters).fit(ELSEWHERE, Y)
    first = regressor(init_trunk=source, freeze_trunk=True, **(parameters | NOTHING_LEARNT))

    expected = weights_of(source, "trunk")
    assert_equal(weights_of(model, "trunk"), expected)
    first.set_params(optimizer="adam").fit(ELSEWHERE, Y)
    assert_all_moved(weights_of(model, "heads"), weights_of(first, "heads"))
    model.set_params(warm_start=True).fit(ELSEWHERE, Y).partial_fit(X, Y)
    assert_equal(weights_of(model, "trunk"), expected)


def test_without_a_source_the_trunk_keeps_its_random_weights():
    with pytest.warns(UserWarning, match="init_trunk=None: the trunk keeps its random"):
        frozen = regressor(freeze_trunk=True).fit(X, Y)
    unmoved = regressor(learning_rate=1e-20, epochs=1).fit(X, Y)

    # So small a step changes no kernel, only the biases, which are 0.
    assert_equal(weights_of(frozen, "trunk")[::2], weights_of(unmoved, "trunk")[::2])
    assert not any(b.any() for b in weights_of(frozen, "trunk")[1::2])


def test_a_frozen_trunk_trains_as_layers_that_keras_does_not_train(source):
    class FirstWeights(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.weights = [w.numpy() for w in self.model.trainable_variables]

    first = FirstWeights()
    model = regressor(
        init_trunk=source,
        freeze_trunk=True,
        linear_path=False,
        callbacks=[first],
        scale_targets=False,
    ).fit(X, Y)
    K1, b1, K2, b2, K3, b3, K4, b4 = first.weights
    inputs = keras.Input((len(K1),))
    H = inputs
    layers = [
        (keras.layers.Dense(6, "tanh"), K1, b1),
        (keras.layers.Dense(5, "tanh"), K2, b2),
    ]
    for layer, _, _ in layers:
        layer.trainable = False
        H = layer(H)
    outputs = []
    for t in range(T):
        branch, output = keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)
        outputs.append(output(branch(H)))
        layers += [(branch, K3[t], b3[t]), (output, K4[t], b4[t])]
    for layer, K, b in layers:
        layer.set_weights([K, b])
    counterpart = keras.Model(inputs, outputs)
    counterpart.compile(keras.optimizers.Adam(0.05), ["mse"] * T, loss_weights=[1 / T] * T)
    scaled = source._network.features.hidden((X - X.mean(axis=0)) / X.std(axis=0))

    for _ in range(model.epochs):
        counterpart.train_on_batch(scaled, [Y[:, [t]] for t in range(T)])

    expected = np.hstack(counterpart.predict(scaled, verbose=0))
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------------------------------
# add_task


def test_an_added_task_leaves_the_others_as_they_were(source):
    before = source.predict(X)
    trunk = weights_of(source, "trunk")

    assert source.add_task(X, NEW) is source

    predicted = source.predict(X)
    assert predicted.shape == (N, T + 1)
    assert_equal_up_to_rounding(predicted[:, :T], before)
    assert_equal(weights_of(source, "trunk"), trunk)
    np.testing.assert_allclose(
        source.model_.predict(X, verbose=0), predicted, rtol=1e-3, atol=1e-3
    )
    assert source.n_outputs_ == T + 1
    np.testing.assert_array_equal(source.loss_weights_, np.ones(T + 1))


def test_an_added_task_is_a_head_trained_on_the_frozen_trunk(source):
    alone = clone(source).set_params(init_trunk=copy.deepcopy(source), freeze_trunk=True)
    expected = alone.fit(ELSEWHERE[:30], NEW[:30]).predict(X)

    source.add_task(ELSEWHERE[:30], NEW[:30])

    assert_equal_up_to_rounding(source.predict(X)[:, -1], expected)


def test_an_added_task_learns(source):
    source.set_params(epochs=300).add_task(X, X[:, 0] * 100, "x")

    assert source.score(X, np.column_stack([np.full((N, T), np.nan), X[:, 0] * 100])) > 0.8


def test_unobserved_and_weightless_rows_of_an_added_task_do_not_count(source):
    other = copy.deepcopy(source)
    holes, weights = NEW.copy(), np.ones(N)
    holes[::3], weights[::3] = np.nan, 0

    with pytest.warns(UserWarning, match="rows have no observed target"):
        source.add_task(X, holes)
    other.add_task(X, NEW, sample_weight=weights)

    assert_close(source.predict(X), other.predict(X))
    assert np.abs(copy.deepcopy(other).predict(X)[:, 3] - NEW).max() > 0


@pytest.mark.parametrize(
    ("y", "name", "expected"),
    [
        (NEW, None, "target_3"),
        (NEW, "new", "new"),
        (NEW.reshape(-1, 1), None, "target_3"),
        (pd.Series(NEW, name="d"), None, "d"),
        (pd.Series(NEW), None, "target_3"),
        (pd.DataFrame({"d": NEW}), None, "d"),
        (pd.Series(NEW, name="d"), "new", "new"),
    ],
)
def test_the_name_of_an_added_task(source, y, name, expected):
    source.add_task(X, y, name)

    assert list(source.target_names_) == ["target_0", "target_1", "target_2", expected]


@pytest.mark.parametrize("sharing_depth", [0, 3])
def test_tasks_can_be_added_at_any_depth_and_again(sharing_depth):
    model = regressor(sharing_depth=sharing_depth).fit(X, FRAME)
    before = model.predict(X)

    model.add_task(X, NEW, "d").add_task(X, -NEW, "e")

    assert list(model.target_names_) == [*NAMES, "d", "e"]
    assert_equal_up_to_rounding(model.predict(X)[:, :T], before)
    assert model.predict(X).shape == (N, 5)


def test_a_task_added_to_a_single_one_gives_two_columns():
    model = regressor().fit(X, Y[:, 0])
    before = model.predict(X)

    model.add_task(X, NEW)

    assert model.predict(X).shape == (N, 2)
    assert_equal_up_to_rounding(model.predict(X)[:, 0], before)


def test_an_added_task_may_have_a_loss_of_its_own(source):
    before = source.predict(X)

    source.add_task(X, NEW, "count", loss="poisson")

    predicted = source.predict(X)
    assert_equal_up_to_rounding(predicted[:, :T], before)
    assert (source.predict(100 * X)[:, -1] > 0).all()
    np.testing.assert_allclose(
        source.model_.predict(X, verbose=0), predicted, rtol=1e-3, atol=1e-3
    )


def bad_additions():
    return {
        "no such loss": ({"loss": "hubber"}, "huber"),
        "negative counts": ({"y": -1 - NEW, "loss": "poisson"}, "poisson.*negative"),
        "name taken": ({"name": "b"}, "'b'"),
        "two targets": ({"y": Y[:, :2]}, "one target"),
        "all unobserved": ({"y": np.full(N, np.nan)}, "No observed value"),
        "other features": ({"X": X[:, :2]}, "features"),
        "other rows": ({"y": NEW[:-1]}, "inconsistent"),
    }


@pytest.mark.parametrize("problem", bad_additions())
def test_an_addition_that_fails_leaves_the_estimator_as_it_was(problem):
    model = regressor().fit(X, FRAME)
    before, attributes = model.predict(X), set(vars(model))
    changed, message = bad_additions()[problem]

    with pytest.raises(ValueError, match=message):
        model.add_task(**({"X": X, "y": NEW} | changed))

    np.testing.assert_array_equal(model.predict(X), before)
    assert list(model.target_names_) == NAMES
    assert set(vars(model)) == attributes
    model.partial_fit(X, FRAME)  # the optimizer's state too


def test_no_task_can_be_added_to_a_shared_output_or_before_a_fit():
    with pytest.raises(ValueError, match="share_output=False"):
        regressor(share_output=True).fit(X, Y).add_task(X, NEW)
    with pytest.raises(ValueError, match="not fitted"):
        regressor().add_task(X, NEW)


def test_losses_of_the_others_by_name_need_a_loss_for_the_new_one():
    model = regressor(loss=dict.fromkeys(NAMES, "huber")).fit(X, FRAME)

    with pytest.raises(ValueError, match="loss"):
        model.add_task(X, NEW, "d")
    assert model.add_task(X, NEW, "d", loss="huber").predict(X).shape == (N, T + 1)


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_an_estimator_with_an_added_task_survives_copies(source, how):
    source.add_task(X, NEW, "new", loss="poisson")

    copied = COPIES[how](source)

    np.testing.assert_array_equal(copied.predict(X), source.predict(X))
    assert list(copied.target_names_) == list(source.target_names_)


AFTER_ADDING = {
    "plain": ({}, None),
    "weights and counts": ({"loss_weights": [1, 2, 3]}, "poisson"),
    "uncertainty and losses": (
        {"loss_weights": "uncertainty", "loss": ["huber", "squared_error", "huber"]},
        "squared_error",
    ),
    "mapping": ({"loss": dict.fromkeys(NAMES, "huber")}, "log_cosh"),
    "init_trunk": ({"freeze_trunk": True}, None),
}


# Whether anything has trained the trunk does not matter here.
@pytest.mark.filterwarnings("ignore:freeze_trunk=True, but init_trunk=None:UserWarning")
@pytest.mark.parametrize("case", AFTER_ADDING)
def test_training_goes_on_after_adding_a_task(case):
    parameters, loss = AFTER_ADDING[case]
    model = regressor(**parameters).fit(X, FRAME)
    model.add_task(X, NEW, "count", loss=loss)
    table = FRAME.assign(count=NEW)
    before = model.score(X, table)

    for _ in range(60):
        model.partial_fit(X, table)

    assert model.score(X, table) > before
    model.set_params(warm_start=True).fit(X, table)
    assert list(model.target_names_) == [*NAMES, "count"]
    if loss == "poisson":
        np.testing.assert_allclose(model.predict(X)[:, -1].mean(), NEW.mean(), rtol=0.3)


# ---------------------------------------------------------------------------------------
# Training that goes on

STATEFUL = {
    "adam with decay": {"weight_decay": 0.5},
    "momentum": {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)},
    "nadam": {"optimizer": "nadam"},
}


@pytest.mark.parametrize("optimizer", STATEFUL)
@pytest.mark.parametrize("sharing_depth", [0, 2])
def test_heads_without_data_in_a_batch_do_not_move(optimizer, sharing_depth):
    model = regressor(sharing_depth=sharing_depth, **STATEFUL[optimizer])
    for _ in range(3):
        model.partial_fit(X, Y)
    holes = Y.copy()
    holes[:, 1] = np.nan
    before = weights_of(model, "heads")

    model.partial_fit(X, holes)

    for now, then in zip(weights_of(model, "heads"), before, strict=True):
        np.testing.assert_array_equal(now[1], then[1])
        for t in (0, 2):
            assert (now[t] != then[t]).any()


def test_separate_networks_go_on_as_if_a_batch_without_their_data_had_not_been():
    """Their optimizer state is left alone too."""
    model = regressor(sharing_depth=0, **STATEFUL["momentum"])
    for _ in range(3):
        model.partial_fit(X, Y)
    other = copy.deepcopy(model)
    holes = Y.copy()
    holes[:, 1] = np.nan

    model.partial_fit(X, holes).partial_fit(X, Y)
    other.partial_fit(X, Y)

    np.testing.assert_allclose(
        model.predict(X)[:, 1], other.predict(X)[:, 1], rtol=1e-5, atol=1e-6
    )
    assert np.abs(model.predict(X)[:, 0] - other.predict(X)[:, 0]).max() > 1e-4


def test_the_optimizer_state_of_heads_without_data_stays():
    model = regressor(weight_decay=0.1)
    for _ in range(3):
        model.partial_fit(X, Y)
    before = [v.copy() for v in model._network.optimizer_state.values]
    holes = Y.copy()
    holes[:, [0, 2]] = np.nan

    model.partial_fit(X, holes)

    of_heads = 0
    for now, then in zip(model._network.optimizer_state.values, before, strict=True):
        if then.shape[:1] == (T,):
            of_heads += 1
            np.testing.assert_array_equal(now[[0, 2]], then[[0, 2]])
            assert (now[1] != then[1]).any()
    assert of_heads == 2 * 5  # two moments of two kernels, two biases, the linear path


def test_the_model_agrees_after_a_batch_without_some_targets_and_with_callbacks():
    model = regressor(callbacks=[keras.callbacks.Callback()])
    for _ in range(3):
        model.partial_fit(X, Y)
    holes = Y.copy()
    holes[:, 1] = np.nan

    model.partial_fit(X, holes)

    np.testing.assert_allclose(
        model.model_.predict(X, verbose=0), model.predict(X), rtol=1e-4, atol=1e-5
    )


def test_a_batch_without_any_target_is_an_error():
    model = regressor().partial_fit(X, Y)
    before = model.predict(X)

    with pytest.raises(ValueError, match="No observed value"):
        model.partial_fit(X, np.full((N, T), np.nan))
    np.testing.assert_array_equal(model.predict(X), before)


# Whether anything has trained the trunk does not matter here.
@pytest.mark.filterwarnings("ignore:freeze_trunk=True, but init_trunk=None:UserWarning")
@pytest.mark.parametrize(
    "parameters",
    [{}, *STATEFUL.values(), {"loss_weights": "uncertainty"}, {"freeze_trunk": True}],
    ids=["adam", *STATEFUL, "uncertainty", "frozen"],
)
def test_two_warm_fits_are_one_of_as_many_epochs(parameters):
    """With the optimizer's state: every step sees all rows, so only that could differ."""
    whole = regressor(**parameters).fit(X, Y)
    parts = regressor(warm_start=True, **parameters)

    parts.set_params(epochs=3).fit(X, Y)
    parts.set_params(epochs=1).fit(X, Y)

    np.testing.assert_allclose(parts.predict(X), whole.predict(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts.history_["loss"], whole.history_["loss"], rtol=1e-4)
    np.testing.assert_allclose(parts.loss_weights_, whole.loss_weights_, rtol=1e-5)
    assert parts.n_iter_ == 4
    step_by_step = regressor(**parameters)
    for _ in range(4):
        step_by_step.partial_fit(X, Y)
    np.testing.assert_allclose(
        step_by_step.predict(X), whole.predict(X), rtol=1e-4, atol=1e-5
    )


def test_optimizer_state_survives_a_pickle():
    model = regressor(warm_start=True).fit(X, Y)
    copied = pickle.loads(pickle.dumps(model))

    np.testing.assert_array_equal(copied.fit(X, Y).predict(X), model.fit(X, Y).predict(X))


def test_another_optimizer_starts_with_a_state_of_its_own():
    """The velocity of momentum is no mean of squares, though of the same shape."""
    model = regressor(
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9), warm_start=True
    ).fit(X, Y)
    same_weights = copy.deepcopy(model)

    model.set_params(optimizer=keras.optimizers.RMSprop(0.01)).fit(X, Y)

    same_weights.set_params(optimizer=keras.optimizers.Adagrad(0.01)).fit(X, Y)
    assert np.isfinite(model.predict(X)).all()
