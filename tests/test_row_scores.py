"""What each row contributes to the scores of a search, and the verdicts made of it.

The searches are over the quick stand-in for a network that `tests.test_gain` has, and a
classifier like it.
"""

import functools
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.metrics import target_scorers
from skmtl.model_selection import (
    SharingDepthSearchCV,
    _differences,
    _row_scores,
    sharing_gain,
    sharing_verdict,
)
from skmtl.model_selection._differences import Differences, Scored
from skmtl.model_selection._row_scores import Folds
from skmtl.model_selection._verdict import judgement
from tests._asserts import raises_naming
from tests._inputs import TARGETS, as_frames, make_table, with_holes
from tests.test_gain import DepthRidge

X, Y = as_frames(*make_table())
N = len(X)
CV = RepeatedKFold(n_splits=4, n_repeats=2, random_state=0)


class Ridge(DepthRidge):
    def __init__(
        self,
        sharing_depth=0,
        alpha=1.0,
        epochs=1,
        trunk_sizes=(8, 8),
        head_sizes=(),
        share_output=False,
    ):
        super().__init__(sharing_depth, alpha, epochs, trunk_sizes)
        self.head_sizes = head_sizes
        self.share_output = share_output


class Logistic(ClassifierMixin, BaseEstimator):
    def __init__(
        self, sharing_depth=0, trunk_sizes=(8, 8), head_sizes=(), share_output=False
    ):
        self.sharing_depth = sharing_depth
        self.trunk_sizes = trunk_sizes
        self.head_sizes = head_sizes
        self.share_output = share_output

    def fit(self, X, y):
        C = [1.0, 0.001, 0.1][self.sharing_depth]
        seen = [y[name].notna() for name in y]
        self.models_ = [
            LogisticRegression(C=C).fit(X[s], y.loc[s, name].astype(str))
            for s, name in zip(seen, y, strict=True)
        ]
        self.classes_ = [model.classes_ for model in self.models_]
        return self

    def predict_proba(self, X):
        return [model.predict_proba(X) for model in self.models_]

    def predict(self, X):
        return np.column_stack([model.predict(X) for model in self.models_])


def depth_search(estimator=None, **parameters) -> SharingDepthSearchCV:
    return SharingDepthSearchCV(estimator or Ridge(), **{"cv": CV, **parameters})


def labels() -> pd.DataFrame:
    above = Y[["cost", "time"]] > Y[["cost", "time"]].median()
    return above.astype(str).astype(object)


def assert_rows_add_up(search):
    """Summed over the rows, they differ as the mean scores of the candidates do."""
    names = [key.removeprefix("mean_test_") for key in scores_of(search)]
    for position, name in enumerate(names):
        sums = np.nansum(search.row_scores_[..., position].astype(float), axis=1)
        scores = search.cv_results_[f"mean_test_{name}"]
        np.testing.assert_allclose(sums - sums[0], scores - scores[0], atol=1e-5)


def scores_of(search) -> dict:
    results = search.cv_results_
    return {key: s for key, s in results.items() if key.startswith("mean_test_")}


# What rows contribute


@pytest.mark.parametrize("metric", ["r2", "neg_mean_absolute_error"])
@pytest.mark.parametrize("cv", [CV, KFold(3), ShuffleSplit(3, test_size=0.2)])
def test_rows_add_up_to_the_scores(metric, cv):
    search = depth_search(cv=cv, scoring=target_scorers(metric=metric)).fit(X, Y)

    assert search.row_scores_.shape == (3, N, 4)
    assert_rows_add_up(search)


@pytest.mark.parametrize("metric", ["neg_log_loss", "accuracy"])
def test_rows_of_classifiers_add_up(metric):
    y = labels()
    y.iloc[::7, 1] = None
    scoring = target_scorers(metric=metric)
    search = depth_search(Logistic(), scoring=scoring, refit=False).fit(X, y)

    assert_rows_add_up(search)
    assert np.isnan(search.row_scores_[:, ::7, 2]).all()
    assert "Sharing" in sharing_verdict(search)


def test_rows_add_up_with_holes_and_weights():
    holed = Y.where(~np.isnan(with_holes(Y.to_numpy(), share=0.2)))
    holed.iloc[0] = np.nan
    search = depth_search().fit(X, holed)

    assert_rows_add_up(search)
    observed = holed.notna().to_numpy()
    np.testing.assert_array_equal(~np.isnan(search.row_scores_[0, :, 1:]), observed)
    scorer = target_scorers()
    weight = np.random.default_rng(0).integers(0, 3, size=Y.shape).astype(float)
    for given in (weight, weight[:, 0]):
        a, b = (
            scorer(Ridge(sharing_depth=d).fit(X, Y), X, holed, sample_weight=given)
            for d in (0, 1)
        )
        sums = np.nansum(a.rows, axis=0) - np.nansum(b.rows, axis=0)
        expected = np.array(list(a.values())) - np.array(list(b.values()))
        np.testing.assert_allclose(sums, expected)


def test_targets_without_a_score_have_no_rows():
    holed = Y.copy()
    holed.loc[48:, "time"] = np.nan  # the last of four folds
    with pytest.warns(UserWarning, match=r"target 'time'|non-finite"):
        search = depth_search(cv=KFold(4)).fit(X, holed)

    gain = sharing_gain(search)
    sums = np.nansum(search.row_scores_.astype(float), axis=1)
    np.testing.assert_allclose((sums - sums[0])[:, 2], gain["gain", "time"], atol=1e-5)


# Which searches have them


def test_candidates_of_processes_and_pipelines_have_the_same():
    alone = depth_search().fit(X, Y)
    scaler = StandardScaler(with_std=False).set_output(transform="pandas")
    in_pipeline = depth_search(make_pipeline(scaler, Ridge())).fit(X, Y)
    in_processes = depth_search(n_jobs=2).fit(X, Y)

    for search in (in_pipeline, in_processes, pickle.loads(pickle.dumps(alone))):
        np.testing.assert_allclose(search.row_scores_, alone.row_scores_, atol=1e-6)


def test_listed_folds_and_masks():
    rows = np.arange(N)
    listed = list(CV.split(X))
    masks = [(np.isin(rows, a), np.isin(rows, b)) for a, b in listed]
    expected = depth_search().fit(X, Y)

    for folds in (listed, masks, iter(listed)):
        search = depth_search(cv=folds).fit(X, Y)
        np.testing.assert_array_equal(search.row_scores_, expected.row_scores_)


def test_groups_count_as_one_each():
    groups = np.repeat(["a", "b", "c", "d", "e", "f", "g", "h"], N // 8)
    search = depth_search(cv=GroupKFold(4)).fit(X, Y, groups=groups)

    assert search.row_scores_.shape == (3, 8, 4)
    assert_rows_add_up(search)
    D = search.row_scores_[1].astype(float) - search.row_scores_[0]
    expected = np.sqrt((1 + 1 / 3) * 8 * D.var(axis=0, ddof=1))
    np.testing.assert_allclose(sharing_gain(search).loc[1, "se"], expected)
    with config_context(enable_metadata_routing=True):
        routed = depth_search(cv=GroupKFold(4)).fit(X, Y, groups=groups)
    np.testing.assert_array_equal(routed.row_scores_, search.row_scores_)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cv": TimeSeriesSplit(4)},
        {"scoring": "neg_mean_squared_error", "cv": KFold(4)},
        {"scoring": target_scorers(metric="neg_average_relative_rmse"), "cv": KFold(2)},
    ],
)
def test_other_searches_go_by_their_folds(parameters, monkeypatch):
    monkeypatch.setattr(Ridge, "target_means_", Y.mean().to_numpy(), raising=False)
    search = depth_search(**parameters).fit(X, Y)

    assert search.row_scores_ is None
    n_folds = search.n_splits_
    names = [key.replace("mean_", "") for key in scores_of(search)]
    scores = np.array(
        [[search.cv_results_[f"split{k}_{n}"] for n in names] for k in range(n_folds)]
    )
    difference = scores[:, :, 1] - scores[:, :, 0]
    factor = 1 / n_folds + 1 / (n_folds - 1)
    expected = np.sqrt(factor * difference.var(axis=0, ddof=1))
    np.testing.assert_allclose(sharing_gain(search).loc[1, "se"], expected)
    assert (judgement(search).table["n"] == n_folds).all()


def test_a_fit_that_failed_leaves_the_folds():
    search = depth_search(Ridge(trunk_sizes=(8, 8, 8)))  # depth 3 raises
    with (
        pytest.warns(FitFailedWarning, match="no such depth"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, Y)

    assert search.row_scores_ is None
    assert (judgement(search, depth=1).table["n"] == 8).all()


# Of many rows, and of another scikit-learn


def test_of_many_rows_the_sums_over_portions_are_kept(monkeypatch):
    expected = depth_search().fit(X, Y)
    monkeypatch.setattr(_row_scores, "MOST_NUMBERS", 3 * 4 * 32)
    monkeypatch.setattr(_row_scores, "FEWEST_PORTIONS", 1)

    search = depth_search().fit(X, Y)

    assert N > 32
    assert search.row_scores_.shape == (3, 32, 4)
    assert_rows_add_up(search)
    assert search.sharing_gain_["gain"].equals(expected.sharing_gain_["gain"])
    ratio = search.sharing_gain_["se"].iloc[1:] / expected.sharing_gain_["se"].iloc[1:]
    assert ((ratio > 0.5) & (ratio < 2)).all(axis=None)


def test_what_is_kept_of_rows_has_a_bound():
    """Whatever their number, and that of candidates times scores."""
    for n, n_numbers in ((2_000_000, 8 * 6), (2_000_000, 1), (500_000, 1000 * 6)):
        portion = _row_scores._portions(n, n_numbers)
        sizes = np.bincount(portion)
        assert len(sizes) * n_numbers * 4 <= 32 * 2**20
        assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(_row_scores._portions(50_000, 8 * 6), range(50_000))


def test_portions_have_the_standard_error_of_rows():
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"mean": rng.standard_t(5, size=200_000)})
    sums = d.groupby(_row_scores._portions(len(d), 2**23 // 4000)).sum()

    rows, portions = (Differences(d, table, 0.25).se for table in (d, sums))

    assert len(sums) == 2048
    np.testing.assert_allclose(portions, rows, rtol=4 / np.sqrt(2 * 2048))


@pytest.mark.parametrize("sizes", [(300, 64), (64, 300), (128, 32), (300, 300), (32, 32)])
def test_portions_of_two_tables_are_made_equal(monkeypatch, sizes):
    """As if there had never been room for more."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 300, 3))
    rows[:, :5, 1] = np.nan
    ids = np.arange(300)

    def kept(n):
        return _row_scores._summed(rows, _row_scores._dealt(300, n) if n < 300 else ids)

    found = _row_scores.of_equal_portions([kept(n) for n in sizes], 300)

    for table in found:
        np.testing.assert_allclose(table, kept(min(sizes)), rtol=1e-5, atol=1e-6)
    assert _row_scores.of_equal_portions([kept(n) for n in sizes], 299) is None or (
        max(sizes) < 299
    )


def without_rows(out):
    return [of_fold | {"test_scores": dict(of_fold["test_scores"])} for of_fold in out]


@pytest.mark.parametrize(
    "other",
    [
        without_rows,
        lambda out: [(of_fold["test_scores"],) for of_fold in out],
        lambda out: [{"scores": of_fold["test_scores"]} for of_fold in out],
        lambda out: out[::-1],
    ],
)
def test_scores_that_are_gathered_otherwise_are_spoken_of(monkeypatch, other):
    """By a scikit-learn to come."""
    ours = SharingDepthSearchCV._format_results

    class Coming(SharingDepthSearchCV):
        def _format_results(self, candidates, n_splits, out, more_results=None):
            theirs = functools.partial(GridSearchCV._format_results, self)
            results = theirs(candidates, n_splits, out, more_results)
            monkeypatch.setattr(GridSearchCV, "_format_results", lambda *args: results)
            return ours(self, candidates, n_splits, other(out), more_results)

    with pytest.warns(UserWarning, match=f"scikit-learn {sklearn.__version__}.*folds"):
        search = Coming(Ridge(), cv=CV).fit(X, Y)

    assert search.row_scores_ is None
    assert (judgement(search).table["n"] == search.n_splits_).all()


def test_a_method_that_is_called_no_more_is_spoken_of(monkeypatch):
    search = depth_search().fit(X, Y)
    monkeypatch.delattr(SharingDepthSearchCV, "_format_results")

    with pytest.warns(UserWarning, match="row_scores_ is None"):
        search.fit(X, Y)

    assert search.row_scores_ is None, "not that of the fit before"


# The rule


def scored(D, iterations=None) -> Scored:
    """Candidates whose rows differ from those of the first by D (candidates, rows)."""
    D = np.asarray(D, dtype=float)[..., None]
    rows = np.concatenate([np.zeros_like(D[:1]), D])
    folds = rows.sum(axis=1).T[None]
    return Scored(["mean"], folds, rows, np.zeros(len(rows), dtype=int), 0)


def test_standard_error_of_rows():
    search = depth_search().fit(X, Y)

    for ratio, factor in ((None, 1 + 1 / 3), (0.5, 1.5), (0, 1)):
        gain = sharing_gain(search, test_ratio=ratio)
        D = search.row_scores_[2].astype(float) - search.row_scores_[0]
        expected = np.sqrt(factor * N * D.var(axis=0, ddof=1))
        np.testing.assert_allclose(gain.loc[2, "se"], expected)
    plain = {"sharing_depth": [0, 1, 2]}
    by_folds = GridSearchCV(Ridge(), plain, cv=CV, scoring=target_scorers(), refit="mean")
    folds = sharing_gain(by_folds.fit(X, Y))
    for statistic in ("gain", "n_gained"):
        assert folds[statistic].equals(sharing_gain(search)[statistic])


def test_one_candidate_is_a_one_sided_t_test_of_the_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 60))
    expected = stats.ttest_1samp(x[0] + 0.2, 0, alternative="greater")

    found = scored(x + 0.2).chance([0, 1], 0, expected.statistic, 60)

    assert found == pytest.approx(expected.pvalue, abs=2e-3)


@pytest.mark.parametrize(("alike", "times"), [(1.0, 1), (0.0, 4)])
def test_candidates_that_are_alike_cost_nothing(alike, times):
    """Four equal ones are one; four independent ones ask for nearly four times as much."""
    rng = np.random.default_rng(1)
    D = alike * rng.normal(size=400) + (1 - alike) * rng.normal(size=(4, 400))

    found = scored(D).chance(range(5), 0, 2.5, 400)

    assert found == pytest.approx(times * stats.t.sf(2.5, 399), rel=0.08)


def test_chance_is_right_where_nothing_differs():
    """The best of three alike candidates is called better in 5 % of tables."""
    rng = np.random.default_rng(2)
    n_tables, n = 400, 100
    wrong = 0
    for _ in range(n_tables):
        D = rng.normal(size=n) + 0.7 * rng.normal(size=(3, n))
        t = stats.ttest_1samp(D, 0, axis=1).statistic.max()
        wrong += scored(D).chance(range(4), 0, t, n) <= 0.05
    assert wrong <= stats.binom.isf(0.01, n_tables, 0.05)
    assert wrong >= stats.binom.ppf(0.01, n_tables, 0.05)


def test_many_candidates_take_little_memory():
    D = np.random.default_rng(4).normal(size=(300, 40))
    tracemalloc.start()

    scored(D).chance(range(301), 0, 3.0, 40)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6  # 50 000 draws for all at once: 120e6


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    together = 0.5 + 0.5 * np.eye(7)
    expected = _differences._highest_t(together, 50)
    monkeypatch.setattr(_differences, "MOST_DRAWN", 7 * 300)

    np.testing.assert_allclose(_differences._highest_t(together, 50), expected)


def test_few_rows_do_not_tell_how_candidates_go_together():
    D = np.tile(np.random.default_rng(3).normal(size=20), (3, 1))

    assert scored(D).chance(range(4), 0, 2.0, 20) == 3 * stats.t.sf(2.0, 19)


# Other parameters


GRID = {"alpha": [1.0, 0.02]}


def test_other_parameters_are_compared_with_their_first_values():
    search = depth_search(Ridge(epochs=1), param_grid=GRID).fit(X, Y)
    gain = sharing_gain(search, by="parameters")

    assert gain.index.tolist() == ["alpha=1.0", "alpha=0.02"]
    assert gain.index.name == "parameters"
    best = [
        depth_search(Ridge(alpha=alpha)).fit(X, Y).cv_results_["mean_test_mean"].max()
        for alpha in GRID["alpha"]
    ]
    assert gain.loc["alpha=1.0", ("gain", "mean")] == 0
    found = gain.loc["alpha=0.02", ("gain", "mean")]
    assert found == pytest.approx(best[1] - best[0])


def test_the_verdict_tells_of_other_parameters():
    bad = {"alpha": [1.0, 1e5]}
    search = depth_search(param_grid=bad).fit(X, Y)
    reverse = depth_search(param_grid={"alpha": [1e5, 1.0]}).fit(X, Y)
    several = depth_search(param_grid={"alpha": [1e5, 1.0, 1e4]}).fit(X, Y)
    alone = depth_search(param_grid={"alpha": [1.0]}).fit(X, Y)

    verdict = sharing_verdict(search)
    assert "At its best depth, alpha=100000.0 loses to alpha=1.0 on average: it " in verdict
    assert verdict.count(" hurts ") >= 1
    assert "alpha=1.0 beats alpha=100000.0 on average: it gains" in sharing_verdict(reverse)
    says = "alpha=1.0, the best of 2 others, beats alpha=100000.0"
    assert says in sharing_verdict(several)
    assert "best depth" not in sharing_verdict(alone)


def test_candidates_of_other_parameters_are_guarded_against_together():
    """All depths of all other combinations are one family."""
    search = depth_search(param_grid={"alpha": [1.0, 0.5, 2.0]}).fit(X, Y)
    rows = search.row_scores_[..., 0].astype(float)
    mean = search.cv_results_["mean_test_mean"]
    plain = [c["alpha"] == 1.0 for c in search.cv_results_["params"]]
    base = np.argmax(np.where(plain, mean, -np.inf))
    others = np.flatnonzero(~np.array(plain))
    together = np.corrcoef(rows[others] - rows[base])
    joint = stats.multivariate_t(shape=together, df=N - 1, seed=0)
    combinations = [c["alpha"] for c in search.cv_results_["params"]]
    candidates = Scored(["mean"], mean[None, None], search.row_scores_, plain, 0)
    candidates = candidates._replace(iterations=np.zeros(len(mean), dtype=int))

    found = candidates.chance(combinations, 1.0, 1.5, N)

    assert found == pytest.approx(1 - joint.cdf(np.full(len(others), 1.5)), abs=5e-3)


def test_labels_leave_out_what_is_common():
    pipeline = make_pipeline(Ridge())
    grid = {"ridge__alpha": [1.0, 2.0], "ridge__epochs": [1, 2]}
    search = depth_search(pipeline, param_grid=grid).fit(X, Y)

    assert sharing_gain(search, by="parameters").index.tolist() == [
        f"alpha={alpha}, epochs={epochs}" for alpha in (1.0, 2.0) for epochs in (1, 2)
    ]


def test_what_cannot_be_compared_is_refused():
    search = depth_search().fit(X, Y)
    with raises_naming("by='parameters'", "param_grid"):
        sharing_gain(search, by="parameters")
    with raises_naming("by", "'depth'", "'alpha'"):
        sharing_gain(search, by="alpha")
    assert set(TARGETS) < set(sharing_gain(search, by="depth")["gain"].columns)


def test_folds_are_split_once_and_sent_without_rows():
    X = y = np.zeros((1000, 1))
    folds = Folds(KFold(2, shuffle=True))

    first, second = (list(folds.split(X, y)) for _ in "12")

    for (_, test), (_, again), tested in zip(first, second, folds.tested, strict=True):
        np.testing.assert_array_equal(test, again)
        np.testing.assert_array_equal(test, tested)
    assert len(pickle.dumps(folds)) < 1000
    folds.forget()
    assert not folds.tested
    assert any((a[1] != b[1]).any() for a, b in zip(folds.split(X, y), first, strict=True))
