"""The search over the sharing depth."""

import pickle
import time

import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._training import PROGRAMS
from skmtl.metrics import r2_score, target_scorers
from skmtl.model_selection import SharingDepthSearchCV, sharing_gain
from skmtl.model_selection._time import InTime
from tests._asserts import assert_same_predictions, raises_naming
from tests._inputs import FEATURES, TARGETS, as_frames, make_table, small, with_holes

CV = KFold(2)
X, Y = as_frames(*make_table())
Y = Y.where(~np.isnan(with_holes(Y.to_numpy(), share=0.1)))


def depth_search(estimator=None, **parameters) -> SharingDepthSearchCV:
    estimator = small() if estimator is None else estimator
    return SharingDepthSearchCV(estimator, **{"cv": CV, **parameters})


def candidates(search) -> list[dict]:
    return search.cv_results_["params"]


def scores_of(search) -> dict[str, np.ndarray]:
    return {key: s for key, s in search.cv_results_.items() if "_test_" in key}


def assert_same_scores(a, b, **tolerance):
    a, b = scores_of(a), scores_of(b)
    assert list(a) == list(b)
    for key in a:
        np.testing.assert_allclose(a[key], b[key], err_msg=key, **tolerance)


@pytest.fixture(scope="module")
def fitted_search() -> SharingDepthSearchCV:
    return depth_search().fit(X, Y)


@parametrize_with_checks(
    [
        depth_search(
            small(head_sizes=(), learning_rate=0.05, epochs=10, early_stopping=False),
            depths=[0],
            cv=2,
            error_score="raise",
        )
    ]
)
def test_common_checks(estimator, check):
    check(estimator)


def test_is_the_grid_search_over_all_depths(fitted_search):
    grid = {"sharing_depth": [0, 1, 2]}
    plain = GridSearchCV(small(), grid, cv=CV, scoring=target_scorers(), refit="mean")
    plain.fit(X, Y)

    assert isinstance(fitted_search, GridSearchCV)
    assert candidates(fitted_search) == candidates(plain)
    assert_same_scores(fitted_search, plain, rtol=0)
    assert fitted_search.best_params_ == plain.best_params_
    assert fitted_search.best_score_ == plain.best_score_
    assert fitted_search.score(X, Y) == plain.score(X, Y)
    assert_same_predictions(fitted_search, plain, X, atol=0)
    for statistic in ("gain", "n_gained"):
        gain = fitted_search.sharing_gain_[statistic]
        assert gain.equals(sharing_gain(plain)[statistic])


def test_scores_and_gains_per_target(fitted_search):
    assert fitted_search.score(X, Y) == r2_score(Y, fitted_search.predict(X))
    assert fitted_search.sharing_gain_.index.tolist() == [0, 1, 2]
    assert fitted_search.sharing_gain_["gain"].columns.tolist() == ["mean", *TARGETS]
    for name in ["mean", *TARGETS]:
        scores = fitted_search.cv_results_[f"mean_test_{name}"]
        gain = fitted_search.sharing_gain_["gain"][name]
        np.testing.assert_allclose(gain, scores - scores[0])


def test_depth_0_is_always_tried():
    search = depth_search(depths=[2]).fit(X, Y)

    assert [candidate["sharing_depth"] for candidate in candidates(search)] == [0, 2]


@pytest.mark.parametrize("depths", ["all", (0, 2), np.array([2]), range(3)])
def test_depths_as_far_as_each_network_has_them(depths):
    grid = {"head_sizes": [(4,), ()], "epochs": [1]}

    search = depth_search(depths=depths, param_grid=grid).fit(X, Y)

    allowed = [0, 1, 2] if isinstance(depths, str) else sorted({0, *depths})
    assert [(c["head_sizes"], c["sharing_depth"]) for c in candidates(search)] == [
        (head_sizes, depth)
        for head_sizes in grid["head_sizes"]
        for depth in allowed
        if depth <= 1 + len(head_sizes)
    ]


def test_a_shared_output_needs_a_layer_in_the_heads():
    search = depth_search(small(share_output=True, epochs=1)).fit(X, Y)

    assert [candidate["sharing_depth"] for candidate in candidates(search)] == [0, 1]


def test_without_an_estimator_it_is_the_default_one():
    search = SharingDepthSearchCV(depths=[0], param_grid={"epochs": [1]}, cv=CV)

    assert is_regressor(search)
    assert hasattr(search, "predict")
    assert "MultiTaskRegressor" in estimator_html_repr(search)
    search.fit(X, Y)
    assert search.estimator is None
    expected = MultiTaskRegressor(epochs=1, sharing_depth=0).get_params()
    assert search.best_estimator_.get_params() == expected


def test_finds_the_depth_of_a_nested_estimator(fitted_search):
    scaler = StandardScaler()
    nested = Pipeline([("scale", scaler), ("model", make_pipeline(small()))])
    wrapped = TransformedTargetRegressor(small(), check_inverse=False)
    started = small(init_trunk=small(), epochs=2)

    for estimator, name in (
        (nested, "model__multitaskregressor__sharing_depth"),
        (wrapped, "regressor__sharing_depth"),
        (started, "sharing_depth"),
    ):
        search = depth_search(estimator, depths=[0], refit=False)
        if estimator is started:
            search.set_params(param_grid={"init_trunk": [None]})
        search.fit(X, Y.fillna(0))
        assert candidates(search)[0][name] == 0


def test_in_a_pipeline():
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, depth_search()).fit(X, Y)

    scaled = clone(scaler).fit_transform(X)
    alone = depth_search().fit(scaled, Y)
    assert pipeline[-1].best_params_ == alone.best_params_
    assert pipeline.score(X, Y) == alone.score(scaled, Y)


def test_in_cross_validation():
    scores = cross_val_score(depth_search(), X, Y, cv=CV)

    for score, (train, test) in zip(scores, CV.split(X), strict=True):
        fold = depth_search().fit(X.iloc[train], Y.iloc[train])
        assert score == fold.score(X.iloc[test], Y.iloc[test])


def test_results_do_not_depend_on_threads():
    """Nor on processes: `test_dask`."""
    serial = depth_search(depths=[0, 1]).fit(X, Y)
    with parallel_config("threading", n_jobs=2):
        parallel = depth_search(depths=[0, 1]).fit(X, Y)

    assert_same_scores(parallel, serial, rtol=1e-4, atol=1e-5)
    assert_same_predictions(parallel, serial, X)


def test_the_second_search_compiles_nothing(fitted_search):
    before = PROGRAMS.n_built

    depth_search(small(learning_rate=0.02, epochs=3, random_state=5)).fit(X, Y)

    assert PROGRAMS.n_built == before


def test_clone_parameters_and_repr(fitted_search):
    copied = clone(fitted_search)

    assert not hasattr(copied, "cv_results_")
    assert not hasattr(copied, "sharing_gain_")
    assert fitted_search.get_params(deep=False).keys() == copied.get_params(False).keys()
    assert (fitted_search.scoring, fitted_search.refit) == (None, True)
    assert repr(SharingDepthSearchCV(depths=[1])) == "SharingDepthSearchCV(depths=[1])"
    copied.set_params(depths=[2], estimator__epochs=1, refit="risk").fit(X, Y)
    assert copied.best_estimator_.epochs == 1
    assert copied.score(X, Y) == target_scorers()(copied, X, Y)["risk"]


def test_pickle(fitted_search):
    loaded = pickle.loads(pickle.dumps(fitted_search))

    assert loaded.sharing_gain_.equals(fitted_search.sharing_gain_)
    assert_same_predictions(loaded, fitted_search, X, atol=0)
    assert loaded.score(X, Y) == fitted_search.score(X, Y)


def test_what_scikit_learn_asks_of_a_fitted_search(fitted_search):
    assert fitted_search.feature_names_in_.tolist() == FEATURES
    assert fitted_search.n_features_in_ == len(FEATURES)
    assert "MultiTaskRegressor" in estimator_html_repr(fitted_search)
    for method in ("predict", "score"):
        with pytest.raises(NotFittedError):
            getattr(depth_search(), method)(X, *[Y][: method == "score"])
    with pytest.raises(NotFittedError):
        _ = depth_search().sharing_gain_


def test_other_scorings():
    single = depth_search(scoring="neg_mean_absolute_error").fit(X, Y.fillna(0))
    both = depth_search(scoring=["r2", "neg_mean_absolute_error"], refit="r2")
    errors = depth_search(scoring=target_scorers(metric="neg_mean_absolute_error"))

    assert single.sharing_gain_["gain"].columns.tolist() == ["score"]
    gain = both.fit(X, Y.fillna(0)).sharing_gain_["gain"]
    assert gain.columns.tolist() == ["r2", "neg_mean_absolute_error"]
    np.testing.assert_allclose(
        gain["neg_mean_absolute_error"], single.sharing_gain_["gain"]["score"]
    )
    assert errors.fit(X, Y.fillna(0)).best_score_ == single.best_score_
    assert errors.score(X, Y.fillna(0)) == single.score(X, Y.fillna(0))


def test_without_refit():
    search = depth_search(refit=False).fit(X, Y)

    assert not hasattr(search, "best_estimator_")
    assert search.sharing_gain_.index.tolist() == [0, 1, 2]


def test_sample_weights_reach_the_fits():
    W = np.linspace(0, 2, Y.size).reshape(Y.shape)
    weighted = small(sharing_depth=0).fit(X, Y, sample_weight=W)

    search = depth_search(depths=[0]).fit(X, Y, sample_weight=W)
    with config_context(enable_metadata_routing=True):
        routed = depth_search(small().set_fit_request(sample_weight=True), depths=[0])
        pipeline = make_pipeline(routed).fit(X, Y, sample_weight=W)

    assert_same_predictions(search, weighted, X)
    assert_same_predictions(pipeline, weighted, X)


def test_verbose_tells_how_many_fits_are_done(capsys):
    search = depth_search(small(epochs=1), depths=[0])

    search.fit(X, Y)
    assert capsys.readouterr() == ("", "")

    search.set_params(verbose=1).fit(X, Y)
    out, err = capsys.readouterr()
    assert "totalling 2 fits" in out
    assert "Done   2 out of   2" in err or "Done   1 tasks" in err  # by joblib 1.3


class Tasks:
    """A callback of scikit-learn, which has them from 1.9 on: the numbers of all fits."""

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **others):
        if context.task_name == "candidate-split-evaluation":
            self.seen.append(context.task_id)

    def on_fit_task_end(self, estimator, context, **others):
        pass

    def teardown(self, estimator, context):
        pass


def test_a_search_ends_in_time():
    model = small(epochs=10**6, n_iter_no_change=10**6, max_seconds=500.0)
    search = depth_search(
        make_pipeline(StandardScaler(), model),
        depths=[0, 1],
        cv=KFold(2, shuffle=True),  # without a seed: split once for all candidates
        max_seconds=1.0,
    )
    depth, tasks = "multitaskregressor__sharing_depth", Tasks()
    if hasattr(search, "set_callbacks"):
        search.set_callbacks(tasks)

    started = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match="max_seconds were over"):
        search.fit(X, Y)

    # Not a second, as compiling may take many: after it, 5 fits have .2 s each, or half.
    assert time.perf_counter() - started < 60
    seconds = search.cv_results_["max_seconds"]
    assert ((seconds >= 0.1) & (seconds <= 0.5)).all()
    assert candidates(search) == [{depth: 0}, {depth: 1}]
    assert search.best_params_ in candidates(search)
    assert search.cv_results_["n_cut_off"].tolist() == [2, 2]
    assert 0.1 <= search.best_estimator_[-1].max_seconds <= 1
    assert tasks.seen == list(range(4)) * hasattr(search, "set_callbacks")
    assert search.row_scores_.shape == (2, len(X), 1 + len(TARGETS))
    assert np.isfinite(search.sharing_gain_["gain"]).all(axis=None)


def test_time_is_shared_among_the_fits_that_are_left(monkeypatch):
    """Seven candidates, 3 folds, 2 workers, a refit: 3 + 3 + 3 + 2 rounds, and another."""
    now = [0.0]
    monkeypatch.setattr("skmtl.model_selection._time.time.perf_counter", lambda: now[0])
    given = []

    def evaluate(batch, more_results):
        given.append([candidate["max_seconds"] for candidate in batch])
        assert more_results["max_seconds"] == given[-1]
        now[0] += [9, 60, 10, 1][len(given) - 1]
        return {"params": [{"a": a} for a in "xyz"]}

    timed = InTime(
        evaluate, 120, parameter="max_seconds", n_splits=3, n_workers=2, refit=True
    )
    results = timed([{"a": a} for a in range(7)])

    assert given == [[120 / 12] * 2, [111 / 9] * 2, [51 / 6] * 2, [41 / 3]]
    assert results["params"] == [{"a": a, "max_seconds": 40} for a in "xyz"]
    now[0], given[:] = 200, []  # no time is left: half of 4 even shares
    timed([{"a": 0}])
    assert given == [[120 / (2 + 1) / 2]]


def test_successive_halving_over_epochs():
    search = HalvingGridSearchCV(
        small(),
        {"sharing_depth": [0, 1, 2]},
        resource="epochs",
        min_resources=2,
        max_resources=8,
        factor=2,
        cv=CV,
    ).fit(X, Y)

    assert search.best_params_["epochs"] == 4
    assert search.n_resources_ == [2, 4]
    assert sharing_gain(search).index.tolist() == [0, 1, 2]


# Warnings of Optuna 5.0 about itself (2026-11): the search still counts as experimental,
# it uses a module that 6.0 will drop, and its tags are not those of scikit-learn 1.6.
@pytest.mark.filterwarnings(
    "ignore:OptunaSearchCV is experimental",
    "ignore:.optuna.terminator. module has been deprecated:FutureWarning",
    "ignore:The OptunaSearchCV or classes from which it inherits:DeprecationWarning",
)
def test_optuna(fitted_search):
    optuna = pytest.importorskip("optuna")
    OptunaSearchCV = pytest.importorskip("optuna_integration").OptunaSearchCV
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    depths = optuna.distributions.IntDistribution(0, 2)
    study = optuna.create_study(
        sampler=optuna.samplers.GridSampler({"sharing_depth": [0, 1, 2]}),
        direction="maximize",
    )
    search = OptunaSearchCV(small(), {"sharing_depth": depths}, cv=CV, study=study)

    search.fit(X, Y)

    assert search.best_params_ == fitted_search.best_params_
    assert search.best_score_ == pytest.approx(fitted_search.best_score_)
    assert_same_predictions(search, fitted_search, X)


ONE_TARGET = {
    "array": Y["cost"].to_numpy(),
    "column": Y[["cost"]].to_numpy(),
    "list": Y["cost"].tolist(),
    "Series": Y["cost"],
    "DataFrame": Y[["cost"]],
}


@pytest.mark.parametrize("container", ONE_TARGET)
def test_a_single_target_has_nothing_to_share(container):
    y = ONE_TARGET[container]
    pipeline = make_pipeline(StandardScaler(), small())

    with raises_naming("single target", str(np.shape(y)), "GridSearchCV", "'trunk_sizes'"):
        depth_search().fit(X, y)
    with raises_naming("single target", "'multitaskregressor__trunk_sizes'"):
        depth_search(pipeline, depths=[1]).fit(X, y)


def test_separate_networks_alone_may_have_a_single_target():
    """As no candidate shares anything."""
    search = depth_search(depths=[0], param_grid={"trunk_sizes": [(8,), (4,)]})

    y = Y["cost"].fillna(0)
    assert search.fit(X, y).predict(X).shape == (len(X),)
    without_layers = depth_search(small(trunk_sizes=(), head_sizes=()))
    assert without_layers.fit(X, y).predict(X).shape == (len(X),)


def test_bad_inputs_are_refused_before_any_fit():
    with raises_naming("depths", "4", "at most 2"):
        depth_search(depths=[1, 4]).fit(X, Y)
    with raises_naming("at most 1"):
        depth_search(small(share_output=True), depths=[2]).fit(X, Y)
    for depths in ([-1], [0.5], ["all"]):
        with raises_naming("depths", "ints", repr(depths)):
            depth_search(depths=depths).fit(X, Y)
    with raises_naming("depths"):
        depth_search(depths="some").fit(X, Y)
    with raises_naming("LinearRegression", "sharing_depth", "MultiTaskRegressor"):
        depth_search(LinearRegression()).fit(X, Y)
    with raises_naming("param_grid", "'sharing_depth'", "depths="):
        depth_search(param_grid={"sharing_depth": [1]}).fit(X, Y)
    with raises_naming("param_grid", "'max_seconds'", "max_seconds=9"):
        depth_search(param_grid={"max_seconds": [1.0]}, max_seconds=9).fit(X, Y)
    with raises_naming("'max_seconds'"):
        depth_search(max_seconds=0).fit(X, Y)
    with raises_naming("learning_rat"):
        depth_search(param_grid={"learning_rat": [1]}).fit(X, Y)
    with raises_naming("names", "2 entries", "3 targets"):
        depth_search(scoring=target_scorers(["a", "b"])).fit(X, Y)
    with raises_naming("y is None"):
        depth_search().fit(X, None)
    with raises_naming("infinity", "'risk'"):
        depth_search().fit(X, Y.replace({"risk": {Y["risk"].max(): np.inf}}))
    with raises_naming("'mean'", "names="):
        depth_search().fit(X, Y.rename(columns={"risk": "mean"}))
