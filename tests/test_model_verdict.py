"""Which model is best for which target: said where it is so, and not otherwise."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmtl.metrics import r2_score
from skmtl.model_selection import (
    ModelVerdict,
    SharingDepthSearchCV,
    _row_scores,
    model_verdict,
)
from skmtl.model_selection._compared import compare
from skmtl.model_selection._differences import Scored
from skmtl.model_selection._model_verdict import verdict_of
from skmtl.model_selection._model_words import in_words
from tests._inputs import (
    TARGETS,
    as_frames,
    make_table,
    small,
    small_classifier,
    with_holes,
)

RIDGE = [("line", LinearRegression())]
TREES = [("trees", DecisionTreeRegressor(max_depth=4))]


def verdict_on(X, y, model=None, **options) -> ModelVerdict:
    options = {"models": RIDGE, "depths": [1], "cv": 2, "random_state": 0} | options
    return model_verdict(small() if model is None else model, X, y, **options)


# What is true is said


@pytest.mark.parametrize("seed", range(3))
def test_trees_are_best_for_steps(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 6))
    a, b = X[:, 0] > 0, X[:, 1] > 0.3
    Y = np.column_stack([a ^ b, a & b]) + 0.2 * rng.normal(size=(300, 2))

    found = verdict_on(X, pd.DataFrame(Y, columns=["a", "b"]), models=[*RIDGE, *TREES])

    assert found.clear.to_dict() == {"mean": "trees", "a": "trees", "b": "trees"}
    assert str(found).startswith("Use trees for both targets: ")
    assert "A network gains nothing here." in str(found)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_is_best_for_what_is_smooth_and_shared(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 3))
    hidden = np.exp(-2 * (X @ [0.6, 0.64, 0.48]) ** 2)
    Y = np.outer(hidden, [1, -2]) + 0.1 * rng.normal(size=(400, 2))
    model = small(trunk_sizes=(32,), epochs=60, activation="tanh")

    found = verdict_on(X, Y, model, models=[*RIDGE, *TREES], depths=[0, 1])

    assert found.clear.tolist() == ["a network"] * 3
    assert str(found).startswith("Use a network for both targets: ")
    assert "gain of a network" not in str(found)


def test_nothing_is_claimed_of_equal_models():
    """Forests that only their seeds tell apart, and noise that none predicts."""
    n_claims = 0
    for seed in range(12):
        X, Y = make_table(n=60, seed=seed)
        models = [
            (name, ExtraTreesRegressor(10, random_state=s)) for s, name in enumerate("abc")
        ]
        equal = verdict_on(X, Y, small(epochs=1), models=models, random_state=seed)
        noise = np.random.default_rng(seed).normal(size=Y.shape)
        nothing = verdict_on(X, noise, small(epochs=1), random_state=seed)
        forests = equal.table["effect"][["a", "b", "c"]]
        n_claims += (forests == "worse").to_numpy().any()
        n_claims += (~nothing.clear.isin([None, "the mean"])).any()

    assert n_claims <= 1
    assert "No model is clearly better than the mean for any target." in str(nothing)


def test_no_two_of_equal_candidates_differ_in_more_than_one_of_twenty():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        rows = rng.normal(size=(5, 100, 1))
        scored = Scored(["mean"], rows.mean(axis=1).T[None], rows, np.zeros(5), 0)
        best, last = rows.mean(axis=(1, 2)).argmax(), rows.mean(axis=(1, 2)).argmin()
        t = stats.ttest_rel(rows[best], rows[last]).statistic
        wrong += scored.chance_of_any(t, 100)[0] <= 0.05

    assert 2 <= wrong <= 19  # 10 of 200 expected


def test_chance_of_any_two_candidates_is_a_t_test():
    x = np.random.default_rng(0).normal(0.2, 1, size=(60, 1))
    rows = np.stack([x, np.zeros_like(x)])
    expected = stats.ttest_1samp(x[:, 0], 0)

    found = Scored(["mean"], rows.mean(axis=1).T[None], rows, np.zeros(2), 0)

    p = found.chance_of_any(np.array([expected.statistic]), 60)
    assert p == pytest.approx(expected.pvalue, abs=0.005)
    few = found._replace(rows=None).chance_of_any(np.array([2.0]), 5)
    assert few == 2 * stats.t.sf(2.0, 4)


# Numbers


def test_scores_and_errors_are_those_of_the_folds():
    X, Y = as_frames(*make_table())
    folds = list(KFold(4, shuffle=True, random_state=1).split(X))

    table = verdict_on(X, Y, cv=folds).table

    scores, squares = [], []
    for train, test in folds:
        line = LinearRegression().fit(X.iloc[train], Y.iloc[train])
        truth = Y.iloc[test]
        scores.append(r2_score(truth, line.predict(X.iloc[test]), multioutput="raw_values"))
        error = (truth - line.predict(X.iloc[test])) ** 2 - (
            truth - Y.iloc[train].mean()
        ) ** 2
        squares.append(error / ((truth - truth.mean()) ** 2).sum() / len(folds))
    expected = np.mean(scores, axis=0)
    np.testing.assert_allclose(table["score"]["line"], [expected.mean(), *expected])
    se = np.sqrt((1 + 1 / 3) * len(Y) * pd.concat(squares).var())
    best = table["score"].idxmax(axis=1) == "line"
    found = table["se"]["mean"][best].drop("mean", errors="ignore")
    assert len(found)
    np.testing.assert_allclose(found, se[found.index], rtol=1e-5)


def test_differences_are_to_the_best():
    table = verdict_on(*as_frames(*make_table()), depths=None).table

    assert (table["difference"].max(axis=1) == 0).all()
    assert ((table["effect"] == "best") == (table["difference"] == 0)).all(axis=None)
    assert table["score"].columns.tolist() == [
        "mean",
        "line",
        *(f"network, depth {depth}" for depth in range(3)),
    ]
    assert table["p"].fillna(0.5).stack().between(0, 1).all()  # NaN of the best


def test_a_hole_is_a_cell_without_weight():
    X, Y = make_table()
    holes = with_holes(Y)
    weight = ~np.isnan(holes)

    by_holes = verdict_on(X, holes)
    by_weight = verdict_on(X, Y, sample_weight=weight.astype(float))

    pd.testing.assert_frame_equal(by_holes.table, by_weight.table)


def test_units_of_the_targets_do_nothing():
    X, Y = make_table()

    found, scaled = verdict_on(X, Y), verdict_on(X, Y * [8, 0.25, 2])

    close = {"rtol": 1e-3, "atol": 1e-3}
    for key in ("score", "difference"):
        np.testing.assert_allclose(found.table[key], scaled.table[key], **close)


def test_groups_are_one_piece_of_evidence():
    """Rows said four times over are no more evidence than once, if their groups say so."""
    X, Y = make_table(n=80)
    folds = list(
        GroupKFold(4).split(np.repeat(X, 4, axis=0), groups=np.repeat(range(80), 4))
    )
    four = np.repeat(X, 4, axis=0), np.repeat(Y, 4, axis=0)
    mean = [("also the mean", DummyRegressor()), *RIDGE]

    alone = verdict_on(*four, cv=folds, models=mean)
    grouped = verdict_on(*four, cv=folds, models=mean, groups=np.repeat(range(80), 4))

    ratio = grouped.table["se"]["mean"] / alone.table["se"]["mean"]
    np.testing.assert_allclose(ratio.dropna(), 2, rtol=0.05)


def test_a_search_is_not_done_again():
    """Its depths have the scores that networks of the same seed have on its folds."""
    X, Y = as_frames(*make_table())
    Y.iloc[::5, 1] = np.nan
    folds = KFold(3, shuffle=True, random_state=1)
    search = SharingDepthSearchCV(small(), cv=folds).fit(X, Y)

    found = model_verdict(search, X, Y, models=RIDGE, random_state=0)

    again = verdict_on(X, Y, depths=None, cv=folds)
    pd.testing.assert_frame_equal(found.table, again.table, rtol=1e-6)
    assert str(found) == str(again)
    few = model_verdict(search, X, Y, depths=[2], models=[])
    assert few.table["score"].columns.tolist() == ["mean", "network, depth 2"]
    search.cv_results_["n_cut_off"] = np.array([0, 0, 1])  # fits ended too early
    cut_off = model_verdict(search, X, Y, models=RIDGE, random_state=0)
    before, after = found.table["effect"], cut_off.table["effect"]
    assert (before["network, depth 2"] == "worse").any()
    changed = before.columns == "network, depth 2"
    expected = before.where((before == "best") | ~changed, "not judged")
    pd.testing.assert_frame_equal(after, expected)
    assert "Time has ended fits of the network (depth 2) too early" in str(cut_off)
    with pytest.raises(ValueError, match="not those of the search"):
        model_verdict(search, X, Y[["cost"]], models=RIDGE)
    drawn = SharingDepthSearchCV(small(), cv=KFold(3, shuffle=True)).fit(X, Y)
    with pytest.raises(ValueError, match="cannot be made again"):
        model_verdict(drawn, X, Y)


@pytest.mark.parametrize("most", [3 * 4 * 16, 3 * 4 * 32, 2 * 4 * 32])
def test_a_search_of_more_candidates_keeps_larger_portions_of_rows(monkeypatch, most):
    """There is room for fewer of them than beside the few other models, or for more."""
    X, Y = as_frames(*make_table())
    monkeypatch.setattr(_row_scores, "FEWEST_PORTIONS", 1)
    monkeypatch.setattr(_row_scores, "MOST_NUMBERS", most)
    folds = KFold(3, shuffle=True, random_state=1)
    search = SharingDepthSearchCV(small(), cv=folds).fit(X, Y)

    found = model_verdict(search, X, Y, models=RIDGE, random_state=0)

    assert search.row_scores_.shape[1] < len(X)
    again = verdict_on(X, Y, depths=None, cv=folds)
    for figure in ("score", "difference"):
        pd.testing.assert_frame_equal(
            found.table[figure], again.table[figure], rtol=1e-5, atol=1e-6
        )
    assert np.isfinite(found.table["se"].fillna(0.0)).all(axis=None)


def test_no_number_of_folds_is_five():
    X, Y = as_frames(*make_table())
    given = {"models": RIDGE, "depths": [], "random_state": 0}

    none, five = (model_verdict(small(), X, Y, cv=cv, **given) for cv in (None, 5))

    pd.testing.assert_frame_equal(none.table, five.table)


# Forms of tables, targets and models


def test_raw_columns_and_labels():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"kind": rng.choice(["a", "b", None], 90), "size": rng.normal(size=90)}
    )
    X.loc[::7, "size"] = np.nan
    labels = pd.DataFrame({"kind": X["kind"].fillna("a"), "large": X["size"] > 0})
    labels = labels.astype(object)
    labels.loc[::5, "large"] = None

    found = verdict_on(X, labels, small_classifier(), models=None)

    assert found.metric == "neg_log_loss"
    assert found.table.index.tolist() == ["mean", "kind", "large"]
    assert "logistic regression" in found.table["score"]
    assert (found.table["score"] < 0).all(axis=None)


def test_one_target_a_pipeline_and_folds_in_time():
    X, Y = make_table(n=40)
    model = make_pipeline(StandardScaler(), small())

    found = verdict_on(X, Y[:, 0], model, depths=[0], cv=TimeSeriesSplit(3))

    assert found.table.index.tolist() == ["target_0"]
    assert "On average" not in str(found)
    assert "network, depth 0" in found.table["score"]


def test_the_same_seed_is_the_same_verdict():
    X, Y = make_table()

    pd.testing.assert_frame_equal(
        verdict_on(X, Y, random_state=3).table,
        verdict_on(X, Y, random_state=3, n_jobs=2).table,
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depths": [7]}, "at most 2"),
        ({"model": LinearRegression()}, "sharing_depth"),
        ({"models": [("a", "no estimator")]}, "should be a regressor"),
        ({"models": [("mean", LinearRegression())]}, "not unique"),
        ({"groups": [1, 2]}, "groups has the shape"),
    ],
)
def test_what_is_wrong_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        verdict_on(*make_table(), **options)


# Words


def table_of(effects: dict[str, list[str]], models: list[str]) -> pd.DataFrame:
    rows = {}
    for target, own in effects.items():
        score = [1.0 - m / 10 if e != "worse" else 0.1 - m / 10 for m, e in enumerate(own)]
        of_target = {
            "score": score,
            "difference": np.array(score) - max(score),
            "se": [0.01] * len(own),
            "effect": own,
        }
        rows[target] = pd.DataFrame(of_target, index=models).unstack()
    return pd.DataFrame(rows).T


MODELS = ["mean", "boosted trees", "network, depth 0", "network, depth 1"]
DEPTHS = [None, None, 0, 1]
BEST, UNCLEAR, WORSE = "best", "no clear difference", "worse"


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ([WORSE, BEST, WORSE, WORSE], "Use boosted trees for cost: "),
        ([WORSE, WORSE, BEST, UNCLEAR], "Use a network for cost: "),
        (
            [WORSE, BEST, UNCLEAR, WORSE],
            "For cost, boosted trees and a network do not clearly differ.",
        ),
        (
            [UNCLEAR, BEST, WORSE, WORSE],
            "No model is clearly better than the mean for cost.",
        ),
        ([BEST, WORSE, WORSE, WORSE], "No model is clearly better than the mean for cost."),
    ],
)
def test_words(own, words):
    assert in_words(table_of({"cost": own}, MODELS), "r2", DEPTHS).startswith(words)


def test_few_of_many_targets_are_named():
    names = [f"gene {t} {'of a long name ' * 5}{t}" for t in range(50)]
    table = table_of({name: [WORSE, BEST, WORSE, WORSE] for name in names}, MODELS)

    found = in_words(table, "r2", DEPTHS)

    assert found.startswith("Use boosted trees for all 50 targets: most of all 0.8 in R2")
    assert found.endswith("A network gains nothing here.")
    assert len(found) < 600


def test_each_target_is_spoken_of():
    own = [
        [WORSE, BEST, WORSE, WORSE],
        [WORSE, WORSE, BEST, WORSE],
        [BEST, WORSE] + [WORSE] * 2,
    ]

    found = in_words(table_of(dict(zip(TARGETS, own, strict=True)), MODELS), "r2", DEPTHS)

    assert "Use boosted trees for cost: " in found
    assert "Use a network for time: " in found
    assert "(depth 0, standard error 0.01)" in found
    assert found.endswith("No model is clearly better than the mean for risk.")


# In time


class Clock:
    """Time that passes with every fit of these models, and else stands still."""

    def __init__(self, monkeypatch, seconds: dict[type, float]):
        self.now, self.n_fits = 0.0, dict.fromkeys(seconds, 0)
        monkeypatch.setattr("time.perf_counter", lambda: self.now)
        for kind, each in seconds.items():
            monkeypatch.setattr(kind, "fit", self._taking(kind, kind.fit, each))

    def _taking(self, kind, fit, each):
        def timed(model, *args, **kwargs):
            self.now += each
            self.n_fits[kind] += 1
            return fit(model, *args, **kwargs)

        return timed


@pytest.mark.parametrize(
    ("max_seconds", "left_out", "n_fits"),
    [
        (36, [], (12, 12)),
        (35, ["trees"], (12, 3)),  # 4 folds of 3 targets take 12 and 24 seconds
        (11, ["line", "trees"], (3, 3)),
        (2, ["line", "trees"], (3, 0)),  # none begins when the time is over
    ],
)
def test_models_that_would_not_end_in_time_are_left_out(
    max_seconds, left_out, n_fits, monkeypatch
):
    X, Y = make_table()
    models = [*RIDGE, *TREES]
    clock = Clock(monkeypatch, {LinearRegression: 1, DecisionTreeRegressor: 2})
    options = {"depths": [], "cv": 4, "n_jobs": 1, "random_state": 0}
    options |= {"sample_weight": None, "groups": None}

    found = compare(small(), X, Y, models, **options, max_seconds=max_seconds)

    assert found.left_out == left_out
    assert found.names == [n for n in ["mean", "line", "trees"] if n not in left_out]
    assert tuple(clock.n_fits.values()) == n_fits
    _, said, names = str(verdict_of(found)).partition(" Left out for want of time: ")
    assert (names if said else ".") == f"{' and '.join(left_out)}."
    everything = compare(small(), X, Y, models, **options)
    kept = [everything.names.index(name) for name in found.names]
    np.testing.assert_array_equal(found.scored.folds, everything.scored.folds[..., kept])
