"""What a search is said to have found: which gains are clear, and in which words."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, RepeatedKFold

from skmtl.metrics import target_scorers
from skmtl.model_selection import SharingDepthSearchCV, sharing_gain, sharing_verdict
from skmtl.model_selection._verdict import _holm, judgement
from tests._inputs import TARGETS, as_frames, make_table, small

T_TEST = 0.05


def search_with(gains, names=TARGETS, best_depth=None, cv=None, scoring=None):
    """A search whose scores differ from those of depth 0 by gains (depths, folds, T)."""
    gains = np.asarray(gains, dtype=float)
    n_shared, n_folds, _ = gains.shape
    separate = np.random.default_rng(0).uniform(size=gains.shape[1:])
    separate[np.isnan(gains).all(axis=0)] = np.nan
    scores = np.concatenate([separate[None], separate + gains])
    mean = pd.DataFrame(scores.reshape(-1, gains.shape[2])).mean(axis=1).to_numpy()
    by_name = {
        "mean": mean.reshape(scores.shape[:2]),
        **dict(zip(names, scores.T, strict=True)),
    }
    search = SharingDepthSearchCV(cv=cv, scoring=scoring)
    search.n_splits_ = n_folds
    search.cv_results_ = {"params": [{"sharing_depth": d} for d in range(1 + n_shared)]}
    for name, values in by_name.items():
        values = values if name == "mean" else values.T
        for fold in range(n_folds):
            search.cv_results_[f"split{fold}_test_{name}"] = values[:, fold]
    if best_depth is None:
        best_depth = int(pd.DataFrame(by_name["mean"].T).mean().argmax())
    search.best_index_ = best_depth
    search.best_estimator_ = small(trunk_sizes=(8,) * (n_shared - 1))
    return search


def steady(*gains, n_folds=5, spread=0.01, seed=1):
    """Gains (folds, T) that hardly vary over the folds; their means are as given."""
    noise = np.random.default_rng(seed).normal(size=(n_folds, len(gains)))
    return np.array(gains) + spread * (noise - noise.mean(axis=0))


def effects(search, depth=None) -> dict:
    return judgement(search, depth).table["effect"].to_dict()


# Words


def test_which_targets_gain_and_lose():
    search = search_with([steady(0.3, 0, -0.2), steady(0, 0, -0.5)])
    se = sharing_gain(search).loc[1, ("se", "mean")]
    rounded = np.format_float_positional(se, precision=2, fractional=False, trim="-")

    assert sharing_verdict(search) == (
        f"Sharing 1 of 2 hidden layers pays on average: it gains 0.033 in R2 (standard "
        f"error {rounded}). It helps cost (+0.3), makes no clear difference for time, and "
        "hurts risk (-0.2)."
    )


def test_separate_networks_are_best():
    verdict = sharing_verdict(search_with([steady(-0.3, 0, -0.6), steady(0, -0.1, -0.2)]))

    assert verdict.startswith(
        "Separate networks are best. Sharing 2 of 2 hidden layers, the next best, does not "
        "pay on average: it loses 0.1 in R2"
    )
    assert verdict.endswith(
        "It makes no clear difference for cost, and hurts risk (-0.2) and time (-0.1)."
    )


@pytest.mark.parametrize(
    ("gain", "opening"),
    [
        (
            0.05,
            "Sharing 1 of 1 hidden layer makes no clear difference on average: it gains",
        ),
        (-0.05, "Separate networks score best. Sharing 1 of 1 hidden layer makes no clear"),
    ],
)
def test_a_difference_within_its_error_is_not_clear(gain, opening):
    verdict = sharing_verdict(search_with([steady(gain, gain, gain, spread=1)]))

    assert verdict.startswith(opening)
    assert " 0.05 in R2" in verdict
    assert verdict.endswith("It makes no clear difference for any single target.")


def test_many_targets_are_summarised():
    names = [f"gene {t} {'of a long name ' * 5}{t}" for t in range(50)]
    gains = [0.2] * 20 + [0] * 27 + [-0.3, -0.4, -0.5]
    gains[7], gains[12] = 0.7, 0.6
    verdict = sharing_verdict(search_with([steady(*gains, spread=0.001)], names))

    assert "helps 20 targets, most of all gene 7" in verdict
    assert verdict.index("gene 7") < verdict.index("gene 12")
    assert "makes no clear difference for 27 targets, and hurts gene 49" in verdict
    assert len(verdict) < 600


def test_one_target_is_not_told_twice():
    verdict = sharing_verdict(search_with([steady(0.2)], ["cost"]))

    assert verdict.startswith("Sharing 1 of 1 hidden layer pays on average: it gains 0.2")
    assert "cost" not in verdict


def test_names_of_scores():
    def score_of(scoring):
        return sharing_verdict(search_with([steady(0.1, 0.1, 0.1)], scoring=scoring))

    rmse = target_scorers(metric="neg_root_mean_squared_error")
    assert "gains 0.1 in negative root mean squared error (" in score_of(rmse)
    assert "gains 0.1 in score (" in score_of(lambda *_: {})


def test_number_of_layers_is_left_out_where_it_was_searched():
    search = search_with([steady(0.1, 0.1, 0.1)])
    search.cv_results_["params"] = [
        {"sharing_depth": d, "trunk_sizes": (8,) * d} for d in (0, 1)
    ]

    assert sharing_verdict(search).startswith("Sharing 1 hidden layer pays")


# Holes


def test_targets_and_folds_without_a_score():
    gains = np.array([steady(0.3, 0.3, 0.3)])
    gains[0, :, 1] = np.nan
    gains[0, 1:, 2] = np.nan
    search = search_with(gains)

    assert effects(search) == {
        "mean": "helps",
        "cost": "helps",
        "time": "no score",
        "risk": "no clear difference",  # one fold has no standard error
    }
    assert judgement(search).table["n_folds"].tolist() == [5, 5, 0, 1]
    assert sharing_verdict(search).endswith(
        "It helps cost (+0.3), makes no clear difference for risk, and has no score for "
        "time."
    )


def test_depth_that_could_not_be_fitted():
    verdict = sharing_verdict(search_with(np.full((1, 3, 3), np.nan), best_depth=0))

    assert "no score" in verdict
    assert "nan" not in verdict


def test_what_time_has_cut_off_is_not_judged():
    """Neither the depth, nor any, if it was the separate networks."""
    search = search_with([steady(0.1, 0.2, 0.3), steady(0.2, 0.2, 0.2)])
    for n_cut_off, is_judged in [
        ([0, 0, 0], {1: True, 2: True}),
        ([0, 1, 0], {1: False, 2: True}),
        ([2, 0, 0], {1: False, 2: False}),
    ]:
        search.cv_results_["n_cut_off"] = np.array(n_cut_off)
        for depth, judged in is_judged.items():
            found = set(effects(search, depth).values())
            assert found == ({"helps"} if judged else {"not judged"})

    assert sharing_verdict(search) == (
        "Whether sharing 2 of 2 hidden layers pays cannot be said. max_seconds ended 2 of "
        "the fits to compare too early: give more seconds, or fewer depths, folds or rows."
    )


def test_parameters_that_time_has_cut_off_are_not_judged():
    search = search_with([steady(0.1, 0.2, 0.3)])
    for name in [key for key in search.cv_results_ if "_test_" in key]:
        search.cv_results_[name] = np.tile(search.cv_results_[name], 2)
    search.cv_results_["params"] = [
        {"sharing_depth": depth, "n_bins": n} for n in (0, 8) for depth in (0, 1)
    ]
    search.cv_results_["n_cut_off"] = np.array([0, 0, 0, 1])

    found = sharing_verdict(search)

    assert found.startswith("Whether sharing 1 of 1 hidden layer pays cannot be said.")
    assert "Nor can other parameters be judged. max_seconds ended 1 of the fit" in found


def test_one_fold_is_not_enough_to_tell():
    verdict = sharing_verdict(search_with([[[0.1, 0.1, 0.1]]]))

    assert "no clear difference on average" in verdict
    assert "(standard error unknown)" in verdict


# The rule


def test_a_single_comparison_is_a_paired_t_test_with_the_corrected_error():
    """Just below and above the critical value, for folds once and several times over."""
    for n_repeats in (1, 3):
        cv = RepeatedKFold(n_splits=4, n_repeats=n_repeats)
        gains = steady(0, n_folds=4 * n_repeats, spread=1)
        error = np.sqrt((1 / len(gains) + 1 / 3) * gains.var(ddof=1))
        one_sided, two_sided = stats.t.isf([T_TEST, T_TEST / 2], len(gains) - 1) * error
        for factor, clear in ((0.99, False), (1.01, True)):
            for sign, effect in ((1, "helps"), (-1, "hurts")):
                expected = effect if clear else "no clear difference"
                search = search_with([gains + sign * factor * one_sided], ["cost"], cv=cv)
                assert effects(search)["mean"] == expected
                search = search_with([gains + sign * factor * two_sided], ["cost"], cv=cv)
                assert effects(search)["cost"] == expected


def test_the_mean_of_the_best_of_several_depths_needs_more():
    gains = steady(0, 0, 0, spread=1)
    mean = gains.mean(axis=1)
    error = np.sqrt((1 / 5 + 1 / 4) * mean.var(ddof=1))
    for n_depths in (2, 3, 6):
        critical = stats.t.isf(T_TEST / n_depths, 4) * error
        for factor, effect in ((0.99, "no clear difference"), (1.01, "helps")):
            worse = [gains - 1] * (n_depths - 1)
            search = search_with([gains + factor * critical, *worse])
            assert effects(search)["mean"] == effect


def test_holm_is_as_it_was_published():
    p = pd.Series({"a": 0.04, "b": 0.01, "c": 0.011, "d": np.nan})

    expected = {"a": 0.04, "b": 0.03, "c": 0.03, "d": np.nan}
    pd.testing.assert_series_equal(_holm(p), pd.Series(expected))


def test_chance_among_many_targets_is_no_finding():
    """Without any difference, hardly a search may be said to help or hurt a target."""
    rng = np.random.default_rng(0)
    names = [f"target {t}" for t in range(20)]
    wrong = called_by_two_errors = 0
    for _ in range(100):
        gains = rng.normal(size=(1, 5, 20))
        table = judgement(search_with(gains, names)).table.drop(index="mean")
        wrong += (table["effect"] != "no clear difference").any()
        called_by_two_errors += (table["gain"].abs() > 2 * table["se"]).any()
    assert wrong <= 5
    assert called_by_two_errors > 40


def test_the_judged_depth_is_the_best_that_shares():
    search = search_with([steady(-0.3, 0, 0), steady(0, 0, -0.1), steady(-1, 0, 0)])

    assert judgement(search)[:3] == (2, 0, 3)
    assert judgement(search, depth=3).depth == 3
    assert effects(search, depth=0) == dict.fromkeys(
        ["mean", *TARGETS], "no clear difference"
    )


# Searches


def test_any_search_over_the_depth_will_do():
    X, Y = as_frames(*make_table())
    grid = {"sharing_depth": [0, 2]}
    single = GridSearchCV(small(), grid, cv=3, scoring="r2").fit(X, Y)
    per_target = GridSearchCV(small(), grid, cv=3, scoring=target_scorers(), refit=False)

    assert "haring 2 of 2 hidden layers" in sharing_verdict(single)
    assert "It " not in sharing_verdict(single)
    assert "haring 2 hidden layers" in sharing_verdict(per_target.fit(X, Y))


def test_searches_that_say_nothing_about_sharing():
    X, Y = make_table()
    with pytest.raises(NotFittedError):
        sharing_verdict(SharingDepthSearchCV())
    with pytest.raises(ValueError, match="sharing_depth"):
        sharing_verdict(GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2).fit(X, Y))
    alone = search_with(np.empty((0, 5, 3)), best_depth=0)
    with pytest.raises(ValueError, match="only sharing_depth=0"):
        sharing_verdict(alone)
