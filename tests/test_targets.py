"""Targets with holes, weights and names; what targets owe each other, and what not."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score

from skmtl._network.experts import target_groups
from skmtl._tables.held_out import hold_out
from skmtl._tables.per_target import per_target
from skmtl._tables.targets import target_names
from tests._asserts import (
    assert_close,
    assert_differ,
    assert_same_predictions,
    raises_naming,
)
from tests._inputs import (
    CONTAINERS,
    DIFFICULT_FEATURES,
    DIFFICULT_TARGETS,
    FEATURES,
    TARGETS,
    as_frames,
    make_table,
    small,
    small_classifier,
    with_holes,
)

# Full batches: the order of the rows has no influence, nor has how they are weighted.
FULL_BATCH = {"batch_size": 128, "early_stopping": False, "epochs": 30}


# Names and shapes


def test_names_of_frames(fitted_on_frames):
    assert list(fitted_on_frames.target_names_) == TARGETS
    assert list(fitted_on_frames.feature_names_in_) == FEATURES
    assert fitted_on_frames.n_outputs_ == 3
    assert fitted_on_frames.n_features_in_ == 5
    assert set(fitted_on_frames.history_) == {
        f"{prefix}{name}"
        for prefix in ("", "val_")
        for name in ("loss", "loss_cost", "loss_time", "loss_risk")
    }


def test_names_of_arrays(fitted):
    assert list(fitted.target_names_) == ["target_0", "target_1", "target_2"]
    assert not hasattr(fitted, "feature_names_in_")


LABELS = {
    "ints": [7, 0],
    "tuples": [("cost", 1), ("cost", 2)],
    "ints of NumPy": pd.Index(np.array([7, 0], dtype=np.int8)),
    "columns of two levels": pd.MultiIndex.from_product([["cost"], [1, 2]]),
    "dates": pd.to_datetime(["2024-01-01", "2025-01-01"]),
    "numbers": [0.5, 1.5],
}


@pytest.mark.parametrize("case", LABELS)
def test_mappings_may_name_targets_as_the_columns_do(case):
    labels = list(LABELS[case])
    names = target_names(pd.DataFrame(np.ones((2, 2)), columns=LABELS[case]), 2)

    for first, second in (labels, map(str, labels), names):
        assert per_target("loss", {second: 2, first: 1}, names, callable) == [1, 2]
        assert target_groups([[second], [first]], names) == (0, 1)
    with raises_naming("loss lacks target", "unknown name 'other'"):
        per_target("loss", {labels[0]: 1, "other": 2}, names, callable)


def test_names_of_numpy_are_those_of_python():
    names = target_names(pd.DataFrame(np.ones((2, 2)), columns=LABELS["tuples"]), 2)
    keys = [("cost", np.int64(1)), (np.str_("cost"), np.int64(2))]

    assert per_target("loss", dict(zip(keys, [1, 2], strict=True)), names, callable) == [
        1,
        2,
    ]


def test_two_entries_of_one_name_are_an_error():
    with raises_naming("two entries of one name", "[0, '0', 1]"):
        per_target("loss", {0: 1, "0": 2, 1: 3}, ["0", "1"], callable)


def test_a_number_in_a_group_is_a_name_before_it_is_a_position():
    assert target_groups([[0], [1], [2]], ["2", "1", "0"]) == (0, 1, 2)
    assert target_groups([[2, 1], [0]], ["2", "1", "0"]) == (0, 0, 1)
    assert target_groups([[0, 2], [1]], ["a", "b", "c"]) == (0, 1, 0)


def test_parameters_by_the_labels_of_the_columns(table):
    X, Y = table
    labels = [("cost", 1), ("cost", 2), ("risk", 1)]
    Y = pd.DataFrame(Y, columns=pd.MultiIndex.from_tuples(labels))
    values = {"loss_weights": [1, 2, 3], "loss": ["squared_error", "huber", "huber"]}
    by_label = {name: dict(zip(labels, own, strict=True)) for name, own in values.items()}

    named = small(**by_label, early_stopping=False).fit(X, Y)
    listed = small(**values, early_stopping=False).fit(X, Y)

    assert named.loss_weights_.tolist() == [1, 2, 3]
    assert_same_predictions(named, listed, X, atol=0)
    named.partial_fit(X, Y.iloc[:, ::1])
    with raises_naming("in this order"):
        named.partial_fit(X, Y.iloc[:, ::-1])


def test_classes_weigh_by_the_labels_of_the_columns(table):
    X, Y = table
    labels = pd.DataFrame((Y[:, :2] > 5).astype(int))
    weights = {1: None, 0: {0: 1, 1: 5}}

    by_label = small_classifier(class_weight=weights).fit(X, labels)

    listed = small_classifier(class_weight=[weights[0], None]).fit(X, labels)
    for found, expected in zip(
        by_label.predict_proba(X), listed.predict_proba(X), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_names_are_those_of_the_last_fit(table):
    X, Y = table
    frame, targets = as_frames(X, Y)
    estimator = small().fit(frame, targets)

    estimator.fit(X, targets.rename(columns=str.upper))

    assert list(estimator.target_names_) == ["COST", "TIME", "RISK"]
    assert not hasattr(estimator, "feature_names_in_")


def test_one_target_as_vector_or_column(table):
    X, Y = table
    y = Y[:, 0]
    vector = small().fit(X, y)

    assert vector.predict(X).shape == (len(X),)
    assert vector.n_outputs_ == 1
    for column in (y[:, None], pd.DataFrame({"cost": y})):
        estimator = small().fit(X, column)
        assert estimator.predict(X).shape == (len(X), 1)
        np.testing.assert_array_equal(estimator.predict(X)[:, 0], vector.predict(X))
        assert estimator.score(X, column) == vector.score(X, y)
    assert list(small().fit(X, pd.Series(y, name="cost")).target_names_) == ["cost"]
    assert list(vector.target_names_) == ["target_0"]


def test_predictions_are_finite_float64(table, fitted):
    X, _ = table

    for rows in (X, X[:1], X.astype(np.float32), X.round().astype(int), X.tolist()):
        predicted = fitted.predict(rows)
        assert predicted.dtype == np.float64
        assert predicted.shape == (len(rows), 3)
        assert np.isfinite(predicted).all()


def test_a_prediction_does_not_depend_on_the_rows_beside_it(table, fitted):
    X, _ = table

    row_by_row = np.concatenate([fitted.predict(X[i : i + 1]) for i in range(len(X))])

    np.testing.assert_allclose(row_by_row, fitted.predict(X), rtol=1e-12)


# Observed cells


def test_a_missing_cell_is_a_cell_without_weight(table):
    X, Y = table
    holed = with_holes(Y)

    masked = small().fit(X, holed)

    weights = np.isfinite(holed).astype(float)
    assert_same_predictions(masked, small().fit(X, Y, sample_weight=weights), X, atol=0)
    spoiled = np.where(np.isnan(holed), 1e6, Y)
    assert_same_predictions(
        masked, small().fit(X, spoiled, sample_weight=weights), X, atol=0
    )
    assert_differ(masked, small().fit(X, Y), X)


def test_rows_without_observed_target_are_left_out_with_a_warning(table):
    X, Y = table
    holed = with_holes(Y)
    unobserved = np.zeros(len(Y), dtype=bool)
    unobserved[[3, 10, 11]] = True
    holed[unobserved] = np.nan

    with pytest.warns(UserWarning, match="^3 of 64 rows have no observed target") as caught:
        estimator = small().fit(X, holed)

    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert_same_predictions(
        estimator, small().fit(X[~unobserved], holed[~unobserved]), X, atol=0
    )
    with pytest.warns(UserWarning, match="^3 of 64 rows have no observed target") as caught:
        estimator.partial_fit(X, holed)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_rows_without_weight_are_left_out_silently(table):
    X, Y = table
    weight = np.ones(len(X))
    weight[[3, 10, 11]] = 0
    spoiled = X.copy()
    spoiled[weight == 0] = 1e9

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = small().fit(spoiled, Y, sample_weight=weight)

    kept = weight > 0
    assert_same_predictions(estimator, small().fit(X[kept], Y[kept]), X, atol=0)


@pytest.mark.parametrize("per_target", [False, True])
def test_integer_weights_are_repeated_rows(table, per_target):
    X, Y = table
    rng = np.random.default_rng(0)
    weight = rng.integers(1, 3, Y.shape if per_target else len(Y))
    # The k-th copy of a row has the targets whose weight is at least k.
    copies = [np.where(np.reshape(weight, (len(Y), -1)) >= k, Y, np.nan) for k in (1, 2)]
    seen = [np.isfinite(copy).any(axis=1) for copy in copies]
    rows = np.concatenate([X[rows] for rows in seen])
    targets = np.concatenate([Y[rows] for Y, rows in zip(copies, seen, strict=True)])

    model = small(**FULL_BATCH, n_bins=3)  # by itself it would go by the number of rows

    weighted = clone(model).fit(X, Y, sample_weight=weight)

    repeated = clone(model).fit(rows, targets)
    assert_same_predictions(weighted, repeated, X, atol=1e-4)
    assert_differ(weighted, clone(model).fit(X, Y), X)


@pytest.mark.parametrize("per_target", [False, True])
def test_weight_zero_is_left_out(per_target):
    X, Y = make_table(n=90)
    weight = np.random.default_rng(0).integers(0, 3, Y.shape if per_target else len(Y))
    if per_target:
        rows, targets = np.ones(len(X), dtype=bool), np.where(weight > 0, Y, np.nan)
        targets[weight.sum(axis=1) == 0] = np.nan
        rows = weight.any(axis=1)
    else:
        rows, targets = weight > 0, Y

    weighted = small(**FULL_BATCH).fit(X, Y, sample_weight=weight)

    left_out = small(**FULL_BATCH).fit(X[rows], targets[rows], sample_weight=weight[rows])
    assert_same_predictions(weighted, left_out, X, atol=1e-4)


def test_only_the_ratio_of_weights_counts(table):
    X, Y = table
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))

    expected = small().fit(X, Y, sample_weight=weight)

    for factor in (1e-6, 1000.0):
        scaled = small().fit(X, Y, sample_weight=factor * weight)
        assert_same_predictions(scaled, expected, X, atol=1e-4)


# Scores


def test_score_is_the_mean_r2(table, fitted):
    X, Y = table

    assert fitted.score(X, Y) == pytest.approx(r2_score(Y, fitted.predict(X)))


@pytest.mark.parametrize("weights", [None, "rows", "cells"])
def test_score_is_the_mean_r2_of_observed_cells(table, fitted, weights):
    X, Y = table
    holed, predicted = with_holes(Y), fitted.predict(X)
    rng = np.random.default_rng(0)
    weight = {
        None: None,
        "rows": rng.uniform(0, 2, len(Y)),
        "cells": rng.uniform(0, 2, Y.shape),
    }[weights]
    columns = np.broadcast_to(
        1.0 if weight is None else weight.reshape(len(Y), -1), Y.shape
    )

    expected = np.mean(
        [
            r2_score(Y[seen, t], predicted[seen, t], sample_weight=columns[seen, t])
            for t, seen in enumerate(np.isfinite(holed).T)
        ]
    )

    assert fitted.score(X, holed, sample_weight=weight) == pytest.approx(expected)


def test_score_of_one_target(table):
    X, Y = table
    estimator = small().fit(X, Y[:, 0])
    y = Y[:, 0].copy()
    y[:5] = np.nan

    expected = r2_score(y[5:], estimator.predict(X)[5:])

    assert estimator.score(X, y) == pytest.approx(expected)


# Rows held out


NAMES = np.array([f"target_{t}" for t in range(10)])


def assert_split(W, train, validation):
    """A partition of the rows, with every target observed in both parts."""
    np.testing.assert_array_equal(
        np.sort(np.concatenate([train, validation])), np.arange(len(W))
    )
    assert (W[train] > 0).any(axis=0).all()
    assert (W[validation] > 0).any(axis=0).all()


@pytest.mark.parametrize(("n", "fraction"), [(2, 0.1), (9, 0.1), (64, 0.25), (64, 0.99)])
def test_held_out_share(n, fraction):
    W = np.ones((n, 3))

    ((train, validation),) = hold_out(W, fraction, NAMES[:3], np.random.default_rng(0))

    assert_split(W, train, validation)
    assert len(validation) == min(max(1, round(fraction * n)), n - 1)


def test_held_out_rows_are_random():
    W = np.ones((20, 1))
    draws = [
        hold_out(W, 0.2, NAMES[:1], np.random.default_rng(s))[0][1] for s in range(200)
    ]

    counts = np.bincount(np.concatenate(draws), minlength=20)

    # Binomial, 200 draws with probability 0.2: 40 +- 5.7.
    assert counts.min() > 15
    assert counts.max() < 70


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("seed", range(5))
def test_sparse_targets_are_observed_on_both_sides(share, seed):
    rng = np.random.default_rng(seed)
    W = (rng.random((100, 10)) > share).astype(float)
    W[:, :2] = 0
    W[[5, 80], 0] = W[[80, 99], 1] = 0.3  # just two rows, one of them in common
    W[np.arange(10), np.arange(10)] = W[np.arange(20, 30), np.arange(10)] = 2
    W = W[W.any(axis=1)]

    ((train, validation),) = hold_out(W, 0.1, NAMES, rng)

    assert_split(W, train, validation)


def test_a_long_table_with_a_rare_target_is_split_as_asked():
    W = np.ones((200_000, 3))
    W[3:, 2] = 0

    ((train, validation),) = hold_out(W, 0.1, NAMES[:3], np.random.default_rng(0))

    assert_split(W, train, validation)
    assert len(validation) == 20_000


def test_rows_are_held_out_whenever_that_is_possible():
    """All tables of three targets in four rows, against trying every split."""
    patterns = [p for p in itertools.product([0, 1], repeat=4) if sum(p) >= 2]
    for columns in itertools.product(patterns, repeat=3):
        W = np.array(columns, dtype=float).T
        W = W[W.any(axis=1)]
        possible = any(
            W[list(rows)].any(axis=0).all()
            and W[[i for i in range(len(W)) if i not in rows]].any(axis=0).all()
            for k in range(1, len(W))
            for rows in itertools.combinations(range(len(W)), k)
        )
        for seed in range(2):
            rng = np.random.default_rng(seed)
            if possible:
                assert_split(W, *hold_out(W, 0.1, NAMES[:3], rng)[0])
            else:
                with pytest.raises(ValueError, match="early_stopping"):
                    hold_out(W, 0.1, NAMES[:3], rng)


def test_a_target_that_cannot_be_on_both_sides_is_named(table):
    X, Y = as_frames(*table)
    Y.loc[1:, "time"] = np.nan

    with pytest.raises(ValueError, match=r"early_stopping=True.*'time'"):
        small().fit(X, Y)
    assert small(early_stopping=False).fit(X, Y).n_iter_ == 4


# What targets owe each other


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("share", [0, 0.3])
def test_separate_networks_do_not_see_each_other(table, early_stopping, share):
    X, Y = table
    other = Y.copy()
    other[:, 1] = np.random.default_rng(0).standard_cauchy(len(Y))
    parameters = {
        "early_stopping": early_stopping,
        "epochs": 60,
        "n_iter_no_change": 3,
        "learning_rate": 0.05,
    }

    separate = [
        small(sharing_depth=0, **parameters).fit(X, with_holes(Z, share)).predict(X)
        for Z in (Y, other)
    ]
    shared = [small(**parameters).fit(X, with_holes(Z, share)) for Z in (Y, other)]

    np.testing.assert_array_equal(separate[0][:, [0, 2]], separate[1][:, [0, 2]])
    assert not np.allclose(separate[0][:, 1], separate[1][:, 1])
    assert_differ(*shared, X)


@pytest.mark.parametrize("sharing_depth", [0, 1, 2])
def test_scaling_a_target_scales_its_predictions_alone(table, sharing_depth):
    X, Y = table
    estimator = small(sharing_depth=sharing_depth, epochs=10).fit(X, with_holes(Y))
    before = estimator.predict(X)

    after = estimator.fit(X, with_holes(Y * [1, 10, 1])).predict(X)

    assert_close(after, before * [1, 10, 1])


def test_unscaled_targets_are_learnt_in_their_units(table):
    X, Y = table
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    # Features that are not scaled are not cut off either.
    expected = small(**FULL_BATCH, clip_features=None).fit(X, Y)

    unscaled = small(**FULL_BATCH, scale_targets=False, scale_features=False)
    scaled_X = (X - X.mean(axis=0)) / X.std(axis=0)

    assert_close(unscaled.fit(scaled_X, Y).predict(scaled_X), expected.predict(X))
    # The target in large units takes all of the loss.
    large = unscaled.fit(scaled_X, Y * [1, 1, 1000])
    assert large.history_["loss"][0] > 1e5


def test_order_of_targets_is_theirs(table):
    X, Y = table
    estimator = small(epochs=60, early_stopping=False).fit(X, Y)

    R2 = np.corrcoef(estimator.predict(X).T, Y.T)[:3, 3:]

    np.testing.assert_array_equal(np.abs(R2).argmax(axis=1), [0, 1, 2])


# The zoo


@pytest.mark.parametrize("container", CONTAINERS)
def test_only_the_numbers_count(container):
    X, Y = make_table()
    X, Y = (5 * X).round(), Y.round() % 100
    expected = small().fit(X, Y)
    A, B = CONTAINERS[container](X), CONTAINERS[container](Y)

    estimator = small(categorical_features=None).fit(A, B)

    assert_close(estimator.predict(A), expected.predict(X), atol=1e-6)
    assert estimator.score(A, B) == pytest.approx(expected.score(X, Y))


def test_inputs_are_not_changed(table):
    X, Y = (A.copy() for A in table)
    Y = with_holes(Y)
    copies = X.copy(), Y.copy()
    weight = np.ones(len(X))

    small().fit(X, Y, sample_weight=weight).partial_fit(X, Y).score(X, Y)

    for now, then in zip((X, Y, weight), (*copies, np.ones(len(X))), strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("case", DIFFICULT_FEATURES)
def test_difficult_features(table, case):
    X, Y = table
    X = DIFFICULT_FEATURES[case](X)

    estimator = small().fit(X, Y)

    assert np.isfinite(estimator.predict(X)).all()
    assert np.isfinite(estimator.history_["loss"]).all()


@pytest.mark.parametrize("case", DIFFICULT_TARGETS)
def test_difficult_targets(table, case):
    X, Y = table
    Y = DIFFICULT_TARGETS[case](Y)

    estimator = small(epochs=20).fit(X, Y)

    predicted, Y = estimator.predict(X), Y.astype(float)
    assert np.isfinite(predicted).all()
    assert np.isfinite(estimator.history_["loss"]).all()
    # In units of each target's spread, the predictions are where the target is.
    spread = np.where(np.ptp(Y, axis=0) > 0, np.std(Y, axis=0), 1)
    assert (np.abs(predicted - Y).mean(axis=0) < 2 * spread).all()


def test_offsets_and_units_of_features_do_not_matter(table):
    X, Y = table
    expected = small().fit(X, Y)

    shifted = X * [1, 1e6, 1e-6, 1e100, 1] + np.array([1e6, 0, 0, 0, -1e7])

    assert_close(small().fit(shifted, Y).predict(shifted), expected.predict(X), atol=1e-4)


def test_a_constant_feature_says_nothing(table):
    X, Y = table
    constants = [np.where(np.arange(5) == 1, value, X) for value in (0.0, 7.0, 1e9)]

    first, *others = (small().fit(C, Y).predict(C) for C in constants)

    for other in others:
        assert_close(other, first)


def test_a_constant_target_is_predicted_and_takes_nothing(table):
    X, Y = table
    constant = Y * [1, 0, 1] + [0, 7, 0]
    estimator = small(sharing_depth=0, epochs=100, early_stopping=False)

    predicted = estimator.fit(X, constant).predict(X)

    np.testing.assert_allclose(predicted[:, 1], 7, atol=0.1)
    others = estimator.fit(X, Y).predict(X)
    np.testing.assert_array_equal(predicted[:, [0, 2]], others[:, [0, 2]])


@pytest.mark.parametrize("sharing_depth", [0, 2])
def test_the_smallest_tables(sharing_depth):
    for n, d, n_targets in [(2, 5, 3), (64, 1, 1), (2, 1, 1)]:
        X, Y = make_table(n=n, d=d, n_targets=n_targets)
        estimator = small(sharing_depth=sharing_depth).fit(X, Y)
        assert np.isfinite(estimator.predict(X)).all()
        assert estimator.n_iter_ == 4


def test_one_row(table):
    X, Y = table

    estimator = small(early_stopping=False).fit(X[:1], Y[:1])

    np.testing.assert_allclose(estimator.predict(X[:1]), Y[:1], rtol=1e-6)
