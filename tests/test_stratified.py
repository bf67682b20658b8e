"""Folds that are alike in every target, against what their docstring promises."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    BaseCrossValidator,
    GridSearchCV,
    KFold,
    StratifiedKFold,
    check_cv,
    cross_validate,
)

from skmtl.model_selection import MultiTargetStratifiedKFold, cross_val_predict
from skmtl.model_selection._strata import strata_of_rows
from tests._asserts import raises_naming
from tests._inputs import as_frames, make_table, small, small_classifier

SEEDS = range(5)
N = 300


def mixed(seed=0, n=N, holes=0.2) -> pd.DataFrame:
    """Numbers, skewed counts, text with rare classes, bools; all but one with holes."""
    rng = np.random.default_rng(seed)
    y = pd.DataFrame(
        {
            "price": rng.normal(size=n),
            "visits": rng.poisson(2, size=n),
            "kind": rng.choice(
                list("abcdef"), size=n, p=[0.5, 0.3, 0.12, 0.04, 0.02, 0.02]
            ),
            "sold": rng.random(n) < 0.1,
        }
    )
    y = y.astype({"kind": object, "sold": object, "visits": "Int64"})
    for name in ("price", "visits", "kind"):
        y.loc[rng.random(n) < holes, name] = None
    y.loc[rng.random(n) < 0.95, "sold"] = None  # seldom observed
    return y


def folds_of(y, groups=None, n_splits=5, seed=0) -> list[np.ndarray]:
    cv = MultiTargetStratifiedKFold(n_splits, random_state=seed)
    return [test for _, test in cv.split(y, y, groups)]


def lacks(y: pd.DataFrame, folds, name: str) -> list:
    """Classes of a target that are not in as many folds as they could be."""
    total = y[name].value_counts()
    n_folds = sum(
        y[name].iloc[test].value_counts().reindex(total.index) > 0 for test in folds
    )
    return list(total.index[n_folds < np.minimum(total, len(folds))])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("n", [N, N + 1, N + 4, 11])
def test_folds_are_a_partition_of_equal_sizes(seed, n):
    y = mixed(seed, n)
    cv = MultiTargetStratifiedKFold(5, random_state=seed)

    splits = list(cv.split(y, y))

    assert len(splits) == cv.get_n_splits() == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([b for _, b in splits])), range(n))
    for train, test in splits:
        np.testing.assert_array_equal(np.setdiff1d(range(n), test), train)
        assert len(test) in {n // 5, -(-n // 5)}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_fold_is_without_a_class_of_as_many_rows_as_folds(seed):
    y = mixed(seed)
    folds = folds_of(y, seed=seed)

    for name in ("kind", "sold", "visits"):
        assert lacks(y, folds, name) == []


def test_other_folds_do_lack_classes():
    """What these folds are for: else the test above would hold for any."""
    y = mixed()
    for plain in (KFold(5), KFold(5, shuffle=True, random_state=0)):
        assert lacks(y, [test for _, test in plain.split(y)], "kind")


@pytest.mark.parametrize("seed", SEEDS)
def test_observed_cells_and_numbers_have_their_share_of_each_fold(seed):
    y = mixed(seed)
    for test in folds_of(y, seed=seed):
        shares = y.iloc[test].notna().sum() - y.notna().sum() / 5
        assert (shares.abs() <= 1).all()
        below = [(part["price"] < y["price"].median()).mean() for part in (y, y.iloc[test])]
        assert abs(below[0] - below[1]) < 0.04


def label_distribution(y, folds) -> float:
    """How far odds of strata are from their odds in the whole (Sechidis et al., LD)."""
    strata = strata_of_rows(y, n_bins=10, n_splits=len(folds)).toarray()[:, 1:]
    odds = [
        part.mean(axis=0) / (1 - part.mean(axis=0))
        for part in map(strata.__getitem__, folds)
    ]
    whole = strata.mean(axis=0) / (1 - strata.mean(axis=0))
    return float(np.abs(np.array(odds) - whole).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_strata_are_nearer_to_their_shares_than_at_random(seed):
    y = mixed(seed)
    at_random = [test for _, test in KFold(5, shuffle=True, random_state=seed).split(y)]
    distances = [
        label_distribution(y, folds) for folds in (folds_of(y, seed=seed), at_random)
    ]
    assert distances[0] < 0.6 * distances[1]


@pytest.mark.parametrize("seed", range(20))
def test_every_training_part_observes_what_is_observed_twice(seed):
    rng = np.random.default_rng(seed)
    Y = np.full((30, 6), np.nan)
    for t in range(6):
        Y[rng.choice(30, size=2, replace=False), t] = rng.normal(size=2)
    y = pd.DataFrame(Y)

    for train, _ in MultiTargetStratifiedKFold(5, random_state=seed).split(Y, y):
        assert y.iloc[train].notna().any().all()


@pytest.mark.parametrize("seed", range(20))
def test_counts_of_one_target_s_classes_differ_by_one_at_most(seed):
    """As with scikit-learn's StratifiedKFold."""
    y = pd.Series(np.random.default_rng(seed).choice(list("aaaaaabbccd"), size=93))
    folds = folds_of(y, seed=seed), [t for _, t in StratifiedKFold(5).split(y, y)]
    for of_one in folds:
        counts = [y.iloc[t].value_counts().reindex(list("abcd")).fillna(0) for t in of_one]
        assert (np.ptp(np.stack(counts), axis=0) <= 1).all()


def test_a_small_table_by_hand():
    """Algorithm 1 of Sechidis et al., two folds, ties to the first.

    r is the rarest: row 5 finds the folds alike and goes to fold 0. Of u, which has two
    rows left as v has, row 0 goes where u lacks more after row 5 took one: fold 1. That
    leaves u row 1: both have one, fold 0 and 1 have a row each, so fold 0. Then v: row 2
    finds v lacking alike and fold 1 with fewer rows, row 3 then goes to fold 0, row 4 to
    fold 1, the one with fewer rows.
    """
    y = pd.DataFrame({"a": list("uuvvvu"), "b": list("qqqqqr")})

    folds = [t for _, t in MultiTargetStratifiedKFold(2, shuffle=False).split(y, y)]

    np.testing.assert_array_equal(folds[0], [1, 3, 5])
    np.testing.assert_array_equal(folds[1], [0, 2, 4])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_group_is_on_one_side(seed):
    y = mixed(seed)
    rng = np.random.default_rng(seed)
    groups = np.array([f"patient {i}" for i in rng.geometric(0.03, size=N)])
    cv = MultiTargetStratifiedKFold(4, random_state=seed)

    splits = list(cv.split(y, y, groups))

    np.testing.assert_array_equal(np.sort(np.concatenate([b for _, b in splits])), range(N))
    for train, test in splits:
        assert not set(groups[train]) & set(groups[test])
        assert abs(len(test) - N / 4) <= 3
    of_groups = pd.crosstab(groups, y["kind"]) > 0
    rare = of_groups.columns[of_groups.sum() >= 4]
    assert all(set(rare) <= set(y["kind"].iloc[test]) for _, test in splits)


def test_groups_of_one_row_are_rows():
    y = mixed()
    alone = folds_of(y, groups=np.arange(N))
    for own, other in zip(alone, folds_of(y), strict=True):
        np.testing.assert_array_equal(own, other)


def test_folds_depend_on_the_seed_alone():
    y = mixed()
    first, again, other = folds_of(y), folds_of(y), folds_of(y, seed=1)

    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))
    orders = [MultiTargetStratifiedKFold(shuffle=False).split(y, y) for _ in range(2)]
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(*orders, strict=True))


def test_names_of_classes_and_units_of_numbers_do_not_matter():
    y = mixed()
    other = y.assign(
        price=1e9 + 1e6 * y["price"],
        kind=y["kind"].map(dict(zip("abcdef", "fzbyax", strict=True))),
    )
    assert all(map(np.array_equal, folds_of(y), folds_of(other)))


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: y.astype(object).to_numpy(),
        lambda y: y.astype(object).where(y.notna(), None).to_numpy().tolist(),
        lambda y: y.convert_dtypes(),
        lambda y: y.assign(kind=y["kind"].astype("category")),
        lambda y: y.set_axis(pd.RangeIndex(7, 7 + len(y))),
    ],
)
def test_containers(convert):
    y = mixed()
    y["visits"] = y["visits"].astype(float)
    own = MultiTargetStratifiedKFold(5, random_state=0).split(np.zeros(N), convert(y))
    assert all(np.array_equal(a, b[1]) for a, b in zip(folds_of(y), own, strict=True))


def test_whole_numbers_are_classes_where_each_is_frequent():
    rng = np.random.default_rng(0)
    codes = pd.DataFrame({"letter": np.append(rng.integers(25, size=990), [25] * 5)})
    assert lacks(codes, folds_of(codes), "letter") == []
    ages = pd.DataFrame({"days": rng.permutation(995)})
    for test in folds_of(ages):
        counts = np.histogram(ages["days"].iloc[test], 10, range=(0, 995))[0]
        assert counts.min() >= 19
        assert counts.max() <= 21


def test_difficult_targets():
    n = 23
    y = pd.DataFrame(
        {
            "constant": 1.0,
            "hole": np.nan,
            "once": [3.5, *[np.nan] * (n - 1)],
            "ties": [0.0] * 20 + [0.1, 0.2, 0.3],
            "all": range(n),
            "infinite": [np.inf, -np.inf, *np.linspace(0, 1, n - 2)],
        }
    )
    for name in y:
        assert {len(test) for test in folds_of(y[name])} == {4, 5}
    assert {len(test) for test in folds_of(y)} == {4, 5}
    assert [len(test) for test in folds_of(y.iloc[:5])] == [1] * 5


def test_contradicting_classes_are_no_error():
    """Of three rows any two share a class, and there are two folds."""
    y = pd.DataFrame({"a": list("uuv"), "b": list("vuu"), "c": list("uvu")})
    assert sorted(len(test) for test in folds_of(y, n_splits=2)) == [1, 2]


def test_in_scikit_learn_s_tools():
    y = mixed()[["price", "visits"]].astype(float)
    y["visits"] = y["visits"].fillna(1)
    X = pd.DataFrame({"a": np.linspace(-1, 1, N), "b": np.arange(N) % 7})
    cv = MultiTargetStratifiedKFold(3, random_state=0)
    whole = y.fillna(0)
    groups = np.arange(N) // 4

    assert isinstance(cv, BaseCrossValidator)
    assert check_cv(cv) is cv
    assert " ".join(repr(cv).split()) == (
        "MultiTargetStratifiedKFold(n_bins=10, n_splits=3, random_state=0, shuffle=True)"
    )
    search = GridSearchCV(DummyRegressor(), {"strategy": ["mean", "median"]}, cv=cv)
    assert search.fit(X, whole).n_splits_ == 3
    plain = cross_validate(LinearRegression(), X, whole, cv=cv, groups=groups)
    with config_context(enable_metadata_routing=True):
        params = {"groups": groups}
        routed = cross_validate(LinearRegression(), X, whole, cv=cv, params=params)
        cross_validate(LinearRegression(), X, whole, cv=cv)
    np.testing.assert_array_equal(plain["test_score"], routed["test_score"])
    found = cross_val_predict(small(epochs=2), X, y, cv=cv)
    assert np.isfinite(found).all()


def test_with_text_labels_in_a_search_of_networks():
    X, _ = as_frames(*make_table())
    y = mixed(n=len(X))[["kind", "sold"]]
    y["sold"] = [True, False, *[None] * (len(X) - 2)]
    cv = MultiTargetStratifiedKFold(2, random_state=0)

    with pytest.warns(UserWarning, match="no observed target"):
        search = GridSearchCV(
            small_classifier(epochs=2, early_stopping=False),
            {"sharing_depth": [1]},
            cv=cv,
            error_score="raise",
        ).fit(X, y)

    assert np.isfinite(search.best_score_)


def test_a_large_table_takes_seconds():
    y = mixed(n=100_000)
    y["rate"] = y["price"] ** 3

    start = time.perf_counter()
    folds = folds_of(y)
    seconds = time.perf_counter() - start

    assert seconds < 20, "it took 1.2 s on one core"
    assert [len(test) for test in folds] == [20_000] * 5
    assert lacks(y, folds, "kind") == []


def test_what_is_refused():
    y = mixed(n=4)
    with raises_naming("n_splits=5", "as many rows", "there are 4"):
        folds_of(y)
    with raises_naming("n_splits=3", "as many groups", "there are 2"):
        folds_of(y, groups=[0, 0, 1, 1], n_splits=3)
    with raises_naming("y is None", "KFold"):
        next(MultiTargetStratifiedKFold().split(y))
    with raises_naming("groups has 1 missing"):
        folds_of(y, groups=["a", None, "b", "a"], n_splits=2)
    with raises_naming("random_state=0", "shuffle=True"):
        MultiTargetStratifiedKFold(shuffle=False, random_state=0)
    for wrong in ({"n_splits": 1}, {"n_splits": 2.5}, {"n_bins": 0}, {"shuffle": "no"}):
        with raises_naming(*wrong):
            MultiTargetStratifiedKFold(**wrong)


def test_the_error_of_a_fold_without_a_target_names_these_folds():
    """And they are of help: the same fits with them."""
    X, _ = make_table()
    y = pd.DataFrame({"often": np.arange(len(X)) / 9, "seldom": np.nan})
    y.loc[:1, "seldom"] = [1.0, 2.0]
    model = small(epochs=2, sharing_depth=0, early_stopping=False)

    with raises_naming("'seldom'", "MultiTargetStratifiedKFold()"):
        model.fit(X[2:], y.iloc[2:])
    scores = cross_validate(
        model, X, y, cv=MultiTargetStratifiedKFold(2, random_state=0), error_score="raise"
    )["test_score"]
    assert np.isfinite(scores).all()
