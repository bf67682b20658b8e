"""Rows to validate on: one's own, whole groups, or those of a splitter."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupShuffleSplit,
    PredefinedSplit,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl._estimators.validation import Given, parts_of
from skmtl._tables.held_out import hold_out
from skmtl._tables.table import Table
from skmtl.ensemble import MultiTaskStackingRegressor
from skmtl.model_selection import MultiTargetStratifiedKFold
from tests._asserts import (
    assert_differ,
    assert_same_predictions,
    leaves_unchanged,
    raises_naming,
)
from tests._inputs import as_frames, make_table, small, small_classifier, with_holes

X, Y = make_table()
N_TRAIN = 48
FIRST = {"X": X[:N_TRAIN], "y": Y[:N_TRAIN]}
LAST = {"X_val": X[N_TRAIN:], "y_val": Y[N_TRAIN:]}
NAMES = np.array(list("abc"))


class Recorded:
    """A splitter that keeps what it is given, and gives these splits."""

    def __init__(self, *splits):
        self.splits = splits
        self.calls = []

    def split(self, X, y=None, groups=None):
        self.calls.append((X, y, groups))
        return iter(self.splits)

    def get_n_splits(self, X=None, y=None, groups=None):
        return len(self.splits)

    def __deepcopy__(self, memo):
        return self


def unscaled(**parameters):
    """Nothing but the network is fitted to the rows."""
    plain = {"scale_features": False, "scale_targets": False, "n_bins": 0, "refit": False}
    return small(**plain, **parameters)


# Rows of their own


@pytest.mark.parametrize("n_members", [1, 2])
def test_own_rows_are_as_if_they_were_held_out(n_members):
    split = np.arange(N_TRAIN), np.arange(N_TRAIN, len(X))
    holed = with_holes(Y) / Y.std(axis=0)

    own = unscaled(n_members=n_members).fit(
        X[:N_TRAIN], holed[:N_TRAIN], X_val=X[N_TRAIN:], y_val=holed[N_TRAIN:]
    )
    held_out = unscaled(n_members=n_members, validation_fraction=Recorded(split))
    held_out.fit(X, holed)

    np.testing.assert_array_equal(own.predict(X), held_out.predict(X))
    assert own.history_ == held_out.history_


def test_the_history_has_the_loss_of_these_rows():
    model = small(refit=False, epochs=8).fit(**FIRST, **LAST)

    errors = (Y[N_TRAIN:] - model.predict(X[N_TRAIN:])) / Y[:N_TRAIN].std(axis=0)

    best = model.best_epoch_[0, 0] - 1
    np.testing.assert_allclose(
        model.history_["val_loss"][best], np.mean(errors**2), rtol=1e-4
    )


def test_own_rows_scale_nothing_and_refit_nothing():
    few = small(n_iter_no_change=2, refit=True).fit(**FIRST, **LAST)
    far = small(n_iter_no_change=2, refit=True)
    far.fit(**FIRST, X_val=X[N_TRAIN:] + 100, y_val=Y[N_TRAIN:] * 7)

    np.testing.assert_array_equal(
        far._network.features.scaling.mean, few._network.features.scaling.mean
    )
    np.testing.assert_array_equal(far.target_means_, few.target_means_)
    assert np.isfinite(few.history_["val_loss"]).all()


def test_weight_zero_leaves_a_row_to_validate_on_out():
    kept = np.arange(len(X) - N_TRAIN) % 2 == 0
    weighted = small().fit(**FIRST, **LAST, sample_weight_val=kept.astype(float))

    fewer = small().fit(**FIRST, X_val=X[N_TRAIN:][kept], y_val=Y[N_TRAIN:][kept])
    holed = small().fit(
        **FIRST, X_val=X[N_TRAIN:], y_val=np.where(kept[:, None], Y[N_TRAIN:], np.nan)
    )

    assert_same_predictions(weighted, fewer, X)
    assert_same_predictions(holed, fewer, X)
    np.testing.assert_allclose(weighted.history_["val_loss"], fewer.history_["val_loss"])


def test_validation_fraction_does_nothing_beside_own_rows():
    unused = small(validation_fraction=Recorded()).fit(**FIRST, **LAST)

    assert_same_predictions(unused, small().fit(**FIRST, **LAST), X)
    assert not unused.validation_fraction.calls


@pytest.mark.parametrize(
    ("fraction", "n_rows", "expected"),
    [("auto", 8000, 1000), ("auto", 200_000, 20_000), (0.125, 200_000, 25_000)],
)
def test_no_more_rows_are_held_out_than_are_needed(fraction, n_rows, expected):
    ones = np.ones((n_rows, 1))
    table = Table(ones, ones, ones, np.array(["y"]), one_dimensional=True)

    parts = parts_of(Given(ones, ones), table, fraction, np.random.default_rng(0), 3)

    assert [len(held_out) for _, held_out in parts] == [expected] * 3
    assert all(len(np.union1d(*part)) == n_rows for part in parts)


def test_levels_are_those_of_the_rows_to_train_on():
    frame, targets = as_frames(X, Y)
    frame["kind"] = np.where(X[:, 0] > 0, "high", "low")
    new = frame[N_TRAIN:].assign(kind="new", mass=np.nan)

    model = small().fit(frame[:48], targets[:48], X_val=new, y_val=targets[48:])

    assert set(model.categories_["kind"]) == {"high", "low"}
    assert np.isfinite(model.history_["val_loss"]).all()


def test_a_warm_start_has_own_rows_too():
    model = small(warm_start=True).fit(**FIRST, **LAST).fit(**FIRST, **LAST)

    assert len(model.history_["val_loss"]) == model.n_iter_
    assert np.isfinite(model.history_["val_loss"]).all()


def test_a_classifier_has_own_rows_too():
    labels = np.where(Y.mean(axis=0) < Y, "high", "low")
    model = small_classifier(class_weight="balanced")

    model.fit(X[:48], labels[:48], X_val=X[48:], y_val=labels[48:])

    assert len(model.history_["val_loss"]) == model.n_iter_
    labels[50, 1] = "mid"
    with (
        raises_naming("y_val", "'mid'", "'target_1'", "'high', 'low'"),
        leaves_unchanged(model, X),
    ):
        model.fit(X[:48], labels[:48], X_val=X[48:], y_val=labels[48:])


def test_a_pipeline_transforms_own_rows():
    scaled = StandardScaler().fit(X[:N_TRAIN])
    expected = small().fit(
        scaled.transform(X[:N_TRAIN]),
        Y[:N_TRAIN],
        X_val=scaled.transform(X[N_TRAIN:]),
        y_val=Y[N_TRAIN:],
        sample_weight_val=np.arange(16.0),
    )

    with config_context(enable_metadata_routing=True):
        model = small().set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipeline = Pipeline(
            [("scale", StandardScaler()), ("model", model)], transform_input=["X_val"]
        )
        pipeline.fit(**FIRST, **LAST, sample_weight_val=np.arange(16.0))

    np.testing.assert_array_equal(
        pipeline.predict(X), expected.predict(scaled.transform(X))
    )


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ({"X_val": X}, ["X_val without y_val"]),
        ({"y_val": Y}, ["y_val without X_val"]),
        ({"sample_weight_val": np.ones(64)}, ["without X_val and y_val"]),
        ({"X_val": X[:, :3], "y_val": Y}, ["X_val", "3 features", "5 features"]),
        ({"X_val": X, "y_val": Y[:, :2]}, ["y_val", "2 targets", "3"]),
        ({"X_val": X, "y_val": Y[:5]}, ["X_val", "64, 5"]),
        ({"X_val": X, "y_val": Y * [1, np.nan, 1]}, ["y_val", "'target_1'", "validate"]),
        ({"X_val": X, "y_val": Y, "sample_weight_val": -np.ones(64)}, ["_val", "negative"]),
        ({"X_val": X * np.inf, "y_val": Y}, ["X_val", "infinity"]),
    ],
)
def test_own_rows_that_cannot_be_used(fitted, given, messages):
    model = clone(fitted).fit(X, Y)

    with raises_naming(*messages), leaves_unchanged(model, X):
        model.fit(X, Y, **given)


def test_own_rows_have_the_same_columns():
    frame, targets = as_frames(X, Y)

    with raises_naming("X_val", "feature names"):
        small().fit(frame, targets, X_val=frame.iloc[:, ::-1], y_val=targets)
    with raises_naming("y_val", "'risk', 'time', 'cost'"):
        small().fit(frame, targets, X_val=frame, y_val=targets.iloc[:, ::-1])


def test_own_rows_without_early_stopping_are_an_error():
    with raises_naming("X_val", "early_stopping=False", "early_stopping=True"):
        small(early_stopping=False).fit(**FIRST, **LAST)


# Groups


def n_in_both(groups, train, validation):
    return len(set(groups[train]) & set(groups[validation]))


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("n_groups", [2, 3, 12, 40])
@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(n_groups, n_members, seed):
    rng = np.random.default_rng(seed)
    groups = pd.factorize(rng.integers(n_groups, size=100))[0]
    W = (rng.random((100, 3)) < 0.7).astype(float)

    for train, validation in hold_out(W, 0.2, NAMES, rng, n_members, groups):
        np.testing.assert_array_equal(
            np.sort(np.concatenate([train, validation])), np.arange(100)
        )
        assert n_in_both(groups, train, validation) == 0
        assert W[train].any(axis=0).all()
        assert W[validation].any(axis=0).all()
        if n_groups >= 12:
            assert 0.1 <= len(validation) / 100 <= 0.3


def test_a_huge_group_is_trained_on():
    groups = np.where(np.arange(100) < 60, 0, np.arange(100))
    groups = pd.factorize(groups)[0]

    for seed in range(20):
        rng = np.random.default_rng(seed)
        ((_, validation),) = hold_out(np.ones((100, 3)), 0.1, NAMES, rng, 1, groups)
        assert len(validation) == 10
        assert (validation >= 60).all()


def test_groups_of_one_row_are_rows():
    W = (np.random.default_rng(0).random((90, 3)) < 0.5).astype(float)
    apart, alike = (
        hold_out(W, 0.1, NAMES, np.random.default_rng(1), 3, groups)
        for groups in (None, np.arange(90))
    )

    for a, b in zip(apart, alike, strict=True):
        for rows, same in zip(a, b, strict=True):
            np.testing.assert_array_equal(rows, same)


def test_members_hold_out_other_groups():
    groups = np.repeat(np.arange(16), 6)
    parts = hold_out(np.ones((96, 3)), 0.25, NAMES, np.random.default_rng(0), 4, groups)

    assert sorted(np.concatenate([validation for _, validation in parts])) == list(
        range(96)
    )


def test_a_target_in_groups_of_its_own_is_on_both_sides():
    """Two groups observe the first target: one of them is always held out."""
    groups = np.repeat(np.arange(20), 5)
    W = np.ones((100, 3))
    W[10:, 0] = 0

    for seed in range(10):
        rng = np.random.default_rng(seed)
        ((train, validation),) = hold_out(W, 0.1, NAMES, rng, 1, groups)
        assert W[train, 0].any()
        assert W[validation, 0].any()
        assert n_in_both(groups, train, validation) == 0


def test_groups_stay_beside_their_rows():
    """Rows without a target are left out: the rows after them keep their groups."""
    holed = Y.copy()
    holed[::3] = np.nan
    groups = np.array([f"patient {i // 4}" for i in range(64)])
    left = ~np.isnan(holed[:, 0])

    with pytest.warns(UserWarning, match="no observed target"):
        model = small().fit(X, holed, groups=groups)

    fewer = small().fit(X[left], Y[left], groups=groups[left].tolist())
    np.testing.assert_array_equal(model.predict(X), fewer.predict(X))
    assert_differ(fewer, small().fit(X[left], Y[left]), X)


@pytest.mark.parametrize(
    ("groups", "messages"),
    [
        (np.arange(63), ["groups", "(63,)", "(64,)"]),
        ("city", ["groups", "()", "(64,)"]),
        (np.zeros(64), ["groups", "at least two", "got 1"]),
        (np.arange(128).reshape(64, 2), ["groups", "(64, 2)", "(64,)"]),
        ([None, *"ab" * 31, None], ["groups", "2 rows", "row 0"]),
    ],
)
def test_groups_that_cannot_be_used(groups, messages):
    with raises_naming(*messages):
        small().fit(X, Y, groups=groups)
    if "at least two" not in messages:  # which the network alone asks for
        stack = MultiTaskStackingRegressor([("line", LinearRegression())], cv=2)
        with raises_naming(*messages):
            stack.fit(X, Y, groups=groups)


def test_a_target_that_one_group_has_is_named():
    holed = Y.copy()
    holed[8:, 1] = np.nan

    with raises_naming("early_stopping=True", "two groups", "'target_1'"):
        small().fit(X, holed, groups=np.arange(64) // 8)
    small(early_stopping=False).fit(X, holed, groups=np.arange(64) // 8)


def test_groups_are_routed():
    groups = np.arange(64) // 4
    folds = ShuffleSplit(2, random_state=0)

    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), small().set_fit_request(groups=True))
        found = cross_validate(
            pipeline, X, Y, cv=folds, params={"groups": groups}, return_estimator=True
        )

    for (train, _), model in zip(folds.split(X), found["estimator"], strict=True):
        expected = small().fit(model[0].transform(X[train]), Y[train], groups=groups[train])
        np.testing.assert_array_equal(
            model.predict(X), expected.predict(model[0].transform(X))
        )


# Splitters


@pytest.mark.parametrize("n_members", [1, 2])
def test_the_last_splits_are_taken(n_members):
    splits = list(ShuffleSplit(3, random_state=0).split(X))
    options = {"n_members": n_members, "refit": False}

    model = small(validation_fraction=Recorded(*splits), **options).fit(X, Y)

    same = Recorded(*splits[-n_members:])
    others = Recorded(*splits[:n_members])
    same, others = (
        small(validation_fraction=own, **options).fit(X, Y) for own in (same, others)
    )
    np.testing.assert_array_equal(same.predict(X), model.predict(X))
    assert_differ(others, model, X)


def test_members_take_fewer_splits_in_turn():
    split = next(ShuffleSplit(1, random_state=0).split(X))

    once = small(validation_fraction=Recorded(split), n_members=3).fit(X, Y)
    thrice = small(validation_fraction=Recorded(*[split] * 3), n_members=3).fit(X, Y)

    np.testing.assert_array_equal(once.predict(X), thrice.predict(X))


def test_a_splitter_sees_the_rows_that_are_left():
    frame, targets = as_frames(X, Y)
    targets.iloc[5] = np.nan
    spy = Recorded((np.arange(40), np.arange(40, 63)))

    with pytest.warns(UserWarning, match="1 of 64 rows"):
        small(validation_fraction=spy).fit(frame, targets, groups=np.arange(64))

    ((seen_X, seen_y, groups),) = spy.calls
    pd.testing.assert_frame_equal(seen_X, frame.drop(index=5))
    pd.testing.assert_frame_equal(seen_y, targets.drop(index=5))
    np.testing.assert_array_equal(groups, np.delete(np.arange(64), 5))


def test_positions_that_a_splitter_has_stored_may_be_those_of_all_rows():
    holes = Y.copy()
    holes[5] = np.nan
    test_fold = np.where(np.arange(64) % 4 == 1, 0, -1)
    test_fold[5] = 0
    left_out = [np.delete(A, 5, axis=0) for A in (X, Y, test_fold)]
    expected = small(validation_fraction=PredefinedSplit(left_out[2])).fit(*left_out[:2])

    for stored in (test_fold, left_out[2]):  # with the row that is left out, and without
        with pytest.warns(UserWarning, match="1 of 64 rows"):
            model = small(validation_fraction=PredefinedSplit(stored)).fit(X, holes)
        assert_same_predictions(model, expected, X)


def test_rows_on_neither_side_take_no_part():
    """Not in the refit, either."""
    rows = np.arange(20, 40), np.arange(50, 64)
    spoilt = Y.copy()
    spoilt[:20] += 3

    models = [
        unscaled(epochs=30, n_iter_no_change=2, validation_fraction=Recorded(rows))
        .set_params(refit=True)
        .fit(X, targets / 100, sample_weight=np.r_[np.full(20, 1e-12), np.ones(44)])
        for targets in (Y, spoilt)
    ]

    assert_same_predictions(*models, X)
    assert models[0].n_iter_ > models[0].best_epoch_.max()


@pytest.mark.parametrize(
    "splitter",
    [
        TimeSeriesSplit(4, gap=2),
        GroupShuffleSplit(3, test_size=0.2, random_state=0),
        MultiTargetStratifiedKFold(4, random_state=0),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
def test_splitters_of_scikit_learn(splitter):
    # Others warn of groups that they ignore.
    groups = np.arange(64) // 4 if isinstance(splitter, GroupShuffleSplit) else None
    model = small(validation_fraction=splitter).fit(X, Y, groups=groups)

    *_, last = splitter.split(X, Y, groups)
    assert_same_predictions(
        model, small(validation_fraction=Recorded(last)).fit(X, Y), X, atol=0
    )


def test_a_search_chooses_among_splitters():
    grid = {"validation_fraction": [0.1, TimeSeriesSplit(2), TimeSeriesSplit(3)]}

    search = GridSearchCV(small(), grid, cv=2).fit(X, Y)

    assert search.best_params_["validation_fraction"] in grid["validation_fraction"]
    copied = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_same_predictions(copied, search, X)


@pytest.mark.parametrize(
    ("splitter", "messages"),
    [
        (Recorded(), ["validation_fraction=Recorded", "no split"]),
        (Recorded((np.arange(60), np.arange(50, 64))), ["10 rows", "in common"]),
        (Recorded((np.arange(64), [])), ["validate on", "'target_0'"]),
        (Recorded(([], np.arange(64))), ["train on", "'target_0'"]),
        (GroupShuffleSplit(), ["GroupShuffleSplit", "groups"]),
        (Recorded((np.arange(60), [64])), ["positions from 0 to 63", "64"]),
        (PredefinedSplit(np.arange(80) // 70), ["PredefinedSplit", "from 0 to 63"]),
        ("0.1", ["validation_fraction", "'0.1'", "split"]),
    ],
)
def test_splitters_that_cannot_be_used(splitter, messages):
    with raises_naming(*messages):
        small(validation_fraction=splitter).fit(X, Y)
