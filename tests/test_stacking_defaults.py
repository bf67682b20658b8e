"""What a stack is made of if nobody says: networks, trees and lines for raw tables."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from skmtl.ensemble import MultiTaskStackingClassifier, MultiTaskStackingRegressor
from skmtl.ensemble._names import default_parts, named_parts
from skmtl.ensemble._parts import fit_part
from skmtl.ensemble._targets import Targets
from skmtl.ensemble._trees import boosted_trees, is_measured, linear
from tests._inputs import with_holes

TINY = {"trunk_sizes": (8,), "head_sizes": (), "epochs": 3}


@pytest.fixture
def raw(table) -> pd.DataFrame:
    X, _ = table
    frame = pd.DataFrame(X[:, :2], columns=["age", "mass"])
    frame.loc[::5, "age"] = np.nan
    frame["count"] = pd.array([1, None] * 32, dtype="Int64")
    frame["kind"] = np.where(X[:, 2] > 0, "high", "low")
    frame.loc[::7, "kind"] = None
    frame["place"] = pd.Categorical([f"p{i % 9}" for i in range(64)])
    frame["sold"] = X[:, 3] > 0
    frame["when"] = pd.date_range("2020-01-01", periods=64)
    return frame


@pytest.mark.parametrize("classify", [False, True])
def test_default_trees_and_lines_take_raw_tables(raw, table, classify):
    """The network of the default parts is tried elsewhere: it is most of the time."""
    _, Y = table
    y = np.median(Y, axis=0) < Y if classify else Y
    kind = MultiTaskStackingClassifier if classify else MultiTaskStackingRegressor
    own = default_parts(classify, 64)[1:]
    own = [(name, part) for name, part in own if name != "extra_trees"]
    model = kind(own, cv=2, random_state=0).fit(raw, y)

    new = raw.iloc[:3].assign(kind=["other", None, "low"], place=None, age=np.nan)
    predicted = model.predict(new)
    unknown = model.predict(new.assign(kind=[None, "other", "low"]))

    assert predicted.shape == (3, 3)
    assert (predicted == unknown).all(), "a level that the fit did not see is missing"
    assert model.score(raw, y) > 0.3


def test_a_line_does_not_go_on_for_ever():
    """A row that is far from all others is predicted by those that are far."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 1))
    line = linear(classify=False).fit(X, X[:, 0])

    np.testing.assert_allclose(line.predict([[1e3]]), line.predict([[1e9]]))
    np.testing.assert_allclose(line.predict(X), X[:, 0], rtol=0.01)


@pytest.mark.parametrize(
    "container",
    [
        lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
        lambda frame: frame.to_numpy(dtype=object),
        lambda frame: frame.to_numpy(dtype=object).tolist(),
    ],
    ids=["pyarrow", "objects", "list"],
)
def test_raw_tables_of_any_container(raw, table, container):
    _, Y = table
    own = default_parts(False, 64)[3:]
    raw = raw[["mass", "kind"]].fillna({"kind": "none"})

    model = MultiTaskStackingRegressor(own, cv=2, random_state=0)
    expected = model.fit(raw, Y).predict(raw)

    X = container(raw)
    np.testing.assert_allclose(model.fit(X, Y).predict(X), expected)


def test_renamed_levels_give_the_same_predictions(raw, table):
    _, Y = table
    own = default_parts(False, 64)[1:2]
    renamed = raw.assign(kind=raw["kind"].map({"high": "a", "low": "b"}))

    first, second = (
        MultiTaskStackingRegressor(own, cv=2, random_state=0).fit(X, Y).predict(X)
        for X in (raw, renamed)
    )

    np.testing.assert_allclose(second, first)


def test_many_levels_are_one_together(table):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"name": [f"n{i}" for i in rng.integers(600, size=2000)]})
    own = default_parts(False, 5001, True)[1:]

    model = MultiTaskStackingRegressor(own, cv=2).fit(frame, rng.normal(size=2000))

    codes = model.estimators_[0][0][0].transform(frame)[0]
    assert len(codes.cat.categories) == 254
    assert codes.value_counts().iloc[0] > 500


def test_arrays_of_numbers_reach_the_default_trees_as_they_are(table):
    X, Y = table
    boosting = default_parts(False, 5001, True)[1]
    model = MultiTaskStackingRegressor([boosting], cv=2).fit(X, Y[:, 0])

    assert model.estimators_[0][0][0].transform(X) is X


@pytest.mark.parametrize("classify", [False, True])
def test_boosted_trees_stop_early_where_rows_are_many(classify):
    """Of noise there is nothing to be learnt."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 2)), rng.integers(2, size=400)

    few, many = boosted_trees(classify, False), boosted_trees(classify, True)

    assert few.fit(X, y)[-1].n_iter_ == 100
    assert many.fit(X, y)[-1].n_iter_ < 100


def test_a_class_of_one_row_is_learnt_without_early_stopping():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    y[0] = 2
    trees = boosted_trees(True, True)
    given = trees.get_params()

    model = trees.fit(X, y)

    assert model.classes_.tolist() == [0, 1, 2]
    assert model[-1].n_iter_ == 100
    assert model[-1].max_iter == given["stoppedclassifier__max_iter"] == 1000
    assert model[-1].early_stopping is True


def test_many_classes_of_few_rows_are_learnt_without_early_stopping():
    X, y = np.random.default_rng(0).normal(size=(120, 2)), np.arange(120) % 13

    model = boosted_trees(True, True).fit(X, y)  # of 12 rows held out none has some class

    assert model[-1].n_iter_ == 100


@pytest.mark.parametrize("kind", [MultiTaskStackingRegressor, MultiTaskStackingClassifier])
def test_the_network_is_several_where_fits_are_short(kind):
    classify = kind is MultiTaskStackingClassifier
    members = [default_parts(classify, n)[0][1].n_members for n in (64, 1000, 1001)]

    assert members == [8, 8, 1]
    assert "if n is at most 1000;" in kind.__doc__


@pytest.mark.parametrize("kind", [MultiTaskStackingRegressor, MultiTaskStackingClassifier])
def test_the_fewer_rows_the_more_kinds_of_parts(kind):
    classify = kind is MultiTaskStackingClassifier
    rows = (5000, 5001, 10_000, 10_001)
    one_by_one, at_once = (
        [len(default_parts(classify, n, n > 5000, of)) for n in rows]
        for of in (False, True)
    )

    assert one_by_one == [4, 2, 2, 2]
    assert at_once == (one_by_one if classify else [4, 3, 3, 2])
    assert "if n is at most 5000" in kind.__doc__
    assert ("if n is at most 10 000" in kind.__doc__) != classify


@pytest.mark.parametrize("holes", [False, True])
def test_extra_trees_for_all_targets_at_once(table, monkeypatch, holes):
    """They are what scikit-learn's give for all targets, where these have no holes."""
    monkeypatch.setattr("skmtl.ensemble._names.FEW_ROWS", 50)
    X, Y = table
    targets = targets_of(with_holes(Y) if holes else Y)
    stack = MultiTaskStackingRegressor(random_state=0)

    parts = dict(named_parts(stack, X, targets, np.random.RandomState(0)))

    assert ("extra_trees" in parts) != holes
    if not holes:
        rows = np.arange(len(X))
        fitted = fit_part("extra_trees", parts["extra_trees"], X, targets, rows)
        assert fitted.joint
        seed = parts["extra_trees"][-1].random_state
        trees = ExtraTreesRegressor(200, random_state=seed).fit(X, Y)
        found = fitted.predict(X[:5] + 0.1, np.ones(Y.shape[1], dtype=bool))
        np.testing.assert_allclose(found, trees.predict(X[:5] + 0.1), rtol=1e-6)


def targets_of(Y) -> Targets:
    observed = ~np.isnan(Y)
    names = np.array([f"y{t}" for t in range(Y.shape[1])], dtype=object)
    return Targets(np.where(observed, Y, 0.0), observed.astype(float), names, False)


def test_what_is_measured(raw):
    assert not is_measured(raw)
    assert is_measured(raw.drop(columns=["kind", "place"]))
    assert is_measured(np.ones((2, 2)))
    assert not is_measured(np.array([[1, "a"]], dtype=object))


def test_the_default_stack(table):
    X, Y = table
    model = MultiTaskStackingRegressor(cv=2, random_state=0)
    default = dict(default_parts(False, 64))
    default["network"].set_params(n_members=2, **TINY)
    default["extra_trees"].set_params(extratreesregressor__n_estimators=10)

    model.set_params(estimators=list(default.items())).fit(X, with_holes(Y))

    assert model.weights_.columns.tolist() == [
        "network",
        "boosting",
        "extra_trees",
        "ridge",
    ]
    assert model.score(X, Y) > 0.7
