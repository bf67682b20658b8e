"""The compiled loop, against Keras' own training on the same batches, and its cache."""

import pickle
import threading
import time
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning

from skmtl._estimators.automatic import MANY_ROWS, one_epoch_of
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.architecture import Architecture
from skmtl._network.heads import Mean
from skmtl._network.inputs import Inputs
from skmtl._network.network import Network
from skmtl._network.scaling import Scaling
from skmtl._tables.table import Table
from skmtl._training import PROGRAMS, choose_optimizer, task_losses
from skmtl._training.dropout import dropout_mask
from skmtl._training.keras_model import build_keras_model, get_weights
from skmtl._training.rows import TableRows
from skmtl._training.spec import ProgramSpec, Settings
from skmtl._training.train import train
from tests._asserts import assert_same_predictions
from tests._inputs import make_table, small

D, T, N = 5, 3, 50
EPOCHS, BATCH_SIZE, SEED = 4, 16, 7

rng = np.random.default_rng(0)
X = rng.normal(size=(N, D))
Y = np.tanh(X @ rng.normal(size=(D, T)))
ONES = np.ones((N, T))
HOLES = (rng.random((N, T)) < 0.7).astype(float)
WEIGHTS = rng.uniform(0, 2, (N, T)) * HOLES


SCALED = Inputs.unscaled(D), Scaling.identity(T)
MEANS = (Mean(),) * T


def fresh_network(sharing_depth=1, hidden_sizes=(8, 6, 4)):
    architecture = Architecture(D, T, hidden_sizes, sharing_depth, "relu")
    return Network.untrained(architecture, np.random.default_rng(1), *SCALED, MEANS)


def spec_of(network, choice, **features):
    no_features = {"dropout": False}
    return ProgramSpec(
        network.architecture,
        task_losses("squared_error", range(network.architecture.n_targets)),
        choice.config,
        BATCH_SIZE,
        **(no_features | features),
    )


def run(network, W=ONES, *, optimizer="adam", n_epochs=EPOCHS, dropout=0.0, **settings):
    """Train on all rows and validate on the same ones if ``patience`` is given."""
    choice = choose_optimizer(
        optimizer,
        settings.pop("learning_rate", 1e-2),
        settings.pop("weight_decay", 0.0),
        settings.pop("ema_momentum", 0.0),
    )
    validation = "patience" in settings
    rows = TableRows(network, Table(X, Y, W, []), slice(None))
    no_rows = TableRows(network, Table(X, Y, W, []), slice(0))
    trained, history, *_ = train(
        spec_of(network, choice, dropout=dropout > 0),
        Settings(
            n_train=N,
            n_validation=N if validation else 0,
            n_epochs=n_epochs,
            patience=np.full(
                T if network.architecture.separate else 1,
                settings.get("patience", n_epochs),
            ),
            inputs=network.features.units,
            learning_rate=choice.learning_rate,
            weight_decay=choice.weight_decay,
            ema_momentum=choice.ema_momentum,
            ema_warm_up=choice.ema_warm_up,
            dropout=dropout,
            loss_weights=np.ones(T),
        ),
        network,
        rows,
        rows if validation else no_rows,
        names=[f"y{t}" for t in range(T)],
        seed=SEED,
    )
    return trained, history


def keras_training(network, W, optimizer, n_epochs=EPOCHS, repeats=1, eager=False):
    """The same batches through the Keras model's own ``train_on_batch``.

    One output (n, T), so Keras averages over rows and targets; the cell weights enter
    through the loss, as a third axis of y.
    """
    model = build_keras_model(network)

    def weighted_loss(packed, outputs):
        return keras.ops.mean(packed[:, 1] * (packed[:, 0] - outputs) ** 2, axis=-1)

    model.compile(optimizer, weighted_loss, run_eagerly=eager)
    optimizer.build(model.trainable_variables)  # Keras would build it without the weights
    scaled_X, scaled_Y, scaled_W = network.encode(X, Y, W)
    packed = np.stack([scaled_Y, scaled_W], axis=1)
    for epoch in [*range(n_epochs)] * repeats:
        order = np.random.default_rng([SEED, epoch]).permutation(N)
        for start in range(0, N, BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            model.train_on_batch(scaled_X[batch], packed[batch])
    model.optimizer.finalize_variable_values(model.trainable_variables)
    return get_weights(model, network.architecture.shapes.leaves())


def assert_same_weights(actual, expected, rtol=1e-4, atol=2e-5):
    for a, e in zip(actual.leaves(), expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=rtol, atol=atol)


@pytest.mark.parametrize("sharing_depth", range(4))
def test_trained_weights_equal_those_of_keras(sharing_depth):
    network = fresh_network(sharing_depth)

    trained, _ = run(network)

    assert_same_weights(
        trained.weights, keras_training(network, ONES, keras.optimizers.Adam(1e-2))
    )
    assert not np.allclose(
        trained.weights.layers[0].kernel, network.weights.layers[0].kernel, atol=1e-3
    )


@pytest.mark.parametrize("W", [HOLES, WEIGHTS], ids=["holes", "holes and weights"])
def test_weighted_training_equals_that_of_keras(W):
    network = fresh_network()

    trained, _ = run(network, W)

    assert_same_weights(
        trained.weights, keras_training(network, W, keras.optimizers.Adam(1e-2))
    )


def test_one_task_equals_a_keras_model_written_by_hand():
    """No use of our own Keras model: layers, loss and weights as anybody writes them."""
    y = Y[:, :1]
    network = Network.untrained(
        Architecture(D, 1, (8, 6), 1, "relu"),
        np.random.default_rng(1),
        Inputs.unscaled(D),
        Scaling.identity(1),
        MEANS[:1],
    )
    model = keras.Sequential(
        [
            keras.Input((D,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(6, "relu"),
            keras.layers.Dense(1),
        ]
    )
    initial = zip(network.weights.leaves(), model.weights, strict=True)
    model.set_weights([np.reshape(w, v.shape) for w, v in initial])
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    for epoch in range(EPOCHS):
        order = np.random.default_rng([SEED, epoch]).permutation(N)
        for start in range(0, N, BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            model.train_on_batch(X[batch], y[batch])

    trained, *_ = train(
        spec_of(network, choose_optimizer("adam", 1e-2, 0.0, 0.0)),
        Settings(
            n_train=N,
            n_validation=0,
            n_epochs=EPOCHS,
            patience=np.full(1, EPOCHS),
            inputs=network.features.units,
            learning_rate=1e-2,
            weight_decay=0.0,
            ema_momentum=0.0,
            ema_warm_up=1.0,
            dropout=0.0,
            loss_weights=np.ones(1),
        ),
        network,
        TableRows(network, Table(X, y, np.ones_like(y), []), slice(None)),
        TableRows(network, Table(X, y, np.ones_like(y), []), slice(0)),
        names=["y"],
        seed=SEED,
    )

    for w, v in zip(trained.weights.leaves(), model.weights, strict=True):
        np.testing.assert_allclose(np.reshape(w, v.shape), v, rtol=1e-4, atol=1e-5)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(1e-2),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-2),
    "nadam": lambda: keras.optimizers.Nadam(1e-2),
    "lion": lambda: keras.optimizers.Lion(1e-2),
    "adagrad": lambda: keras.optimizers.Adagrad(1e-2),
    "adam": lambda: keras.optimizers.Adam(1e-2, beta_1=0.5, beta_2=0.9, epsilon=1e-2),
    "amsgrad": lambda: keras.optimizers.Adam(1e-2, amsgrad=True),
    "clipnorm": lambda: keras.optimizers.Adam(1e-2, clipnorm=0.1),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(1e-2, 2, 0.5)
    ),
    "accumulation": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2),
    "schedule-free": lambda: keras.optimizers.ScheduleFreeAdamW(1e-2),
    "average": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5),
    "ema": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_overwrite_frequency=3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_instances_train_as_in_keras(name):
    network = fresh_network(hidden_sizes=(8, 4))
    optimizer = OPTIMIZERS[name]()

    trained, _ = run(network, optimizer=optimizer)

    assert_same_weights(trained.weights, keras_training(network, ONES, OPTIMIZERS[name]()))
    assert not optimizer.built  # the user's instance is a description, and stays one


@pytest.mark.parametrize(
    "name", ["adadelta", "adafactor", "adamax", "adamw", "ftrl", "lamb", "muon"]
)
def test_every_optimizer_is_known_by_name_and_lowers_the_loss(name):
    learning_rate = 1.0 if name == "adadelta" else 1e-2

    _, history = run(
        fresh_network(hidden_sizes=(8, 4)),
        optimizer=name,
        learning_rate=learning_rate,
        n_epochs=20,
    )

    assert history["loss"][-1] < history["loss"][0]


def test_a_step_size_along_a_cosine_is_that_of_keras():
    X, Y = make_table(n=120)
    options = {"batch_size": 32, "early_stopping": False, "epochs": 6, "n_bins": 0}
    ours = small(learning_rate=0.02, learning_rate_schedule="cosine", **options)
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 6 * 4)
    theirs = small(optimizer=keras.optimizers.Adam(schedule), **options)

    assert_same_predictions(ours.fit(X, Y), theirs.fit(X, Y), X)


def test_training_ends_in_time_with_a_step_size_of_nearly_0():
    model = small(epochs=10**6, max_seconds=1.5, learning_rate_schedule="cosine")
    model.set_params(n_iter_no_change=10**6, early_stopping=False)
    started = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match=r"of up to 1000000 epochs"):
        model.fit(X, Y)

    assert time.perf_counter() - started < 20  # of which compiling takes the most
    losses = model.history_["loss"]
    assert len(losses) < 10**6
    # In the last epochs nothing moves any more, and in the first ones it does.
    assert abs(losses[-1] - losses[-2]) < 1e-4 < abs(losses[0] - losses[1])
    assert model.cut_off_ == (len(losses) < 10**6 / 2)


def test_a_small_chunk_is_learnt_from_with_a_constant_step_size():
    falling = small(learning_rate_schedule="cosine", epochs="auto").partial_fit(X, Y)

    constant = small(learning_rate_schedule="constant").partial_fit(X, Y)
    np.testing.assert_array_equal(falling.predict(X), constant.predict(X))


def test_large_chunks_are_learnt_from_with_a_falling_step_size():
    model = MultiTaskRegressor()

    first, later = (one_epoch_of(model, MANY_ROWS, n_steps, 0) for n_steps in (0, 600))

    assert (first.learning_rate, later.learning_rate) == (4e-3, 2e-3)
    assert (later.epochs, later.annealed, later.batch_size) == (1, False, 64)
    few = one_epoch_of(model, MANY_ROWS - 1, 600, 0)
    assert (few.learning_rate, few.batch_size) == (1e-3, "auto")
    model.set_params(learning_rate_schedule="constant", learning_rate=0.1)
    assert one_epoch_of(model, MANY_ROWS, 600, 0).learning_rate == 0.1


def test_the_largest_chunk_decides_how_those_after_it_are_learnt_from(monkeypatch):
    asked = []

    def one_epoch(estimator, n_rows, *n_before):
        asked.append((n_rows, *n_before))
        return one_epoch_of(estimator, n_rows, *n_before)

    monkeypatch.setattr("skmtl._estimators.base.one_epoch_of", one_epoch)
    model = small().partial_fit(X, Y).partial_fit(X[:5], Y[:5])
    model = pickle.loads(pickle.dumps(model)).partial_fit(X[:5], Y[:5])
    model.for_prediction().partial_fit(X, Y)

    # After 2 batches, and 1.
    assert asked == [(N, 0, 0), (N, 2, 1), (N, 3, 2), (N, 0, 3)]


def test_where_the_number_of_chunks_is_known_the_step_size_falls_to_0_over_them():
    falling = small(epochs=4, learning_rate_schedule="cosine", learning_rate=0.01)
    by_hand = small(learning_rate_schedule="constant")
    for n in range(4):
        falling.partial_fit(X, Y)
        # That of the middle of the call.
        rate = 0.01 * np.cos(np.pi / 2 * (n + 0.5) / 4) ** 2
        by_hand.set_params(learning_rate=rate).partial_fit(X, Y)

    np.testing.assert_allclose(falling.predict(X), by_hand.predict(X), rtol=1e-6)
    with pytest.warns(ConvergenceWarning, match=r"call 5 of partial_fit.*epochs=4 calls"):
        falling.partial_fit(X, Y)
    by_hand.partial_fit(X, Y)  # with the last step size
    np.testing.assert_allclose(falling.predict(X), by_hand.predict(X), rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        falling.fit(X, Y).partial_fit(X, Y)  # counts anew


def test_weight_decay_is_that_of_adamw_without_the_biases():
    network = fresh_network()
    optimizer = keras.optimizers.AdamW(1e-2, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])

    trained, _ = run(network, weight_decay=0.5)

    assert_same_weights(trained.weights, keras_training(network, ONES, optimizer))


class WarmAverage(keras.optimizers.Adam):
    """Keras' moving average with less momentum in the first steps."""

    def _update_model_variables_moving_average(self, trainable_variables):
        step = float(self.iterations)
        self.ema_momentum = min(0.9, (1 + step) / (10 + step))
        super()._update_model_variables_moving_average(trainable_variables)


def test_weights_are_averaged_as_in_keras(monkeypatch):
    network = fresh_network()
    expected = keras_training(network, ONES, WarmAverage(1e-2, use_ema=True), eager=True)

    trained, _ = run(network, ema_momentum=0.9)

    assert_same_weights(trained.weights, expected)


def test_training_goes_on_from_the_weights_behind_the_average():
    network = fresh_network()
    optimizer = WarmAverage(1e-2, use_ema=True)
    expected = keras_training(network, ONES, optimizer, n_epochs=1, repeats=3, eager=True)

    for _ in range(3):
        network, _ = run(network, ema_momentum=0.9, n_epochs=1)

    assert_same_weights(network.weights, expected)


def test_history_holds_the_losses_of_the_weights():
    network = fresh_network()

    trained, history = run(network, WEIGHTS, n_epochs=6, patience=10)

    assert set(history) == {
        f"{part}loss{target}"
        for part in ("", "val_")
        for target in ("", "_y0", "_y1", "_y2")
    }
    errors = (Y - trained.predict(X)) ** 2
    expected = (WEIGHTS * errors).sum(axis=0) / WEIGHTS.sum(axis=0)
    epoch = int(np.argmin(history["val_loss"]))
    for t in range(T):
        np.testing.assert_allclose(history[f"val_loss_y{t}"][epoch], expected[t], rtol=1e-4)
    np.testing.assert_allclose(min(history["val_loss"]), expected.mean(), rtol=1e-4)


def test_the_result_does_not_depend_on_how_many_epochs_one_call_runs(monkeypatch):
    network = fresh_network()
    expected, history = run(network, n_epochs=30, patience=30, dropout=0.3)

    monkeypatch.setattr("skmtl._training.train._next_call", lambda n, seconds: 1)

    one_by_one, same = run(network, n_epochs=30, patience=30, dropout=0.3)
    assert same == history
    assert_same_weights(one_by_one.weights, expected.weights.leaves(), rtol=0, atol=0)


def test_separate_networks_stop_one_by_one():
    """Each keeps the weights of its own best epoch, as if trained without the others."""
    network = fresh_network(sharing_depth=0)

    trained, history = run(network, n_epochs=60, patience=2, learning_rate=0.05)

    losses = ((Y - trained.predict(X)) ** 2).mean(axis=0)
    for t in range(T):
        course = np.array(history[f"val_loss_y{t}"])
        best = 0  # the epoch after which two in a row were no better
        for epoch, loss in enumerate(course):
            if loss < course[best]:
                best = epoch
            if epoch - best == 2:
                break
        np.testing.assert_allclose(losses[t], course[best], rtol=1e-4)


def test_diverged_training_is_an_error():
    with pytest.raises(ValueError, match=r"diverged.*epoch \d+.*learning_rate"):
        run(fresh_network(), optimizer="sgd", learning_rate=1e20)


def test_dropout_masks_drop_the_asked_share_and_keep_the_mean():
    masks = np.stack([dropout_mask((400, 50), (3, step, 0), 0.3) for step in range(5)])

    dropped = (masks == 0).mean(axis=(1, 2))
    np.testing.assert_allclose(dropped, 0.3, atol=4 * np.sqrt(0.21 / 20_000))
    np.testing.assert_allclose(masks[masks > 0], 1 / 0.7, rtol=1e-6)
    # Units, rows, steps and layers are dropped independently of each other.
    correlations = np.corrcoef(masks.reshape(5, -1)) - np.eye(5)
    assert np.abs(correlations).max() < 0.03
    assert np.abs(np.corrcoef(masks[0].T) - np.eye(50)).max() < 0.25
    other_layer = np.asarray(dropout_mask((400, 50), (3, 0, 1), 0.3))
    assert abs(np.corrcoef(masks[0].ravel(), other_layer.ravel())[0, 1]) < 0.03


def test_dropout_changes_training_and_not_validation():
    network = fresh_network()
    nothing_learnt = {"learning_rate": 1e-12, "n_epochs": 1, "patience": 2}

    _, plain = run(network, **nothing_learnt)
    _, dropped = run(network, dropout=0.5, **nothing_learnt)

    np.testing.assert_allclose(dropped["val_loss"], plain["val_loss"], rtol=1e-5)
    assert abs(dropped["loss"][0] - plain["loss"][0]) > 1e-3


@pytest.fixture
def count_built():
    def count(fit):
        before = PROGRAMS.n_built
        fit()
        return PROGRAMS.n_built - before

    return count


def test_a_second_fit_of_an_architecture_compiles_nothing(count_built):
    def fit(rows=slice(None), **changed):
        parameters = {
            "trunk_sizes": (7,),
            "head_sizes": (3,),
            "epochs": 3,
            "batch_size": 16,
            "n_bins": 0,  # else more rows have them
        }
        MultiTaskRegressor(**(parameters | changed)).fit(X[rows], Y[rows])

    assert count_built(fit) == 1
    for changed in (
        {"random_state": 3},
        {"learning_rate": 0.1},
        {"weight_decay": 0.1},
        {"epochs": 5},
        {"n_iter_no_change": 1},
        {"validation_fraction": 0.3},
        {"scale_targets": False},
        {"rows": slice(1, None)},
        {"rows": slice(0, 20)},
        {"rows": np.arange(1000) % N},
    ):
        assert count_built(lambda changed=changed: fit(**changed)) == 0, changed
    assert count_built(lambda: fit(head_sizes=(4,))) == 0  # there is room
    assert count_built(lambda: fit(head_sizes=(400,))) == 1


def test_a_program_is_traced_once():
    network = fresh_network()
    run(network)
    run(network, WEIGHTS, learning_rate=0.5, n_epochs=2)
    choice = choose_optimizer("adam", 1e-2, 0.0, 0.0)

    program = PROGRAMS.get(spec_of(network, choice), N, 0)
    assert program._function.experimental_get_tracing_count() == 1


def test_threads_train_alike_and_at_once():
    """They share one program, learning rates and all."""
    PROGRAMS.clear()
    before = PROGRAMS.n_built

    def fit(results, seed):
        est = MultiTaskRegressor(
            trunk_sizes=(8,),
            head_sizes=(4,),
            epochs=5,
            learning_rate=0.001 * (seed + 1),
            random_state=seed,
        )
        results[seed] = est.fit(X, Y).predict(X)

    one_by_one, at_once = {}, {}
    threads = [threading.Thread(target=fit, args=(at_once, seed)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        fit(one_by_one, seed)

    for seed in range(4):
        np.testing.assert_array_equal(at_once[seed], one_by_one[seed])
    assert PROGRAMS.n_built == before + 1


def test_the_cache_is_bounded(monkeypatch):
    cache = type(PROGRAMS)(max_programs=2)
    monkeypatch.setattr("skmtl._training.train.PROGRAMS", cache)

    for width in (32, 512, 8192):
        run(fresh_network(hidden_sizes=(width,)), n_epochs=1)

    assert [p.spec.architecture.hidden_sizes for p in cache._programs.values()] == [
        (512,),
        (8192,),
    ]


def test_a_global_mixed_precision_policy_does_not_reach_the_network():
    expected = MultiTaskRegressor(epochs=3, random_state=0).fit(X, Y)
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        PROGRAMS.clear()
        est = MultiTaskRegressor(epochs=3, random_state=0).fit(X, Y)
        from_model = est.model_(tf.constant(X, tf.float32))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")

    np.testing.assert_array_equal(est.predict(X), expected.predict(X))
    np.testing.assert_allclose(from_model, est.predict(X), rtol=1e-4, atol=1e-5)
