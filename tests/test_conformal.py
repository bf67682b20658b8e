"""Conformal intervals, against quantiles by hand and the coverage that theory gives."""

import pickle
from copy import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl.calibration import ConformalRegressor
from skmtl.calibration._ranks import rank_of
from tests._asserts import raises_naming
from tests._inputs import as_frames, make_table, small, with_holes

LEVELS = (0.1, 0.5, 0.9)


class Each(RegressorMixin, BaseEstimator):
    """A linear regression for each target, on its observed rows; takes weights of cells."""

    def fit(self, X, y, sample_weight=None):
        X, Y = np.asarray(X), np.asarray(y, dtype=float)
        self.one_dimensional_ = Y.ndim == 1
        Y = Y.reshape(len(Y), -1)
        W = np.ones_like(Y) if sample_weight is None else np.asarray(sample_weight)
        W = np.where(np.isnan(Y), 0, W if W.ndim == 2 else W[:, None])
        self.of_targets_ = [
            LinearRegression().fit(X[w > 0], y[w > 0], w[w > 0])
            for y, w in zip(Y.T, W.T, strict=True)
        ]
        self.rows_ = X
        return self

    def predict(self, X):
        P = np.stack([f.predict(np.asarray(X)) for f in self.of_targets_], axis=1)
        return P[:, 0] if self.one_dimensional_ else P


class Says(RegressorMixin, BaseEstimator):
    """Knows where noise is large: 0, with a standard deviation of |x_0|, or quantiles."""

    def fit(self, X, y):
        self.n_targets_ = np.shape(y)[1]
        return self

    def predict(self, X, return_std=False):
        mean = np.zeros((len(X), self.n_targets_))
        return (mean, mean + np.abs(X[:, :1])) if return_std else mean

    def predict_quantiles(self, X):
        std = np.abs(X[:, :1, None]) + np.zeros((1, self.n_targets_, 1))
        return np.concatenate([-2 * std, 0 * std, 2 * std], axis=2)


def draw(n, seed=0, n_targets=3, together=0.5):
    """Targets whose noise goes together, in unlike units."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    noise = together * rng.normal(size=(n, 1)) + rng.normal(size=(n, n_targets))
    return X, (X[:, :1] + noise) * 10.0 ** np.arange(n_targets)


def inside(ends, Y) -> np.ndarray:
    low, high = np.moveaxis(ends, -1, 0)
    return (low <= Y) & (high >= Y)


# --- exactly --------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_one_split_by_hand(coverage):
    X, Y = draw(60)
    train, test = np.arange(30), np.arange(30, 60)
    model = ConformalRegressor(Ridge(), cv=[(train, test)]).fit(X, Y)
    ridge = Ridge().fit(X[train], Y[train])

    ends = model.predict_interval(X, coverage=coverage)
    box = model.predict_interval(X, coverage=coverage, joint=True)

    k = {0.5: 16, 0.9: 28}[coverage]  # of 30: ceil(31 * 0.5), ceil(31 * 0.9)
    residuals = np.abs(Y[test] - ridge.predict(X[test]))
    q = np.sort(residuals, axis=0)[k - 1]
    np.testing.assert_allclose(ends[..., 0], ridge.predict(X) - q)
    np.testing.assert_allclose(ends[..., 1], ridge.predict(X) + q)
    units = np.sqrt(((Y[train] - ridge.predict(X[train])) ** 2).mean(axis=0))
    q = np.sort((residuals / units).max(axis=1))[k - 1] * units
    np.testing.assert_allclose(box[..., 0], ridge.predict(X) - q)
    np.testing.assert_allclose(box[..., 1], ridge.predict(X) + q)
    np.testing.assert_array_equal(model.predict(X), ridge.predict(X))
    assert model.n_calibration_.tolist() == [30] * 3
    assert model.n_joint_ == 30


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("n_folds", [3, 4])
def test_folds_by_hand(joint, n_folds):
    """An end is the median of those around each ridge, by the residuals of all rows."""
    X, Y = draw(47)
    new = draw(20, seed=1)[0]
    cv = KFold(n_folds, shuffle=True, random_state=0)
    model = ConformalRegressor(Ridge(), cv=cv).fit(X, Y)

    ends = model.predict_interval(new, coverage=0.8, joint=joint)

    splits = list(cv.split(X))
    ridges = [Ridge().fit(X[train], Y[train]) for train, _ in splits]
    units = np.mean(
        [
            np.sqrt(((Y[train] - ridge.predict(X[train])) ** 2).mean(axis=0))
            for ridge, (train, _) in zip(ridges, splits, strict=True)
        ],
        axis=0,
    )
    residuals = np.concatenate(
        [
            np.abs(Y[test] - ridge.predict(X[test]))
            for ridge, (_, test) in zip(ridges, splits, strict=True)
        ]
    )
    if joint:
        residuals = (residuals / units).max(axis=1, keepdims=True) * units
    q = np.sort(residuals, axis=0)[38]  # ceil(48 * 0.8) = 39
    predicted = [ridge.predict(new) for ridge in ridges]
    np.testing.assert_allclose(ends[..., 0], np.median(predicted - q, axis=0))
    np.testing.assert_allclose(ends[..., 1], np.median(predicted + q, axis=0))
    np.testing.assert_allclose(model.predict(new), np.mean(predicted, axis=0))


@pytest.mark.parametrize("joint", [False, True])
def test_what_is_left_out_is_so_by_half_of_the_regressors(joint):
    """The median is a vote of the majority: hence the promise for folds."""
    X, Y = draw(150)
    tree = DecisionTreeRegressor(random_state=0)
    model = ConformalRegressor(tree, cv=4, random_state=0).fit(X[:50], Y[:50])
    left_out = ~inside(model.predict_interval(X[50:], joint=joint), Y[50:])

    votes = np.zeros(left_out.shape)
    for k in range(4):
        alone = copy(model)
        alone.estimators_ = [model.estimators_[k]]
        votes += ~inside(alone.predict_interval(X[50:], joint=joint), Y[50:])

    assert left_out.any()
    assert (votes[left_out] >= 2).all()


@pytest.mark.parametrize(
    ("coverage", "n", "rank"),
    [
        (0.9, 9, 9),
        (0.9, 19, 18),
        (0.95, 19, 19),
        (0.55, 99, 55),
        (0.29, 99, 29),
        (0.9, 8, 9),
    ],
)
def test_ranks_are_not_off_by_rounding(coverage, n, rank):
    assert rank_of(coverage, n) == rank


# --- coverage -------------------------------------------------------------------------


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize(("n", "coverage"), [(19, 0.9), (30, 0.75), (99, 0.9)])
def test_one_split_holds_what_theory_says(n, coverage, joint):
    """ceil((n + 1) q) / (n + 1), over draws of the rows to calibrate with."""
    shares = []
    for seed in range(300):
        X, Y = draw(n + 30 + 100, seed)
        calibrated, new = np.arange(30, n + 30), np.arange(n + 30, n + 130)
        model = ConformalRegressor(LinearRegression(), cv=[(np.arange(30), calibrated)])
        ends = model.fit(X, Y).predict_interval(X[new], coverage=coverage, joint=joint)
        held = inside(ends, Y[new])
        shares.append(held.all(axis=1).mean() if joint else held.mean())
    expected = np.ceil((n + 1) * coverage) / (n + 1)
    error = np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - expected) < 3 * error
    assert error < 0.01


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize(
    "learner", [LinearRegression(), DecisionTreeRegressor(max_depth=3)]
)
def test_folds_hold_about_what_is_asked_for(joint, learner):
    shares = []
    for seed in range(60):
        X, Y = draw(200, seed)
        model = ConformalRegressor(learner, random_state=0).fit(X[:100], Y[:100])
        held = inside(model.predict_interval(X[100:], joint=joint), Y[100:])
        shares.append(held.all(axis=1).mean() if joint else held.mean())
    assert 0.88 < np.mean(shares) < 0.92


@pytest.mark.parametrize("cv", [0.4, 4])
@pytest.mark.parametrize("spread", ["constant", "std", "quantiles"])
def test_any_spread_holds_what_is_asked_for(cv, spread):
    """Standard deviations and quantiles that are right about where, and wrong in size."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    Y = 7 * np.abs(X[:, :1]) * rng.normal(size=(4000, 3))
    model = ConformalRegressor(Says(), cv=cv, spread=spread, random_state=0)
    model.fit(X[:2000], Y[:2000])

    own, box = (model.predict_interval(X[2000:], joint=joint) for joint in (False, True))

    assert abs(inside(own, Y[2000:]).mean() - 0.9) < 0.02
    assert abs(inside(box, Y[2000:]).all(axis=1).mean() - 0.9) < 0.025
    assert (box[..., 0] <= own[..., 0]).all()
    assert (own[..., 1] <= box[..., 1]).all()
    noisy = np.abs(X[2000:, 0]) > 1
    held = inside(own, Y[2000:])[noisy].mean()
    assert abs(held - 0.9) < 0.03 if spread == "std" else held < 0.88


def test_wide_quantiles_shrink_and_do_not_cross():
    X, Y = draw(400)
    model = ConformalRegressor(Says(), spread="quantiles", random_state=0).fit(X, Y / 1e3)
    ends = model.predict_interval(X * 1e3, coverage=0.05)
    assert (ends[..., 0] <= ends[..., 1]).all()
    assert (np.ptp(ends, axis=-1) < 4e3 * np.abs(X[:, :1])).all()


@pytest.mark.parametrize("joint", [False, True])
def test_more_coverage_is_wider_and_holds_the_less(joint):
    X, Y = draw(100)
    model = ConformalRegressor(LinearRegression(), random_state=0).fit(X, Y)
    narrow, wide = (model.predict_interval(X, c, joint=joint) for c in (0.6, 0.95))
    assert (wide[..., 0] <= narrow[..., 0]).all()
    assert (narrow[..., 1] <= wide[..., 1]).all()


def test_units_of_targets_do_not_matter():
    X, Y = draw(100)
    model = ConformalRegressor(LinearRegression(), random_state=0)
    before = model.fit(X, Y).predict_interval(X, joint=True)
    after = model.fit(X, Y * [1e-6, 1, 1e6]).predict_interval(X, joint=True)
    np.testing.assert_allclose(after, before * np.array([1e-6, 1, 1e6])[:, None])


# --- holes, weights, groups -----------------------------------------------------------


def test_holes_are_left_out():
    X, Y = draw(80)
    holed = with_holes(Y, share=0.4)
    splits = list(KFold(4, shuffle=True, random_state=0).split(X))
    model = ConformalRegressor(Each(), cv=splits).fit(X, holed)
    ends = model.predict_interval(X, 0.8)

    assert model.n_calibration_.tolist() == (~np.isnan(holed)).sum(axis=0).tolist()
    assert model.n_joint_ == (~np.isnan(holed)).all(axis=1).sum()
    for t in range(3):
        seen = np.flatnonzero(~np.isnan(holed[:, t]))
        of_seen = [[np.flatnonzero(np.isin(seen, r)) for r in split] for split in splits]
        alone = ConformalRegressor(Each(), cv=of_seen).fit(X[seen], Y[seen, t])
        np.testing.assert_allclose(ends[:, t], alone.predict_interval(X, 0.8), rtol=1e-9)
    by_weight = ConformalRegressor(Each(), cv=splits)
    by_weight.fit(X, Y, sample_weight=1.0 - np.isnan(holed))
    np.testing.assert_allclose(by_weight.predict_interval(X, 0.8), ends, rtol=1e-9)


def test_boxes_hold_all_targets_where_holes_are():
    shares = []
    for seed in range(100):
        X, Y = draw(400, seed)
        holed = with_holes(Y[:200], share=0.4, seed=seed)
        model = ConformalRegressor(Each(), random_state=0).fit(X[:200], holed)
        box = model.predict_interval(X[200:], joint=True)
        shares.append(inside(box, Y[200:]).all(axis=1).mean())
    assert abs(np.mean(shares) - 0.9) < 0.015


@pytest.mark.parametrize("cv", [4, 0.3, ShuffleSplit(1, test_size=0.3, random_state=0)])
def test_weights_reach_the_fits(cv):
    X, Y = draw(80)
    W = np.random.default_rng(0).exponential(size=80)
    parameters = {"cv": cv, "random_state": 0}
    plain = ConformalRegressor(Ridge(), **parameters).fit(X, Y, sample_weight=W)
    scaler = StandardScaler(with_mean=False, with_std=False)
    piped = ConformalRegressor(make_pipeline(scaler, Ridge()), **parameters)
    piped.fit(X, Y, sample_weight=W)
    np.testing.assert_allclose(plain.predict_interval(X), piped.predict_interval(X))
    unweighted = ConformalRegressor(Ridge(), **parameters).fit(X, Y)
    assert (plain.predict(X) != unweighted.predict(X)).any()


@pytest.mark.parametrize("cv", [4, 0.3])
def test_a_group_is_on_one_side(cv):
    X, Y = draw(120)
    groups = np.random.default_rng(0).integers(30, size=120)
    X[:, 0] = groups
    model = ConformalRegressor(Each(), cv=cv, random_state=0).fit(X, Y, groups=groups)
    assert len(model.estimators_) == (4 if cv == 4 else 1)
    for fitted, scores in zip(model.estimators_, model._scores, strict=True):
        n_others = (~np.isin(groups, fitted.rows_[:, 0])).sum()
        assert len(scores) == n_others > 0


# --- networks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "spread"),
    [
        ("squared_error", "constant"),
        ("normal", "std"),
        (("quantile", LEVELS), "quantiles"),
        ({"cost": ("quantile", LEVELS), "time": "huber", "risk": "huber"}, "quantiles"),
    ],
)
def test_the_spread_is_what_the_network_has(loss, spread):
    X, Y = as_frames(*make_table(160))
    holed = Y.where(~np.isnan(with_holes(Y.to_numpy(), share=0.2)))
    network = small(epochs=3, loss=loss)
    train, test = np.arange(100), np.arange(100, 160)
    model = ConformalRegressor(network, cv=[(train, test)]).fit(X, holed)

    ends = model.predict_interval(X)

    assert model.spread_ == spread
    assert model.target_names_.tolist() == list(Y)
    alone = clone(network).fit(X.iloc[train], holed.iloc[train])
    P = alone.predict(X)
    low, high, scale = P, P, np.ones_like(P)
    if spread == "std":
        scale = alone.predict(X, return_std=True)[1]
    if spread == "quantiles":
        Q = alone.predict_quantiles(X)
        low, high = (np.where(np.isnan(q), P, q) for q in (Q[..., 0], Q[..., 2]))
    A = holed.to_numpy()
    scores = (np.maximum(low - A, A - high) / scale)[test]
    for t in range(3):
        seen = np.sort(scores[~np.isnan(scores[:, t]), t])
        q = seen[int(np.ceil(0.9 * (len(seen) + 1) - 1e-9)) - 1]
        np.testing.assert_allclose(ends[:, t, 0], (low - q * scale)[:, t], rtol=1e-6)
        np.testing.assert_allclose(ends[:, t, 1], (high + q * scale)[:, t], rtol=1e-6)


def test_networks_inside_of_other_estimators():
    X, Y = make_table(160)
    network = small(epochs=3, loss="normal")
    parameters = {"cv": [(np.arange(100), np.arange(100, 160))]}
    plain = ConformalRegressor(network, **parameters).fit(X, Y).predict_interval(X)
    scaler = StandardScaler(with_mean=False, with_std=False)
    search = GridSearchCV(
        network, {"epochs": [3]}, cv=[(np.arange(50), np.arange(50, 100))]
    )
    frozen = FrozenEstimator(clone(network).fit(X[:100], Y[:100]))

    for other in (make_pipeline(scaler, network), search, frozen):
        model = ConformalRegressor(other, **parameters).fit(X, Y)
        assert model.spread_ == "std"
        np.testing.assert_allclose(model.predict_interval(X), plain, rtol=1e-4)


@pytest.mark.parametrize("cv", [2, 5])
def test_a_fitted_estimator_is_calibrated_with_all_rows(cv):
    X, Y = draw(130)
    ridge = Ridge().fit(X[:30], Y[:30])
    model = ConformalRegressor(FrozenEstimator(ridge), cv=cv).fit(X[30:], Y[30:])

    ends = model.predict_interval(X)

    q = np.sort(np.abs(Y[30:] - ridge.predict(X[30:])), axis=0)[90]
    np.testing.assert_allclose(ends[..., 1], ridge.predict(X) + q, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X), ridge.predict(X))


def test_text_goes_to_the_estimator_as_it_is():
    X, Y = draw(60)
    frame = pd.DataFrame({"where": np.where(X[:, 0] > 0, "north", "south")})
    pipeline = make_pipeline(OneHotEncoder(), LinearRegression())
    model = ConformalRegressor(pipeline, cv=3).fit(frame, pd.DataFrame(Y))
    assert model.predict_interval(frame).shape == (60, 3, 2)
    assert model.feature_names_in_.tolist() == ["where"]


# --- as an estimator of scikit-learn --------------------------------------------------


@parametrize_with_checks(
    [ConformalRegressor(Ridge(), cv=3), ConformalRegressor(LinearRegression(), cv=0.25)],
)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cv", [3, 0.3])
def test_copies_and_repeated_fits(cv):
    X, Y = draw(60)
    model = ConformalRegressor(Ridge(), cv=cv, random_state=0).fit(X, Y)
    ends = model.predict_interval(X, joint=True)

    for other in (
        pickle.loads(pickle.dumps(model)),
        clone(model).fit(X, Y),
        clone(model).set_params(n_jobs=2).fit(X, Y),
    ):
        np.testing.assert_array_equal(other.predict_interval(X, joint=True), ends)
    assert (
        clone(model).set_params(random_state=1).fit(X, Y).predict(X) != model.predict(X)
    ).any()
    assert model.set_params(estimator__alpha=3.0).get_params()["estimator__alpha"] == 3
    assert not hasattr(model.estimator, "coef_")
    model.fit(pd.DataFrame(X, columns=["a", "b"]), Y)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(model.fit(X, Y), "feature_names_in_")


def test_one_target():
    X, Y = draw(60)
    model = ConformalRegressor(Ridge(), random_state=0)
    flat = model.fit(X, Y[:, 0]).predict_interval(X)
    assert flat.shape == (60, 2)
    assert model.predict(X).shape == (60,)
    column = model.fit(X, Y[:, :1]).predict_interval(X)
    np.testing.assert_allclose(column[:, 0], flat)
    np.testing.assert_allclose(model.predict_interval(X, joint=True), column)


def test_score_wants_the_targets_of_the_fit():
    X, Y = as_frames(*make_table())
    model = ConformalRegressor(LinearRegression(), cv=0.5, random_state=0).fit(X, Y)

    for other in (Y[["time", "cost", "risk"]], Y.rename(columns={"cost": "price"})):
        with raises_naming(f"column{'s' * (other.shape[1] > 1)}", "'cost', 'time', 'risk'"):
            model.score(X, other)
    weight = pd.DataFrame(1.0, X.index, ["risk", "time", "cost"]).assign(cost=0.0)
    weighted = model.score(X, Y, weight.assign(cost=2.0))
    assert weighted == pytest.approx(model.score(X, Y))


def test_a_failed_fit_leaves_all_as_it_was():
    X, Y = draw(60)
    model = ConformalRegressor(LinearRegression(), random_state=0).fit(X, Y)
    before, intervals = dict(vars(model)), model.predict_interval(X)

    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, np.where(np.arange(len(X)) < 9, np.nan, Y[:, 0]))

    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(model.predict_interval(X), intervals)


def test_score_leaves_holes_out():
    X, Y = draw(60)
    holed = with_holes(Y)
    model = ConformalRegressor(Each(), random_state=0).fit(X, holed)
    assert 0 < model.score(X, holed) < 1
    assert model.score(X, holed) != model.score(X, Y)


def test_constant_targets_have_intervals_without_width():
    X, Y = draw(60)
    Y[:, 0] = 5
    model = ConformalRegressor(LinearRegression(), random_state=0).fit(X, Y)
    for joint in (False, True):
        ends = model.predict_interval(X, joint=joint)
        assert np.isfinite(ends).all()
        np.testing.assert_allclose(ends[:, 0], 5, rtol=1e-6)


def test_too_few_rows_to_calibrate_with():
    X, Y = draw(40)
    Y[9:, 1] = np.nan
    names = pd.DataFrame(Y, columns=["a", "b", "c"])
    model = ConformalRegressor(Each(), cv=3).fit(X, names)

    model.predict_interval(X, coverage=0.9)
    with raises_naming("coverage=0.95", "19 observed", "9 of target 'b'", "cv=5"):
        model.predict_interval(X, coverage=0.95)
    with raises_naming("joint=True", "19 rows", "there are 9.", "coverage=0.9833"):
        model.predict_interval(X, coverage=0.95, joint=True)
    for wrong in (0, 1, 90, "high", True, None):
        with raises_naming("coverage", "between 0 and 1", repr(wrong)):
            model.predict_interval(X, coverage=wrong)


def test_regressors_without_such_a_spread():
    X, Y = draw(40)
    for spread, method in (("std", "return_std"), ("quantiles", "predict_quantiles")):
        pipeline = make_pipeline(StandardScaler(), Ridge())
        with raises_naming(repr(spread), method, "Ridge has not", "'constant'"):
            ConformalRegressor(pipeline, spread=spread).fit(X, Y)


def test_splits_that_do_not_calibrate():
    X, Y = draw(40)
    for cv in (ShuffleSplit(3), TimeSeriesSplit(3)):
        with raises_naming("cv must test each row exactly once"):
            ConformalRegressor(Ridge(), cv=cv).fit(X, Y)
    for wrong in ({"cv": 1.5}, {"cv": "half"}, {"spread": "wide"}, {"estimator": 3}):
        with raises_naming(*wrong):
            ConformalRegressor(Ridge()).set_params(**wrong).fit(X, Y)
