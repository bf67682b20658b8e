"""Rows of one group are never on both sides, at any level: of folds, and inside of fits."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl._cli.folds import RepeatedGroupKFold
from skmtl._estimators.fit_parameters import fit_parameters
from skmtl.calibration import ConformalRegressor
from skmtl.ensemble import MultiTaskStackingRegressor
from skmtl.model_selection import (
    MultiTargetStratifiedKFold,
    SharingDepthSearchCV,
    cross_val_predict,
    model_verdict,
)
from tests._asserts import raises_naming
from tests._inputs import make_table, small

X, Y = make_table(n=60)
GROUPS = np.random.default_rng(0).permutation(np.arange(60) % 15)
X[:, 0] = GROUPS  # so that rows say what they belong to


class Spy(RegressorMixin, BaseEstimator):
    """Takes groups, and keeps those of each fit and of what it predicts afterwards."""

    seen: list = []  # noqa: RUF012

    def __init__(
        self, sharing_depth=0, trunk_sizes=(1,), head_sizes=(), share_output=False
    ):
        self.sharing_depth = sharing_depth
        self.trunk_sizes = trunk_sizes
        self.head_sizes = head_sizes
        self.share_output = share_output

    def fit(self, X, y, groups=None):
        self.n_features_in_ = X.shape[1]
        self.shape_ = np.shape(y)[1:]
        self.fitted_, self.predicted_ = set(X[:, 0]), set()
        Spy.seen.append((self.fitted_, self.predicted_))
        np.testing.assert_array_equal(groups, X[:, 0])
        return self

    def predict(self, X):
        self.predicted_.update(X[:, 0])
        return np.resize(X.sum(axis=1), (len(X), *self.shape_))


class Same(BaseEstimator):
    """A step that does nothing."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def search(spy, **parameters):
    SharingDepthSearchCV(spy, refit=False, **parameters).fit(X, Y, groups=GROUPS)


def predictions(spy, **parameters):
    cross_val_predict(spy, X, Y, groups=GROUPS, **parameters)


def stacked(spy, **parameters):
    parts = [("spy", spy), ("line", LinearRegression())]
    model = MultiTaskStackingRegressor(parts, random_state=0, refit=False, **parameters)
    model.fit(X, Y, groups=GROUPS.tolist())


def conformal(spy, **parameters):
    model = ConformalRegressor(spy, random_state=0, spread="constant", **parameters)
    model.fit(X, Y, groups=GROUPS)


def verdict(spy, **parameters):
    model_verdict(spy, X, Y, groups=GROUPS, models=[], random_state=0, **parameters)


TOOLS = [search, predictions, stacked, conformal, verdict]


@pytest.fixture
def seen():
    Spy.seen.clear()
    return Spy.seen


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("cv", [3, MultiTargetStratifiedKFold(4)])
@pytest.mark.parametrize("tool", TOOLS)
def test_groups_stay_together_and_reach_each_fit(seen, tool, cv, wrapped, routing):
    with config_context(enable_metadata_routing=routing):
        spy = Spy().set_fit_request(groups=True) if routing else Spy()
        tool(make_pipeline(Same(), spy) if wrapped else spy, cv=cv)

    assert len(seen) >= 3
    for fitted, predicted in seen:
        assert fitted < set(range(15))
        if tool is not conformal:  # it also predicts rows trained on, for units
            assert not fitted & predicted
    assert set.union(*(fitted for fitted, _ in seen)) == set(range(15))


class Recorded:
    """A splitter for early stopping that keeps the groups that each fit has given it."""

    calls: list = []  # noqa: RUF012

    def split(self, X, y=None, groups=None):
        Recorded.calls.append(None if groups is None else list(groups))
        return GroupKFold(2).split(X, y, groups)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 2


@pytest.mark.parametrize("pipeline", [False, True])
def test_networks_of_a_search_hold_out_whole_groups(pipeline):
    Recorded.calls.clear()
    network = small(epochs=1, validation_fraction=Recorded())
    model = make_pipeline(StandardScaler(), network) if pipeline else network

    SharingDepthSearchCV(model, depths=[1], cv=3).fit(X, Y, groups=GROUPS)

    folds = [GROUPS[train].tolist() for train, _ in GroupKFold(3).split(X, Y, GROUPS)]
    assert Recorded.calls == [*folds, *folds, GROUPS.tolist()]


def test_a_search_of_the_default_estimator_requests_groups():
    with config_context(enable_metadata_routing=True):
        routing = SharingDepthSearchCV(cv=GroupKFold(3)).get_metadata_routing()
        consumed = routing.consumes("fit", ["groups", "sample_weight", "X_val"])

    assert consumed == {"groups", "sample_weight"}


def test_a_verdict_on_a_search_has_its_groups(seen):
    found = SharingDepthSearchCV(Spy(), cv=3).fit(X, Y, groups=GROUPS)
    seen.clear()

    with raises_naming("groups are not those of the search"):
        model_verdict(found, X, Y, models=[])
    model_verdict(found, X, Y, groups=GROUPS, models=[("spy", Spy())])

    for fitted, predicted in seen[1:]:
        assert not fitted & predicted


def test_wrappers_pass_groups_on_to_who_takes_them():
    given = {"groups": GROUPS}
    names = {
        "groups": [
            Spy(),
            TransformedTargetRegressor(Spy()),
            GridSearchCV(LinearRegression(), {}),
            SharingDepthSearchCV(),
        ],
        "spy__groups": [make_pipeline(Same(), Spy())],
        "pipeline__spy__groups": [make_pipeline(make_pipeline(Same(), Spy()))],
    }
    for name, estimators in names.items():
        for estimator in estimators:
            assert list(fit_parameters(estimator, **given)) == [name]
    nobody = [LinearRegression(), FrozenEstimator(Spy()), TransformedTargetRegressor()]
    for estimator in [*nobody, make_pipeline(Same(), LinearRegression())]:
        assert fit_parameters(estimator, **given) == {}
        with config_context(enable_metadata_routing=True):
            assert fit_parameters(estimator, **given) == {}


def test_what_a_user_has_requested_is_kept():
    with config_context(enable_metadata_routing=True):
        refused = make_pipeline(Same(), Spy().set_fit_request(groups=False))
        assert fit_parameters(refused, groups=GROUPS) == {}
        for unset in (make_pipeline(Same(), Spy()), TransformedTargetRegressor(Spy())):
            assert list(fit_parameters(clone(unset), groups=GROUPS)) == ["groups"]


def test_repeated_folds_of_groups():
    folds = RepeatedGroupKFold(n_splits=3, n_repeats=2, random_state=0)

    splits = list(folds.split(X, groups=GROUPS))

    assert len(splits) == folds.get_n_splits() == 6
    assert all(not set(GROUPS[a]) & set(GROUPS[b]) for a, b in splits)
    for of_repeat in (splits[:3], splits[3:]):
        tested = np.concatenate([test for _, test in of_repeat])
        assert sorted(tested) == list(range(60))
    first, second = ({tuple(test) for _, test in of} for of in (splits[:3], splits[3:]))
    assert first != second
    once = RepeatedGroupKFold(n_splits=3, n_repeats=1, random_state=0)
    for (_, one), (_, other) in zip(once.split(X, groups=GROUPS), splits, strict=False):
        np.testing.assert_array_equal(one, other)
