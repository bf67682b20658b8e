"""Levels that `partial_fit` is told of before it meets them."""

import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.frozen import FrozenEstimator

from skmtl import merge_tasks
from tests._asserts import assert_close, assert_same_predictions, raises_naming
from tests._inputs import small, small_classifier
from tests.test_levels import ARCHITECTURES, COLOURS, make_raw

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
X, Y = make_raw()
LATE = "grey"  # a colour that the first chunk lacks
FIRST = (X["colour"] != LATE).to_numpy()
NAMED = {"colour": COLOURS}


def raw(**parameters):
    return small(n_bins=4, **parameters)


@pytest.fixture(scope="module")
def begun():
    """Trained with the rows of the first chunk."""
    return raw().partial_fit(X[FIRST], Y[FIRST], categories=NAMED)


def again(model):
    return pickle.loads(pickle.dumps(model))


def beside_numbers(kind) -> pd.DataFrame:
    return pd.DataFrame({"size": np.arange(float(len(kind))), "kind": kind})


# What they predict


@pytest.mark.parametrize("name", ["shared trunk", "networks of their own", "experts"])
def test_until_it_is_met_a_level_is_an_unknown_one(name):
    model = raw(**ARCHITECTURES[name])
    late, unknown = X.assign(colour=LATE), X.assign(colour=None)

    for _ in range(2):
        model.partial_fit(X[FIRST], Y[FIRST], categories=NAMED)

        assert LATE in model.categories_["colour"]
        np.testing.assert_array_equal(model.predict(late), model.predict(unknown))


def test_a_level_is_learnt_once_it_is_met():
    one = X[["heat", "colour"]].dropna().assign(heat=0.0)
    y = one["colour"].map(dict(zip(COLOURS, [3.0, -1.0, 0.0, -8.0], strict=True)))
    first, late = (one["colour"] != LATE).to_numpy(), one.assign(colour=LATE)
    model = small(learning_rate=0.03)
    for _ in range(40):
        model.partial_fit(one[first], y[first], categories=NAMED)
    before = np.abs(model.predict(late) + 8).max()

    for _ in range(80):
        model.partial_fit(one, y)

    assert np.abs(model.predict(late) + 8).max() < 1 < before
    assert np.abs(model.predict(one[first]) - y[first]).max() < 1


def test_members_and_an_optimizer_that_averages_know_it():
    model = small(n_members=2, ema_momentum=0.99, n_bins=4)

    model.partial_fit(X[FIRST], Y[FIRST], categories=NAMED)

    late, unknown = X.assign(colour=LATE), X.assign(colour="mauve")
    np.testing.assert_array_equal(model.predict(late), model.predict(unknown))
    model.partial_fit(X, Y)
    assert np.abs(model.predict(late) - model.predict(unknown)).max() > 0


def test_names_of_levels_that_are_there_change_nothing():
    named = raw().partial_fit(X, Y, categories=NAMED | {"new": [True, False]})

    assert_same_predictions(named, raw().partial_fit(X, Y), X)


def test_levels_that_are_not_named_are_unknown():
    few = {"colour": ["puce", "green", "red"]}
    known = X.assign(colour=X["colour"].where(X["colour"].isin(few["colour"])))

    model = raw().partial_fit(X, Y, categories=few)

    assert set(model.categories_["colour"]) == set(few["colour"])
    assert_same_predictions(model, raw().partial_fit(known, Y, categories=few), X)


def test_features_of_an_array_are_named_by_position():
    table = np.column_stack([X["heat"], np.arange(len(X)) % 3])
    model = small(categorical_features=[1])

    model.partial_fit(table, Y, categories={1: [0, 1, 2, 3.0, None]})

    assert model.categories_[1].tolist() == [0, 1, 2, 3]


def test_labels_are_learnt_from_such_features():
    labels = (Y.median() < Y).to_numpy()
    model = small_classifier(n_bins=4)

    model.partial_fit(X[FIRST], labels[FIRST], [False, True], categories=NAMED)

    late, unknown = X.assign(colour=LATE), X.assign(colour=None)
    for own, other in zip(
        model.predict_proba(late), model.predict_proba(unknown), strict=True
    ):
        np.testing.assert_array_equal(own, other)


# What types declare


DECLARING = {
    "pandas": lambda: beside_numbers(pd.Categorical(["b", "a"] * 9, list("abc"))),
    "numbers": lambda: beside_numbers(pd.Categorical([1, 0] * 9, [0, 1, 2])),
    "polars": lambda: pl.DataFrame(
        {
            "size": np.arange(18.0),
            "kind": pl.Series(["b", "a"] * 9, dtype=pl.Enum(["a", "b", "c"])),
        }
    ),
    "pyarrow": lambda: pa.table(
        {
            "size": np.arange(18.0),
            "kind": pa.DictionaryArray.from_arrays([1, 0] * 9, ["a", "b", "c"]),
        }
    ),
    "pyarrow in pandas": lambda: DECLARING["pyarrow"]().to_pandas(
        types_mapper=pd.ArrowDtype
    ),
    "bool": lambda: beside_numbers(np.ones(18, dtype=bool)),
    "boolean": lambda: beside_numbers(pd.array([True, None] * 9, dtype="boolean")),
}
LACKING = {"numbers": 2, "bool": False, "boolean": False}  # in the rows; "c" in others


@pytest.mark.parametrize("name", DECLARING)
def test_levels_that_a_type_declares_are_known(name):
    table, y = DECLARING[name](), np.arange(18.0)

    whole = small(epochs=1).fit(table, y).categories_["kind"].tolist()
    chunk = small().partial_fit(table, y).categories_["kind"].tolist()

    assert len(chunk) == len(whole) + 1  # those of the rows come first
    assert chunk == [*whole, LACKING.get(name, "c")]


def test_names_go_before_what_a_type_declares():
    table = DECLARING["pandas"]()

    model = small().partial_fit(table, np.arange(18), categories={"kind": ["a", "b"]})

    assert sorted(model.categories_["kind"]) == ["a", "b"]


# What becomes of such a network


def test_a_pickle_goes_on(begun):
    late, unknown = X.assign(colour=LATE), X.assign(colour=None)
    model, lean = again(begun), again(begun).for_prediction()

    for other in (model, lean):
        other.partial_fit(X[FIRST], Y[FIRST])
        np.testing.assert_array_equal(other.predict(late), other.predict(unknown))
    assert_same_predictions(model, again(begun).partial_fit(X[FIRST], Y[FIRST]), X)


def test_a_trunk_that_has_not_met_a_level_is_started_from(begun):
    model = raw(init_trunk=FrozenEstimator(begun), freeze_trunk=True, epochs=2)
    late, unknown = X.assign(colour=LATE), X.assign(colour=None)

    model.fit(X[FIRST], Y[FIRST])

    np.testing.assert_array_equal(model.predict(late), model.predict(unknown))
    chunk = raw(init_trunk=begun).partial_fit(X, Y, categories={"colour": ["red"]})
    assert list(chunk.categories_["colour"]) == list(begun.categories_["colour"])


def test_a_task_is_added_and_learns_more_levels(begun):
    model = again(begun)
    before = model.predict(X[FIRST])

    model.add_task(X, Y["cost"] ** 2, name="more")

    assert_close(model.predict(X[FIRST])[:, :3], before)
    late, unknown = model.predict(X.assign(colour=LATE)), X.assign(colour=None)
    other = model.predict(unknown)
    assert_close(late[:, :3], other[:, :3])
    assert np.abs(late[:, 3] - other[:, 3]).max() > 0


def test_merged_networks_keep_what_they_predict(begun):
    other = again(begun)
    other.target_names_ = np.array(["a", "b", "c"], dtype=object)

    merged = merge_tasks([begun, other])

    late = X.assign(colour=LATE)
    assert_close(merged.predict(late)[:, :3], begun.predict(late), atol=1e-4)
    assert np.isfinite(merged.partial_fit(X, np.hstack([Y, Y])).predict(late)).all()


@pytest.mark.parametrize("depth", [0, 2])
def test_a_level_that_no_merged_network_has_met_stays_an_unknown_one(begun, depth):
    other = again(begun)
    other.target_names_ = np.array(["a", "b", "c"], dtype=object)
    merged = merge_tasks([begun, other], sharing_depth=depth)
    late, unknown = X.assign(colour=LATE), X.assign(colour=None)

    for _ in range(2):
        np.testing.assert_array_equal(merged.predict(late), merged.predict(unknown))
        merged.partial_fit(X[FIRST], np.hstack([Y, Y])[FIRST])

    other.partial_fit(X, Y.set_axis(other.target_names_, axis=1))  # has met it
    merged = merge_tasks([begun, other])
    assert (merged.predict(late)[:, 3:] != merged.predict(unknown)[:, 3:]).any()
    before = merged.predict(late)
    merged.partial_fit(X[FIRST], np.hstack([Y, Y])[FIRST])
    assert (merged.predict(late)[:, 3:] != merged.predict(unknown)[:, 3:]).any()
    assert (merged.predict(late) != before).any()


def test_a_warm_start_goes_on(begun):
    model = again(begun).set_params(warm_start=True, early_stopping=False, epochs=2)

    model.fit(X[FIRST], Y[FIRST])

    late, unknown = X.assign(colour=LATE), X.assign(colour=None)
    np.testing.assert_array_equal(model.predict(late), model.predict(unknown))


# What is refused


@pytest.mark.parametrize(
    ("categories", "messages"),
    [
        ({"heat": [1, 2]}, ["column 'heat'", "not categorical", "categorical_features"]),
        ({"color": ["red"]}, ["unknown name 'color'", "Did you mean 'colour'?"]),
        ({7: ["red"]}, ["position '7'", "5 columns"]),
        ({"colour": [1, 2]}, ["names 1, 2 for column 'colour'", "it has 're"]),
        ({"colour": "red"}, ["'red' for column 'colour'", "list of levels"]),
        ({"colour": [["red"]]}, ["column 'colour'", "list of levels"]),
        ([COLOURS], ["categories must be a dict", "list"]),
    ],
)
def test_levels_that_make_no_sense(categories, messages):
    rows = X.assign(colour="red")
    with raises_naming(*messages):
        raw().partial_fit(rows, Y, categories=categories)


def test_levels_are_named_again_but_no_others(begun):
    model = again(begun).partial_fit(X, Y, categories=NAMED)

    with raises_naming("level 'puce'", "column 'colour'", "first partial_fit"):
        model.partial_fit(X, Y, categories={"colour": [*COLOURS, "puce"]})
    assert model.n_iter_ == 2


def test_other_categorical_features_are_refused(begun):
    model = again(begun)
    same = ["town", "colour", "new"]

    model.set_params(categorical_features=same).partial_fit(X, Y)

    numbers = small().partial_fit(X[["mass"]], Y)
    numbers.set_params(categorical_features=None).partial_fit(X[["mass"]], Y)
    for other in (None, ["town"], [1]):
        model.set_params(categorical_features=other)
        with raises_naming("categorical_features", "'from_dtype'", repr(other)):
            model.partial_fit(X, Y)
        with raises_naming("categorical_features"):
            model.set_params(warm_start=True).fit(X, Y)


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```py\n(file, targets = .*?)```", README, flags=re.DOTALL)
    table = X.assign(price=Y["cost"], delay=Y["time"])
    table = table.sort_values("town", ignore_index=True)  # later chunks have other towns
    table.to_parquet(tmp_path / "large.parquet", row_group_size=40)
    monkeypatch.chdir(tmp_path)
    names = {"pyarrow": pa, "numpy": np, "MultiTaskRegressor": raw}

    exec(compile(code, "README.md", "exec"), names)

    model = names["model"]
    assert set(model.categories_["town"]) == set(X["town"])
    assert model.n_iter_ == model.epochs == 8 * 4
    assert np.isfinite(model.predict(X)).all()
