"""How features enter the network: bins, against NumPy and scikit-learn's quantiles."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import KBinsDiscretizer

from skmtl._estimators.automatic import automatic_bins
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.inputs import Inputs
from skmtl._network.units import Units
from skmtl.datasets import load_energy
from tests._asserts import assert_close
from tests._inputs import make_table, small

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 3)) * [1, 100, 1e-3] + [0, 5, 1]
ONES = np.ones(len(X))


def fit(X, weight=None, *, scale=True, limit=np.inf, n_bins=4):
    weight = np.ones(len(X)) if weight is None else weight
    return Inputs.fit(X, weight, scale=scale, limit=limit, n_bins=n_bins)


def bins_of(inputs, column):
    return inputs.hidden.columns[inputs.scaling.mean.size :] == column


def test_the_features_come_first_and_then_their_bins():
    inputs = fit(X)

    H = inputs.hidden(inputs.scaling.apply(X))

    assert H.shape == (400, 3 + 3 * 4)
    np.testing.assert_allclose(H[:, :3], inputs.scaling.apply(X))
    np.testing.assert_allclose(H.mean(axis=0), 0, atol=1e-12)


def test_bins_lie_between_the_quantiles_of_scikit_learn():
    inputs = fit(X)
    edges = KBinsDiscretizer(
        4, strategy="quantile", quantile_method="inverted_cdf", subsample=None
    )
    edges.fit(X)

    for column, expected in enumerate(edges.bin_edges_):
        which = np.flatnonzero(bins_of(inputs, column)) + 3
        low = inputs.hidden.low[which] * inputs.scaling.scale[column]
        np.testing.assert_allclose(low + inputs.scaling.mean[column], expected[:-1])


def test_a_bin_rises_from_one_edge_to_the_next_and_is_flat_elsewhere():
    inputs = fit(X[:, :1])
    units = inputs.hidden
    x = np.linspace(-9, 9, 1001)[:, None]

    H = units(x)[:, 1:] + units.shift[1:] * units.slope[1:]

    expected = np.clip((x - units.low[1:]) / (units.high[1:] - units.low[1:]), 0, 1)
    np.testing.assert_allclose(H - H.min(axis=0), expected, atol=1e-12)


def test_integer_weights_are_repeated_rows():
    weight = rng.integers(0, 4, len(X)).astype(float)

    weighted, repeated = fit(X, weight), fit(np.repeat(X, weight.astype(int), axis=0))

    for mine, theirs in zip(weighted.hidden[:5], repeated.hidden[:5], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("column", "n_units"),
    [
        (np.zeros(400), 0),
        (np.arange(400) % 2 * 7.0, 0),
        (np.arange(400) % 3, 2),
        (np.where(np.arange(400) < 390, 0.0, np.arange(400)), 1),
        (np.arange(400), 4),
    ],
)
def test_few_values_have_few_bins(column, n_units):
    inputs = fit(np.column_stack([column, X[:, 0]]))

    assert bins_of(inputs, 0).sum() == n_units
    assert np.isfinite(inputs.hidden(inputs.scaling.apply(np.eye(2)))).all()


def test_bins_end_where_features_are_cut_off():
    inputs = fit(X**5, limit=2.0)

    assert np.abs(inputs.hidden.low).max() <= 2
    assert np.abs(inputs.hidden.high).max() <= 2
    np.testing.assert_array_equal(inputs.linear.high, 6)


def test_the_number_of_bins_is_a_matter_of_rows_and_features():
    def n_units(n_rows, n_features):
        rows = rng.normal(size=(n_rows, n_features))
        model = small(epochs=1).fit(rows, rows[:, :2])
        return model._network.architecture.n_inputs

    assert n_units(99, 5) == 5
    assert n_units(100, 5) == 5 + 8 * 5
    assert n_units(100, 26) == 26
    assert n_units(2047, 2) == 2 + 8 * 2
    assert n_units(2048, 2) == 2 + 16 * 2


def test_more_bins_need_more_rows_than_bins_of_all_features():
    assert automatic_bins(4095, 128) == 16
    assert automatic_bins(4096, 128) == 32
    assert automatic_bins(4999, 128) == 32
    assert automatic_bins(5000, 128) == 64
    assert automatic_bins(99_999, 128) == 64
    assert automatic_bins(99_999, 128, of_chunk=True) == 32
    assert automatic_bins(4095, 128, of_chunk=True) == 16
    assert automatic_bins(10**7, 128) == automatic_bins(100_000, 128) == 32
    assert automatic_bins(6399, 200) == 16
    assert automatic_bins(6400, 200) == 64
    assert automatic_bins(3199, 200) == 8


def test_bins_lower_the_error_where_targets_jump():
    """Heating loads of buildings depend on a few levels of each feature."""
    table, y = load_energy(return_X_y=True)
    train, test, y_train, y_test = train_test_split(table, y, random_state=0)

    errors = [
        1
        - MultiTaskRegressor(n_bins=n_bins, random_state=0)
        .fit(train, y_train)
        .score(test, y_test)
        for n_bins in (0, 8)
    ]

    assert errors[1] < 0.8 * errors[0]


def test_features_of_two_values_are_as_without_bins():
    flags = (X.mean(axis=0) < X).astype(float)
    without, with_bins = (small(n_bins=n_bins).fit(flags, X[:, :2]) for n_bins in (0, 8))

    assert with_bins._network.features == without._network.features
    assert_close(with_bins.predict(flags), without.predict(flags))


# Extreme values, and many rows


def with_values(*values, at=0.0, spread=1.0):
    """A normal feature, with these values in the first rows."""
    x = at + spread * np.random.default_rng(1).normal(size=400)
    x[: len(values)] = values
    return x


def cauchy():
    return np.random.default_rng(2).standard_cauchy(400)


HARD_FEATURES = {
    "one huge value": with_values(1e10),
    "one that double precision cannot see past": with_values(1e30),
    "several": with_values(1e9, -1e9, 1e10, 1e12, -3e11),
    "far away but for one": with_values(0.0, at=1e9),
    "heavy tails": cauchy(),
    "heavier ones": cauchy() ** 5,
    "skewed": np.exp(4 * np.random.default_rng(3).normal(size=400)),
    "constant but for one": with_values(1e12, at=7, spread=0),
    "constant but for three": with_values(1e12, -1e5, 8, at=7, spread=0),
    "time stamps": with_values(at=1.7e12, spread=8.64e7),
    "two clusters": np.where(np.arange(400) % 3, 1e10, 0) + with_values(),
}


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("limit", [3.0, np.inf])
@pytest.mark.parametrize("kind", HARD_FEATURES)
def test_single_precision_computes_the_same_bins(kind, limit, scale):
    x = HARD_FEATURES[kind][:, None]
    inputs = fit(x, limit=limit, scale=scale, n_bins=16)
    units, scaled = inputs.hidden.spelt_out(), inputs.scaling.apply(x)

    in_training = Units(units.columns, *(A.astype(np.float32) for A in units[1:5]))(
        scaled.astype(np.float32)
    )

    bins = slice(1, None)
    assert in_training.dtype == np.float32
    np.testing.assert_allclose(in_training[:, bins], units(scaled)[:, bins], atol=2e-3)


@pytest.mark.parametrize("value", [1e9, 1e10, 1e12, 1e30])
def test_a_huge_value_hides_none_of_the_others(value):
    """Bins of the others end where they would without it."""
    rows = with_values()[:, None]
    extreme = np.where(np.arange(400)[:, None] == rows.argmax(), value, rows)
    ends = []
    for table in (rows, extreme):
        inputs = fit(table, limit=3.0, n_bins=8)
        low = inputs.hidden.low[1:] * inputs.scaling.scale + inputs.scaling.mean
        ends.append(low)

    np.testing.assert_allclose(ends[1], ends[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["one huge value", "heavier ones", "two clusters"])
def test_the_loss_in_training_is_that_of_predictions(kind):
    table = np.column_stack([HARD_FEATURES[kind], X[:, :2]])
    y = np.tanh(HARD_FEATURES[kind])[:, None] * [1, 2]
    at_rest = {"optimizer": "sgd", "ema_momentum": 0, "learning_rate": 1e-12}
    model = small(epochs=20, early_stopping=False, learning_rate=0.02).fit(table, y)

    error = ((model.predict(table) - y) / y.std(axis=0)) ** 2

    model.set_params(**at_rest).partial_fit(table, y)
    assert model.history_["loss"][-1] == pytest.approx(error.mean(), rel=1e-3)


@pytest.mark.parametrize("period", [2, 3, 4, 8])
def test_bins_of_many_rows_see_what_repeats(monkeypatch, period):
    monkeypatch.setattr("skmtl._network.bins.MAX_QUANTILE_ROWS", 1024)
    station = np.arange(8192) % period
    table = rng.normal(size=(8192, 1)) + 50 * station[:, None]

    inputs = fit(table, n_bins=8 * period)

    low = inputs.hidden.low[1:] * inputs.scaling.scale + inputs.scaling.mean
    shares = np.bincount(np.round(low / 50).astype(int), minlength=period) / len(low)
    np.testing.assert_allclose(shares, 1 / period, atol=0.25 / period)
    assert fit(table, n_bins=8 * period) == inputs


@pytest.mark.parametrize("sharing_depth", [0, 1, 2])
def test_the_keras_model_has_the_bins(sharing_depth):
    table, Y = make_table(n=120)
    model = small(n_bins=5, sharing_depth=sharing_depth).fit(table, Y)
    rows = np.vstack([table, 100 * table])

    assert model._network.architecture.n_inputs == 5 + 5 * 5
    assert_close(model.model_.predict(rows, verbose=0), model.predict(rows), atol=1e-4)


def test_training_goes_on_with_the_bins_of_the_first_fit():
    table, Y = make_table(n=120)
    model = small(n_bins=5).fit(table, Y)
    before = model._network.features

    model.partial_fit(3 * table, Y).set_params(warm_start=True).fit(table + 7, Y)

    assert model._network.features == before
