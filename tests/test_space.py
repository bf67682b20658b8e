"""What to tune: that searches take it, whatever the network is wrapped in."""

import sys

import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (to import it)
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl.ensemble import MultiTaskStackingRegressor
from skmtl.model_selection import search_space
from tests._inputs import make_table, small, small_classifier


@pytest.mark.parametrize(
    ("estimator", "prefix"),
    [
        (small(), ""),
        (small_classifier(), ""),
        (make_pipeline(StandardScaler(), small()), "multitaskregressor__"),
        (MultiTaskStackingRegressor([("net", small())]), "net__"),
    ],
)
def test_every_draw_is_a_set_of_parameters(estimator, prefix):
    space = search_space(estimator)

    assert all(name.startswith(prefix) for name in space)
    for drawn in ParameterSampler(space, 20, random_state=0):
        found = estimator.set_params(**drawn).get_params()
        assert all(found[name] is value for name, value in drawn.items())
        assert 0.005 <= drawn[f"{prefix}learning_rate"] <= 0.03
        assert 0.1 <= drawn[f"{prefix}weight_decay"] <= 1.5


def test_the_estimators_own_values_are_in_it():
    space = search_space(small(trunk_sizes=(), head_sizes=(8, 8), share_output=True))

    assert "trunk_sizes" not in space
    assert space["sharing_depth"] == [0, 1]  # the output layer is shared beside them
    default = search_space(small(trunk_sizes=np.array([10])))
    assert default["trunk_sizes"] == [(10,), (15,)]
    assert default["sharing_depth"] == [0, 1, 2]


def test_a_search_takes_it():
    X, Y = make_table()
    search = RandomizedSearchCV(
        small(), search_space(small()), n_iter=2, cv=2, random_state=0
    )

    assert set(search.fit(X, Y).best_params_) == set(search_space(small()))


def test_a_search_by_halves_over_epochs_takes_it():
    X, Y = make_table()
    search = HalvingRandomSearchCV(
        small(),
        search_space(small()),
        n_candidates=3,
        resource="epochs",
        min_resources=2,
        max_resources=6,
        cv=2,
        random_state=0,
    ).fit(X, Y)

    assert search.n_resources_ == [2, 6]
    assert search.best_estimator_.n_iter_ <= 2 * 6  # and as many with all rows


# Warnings of Optuna 5.0 about itself, as in test_search (2026-11).
@pytest.mark.filterwarnings(
    "ignore:OptunaSearchCV is experimental",
    "ignore:.optuna.terminator. module has been deprecated:FutureWarning",
    "ignore:The OptunaSearchCV or classes from which it inherits:DeprecationWarning",
)
def test_optuna_takes_it():
    optuna = pytest.importorskip("optuna")
    OptunaSearchCV = pytest.importorskip("optuna_integration").OptunaSearchCV
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, Y = make_table()
    space = search_space(small(), library="optuna")
    search = OptunaSearchCV(small(), space, n_trials=2, cv=2, random_state=0)

    assert set(search.fit(X, Y).best_params_) == set(search_space(small()))


def test_without_optuna_and_without_a_network(monkeypatch):
    with pytest.raises(ValueError, match="no parameter sharing_depth"):
        search_space(LinearRegression())
    with pytest.raises(ValueError, match="library"):
        search_space(small(), library="hyperopt")
    monkeypatch.setitem(sys.modules, "optuna.distributions", None)
    with pytest.raises(ImportError, match="pip install optuna"):
        search_space(small(), library="optuna")
