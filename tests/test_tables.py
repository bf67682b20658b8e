"""Tables in any container: what is missing, what is no number, whose column is whose."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import cross_validate

from skmtl._estimators.reading import read_table
from skmtl.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
    target_scorers,
)
from tests._asserts import raises_naming
from tests._inputs import FEATURES, TARGETS, N, as_frames, small, small_classifier

DATES = pd.Series(pd.date_range("2020-01-01", periods=N))
DURATIONS = pd.Series(pd.to_timedelta(np.arange(N), unit="h")).where(np.arange(N) != 3)


class OtherFrame:
    """A frame of a library that is not pandas: named columns, and the size of a table."""

    def __init__(self, frame):
        self.columns = list(frame.columns)
        self.shape = frame.shape
        self._arrays = {name: frame[name].to_numpy() for name in frame}

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, name):
        return self._arrays[name]


def in_pyarrow(frame):
    return pa.table({name: frame[name].to_numpy() for name in frame})


FRAMES = {"pandas": lambda frame: frame, "pyarrow": in_pyarrow, "other": OtherFrame}


def in_frame(values):
    """A frame of numbers and of these values."""
    return pd.DataFrame({"first": np.arange(float(len(values))), "second": values})


# ---------------------------------------------------------------------------------------
# Dates, durations and others that NumPy would turn into numbers without a word

COLUMNS = {
    "durations": ("durations", DURATIONS),
    "durations, array": ("durations", DURATIONS.to_numpy()),
    "durations, list": ("durations", [datetime.timedelta(1)] * N),
    "durations of NumPy, list": ("durations", list(DURATIONS.to_numpy())),
    "durations of NumPy, objects": (
        "durations",
        np.array([*[np.timedelta64(1, "s")] * (N - 1), None], dtype=object),
    ),
    "durations of pandas, list": ("durations", list(DURATIONS)),
    "durations, masked": ("durations", np.ma.array(DURATIONS, mask=DURATIONS.isna())),
    "durations, categories": ("durations", DURATIONS.astype("category")),
    "durations, pyarrow": ("durations", DURATIONS.astype("duration[ns][pyarrow]")),
    "dates": ("dates", DATES),
    "dates, array": ("dates", DATES.to_numpy()),
    "dates, index": ("dates", pd.DatetimeIndex(DATES)),
    "dates, extension array": ("dates", pd.array(DATES)),
    "dates, days": ("dates", DATES.to_numpy().astype("datetime64[D]")),
    "dates, list": ("dates", [datetime.date(2020, 1, 1)] * N),
    "dates in a time zone": ("dates", DATES.dt.tz_localize("UTC")),
    "dates, pyarrow": ("dates", DATES.astype("timestamp[ns][pyarrow]")),
    "periods": ("periods", DATES.dt.to_period("D")),
    "periods, list": ("periods", list(DATES.dt.to_period("D"))),
    "nothing but NaT": ("dates", pd.Series([pd.NaT] * N)),
    "times": ("times of day", [datetime.time(1)] * N),
    "complex": ("complex", np.full(N, 1 + 1j)),
    "complex, objects": ("complex", np.full(N, 1 + 1j, dtype=object)),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_what_is_no_number_is_refused_as_a_target(table, fitted, case):
    X, _ = table
    words, values = COLUMNS[case]
    name = "'target_0'"

    for use in (small().fit, small().partial_fit, fitted.score, fitted.add_task):
        with raises_naming("y is not numeric in column", name, words):
            use(X, values)
    with raises_naming("y is not numeric in column 'second'", words):
        small().fit(X, in_frame(values))
    with raises_naming("y_true is not numeric", words):
        r2_score(values, np.zeros(N))
    with raises_naming("y_pred is not numeric in column 'second'", words):
        mean_absolute_error(np.zeros((N, 2)), in_frame(values))


@pytest.mark.parametrize("case", COLUMNS)
def test_what_is_no_number_is_refused_as_a_feature_and_as_a_weight(table, fitted, case):
    X, Y = table
    words, values = COLUMNS[case]

    for use in (small().fit, small().partial_fit):
        with raises_naming("X is not numeric in column 'second'", words):
            use(in_frame(values), Y)
        with raises_naming("sample_weight is not numeric in column", words):
            use(X, Y, sample_weight=values)
    with raises_naming("X is not numeric in column 'second'", words):
        fitted.predict(in_frame(values))
    with raises_naming("sample_weight is not numeric", words):
        fitted.score(X, Y, sample_weight=values)
    with raises_naming("sample_weight is not numeric", words):
        r2_score(Y, Y, sample_weight=values)


@pytest.mark.parametrize("case", [case for case in COLUMNS if "complex" not in case])
def test_dates_and_durations_are_no_labels(table, case):
    words, values = COLUMNS[case]

    with raises_naming(words, "target 'target_0'", "astype(str)"):
        small_classifier().fit(table[0], values)
    with raises_naming(words, "target 'second'", "astype(str)"):
        small_classifier().partial_fit(table[0], in_frame(values).assign(first=1))


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_any_library_name_their_columns(table, library):
    X, Y = table
    features, targets = as_frames(X, Y)

    with raises_naming("X is not numeric in column 'heat'", "dates"):
        small().fit(FRAMES[library](features.assign(heat=DATES)), Y)
    with raises_naming("X is not numeric in columns 'age', 'heat'", "dates", "durations"):
        small().fit(FRAMES[library](features.assign(heat=DURATIONS, age=DATES)), Y)
    with raises_naming("y is not numeric in column 'time'", "durations"):
        small().fit(X, FRAMES[library](targets.assign(time=DURATIONS)))
    with raises_naming("X contains infinity in column 'flow'"):
        small().fit(FRAMES[library](features.assign(flow=np.inf)), Y)


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_any_library_are_the_table_they_hold(table, fitted_on_frames, library):
    X, Y = as_frames(*table)
    A, B = FRAMES[library](X), FRAMES[library](Y)

    estimator = small().fit(A, B)

    assert estimator.feature_names_in_.tolist() == FEATURES
    assert estimator.target_names_.tolist() == TARGETS
    np.testing.assert_array_equal(estimator.predict(A), fitted_on_frames.predict(X))
    assert estimator.score(A, B) == fitted_on_frames.score(X, Y)
    with raises_naming("in this order"):
        estimator.score(A, FRAMES[library](Y[TARGETS[::-1]]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"a": [1.0] * N}, "a dict"),
        ((value for value in range(N)), "a generator"),
        (map(float, range(N)), "a map"),
        ({"a": 1}.values(), "a dict_values"),
        (set(range(N)), "a set"),
        (sparse.csr_array(np.eye(N)), "Sparse data"),
        (sparse.coo_matrix(np.eye(N)), "Sparse data"),
        ("text", "a str"),
    ],
)
def test_what_is_no_table_is_named(table, fitted, values, words):
    X, Y = table

    for estimator in (small(), small_classifier()):
        with raises_naming("y", words, error=TypeError):
            estimator.fit(X, values)
        with raises_naming("X", words, error=TypeError):
            estimator.fit(values, Y > 5)
        with raises_naming("sample_weight", words, error=TypeError):
            estimator.fit(X, Y > 5, sample_weight=values)
    with raises_naming("y_true", words, error=TypeError):
        r2_score(values, Y)
    with raises_naming("y_true", words, error=TypeError):
        accuracy_score(values, Y)


@pytest.mark.parametrize("y", [1.0, np.array(2), np.ma.masked_array(2.0)])
def test_a_single_value_is_no_column_of_targets(table, y):
    for estimator in (small(), small_classifier()):
        with raises_naming("y is the single value", "one column"):
            estimator.fit(table[0], y)


@pytest.mark.parametrize(
    ("values", "words", "error"),
    [
        ([{"a": 1}] * N, "values of the type dict", TypeError),
        (pd.DataFrame({"a": [[1, 2]] * N}), "values of the type list", ValueError),
        (pd.Series(pd.interval_range(0, N)), "values of the type Interval", ValueError),
        ([10**400] * N, "values of the type int", ValueError),
        ([1.5, "low"] * (N // 2), "text such as 'low'", ValueError),
        (["1.5", "low"] * (N // 2), "text such as 'low'", ValueError),
        ([b"low"] * N, "text such as b'low'", ValueError),
        ([[1.0, np.timedelta64(1, "s")]] * N, "durations", ValueError),
    ],
)
def test_other_objects_are_no_numbers(table, values, words, error):
    with raises_naming("y is not numeric", words, "Expected numbers", error=error):
        small().fit(table[0], values)


def test_columns_of_other_frames_may_hold_anything(table):
    nested = OtherFrame(pd.DataFrame({"a": [1.0] * N, "b": [1.0] * N}))
    nested._arrays["b"] = np.ones((N, 2))
    lists = pa.table({"a": [1.0] * N, "b": [[1.0, 2.0]] * N})

    for frame in (nested, lists):
        with raises_naming("y is not numeric in column 'b'", "values of the type"):
            small().fit(table[0], frame)


# ---------------------------------------------------------------------------------------
# Masked, NaN, None, NA: the same


def masked_forms(Y, mask):
    """The table with these cells missing, in the forms that this may have."""
    return {
        "masked": np.ma.array(np.where(mask, 1e6, Y), mask=mask),
        "masked rows in a list": [
            np.ma.array(row, mask=hidden) for row, hidden in zip(Y, mask, strict=True)
        ],
        "None": np.where(mask, None, Y.astype(object)),
        "NA": np.where(mask, pd.NA, Y.astype(object)),
        "NA in a frame": pd.DataFrame(np.where(mask, pd.NA, Y.astype(object))),
        "NA in lists": np.where(mask, pd.NA, Y.astype(object)).tolist(),
    }


@pytest.fixture(scope="module")
def mask():
    return np.random.default_rng(0).random((N, 3)) < 0.2


FORMS = list(masked_forms(np.ones((1, 1)), np.ones((1, 1), dtype=bool)))


@pytest.mark.parametrize("dtype", [float, int])
@pytest.mark.parametrize("form", FORMS)
def test_missing_targets_are_missing_in_any_form(table, fitted, mask, form, dtype):
    Y = table[1].astype(dtype)
    holed, missing = np.where(mask, np.nan, Y), masked_forms(Y, mask)[form]
    predicted = fitted.predict(table[0])

    found = small()._check_y(missing).Y

    np.testing.assert_array_equal(found, holed)
    for metric in (r2_score, mean_absolute_error, root_mean_squared_error):
        assert metric(missing, predicted) == metric(holed, predicted)
    assert fitted.score(table[0], missing) == fitted.score(table[0], holed)


def test_masked_targets_are_trained_as_holes(table, mask):
    X, Y = table
    seen = ~mask.all(axis=1)
    X, Y, mask = X[seen], Y[seen], mask[seen]
    holed, masked = np.where(mask, np.nan, Y), masked_forms(Y, mask)["masked"]

    expected = small().fit(X, holed).partial_fit(X, holed)
    estimator = small().fit(X, masked).partial_fit(X, masked)

    np.testing.assert_array_equal(estimator.predict(X), expected.predict(X))
    first, second = (
        cross_validate(small(), X, values, cv=2, scoring=target_scorers())["test_mean"]
        for values in (holed, masked)
    )
    np.testing.assert_array_equal(first, second)


def test_a_single_masked_target(table):
    _, Y = table
    target = [np.ma.masked, *Y[1:, 0]]

    for values in (target, np.ma.array(Y[:, 0], mask=np.arange(N) == 0)):
        _, found, one_dimensional = small()._check_y(values)
        assert one_dimensional
        assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [0]


def test_a_mask_that_hides_nothing_changes_nothing(table):
    found = small()._check_y(np.ma.array(table[1].astype(np.float32))).Y

    np.testing.assert_array_equal(found, table[1].astype(np.float32))
    assert found.dtype == np.float32
    assert type(found) is np.ndarray


@pytest.mark.parametrize("dtype", [float, int, bool, object])
def test_masked_features_are_missing(table, dtype):
    X, Y = table
    mask = np.arange(X.size).reshape(X.shape) == 17
    masked = np.ma.array(X.astype(dtype), mask=mask)

    found = read_table(small(), masked, Y, None, resume=False).X

    np.testing.assert_array_equal(
        found, np.where(mask, np.nan, X.astype(dtype).astype(float))
    )


def test_masked_weights_are_missing(table):
    X, Y = table
    weight = np.ma.array(np.ones(N), mask=np.arange(N) == 5)

    with raises_naming("sample_weight must be finite", "1 other values such as nan"):
        small().fit(X, Y, sample_weight=weight)
    with raises_naming("NaN"):
        r2_score(Y, Y, sample_weight=weight)


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"], [False, True, True]])
def test_masked_labels_are_missing(table, mask, labels):
    L = np.array(labels)[np.random.default_rng(0).integers(3, size=(N, 3))]
    masked = np.ma.array(np.where(mask, L[0, 0], L), mask=mask)
    holed = pd.DataFrame(L).astype(object).mask(mask, None)

    estimator = small_classifier()
    for first, second in zip(
        estimator._check_y(masked).Y, estimator._check_y(holed).Y, strict=True
    ):
        np.testing.assert_array_equal(first, second)
    predicted, classes = np.roll(L, 1, axis=0), [np.unique(L)] * 3
    proba = [np.full((N, len(own)), 1 / len(own)) for own in classes]
    for metric in (accuracy_score, balanced_accuracy_score):
        assert metric(masked, predicted) == metric(holed, predicted)
    assert log_loss(masked, proba, classes=classes) == log_loss(
        holed, proba, classes=classes
    )


# ---------------------------------------------------------------------------------------
# Weights of cells, matched by name


@pytest.fixture(scope="module")
def weights(table) -> pd.DataFrame:
    values = np.random.default_rng(0).uniform(0.1, 2, table[1].shape)
    return pd.DataFrame(values, columns=TARGETS)


@pytest.mark.parametrize("library", FRAMES)
def test_weights_are_matched_by_name(table, weights, fitted_on_frames, library):
    X, Y = as_frames(*table)
    shuffled = FRAMES[library](weights[["risk", "cost", "time"]])
    estimator = small()

    expected = clone(estimator).fit(X, Y, sample_weight=weights)
    found = clone(estimator).fit(X, Y, sample_weight=shuffled)

    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    # An array of targets has the names that the fit had.
    found.partial_fit(X, Y.to_numpy(), sample_weight=shuffled)
    expected.partial_fit(X, Y.to_numpy(), sample_weight=weights)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    for y in (Y, Y.to_numpy()):
        score = fitted_on_frames.score(X, y, sample_weight=shuffled)
        assert score == fitted_on_frames.score(X, y, sample_weight=weights)
        assert score != fitted_on_frames.score(X, y, sample_weight=shuffled_by_position())


def shuffled_by_position():
    values = np.random.default_rng(0).uniform(0.1, 2, (N, 3))
    return values[:, [2, 0, 1]]


def test_metrics_match_weights_by_name(table, weights, fitted_on_frames):
    X, Y = as_frames(*table)
    P = fitted_on_frames.predict(X)
    shuffled = weights[["risk", "cost", "time"]]

    for metric in (r2_score, mean_absolute_error, root_mean_squared_error):
        expected = metric(Y, P, sample_weight=weights)
        assert metric(Y, P, sample_weight=shuffled) == expected
        predicted = pd.DataFrame(P, columns=TARGETS)[["time", "risk", "cost"]]
        assert metric(Y, predicted, sample_weight=weights) == expected
    assert accuracy_score(Y > 5, P > 5, sample_weight=shuffled) == accuracy_score(
        Y > 5, P > 5, sample_weight=weights
    )
    scorer = target_scorers()
    found = scorer(fitted_on_frames, X, Y, sample_weight=shuffled)
    expected = scorer(fitted_on_frames, X, Y, sample_weight=weights)
    assert found == expected
    np.testing.assert_array_equal(found.rows, expected.rows)


def test_weights_without_names_go_by_position(table, weights):
    X, Y = table
    frame, targets = as_frames(X, Y)
    values = weights.to_numpy()

    for y, weight in [
        (targets, values),
        (targets, pd.DataFrame(values)),  # whose columns are 0, 1, 2
        (Y, weights),  # y has no names
    ]:
        W = read_table(small(), frame, y, weight, resume=False).W
        np.testing.assert_array_equal(W, values)
    # A single column is of rows, whatever it is called.
    W = read_table(small(), frame, targets[["cost"]], weights[["risk"]], False).W
    np.testing.assert_array_equal(W, weights[["risk"]])
    W = read_table(small(), frame, targets, weights["risk"], resume=False).W
    np.testing.assert_array_equal(W, np.tile(weights[["risk"]], 3))


def test_weights_of_other_names_are_an_error_that_lists_them(table, weights):
    X, Y = as_frames(*table)

    for estimator, y in ((small(), Y), (small_classifier(), Y > 5)):
        for use in (estimator.fit, estimator.partial_fit):
            with raises_naming("lacks column 'cost'", "unknown name 'price'"):
                use(X, y, sample_weight=weights.rename(columns={"cost": "price"}))
            with raises_naming("sample_weight lacks column 'risk'"):
                use(X, y, sample_weight=weights[["time", "cost"]])
            with raises_naming("sample_weight has unknown name 'more'"):
                use(X, y, sample_weight=weights.assign(more=1.0))
