"""Columns of categories: the same levels in any container, unknown ones are missing."""

import copy
import datetime
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator

from skmtl._tables.categories import check_levels_repeat, only_levels_in
from skmtl._tables.features import FEW, check_features
from skmtl._tables.labels import check_labels
from tests._asserts import raises_naming

WORDS = np.array(["low", "high", "low", "middle", "high"], dtype=object)
CODES = np.array([0.0, 1, 0, 2, 1])
HOLE = np.array([False, False, False, False, True])


class Reader(BaseEstimator):
    """An estimator that does nothing but read X."""

    def __init__(self, categorical_features="from_dtype"):
        self.categorical_features = categorical_features

    def read(self, X):
        return check_features(self, X, reset=True)

    def read_again(self, X):
        return check_features(self, X, reset=False)


def fitted(X, categorical_features="from_dtype"):
    reader = Reader(categorical_features)
    reader.read(X)
    return reader


def beside_numbers(values):
    """A frame of a column of numbers and of these values, as they are."""
    frame = pd.DataFrame({"size": np.arange(float(len(values)))})
    frame["kind"] = pd.Series(values).array
    return frame


def text(words):
    return pd.Series(words, dtype=object)


def polars_table(dtype):
    def made(words):
        pl = pytest.importorskip("polars")
        sizes = np.arange(float(len(words)))
        kinds = pl.Series(list(words), dtype=getattr(pl, dtype))
        return pl.DataFrame({"size": sizes, "kind": kinds})

    return made


def pyarrow_table(kinds):
    return pa.table({"size": np.arange(float(len(kinds))), "kind": kinds})


# The same words, as tables have them.
FRAMES = {
    "objects": lambda words: beside_numbers(text(words)),
    "string": lambda words: beside_numbers(text(words).astype("string")),
    "string, pyarrow": lambda w: beside_numbers(text(w).astype("string[pyarrow]")),
    "ArrowDtype": lambda w: beside_numbers(text(w).astype(pd.ArrowDtype(pa.string()))),
    "ArrowDtype, dictionary": lambda words: beside_numbers(
        text(words).astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))
    ),
    "category": lambda words: beside_numbers(text(words).astype("category")),
    "category of strings": lambda words: beside_numbers(
        text(words).astype("string").astype("category")
    ),
    "category, unused levels": lambda words: beside_numbers(
        pd.Categorical(words, categories=["none", "high", "low", "unused", "middle"])
    ),
    "bytes": lambda words: beside_numbers(
        text([word if word is None else word.encode() for word in words])
    ),
    "pyarrow": lambda words: pyarrow_table(pa.array(words)),
    "pyarrow, dictionary": lambda w: pyarrow_table(pa.array(w).dictionary_encode()),
    "polars": polars_table("String"),
    "polars, Categorical": polars_table("Categorical"),
}
ARRAYS = {
    "objects": lambda A: A,
    "list": lambda A: A.tolist(),
    "U": lambda A: A.astype(str),
    "S": lambda A: A.astype(str).astype(bytes),
    "F-ordered": np.asfortranarray,
}


@pytest.mark.parametrize("container", FRAMES)
def test_words_are_categories_in_any_frame(container):
    for hole in (np.zeros(5, dtype=bool), HOLE):
        frame = FRAMES[container](np.where(hole, None, WORDS))
        reader = Reader()

        X = reader.read(frame)

        np.testing.assert_array_equal(X[:, 0], np.arange(5))
        np.testing.assert_array_equal(X[:, 1], np.where(hole, np.nan, CODES))
        assert reader.is_categorical_.tolist() == [False, True]
        assert list(reader.categories_) == ["kind"]
        assert reader.categories_["kind"].tolist() == ["low", "high", "middle"]
        assert reader.feature_names_in_.tolist() == ["size", "kind"]
        np.testing.assert_array_equal(reader.read_again(frame), X)


@pytest.mark.parametrize("container", FRAMES)
def test_levels_of_the_fit_are_found_in_any_frame(container):
    reader = fitted(FRAMES["objects"](["middle", "low", "unseen", None]))
    words = np.array(["low", "none", "middle", None], dtype=object)

    for times in (1, FEW):  # few rows are looked up one by one
        codes = reader.read_again(FRAMES[container](np.tile(words, times)))[:, 1]

        np.testing.assert_array_equal(codes, np.tile([1, np.nan, 0, np.nan], times))


@pytest.mark.parametrize("container", ARRAYS)
def test_words_in_arrays_are_categories_if_they_are_named(container):
    table = np.column_stack([np.arange(5.0).astype(object), WORDS])
    reader = fitted(table, [1])

    for X in (
        Reader([1]).read(ARRAYS[container](table)),
        reader.read_again(ARRAYS[container](table)),
    ):
        np.testing.assert_array_equal(X, np.column_stack([np.arange(5), CODES]))
        assert X.dtype == np.float64
    assert list(reader.categories_) == [1]
    with raises_naming("X is not numeric in column '1'", "text", "categorical_features"):
        Reader().read(table)


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 3, -2, 1],
        [3.0, 1.0, 3.0, -2.0, 1.0],
        np.array([3, 1, 3, -2, 1], dtype=np.int8),
        np.array([3, 1, 3, -2, 1], dtype=np.float16),
        np.array([3, 1, 3, -2, 1], dtype=object),
        np.array([3, 1.0, np.int64(3), np.float32(-2), 1], dtype=object),
        pd.array([3, 1, 3, -2, 1], dtype="Int64"),
        pd.array([3, 1, 3, -2, 1], dtype="Float32"),
        pd.array([3, 1, 3, -2, 1], dtype=pd.ArrowDtype(pa.int16())),
        pd.Categorical([3, 1, 3, -2, 1]),
        pd.Categorical([3.0, 1.0, 3.0, -2.0, 1.0]),
    ],
)
def test_whole_numbers_are_the_same_level_in_any_type(values):
    known = fitted(beside_numbers([3.0, 1.0, None, -2.0]), ["kind"])
    reader = Reader(["kind"])

    for holes in ([], [4]):
        column = pd.Series(values)
        if holes:
            column = column.astype(object if column.dtype == object else column.dtype)
            column = column.mask(np.arange(5) == 4)
        X = reader.read(beside_numbers(column))
        expected = np.where(np.isin(np.arange(5), holes), np.nan, CODES)

        np.testing.assert_array_equal(X[:, 1], expected)
        assert reader.categories_["kind"].tolist() == [3, 1, -2]
        assert reader.categories_["kind"].dtype == np.int64
        for times in (1, FEW):
            again = known.read_again(beside_numbers(pd.concat([column] * times)))
            np.testing.assert_array_equal(again[:, 1], np.tile(expected, times))


@pytest.mark.parametrize(
    "values",
    [
        np.array([False, True, False]),
        text([False, True, False]),
        text([False, True, None]),
        pd.array([False, True, None], dtype="boolean"),
        pd.array([False, True, None], dtype=pd.ArrowDtype(pa.bool_())),
        pd.Categorical([False, True, None]),
    ],
)
def test_bools_are_categories(values):
    frame = beside_numbers(values)
    reader = Reader()
    expected = np.where(pd.isna(values), np.nan, [0, 1, 0])

    np.testing.assert_array_equal(reader.read(frame)[:, 1], expected)
    assert reader.categories_["kind"].dtype == bool
    again = fitted(beside_numbers([True, False, True])).read_again(frame)
    np.testing.assert_array_equal(again[:, 1], 1 - expected)


def test_text_numbers_and_bools_are_other_levels():
    forms = {"number": [1, 0, 1], "text": ["1", "0", "1"], "bool": [True, False, True]}

    for name, values in forms.items():
        reader = fitted(beside_numbers(values), ["kind"])
        for other, others in forms.items():
            for times in (1, FEW):
                codes = reader.read_again(beside_numbers(others * times))[:, 1]
                assert np.isnan(codes).all() == (name != other), (name, other)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (["a", 1, "a", None, 2.0], ["a", 1, 2.0]),
        ([0.5, 2, np.nan, 0.5, 0.25], [0.5, 2, 0.25]),
        (pd.interval_range(0, 5), list(pd.interval_range(0, 5))),
        ([2**60, 2**60 + 1, 2**60, 0, 0], [2**60, 2**60 + 1, 0]),
        ([(1, 2), (3, 4), None, (1, 2), "x"], [(1, 2), (3, 4), "x"]),
    ],
)
def test_levels_are_anything_that_is_hashable(values, levels):
    frame = beside_numbers(pd.Series(values))
    reader = Reader(["kind"])

    X = reader.read(frame)

    assert reader.categories_["kind"].tolist() == levels
    for table in (frame, frame.iloc[:2], pd.concat([frame] * FEW)):
        again = reader.read_again(table)
        np.testing.assert_array_equal(again, np.tile(X, (FEW, 1))[: len(table)])


def test_text_and_numbers_in_a_column_are_categories_and_numbers_alone_are_not():
    assert fitted(beside_numbers(text(["a", 1.5]))).is_categorical_.tolist() == [
        False,
        True,
    ]
    for values in ([1, 2.5], [None, 1], [None, None], [True, 2.5]):
        reader = Reader()
        X = reader.read(beside_numbers(text(values)))
        np.testing.assert_array_equal(X[:, 1], np.array(values, dtype=float))
        assert reader.is_categorical_ is None
        assert reader.categories_ == {}


def test_names_of_levels_change_nothing():
    renamed = {"low": "z", "high": 7, "middle": (1, 2)}
    frame, known = beside_numbers(WORDS), beside_numbers(WORDS[::-1])
    other = frame.assign(kind=text(list(map(renamed.get, WORDS))))

    np.testing.assert_array_equal(Reader().read(frame), Reader().read(other))
    again = fitted(known.assign(kind=text(list(map(renamed.get, WORDS[::-1])))))
    np.testing.assert_array_equal(fitted(known).read_again(frame), again.read_again(other))


# ---------------------------------------------------------------------------------------
# Which columns


@pytest.fixture
def frame():
    numbers = np.arange(12.0).reshape(3, 4)
    return pd.DataFrame(numbers, columns=["age", "kind", "mass", "heat"])


@pytest.mark.parametrize(
    "named",
    [
        ["heat", "kind"],
        ("kind", "heat"),
        np.array(["kind", "heat"]),
        pd.Index(["kind", "heat"]),
        [1, 3],
        np.array([3, 1]),
        [False, True, False, True],
        np.array([False, True, False, True]),
        pd.Series([False, True, False, True]),
    ],
)
def test_names_positions_and_masks_agree(frame, named):
    reader = Reader(named)

    X = reader.read(frame)

    np.testing.assert_array_equal(X[:, [0, 2]], frame[["age", "mass"]])
    np.testing.assert_array_equal(X[:, [1, 3]], np.repeat(np.arange(3.0), 2).reshape(3, 2))
    assert reader.is_categorical_.tolist() == [False, True, False, True]
    assert list(reader.categories_) == ["kind", "heat"]


@pytest.mark.parametrize("named", [None, [], [False] * 4, "from_dtype"])
def test_no_column_is_categorical(frame, named):
    reader = Reader(named)

    np.testing.assert_array_equal(reader.read(frame), frame)

    assert reader.is_categorical_ is None
    assert reader.categories_ == {}
    with raises_naming("X is not numeric in column 'kind'", "numbers at the fit"):
        reader.read_again(frame.assign(kind="low"))


def test_text_is_no_number_if_no_column_is_categorical(frame):
    with raises_naming("X is not numeric in column 'kind'", "categorical_features"):
        Reader(None).read(frame.assign(kind="low"))
    with raises_naming("X is not numeric in column 'kind'", "categorical_features"):
        Reader(["heat"]).read(frame.assign(kind="low"))


def test_columns_have_labels_of_any_kind(frame):
    frame.columns = pd.MultiIndex.from_product([["a", "b"], [1, 2]])

    reader = fitted(frame, [("b", 1)])

    assert reader.is_categorical_.tolist() == [False, False, True, False]
    assert list(reader.categories_) == [2]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("kind", ["categorical_features is 'kind'", "'from_dtype'", "a list of names"]),
        (3, ["categorical_features is 3", "a list of names"]),
        ({"kind": True}, ["categorical_features is {'kind': True}", "a list of names"]),
        ([["kind"]], ["categorical_features is [['kind']]", "a list of names"]),
        (["kin"], ["unknown name 'kin'", "'age', 'kind', 'mass'", "mean 'kind'?"]),
        ([0, 4], ["position '4'", "4 columns", "from 0 to 3"]),
        ([-1], ["position '-1'", "from 0 to 3"]),
        ([True, False], ["2 entries of True or False", "4 columns"]),
        ([True, 2], ["True or False beside other entries"]),
        (["kind", "heat", "kind"], ["column 'kind' more than once"]),
        ([2, 2], ["column '2' more than once"]),
    ],
)
def test_what_names_no_columns(frame, named, words):
    with raises_naming("categorical_features", *words):
        Reader(named).read(frame)


def test_columns_without_names_have_positions(frame):
    with raises_naming("name 'kind'", "have no names", "positions", "DataFrame"):
        Reader(["kind"]).read(frame.to_numpy())


def test_other_columns_than_at_the_fit(frame):
    reader = fitted(frame, ["kind"])

    for other in (frame[["kind", "age", "mass", "heat"]], frame.rename(columns=str.upper)):
        with raises_naming("feature names"):
            reader.read_again(other)
    with raises_naming("3 features", "4 features"):
        fitted(frame.to_numpy(), [1]).read_again(frame.to_numpy()[:, :3])
    with raises_naming("more than one column of the name 'age'"):
        Reader([1]).read(frame.set_axis(["age", "age", "b", "c"], axis=1))


@pytest.mark.parametrize(
    "X", [[1.0, 2.0], pd.Series([1.0, 2.0]), [[1.0], [1.0, 2.0]], [[]]]
)
def test_what_has_no_columns(X):
    for reader in (Reader(), Reader([0])):
        with pytest.raises(
            ValueError, match=r"2D array|2-dimensional|unequal length|0 feature"
        ):
            reader.read(X)


# ---------------------------------------------------------------------------------------
# What is missing, and what is refused


@pytest.mark.parametrize("dtype", [float, np.float32, object])
def test_missing_numbers_are_nan(frame, dtype):
    holed = frame.astype(dtype).mask(np.eye(3, 4, dtype=bool))
    masked = np.ma.array(frame.to_numpy(), mask=np.eye(3, 4, dtype=bool))
    expected = np.where(np.eye(3, 4), np.nan, frame)
    reader = fitted(frame)

    for table in (holed, holed.astype("Float64"), holed.where(holed.notna(), None)):
        np.testing.assert_array_equal(Reader().read(table), expected)
        np.testing.assert_array_equal(reader.read_again(table), expected)
        np.testing.assert_array_equal(
            fitted(frame, ["age"]).read_again(table)[:, 1:], expected[:, 1:]
        )
    for table in (holed.to_numpy(), masked, masked.astype(int)):
        np.testing.assert_array_equal(Reader().read(table), expected)
        np.testing.assert_array_equal(fitted(np.ones((3, 4))).read_again(table), expected)


def test_infinity_is_no_number(frame):
    bad = frame.copy()
    bad.loc[1, "mass"] = np.inf
    bad.loc[2, "heat"] = -np.inf

    for named in (None, ["kind"]):
        for use in (Reader(named).read, fitted(frame, named).read_again):
            with raises_naming("X contains infinity in columns 'mass', 'heat'", "NaN"):
                use(bad)
    with raises_naming("X contains infinity in column '2'"):
        fitted(np.ones((3, 4)), [3]).read_again(bad.to_numpy())
    with raises_naming("X contains infinity in columns 'mass', 'heat'"):
        Reader(["mass"]).read(bad)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pd.date_range("2020", periods=3), ["dates", ".dt.month"]),
        (pd.date_range("2020", periods=3, tz="UTC"), ["dates", ".dt.month"]),
        (pd.Categorical(pd.date_range("2020", periods=3)), ["dates", ".dt.month"]),
        (pd.period_range("2020", periods=3), ["periods", ".dt.month"]),
        (pd.to_timedelta([1, 2, None], unit="h"), ["durations", ".dt.total_seconds()"]),
        (text([datetime.date(2020, 1, 1), None, "a"]), ["dates", ".dt.month"]),
        (text([datetime.time(1), None, None]), ["times of day", "hours"]),
        (text([[1], [2], [3]]), ["values of the type list"]),
        (text([1j, 2j, None]), ["complex"]),
    ],
)
def test_dates_are_neither_numbers_nor_categories(frame, values, words):
    bad = frame.assign(kind=values)

    for named in ("from_dtype", None, ["kind"], ["heat"]):
        with raises_naming("X is not numeric in column 'kind'", *words):
            Reader(named).read(bad)
    for named in (None, ["kind"], ["heat"]):
        with raises_naming("X is not numeric in column 'kind'", *words):
            fitted(frame, named).read_again(bad)


# ---------------------------------------------------------------------------------------
# Few rows, many rows, files


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_few_rows_of_an_array_are_read_as_many_are(dtype):
    rng = np.random.default_rng(0)
    A = np.column_stack([rng.normal(size=2 * FEW), rng.integers(9, size=(2 * FEW, 2))])
    A[5, :] = np.nan
    reader = Reader([1, 2])
    X = reader.read(A.astype(dtype))
    A = A.astype(dtype)
    before = A.copy()

    np.testing.assert_array_equal(reader.read_again(A), X)
    for table in (A[:FEW], A[5:6], A[:FEW].astype(object), np.asfortranarray(A[:FEW])):
        expected = X[5:6] if len(table) == 1 else X[:FEW]
        np.testing.assert_array_equal(reader.read_again(table), expected)
    np.testing.assert_array_equal(A, before)
    unknown = A[:1].copy()
    unknown[0, 1] = 99
    np.testing.assert_array_equal(reader.read_again(unknown)[0, 1:], [np.nan, X[0, 2]])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_know_the_levels(copied):
    for table in (np.array([[1.0, 5.0], [2.0, 3.0]]), beside_numbers(["b", "a"])):
        reader = fitted(table, [1])
        X = reader.read_again(table)

        other = copied(reader)

        # What is in a file does not depend on where modules are.
        assert type(other.categories_) is dict
        for _ in range(2):
            np.testing.assert_array_equal(other.read_again(table), X)
        for name, levels in reader.categories_.items():
            np.testing.assert_array_equal(other.categories_[name], levels)


# ---------------------------------------------------------------------------------------
# Rows that are left out


def test_levels_are_those_of_the_rows_that_count():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "word": rng.choice(list("abcdefghij"), 30),
            "x": rng.normal(size=30),
            "b": rng.random(30) < 0.5,
        }
    )
    table.loc[::7, "word"] = None
    kept = rng.random(30) < 0.3
    reader, alone = fitted(table), Reader()

    X = reader.read(table)
    before = X.copy()
    X, categories = only_levels_in(X[kept], reader.categories_, reader.is_categorical_)

    np.testing.assert_array_equal(X, alone.read(table[kept]))
    assert list(categories) == list(alone.categories_)
    for name, levels in alone.categories_.items():
        np.testing.assert_array_equal(categories[name], levels)
    np.testing.assert_array_equal(reader.read(table), before)
    # The levels of before are not those that are looked up.
    reader.categories_ = categories
    np.testing.assert_array_equal(reader.read_again(table[kept]), X)


def test_all_rows_have_the_levels_that_they_have():
    reader = Reader()
    X = reader.read(beside_numbers(WORDS))

    same, categories = only_levels_in(X, reader.categories_, reader.is_categorical_)

    assert same is X
    assert categories is reader.categories_
    same, categories = only_levels_in(X, {}, None)
    assert same is X
    assert categories == {}


@pytest.mark.parametrize("n", [19, 20, 500])
def test_levels_that_occur_once_each_are_refused(n):
    reader = Reader()
    words = [*map(str, range(n)), None, None]
    X = reader.read(beside_numbers(words))
    known = reader.categories_, reader.is_categorical_

    if n < 20:
        check_levels_repeat(X, *known)
    else:
        with raises_naming(
            "column 'kind'", f"its {n} values occurs once", "Drop it", "index", "skrub"
        ):
            check_levels_repeat(X, *known)
    again = reader.read(beside_numbers([*words, "0"]))
    check_levels_repeat(again, reader.categories_, reader.is_categorical_)


def test_numbers_may_differ_in_every_row():
    X = Reader().read(np.arange(100.0).reshape(50, 2))

    check_levels_repeat(X, {}, None)


def test_missing_values_in_dictionaries_of_pyarrow_are_missing_labels():
    labels = pa.table({"a": pa.array(["x", None, "y"]).dictionary_encode()})

    columns, _ = check_labels(labels, estimator=Reader())

    assert columns[0].isna().tolist() == [False, True, False]
