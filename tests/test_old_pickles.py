"""A file that an earlier version has written: it loads, predicts the same and trains on.

The names of the network's classes and of their fields are part of it, and those of the
public modules. Whoever renames one leaves a way to load the old. Only where that is not
worth it, a new file is made by
`python -c "from tests.test_old_pickles import make_fixture; make_fixture()"`.
"""

import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

from tests._asserts import assert_equal_up_to_rounding
from tests._inputs import as_frames, make_table, small, small_classifier

FILE = Path(__file__).parent / "data" / "estimators.joblib.z"


def tables():
    X, Y = as_frames(*make_table())
    labels = Y.apply(lambda y: np.where(y > y.median(), "high", "low"))
    return X, Y, labels


def make_fixture():
    """Estimators with every kind of head, experts and bins, and what they predict."""
    X, Y, labels = tables()
    losses = {"cost": "huber", "time": "normal", "risk": ("quantile", (0.1, 0.5, 0.9))}
    regressor = small(loss=losses, n_members=2, n_bins=3).fit(X, Y)
    experts = small(n_experts=2, n_task_experts=1, loss_weights="uncertainty").fit(X, Y)
    classifier = small_classifier().fit(X, labels)
    estimators = {"heads": regressor, "experts": experts, "classifier": classifier}
    predictions = {name: predicted(name, e, X) for name, e in estimators.items()}
    FILE.parent.mkdir(exist_ok=True)
    joblib.dump((estimators, predictions), FILE, compress=9)


@pytest.fixture
def stored():
    with warnings.catch_warnings():
        # As soon as the version is another one, as scikit-learn's estimators do.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return joblib.load(FILE)


def predicted(name, estimator, X):
    if name == "heads":
        mean_and_spread = estimator.predict(X, return_std=True)
        return [*mean_and_spread, estimator.predict_quantiles(X)]
    if name == "experts":
        return [estimator.predict(X), estimator.gates(X)]
    return estimator.predict_proba(X)


@pytest.mark.skipif(
    np.__version__ < "2", reason="NumPy 1 loads no generators of NumPy 2 (2026-11)"
)
@pytest.mark.parametrize("name", ["heads", "experts", "classifier"])
def test_what_an_earlier_version_has_written_predicts_the_same_and_trains_on(stored, name):
    X, Y, labels = tables()
    estimators, predictions = stored
    estimator = estimators[name]

    for now, then in zip(predicted(name, estimator, X), predictions[name], strict=True):
        np.testing.assert_array_equal(np.isnan(now), np.isnan(then))
        assert_equal_up_to_rounding(np.nan_to_num(now), np.nan_to_num(then))
    n_epochs = estimator.n_iter_
    estimator.partial_fit(X, labels if name == "classifier" else Y)
    assert estimator.n_iter_ == n_epochs + 1
    assert np.isfinite(estimator.history_["loss"][-1])
    assert estimator.model_.count_params() > 0


def test_the_file_is_small():
    assert FILE.stat().st_size < 60_000
