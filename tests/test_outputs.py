"""Heads of several outputs: a mean with a variance, quantiles of several levels."""

import copy
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.heads import Quantiles
from skmtl._training import task_losses
from tests._asserts import assert_close, assert_equal_up_to_rounding, raises_naming
from tests._inputs import TARGETS, small, with_holes

LEVELS = (0.05, 0.25, 0.5, 0.9)
QUANTILES = ("quantile", LEVELS)
AT_REST = {"learning_rate": 1e-12, "epochs": 1, "early_stopping": False}


@pytest.fixture(scope="module")
def frame(table) -> pd.DataFrame:
    return pd.DataFrame(with_holes(table[1]), columns=TARGETS)


@pytest.fixture(scope="module")
def normal(table, frame) -> MultiTaskRegressor:
    return small(loss="normal").fit(table[0], frame)


@pytest.fixture(scope="module")
def quantiles(table, frame) -> MultiTaskRegressor:
    return small(loss=QUANTILES).fit(table[0], frame)


@pytest.fixture(scope="module")
def mixed(table, frame) -> MultiTaskRegressor:
    """One, two and four outputs, two members."""
    losses = {"cost": "huber", "time": "normal", "risk": QUANTILES}
    return small(loss=losses, n_members=2).fit(table[0], frame)


# ---------------------------------------------------------------------------------------
# The losses


def test_the_normal_loss_is_the_density_of_scipy():
    rng = np.random.default_rng(0)
    Y, F = rng.normal(size=(6, 3)), rng.normal(size=(6, 3, 2))
    (loss,) = task_losses("normal", ["a"])

    cells = np.asarray(loss.of_outputs(Y.astype("float32"), F.astype("float32")))

    std = np.sqrt(np.logaddexp(0, F[..., 1]) + 1e-6)
    expected = -norm.logpdf(Y, F[..., 0], std) - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(cells, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("levels", [LEVELS, (0.1, 0.2), (0.7, 0.8, 0.9), (0.25, 0.75)])
def test_quantiles_never_cross_and_start_at_the_one_in_the_middle(levels):
    F = np.random.default_rng(0).normal(size=(50, 2, len(levels))) * 5

    Q = Quantiles(levels).quantiles(F)

    assert (np.diff(Q, axis=-1) > 0).all()
    nearest = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    np.testing.assert_array_equal(Q[..., nearest], F[..., 0])


def test_the_loss_of_quantiles_is_the_mean_of_their_pinball_losses_by_what_is_normal():
    rng = np.random.default_rng(0)
    Y, F = rng.normal(size=(6, 3)), rng.normal(size=(6, 3, 4))
    (loss,) = task_losses(QUANTILES, ["a"])

    cells = np.asarray(loss.of_outputs(Y.astype("float32"), F.astype("float32")))

    error = Y[..., None] - Quantiles(LEVELS).quantiles(F)
    pinball = np.maximum(np.multiply(LEVELS, error), np.subtract(LEVELS, 1) * error)
    sample = norm.ppf((np.arange(100_000) + 0.5) / 100_000)[:, None] - norm.ppf(LEVELS)
    of_normal = np.maximum(LEVELS * sample, np.subtract(LEVELS, 1) * sample).mean(axis=0)
    weights = (1 / of_normal) / np.mean(1 / of_normal)
    np.testing.assert_allclose(cells, (weights * pinball).mean(axis=-1), rtol=1e-3)


def test_one_level_in_brackets_is_one_level(table):
    X, Y = table

    one = small(loss=("quantile", 0.9)).fit(X, Y)
    in_brackets = small(loss=("quantile", (0.9,))).fit(X, Y)

    np.testing.assert_array_equal(one.predict(X), in_brackets.predict(X))


# ---------------------------------------------------------------------------------------
# What they learn


@pytest.fixture(scope="module")
def noisy():
    """Noise that grows with the second feature, in one target; 1500 rows to train on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2500, 3))
    std = np.exp(0.7 * X[:, 1])
    Y = np.column_stack([np.sin(X[:, 0]) + std * rng.normal(size=2500), X[:, 2]])
    Y[:, 1] += 0.1 * rng.normal(size=2500)
    return X, Y * [10, 1] + [100, 0], std * 10


LEARNS = {"trunk_sizes": (32,), "head_sizes": (), "epochs": 60, "random_state": 0}


def test_the_spread_is_that_of_the_noise(noisy):
    X, Y, true_std = noisy
    model = MultiTaskRegressor(loss="normal", **LEARNS).fit(X[:1500], Y[:1500])

    mean, std = model.predict(X[1500:], return_std=True)

    inside = np.abs(Y[1500:] - mean) < norm.ppf(0.95) * std
    assert (np.abs(inside.mean(axis=0) - 0.9) < 0.04).all()
    assert np.corrcoef(np.log(std[:, 0]), np.log(true_std[1500:]))[0, 1] > 0.95
    assert np.median(std[:, 1]) == pytest.approx(0.1, rel=0.3)


def test_quantiles_cover_as_many_rows_as_their_levels_say(noisy):
    X, Y, _ = noisy
    loss = ("quantile", (0.05, 0.5, 0.95))
    model = MultiTaskRegressor(loss=loss, **LEARNS).fit(X[:1500], Y[:1500])

    Q = model.predict_quantiles(X[1500:])

    below = (Y[1500:, :, None] < Q).mean(axis=0)
    assert (np.abs(below - [0.05, 0.5, 0.95]) < 0.05).all()


# ---------------------------------------------------------------------------------------
# What is predicted


def test_predict_gives_the_mean_and_the_level_nearest_to_the_median(
    table, normal, quantiles
):
    X, _ = table

    mean, std = normal.predict(X, return_std=True)
    Q = quantiles.predict_quantiles(X)

    np.testing.assert_array_equal(normal.predict(X), mean)
    assert (std > 0).all()
    assert Q.shape == (len(X), 3, 4)
    assert (np.diff(Q, axis=2) > 0).all()
    np.testing.assert_array_equal(quantiles.predict(X), Q[:, :, 2])


def test_targets_in_other_units_have_their_spread_in_them(table, frame, normal, quantiles):
    X, _ = table
    units, offsets = np.array([100.0, 0.01, 3.0]), np.array([5.0, -7.0, 0.0])

    other = small(loss="normal").fit(X, frame * units + offsets)
    others = small(loss=QUANTILES).fit(X, frame * units + offsets)

    mean, std = normal.predict(X, return_std=True)
    other_mean, other_std = other.predict(X, return_std=True)
    assert_close(other_mean, mean * units + offsets, atol=1e-3)
    np.testing.assert_allclose(other_std, std * units, rtol=1e-3)
    Q = quantiles.predict_quantiles(X) * units[:, None] + offsets[:, None]
    np.testing.assert_allclose(others.predict_quantiles(X), Q, rtol=1e-3)


def test_the_whole_spread_of_members_is_noise_and_disagreement(table, frame):
    X, _ = table
    both = small(loss="normal", n_members=2).fit(X, frame)
    each = [copy.copy(both) for _ in range(2)]
    for one, member in zip(each, both._members, strict=True):
        one._members = [member]

    means, stds = zip(*(one.predict(X, return_std=True) for one in each), strict=True)
    mean, std = both.predict(X, return_std=True)

    np.testing.assert_allclose(mean, np.mean(means, axis=0))
    variance = np.mean(np.square(stds), axis=0) + np.var(means, axis=0)
    np.testing.assert_allclose(std, np.sqrt(variance))


def test_losses_of_one_and_of_several_outputs_are_mixed(table, frame, mixed):
    X, _ = table

    Q = mixed.predict_quantiles(X)
    _, std = mixed.predict(X, return_std=True)

    assert np.isnan(Q[:, :2]).all()
    np.testing.assert_allclose(Q[:, 2, 2], mixed.predict(X)[:, 2])
    predictions = [member.predict(X) for member in mixed._members]
    np.testing.assert_allclose(std[:, 0], np.std(predictions, axis=0)[:, 0])
    assert (std[:, 1] > np.std(predictions, axis=0)[:, 1]).all()
    assert all(len(v) == mixed.n_iter_ for v in mixed.history_.values())


def test_the_keras_model_and_copies_agree(table, mixed, tmp_path):
    X, _ = table
    expected = mixed.predict(X)

    mixed.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert_close(mixed.model_.predict(X, verbose=0), expected)
    assert_close(loaded.predict(X, verbose=0), expected)
    copied = pickle.loads(pickle.dumps(mixed))
    np.testing.assert_array_equal(copied.predict_quantiles(X), mixed.predict_quantiles(X))


def test_a_column_has_no_axis_of_targets(table):
    X, Y = table

    levels, levels_of_column = (
        small(loss=QUANTILES).fit(X, y) for y in (Y[:, 0], Y[:, :1])
    )
    spread, spread_of_column = (small(loss="normal").fit(X, y) for y in (Y[:, 0], Y[:, :1]))

    np.testing.assert_array_equal(
        levels.predict_quantiles(X), levels_of_column.predict_quantiles(X)[:, 0]
    )
    one_dimensional = spread.predict(X, return_std=True)
    two_dimensional = spread_of_column.predict(X, return_std=True)
    np.testing.assert_array_equal(one_dimensional, np.array(two_dimensional)[..., 0])


# ---------------------------------------------------------------------------------------
# Going on


@pytest.mark.parametrize("loss", ["squared_error", "log_loss", QUANTILES])
def test_by_itself_only_what_predicts_a_point_goes_on_with_all_rows(table, loss):
    X, Y = table
    y = (Y[:, 0] > 5).astype(float)
    slow = {"loss": loss, "epochs": 12, "n_iter_no_change": 4, "learning_rate": 1e-3}

    auto, without, always = (
        small(refit=refit, **slow).fit(X, y) for refit in ("auto", False, True)
    )

    same, other = (always, without) if loss == "squared_error" else (without, always)
    np.testing.assert_array_equal(auto.predict(X), same.predict(X))
    assert auto.n_iter_ != other.n_iter_


def test_training_goes_on(table, frame, mixed):
    X, _ = table
    model = copy.deepcopy(mixed)

    model.partial_fit(X, frame)

    assert (np.diff(model.predict_quantiles(X)[:, 2], axis=1) > 0).all()


@pytest.mark.parametrize("loss", ["squared_error", ("quantile", (0.1, 0.9))])
def test_heads_do_not_go_on_with_other_outputs(table, frame, normal, quantiles, loss):
    X, _ = table
    for model in (normal, quantiles):
        other = copy.deepcopy(model).set_params(loss=loss, warm_start=True)
        with raises_naming("Training cannot go on", "warm_start=False"):
            other.fit(X, frame)


def test_heads_are_added_and_merged(table, normal, quantiles):
    X, Y = table
    grown = copy.deepcopy(normal).add_task(X, Y[:, 0], "again", loss=QUANTILES)
    renamed = copy.deepcopy(quantiles)
    renamed.target_names_ = np.array(["a", "b", "c"], dtype=object)

    merged = merge_tasks([normal, renamed])

    assert_equal_up_to_rounding(grown.predict(X)[:, :3], normal.predict(X))
    assert (np.diff(grown.predict_quantiles(X)[:, 3], axis=1) > 0).all()
    assert merged.loss == ["normal"] * 3 + [QUANTILES] * 3
    np.testing.assert_allclose(merged.predict(X)[:, :3], normal.predict(X), rtol=1e-6)
    Q = merged.predict_quantiles(X)
    np.testing.assert_allclose(Q[:, 3:], quantiles.predict_quantiles(X), rtol=1e-6)


# ---------------------------------------------------------------------------------------
# What cannot be asked


def test_quantiles_of_a_network_without_are_an_error(table, fitted, normal):
    for model in (fitted, normal):
        with raises_naming("predict_quantiles", "loss=('quantile'", "none"):
            model.predict_quantiles(table[0])


def test_quantiles_of_unlike_levels_are_an_error(table, frame):
    X, _ = table
    losses = [("quantile", (0.1, 0.9)), ("quantile", (0.2, 0.8)), "huber"]
    model = small(loss=losses, epochs=1).fit(X, frame)

    with raises_naming("(0.1, 0.9)", "(0.2, 0.8)", "same"):
        model.predict_quantiles(X)


@pytest.mark.parametrize("levels", [(), (0.9, 0.1), (0.5, 0.5), (0.1, 1.0), ("0.1", 0.5)])
def test_levels_that_make_no_sense_are_an_error(table, levels):
    with raises_naming("between 0 and 1", "rise"):
        small(loss=("quantile", levels)).fit(*table)


def test_the_spread_of_one_member_needs_the_normal_loss(table, frame):
    X, _ = table
    model = small(loss=["normal", "huber", "huber"], epochs=1).fit(X, frame)

    with raises_naming("'time'", "'risk'", "n_members", "loss='normal'"):
        model.predict(X, return_std=True)
