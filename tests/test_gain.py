"""What sharing gains over separate networks, from any of scikit-learn's searches.

The searches are over a quick stand-in for a network: a ridge regression whose penalty
depends on the sharing depth.
"""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedKFold,
    ShuffleSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.metrics import target_scorers
from skmtl.model_selection import SharingDepthSearchCV, sharing_gain, sharing_verdict
from tests._asserts import raises_naming
from tests._inputs import TARGETS, as_frames, make_table, small

PENALTIES = [300, 3, 100, 1000]  # by sharing depth


class DepthRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):
    def __init__(self, sharing_depth=0, alpha=1.0, epochs=1, trunk_sizes=(8, 8)):
        self.sharing_depth = sharing_depth
        self.alpha = alpha
        self.epochs = epochs
        self.trunk_sizes = trunk_sizes

    def fit(self, X, y):
        depth = len(self.trunk_sizes) if self.sharing_depth is None else self.sharing_depth
        if depth == 3:
            raise ValueError("no such depth")
        penalty = self.alpha * PENALTIES[depth] / self.epochs
        self.ridges_ = [
            Ridge(penalty).fit(X[y[name].notna()], y[name].dropna()) for name in y
        ]
        return self

    def predict(self, X):
        return np.column_stack([ridge.predict(X) for ridge in self.ridges_])


X, Y = as_frames(*make_table())
CV = KFold(4)


def grid_search(parameters, estimator=None, cv=CV, **options):
    estimator = DepthRidge() if estimator is None else estimator
    options = {"scoring": target_scorers(), "refit": "mean", **options}
    return GridSearchCV(estimator, parameters, cv=cv, **options)


def fold_scores(cv=CV, y=Y, **parameters):
    """Scores (folds, mean and targets) of one candidate."""
    scores = []
    for train, test in cv.split(X):
        model = DepthRidge(**parameters).fit(X.iloc[train], y.iloc[train])
        scores.append(list(target_scorers()(model, X.iloc[test], y.iloc[test]).values()))
    return np.array(scores)


def test_gain_is_the_mean_difference_to_depth_0_on_the_same_folds():
    gain = sharing_gain(grid_search({"sharing_depth": [2, 0, 1]}).fit(X, Y))

    assert gain.index.tolist() == [0, 1, 2]
    assert gain.index.name == "sharing_depth"
    assert gain.columns.names == ["statistic", "target"]
    statistics = gain.columns.get_level_values("statistic").unique().tolist()
    assert statistics == ["gain", "se", "n_gained"]
    for depth in (1, 2):
        difference = fold_scores(sharing_depth=depth) - fold_scores(sharing_depth=0)
        row = gain.loc[depth]
        assert row["gain"].index.tolist() == ["mean", *TARGETS]
        np.testing.assert_allclose(row["gain"], difference.mean(axis=0))
        # Nadeau and Bengio: a fold tests a third as many rows as it trains on.
        expected = np.sqrt((1 / 4 + 1 / 3) * difference.var(axis=0, ddof=1))
        np.testing.assert_allclose(row["se"], expected)
        np.testing.assert_array_equal(row["n_gained"], (difference > 0).sum(axis=0))


def test_separate_networks_gain_nothing_over_themselves():
    gain = sharing_gain(grid_search({"sharing_depth": [0, 1]}).fit(X, Y))

    assert (gain.loc[0] == 0).all()
    assert (gain.loc[1, "gain"] > 0).all(), "the penalty of depth 1 is the right one"
    assert {dtype.kind for dtype in gain["n_gained"].dtypes} == {"i"}


def test_the_best_candidate_stands_for_its_depth():
    grid = {"sharing_depth": [0, 1], "alpha": [0.001, 1, 100]}
    search = grid_search(grid).fit(X, Y)

    best = {
        depth: max(
            (fold_scores(sharing_depth=depth, alpha=alpha) for alpha in grid["alpha"]),
            key=lambda scores: scores[:, 0].mean(),
        )
        for depth in (0, 1)
    }
    expected = (best[1] - best[0]).mean(axis=0)
    np.testing.assert_allclose(sharing_gain(search).loc[1, "gain"], expected)


def test_best_by_the_metric_that_refit_names():
    grid = {"sharing_depth": [0, 1], "alpha": [0.001, 1, 100]}
    by_risk = sharing_gain(grid_search(grid, refit="risk").fit(X, Y))
    alone = sharing_gain(grid_search(grid).fit(X, Y[["risk"]]))

    assert by_risk.loc[1, ("gain", "risk")] == pytest.approx(alone.loc[1, ("gain", "risk")])


def test_folds_without_a_score_are_left_out():
    holed = Y.copy()
    holed.loc[48:, "time"] = np.nan  # the last of four folds
    with pytest.warns(UserWarning, match=r"target 'time' by r2|non-finite"):
        gain = sharing_gain(grid_search({"sharing_depth": [0, 1]}).fit(X, holed))

    with pytest.warns(UserWarning, match="target 'time' by r2"):
        a, b = (fold_scores(y=holed, sharing_depth=depth) for depth in (1, 0))
    difference = (a - b)[:3, 2]
    row = gain.xs("time", axis=1, level="target").loc[1]
    assert row["gain"] == pytest.approx(difference.mean())
    assert row["se"] == pytest.approx(np.sqrt((1 / 3 + 1 / 3) * difference.var(ddof=1)))
    assert row["n_gained"] == (difference > 0).sum()
    assert gain["gain"].notna().all(axis=None)


def test_a_depth_that_cannot_be_fitted_has_no_gain():
    with (
        pytest.warns(FitFailedWarning, match="no such depth"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        gain = sharing_gain(grid_search({"sharing_depth": [0, 3]}).fit(X, Y))

    assert gain["gain"].loc[3].isna().all()
    assert (gain["gain"].loc[0] == 0).all()


def test_standard_error_of_repeated_and_of_random_folds():
    repeated = RepeatedKFold(n_splits=4, n_repeats=3, random_state=0)
    shuffled = ShuffleSplit(3, test_size=0.1, random_state=0)

    for cv, ratio in ((repeated, None), (shuffled, 1 / 9)):
        search = grid_search({"sharing_depth": [0, 1]}, cv=cv).fit(X, Y)
        gain = sharing_gain(search, test_ratio=ratio)

        difference = fold_scores(cv, sharing_depth=1) - fold_scores(cv, sharing_depth=0)
        factor = 1 / len(difference) + (1 / 3 if ratio is None else ratio)
        expected = np.sqrt(factor * difference.var(axis=0, ddof=1))
        np.testing.assert_allclose(gain.loc[1, "se"], expected)


def test_standard_error_of_listed_folds():
    """By their sizes: whether they are repeated, or of unlike size, their number hides."""
    repeated = list(RepeatedKFold(n_splits=4, n_repeats=3, random_state=0).split(X))
    unlike = [(np.arange(16), np.arange(16, 64)), (np.arange(16, 64), np.arange(16))]
    rows = np.arange(len(X))
    masks = [(np.isin(rows, train), np.isin(rows, test)) for train, test in unlike]

    for folds, ratio in ((repeated, 1 / 3), (unlike, (3 + 1 / 3) / 2)):
        searched = [folds, tuple(folds)] + ([masks] if folds is unlike else [])
        for cv in searched:
            search = grid_search({"sharing_depth": [0, 1]}, cv=cv).fit(X, Y)
            expected = sharing_gain(search, test_ratio=ratio)
            np.testing.assert_allclose(sharing_gain(search), expected)


def test_in_a_pipeline_and_by_other_searches():
    depths = [0, 1, 2]
    gain = sharing_gain(grid_search({"sharing_depth": depths}).fit(X, Y))
    random = RandomizedSearchCV(
        DepthRidge(),
        {"sharing_depth": depths},
        n_iter=3,
        cv=CV,
        scoring=target_scorers(),
        refit="mean",
    )
    scaler = StandardScaler(with_std=False).set_output(transform="pandas")
    pipeline = make_pipeline(scaler, DepthRidge())
    in_pipeline = grid_search({"depthridge__sharing_depth": depths}, pipeline)

    for search in (random, in_pipeline):
        np.testing.assert_allclose(sharing_gain(search.fit(X, Y)), gain, atol=1e-12)


def test_other_scorings_have_a_column_per_metric():
    depths = {"sharing_depth": [0, 1]}
    single = sharing_gain(grid_search(depths, scoring="r2", refit=True).fit(X, Y))
    both = sharing_gain(
        grid_search(depths, scoring=["r2", "neg_max_error"], refit=False).fit(
            X, Y[["cost"]]
        )
    )

    per_target = sharing_gain(grid_search(depths).fit(X, Y))
    assert single["gain"].columns.tolist() == ["score"]
    np.testing.assert_allclose(single["gain"]["score"], per_target["gain"]["mean"])
    assert both["gain"].columns.tolist() == ["r2", "neg_max_error"]
    np.testing.assert_allclose(both["gain"]["r2"], per_target["gain"]["cost"])


def test_none_is_the_depth_that_the_sizes_spell_out():
    search = grid_search({"sharing_depth": [0, None], "trunk_sizes": [(8,)]}).fit(X, Y)
    implied = grid_search(
        [{"sharing_depth": [0]}, {"alpha": [0.5]}], DepthRidge(sharing_depth=1)
    ).fit(X, Y)

    assert sharing_gain(search).index.tolist() == [0, 1]
    assert sharing_gain(implied).index.tolist() == [0, 1]


def test_successive_halving_compares_at_the_last_iteration_with_both():
    search = HalvingGridSearchCV(
        DepthRidge(),
        {"sharing_depth": [0, 1, 2]},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=CV,
    ).fit(X, Y)

    gain = sharing_gain(search)

    results = search.cv_results_
    last = {
        depth: max(
            epochs
            for candidate, epochs in zip(
                results["params"], results["n_resources"], strict=True
            )
            if candidate["sharing_depth"] == depth
        )
        for depth in (0, 1, 2)
    }
    assert len(set(last.values())) > 1, "some depth was given up"
    for depth in (1, 2):
        epochs = min(last[0], last[depth])
        a, b = (fold_scores(sharing_depth=d, epochs=epochs)[:, 0] for d in (depth, 0))
        assert gain.loc[depth, ("gain", "score")] == pytest.approx((a - b).mean())


def test_searches_that_cannot_tell_are_refused():
    with raises_naming("sharing_depth=0", "[1, 2]"):
        sharing_gain(grid_search({"sharing_depth": [1, 2]}).fit(X, Y))
    with raises_naming("sharing_depth", "varies none"):
        sharing_gain(grid_search({"alpha": [1, 2]}).fit(X, Y))
    with pytest.raises(NotFittedError):
        sharing_gain(grid_search({"sharing_depth": [0, 1]}))


def test_what_is_no_search_is_an_error():
    model = DepthRidge().fit(X, Y)
    for judge in (sharing_gain, sharing_verdict):
        with pytest.raises(TypeError, match=r"over sharing_depth.*DepthRidge"):
            judge(model)


@pytest.mark.filterwarnings("ignore")
def test_no_candidate_is_the_best_of_those_without_a_score():
    early = Y.copy()
    early.iloc[len(Y) // 3 :, 0] = np.nan  # the first fold tests all that is observed
    search = SharingDepthSearchCV(small(), depths=[0, 2], cv=3)

    with raises_naming("No candidate", "fold 0", "MultiTargetStratifiedKFold"):
        search.fit(X, early)
