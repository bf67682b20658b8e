"""Several networks in one estimator: it predicts their mean."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score

from skmtl._estimators.merging import merge_tasks
from skmtl._tables.held_out import hold_out
from skmtl._training import PROGRAMS
from skmtl._training import ensemble as members
from skmtl._training.ensemble import mean_history
from tests._asserts import (
    assert_close,
    assert_differ,
    assert_equal_up_to_rounding,
    assert_history_is_complete,
    assert_same_predictions,
    leaves_unchanged,
    raises_naming,
)
from tests._inputs import T, as_frames, small, with_holes

M = 3


@pytest.fixture(scope="module")
def ensemble(table):
    return small(n_members=M).fit(*table)


def members_of(ensemble, X):
    return np.array([member.predict(X) for member in ensemble._members])


def test_the_prediction_is_the_mean_of_the_members(ensemble, table):
    predictions = members_of(ensemble, table[0])
    assert predictions.shape == (M, *table[1].shape)
    np.testing.assert_allclose(ensemble.predict(table[0]), predictions.mean(axis=0))


def test_the_spread_is_that_of_the_members(ensemble, table):
    mean, std = ensemble.predict(table[0], return_std=True)
    np.testing.assert_array_equal(mean, ensemble.predict(table[0]))
    np.testing.assert_allclose(std, members_of(ensemble, table[0]).std(axis=0))
    assert (std > 0).all()


def test_the_first_member_is_the_single_network(ensemble, fitted, table):
    np.testing.assert_array_equal(
        members_of(ensemble, table[0])[0], fitted.predict(table[0])
    )


def test_members_differ(ensemble, table):
    first, second, third = members_of(ensemble, table[0])
    spread = table[1].std(axis=0)
    for a, b in [(first, second), (second, third), (first, third)]:
        assert (np.abs(a - b).max(axis=0) > 0.01 * spread).all()


def test_one_target_in_one_dimension(table):
    X, Y = table
    model = small(n_members=2).fit(X, Y[:, 0])
    column = small(n_members=2).fit(X, Y[:, :1])
    for ours, others in zip(
        model.predict(X, return_std=True), column.predict(X, return_std=True), strict=True
    ):
        np.testing.assert_array_equal(ours, others[:, 0])
    assert_close(model.model_.predict(X, verbose=0), model.predict(X))


def test_the_spread_has_the_units_of_the_target(ensemble, table):
    X, Y = table
    _, std = ensemble.predict(X, return_std=True)
    _, scaled = clone(ensemble).fit(X, 10 * Y).predict(X, return_std=True)
    assert_close(scaled, 10 * std, atol=1e-3)


@pytest.mark.parametrize("n_members", [1, 2, 4, 7, 10])
@pytest.mark.parametrize("n", [10, 64, 101])
def test_validation_parts_together_cover_the_rows(n_members, n):
    parts = hold_out(
        np.ones((n, T)),
        1 / n_members if n_members > 1 else 0.1,
        np.array(list("abc")),
        np.random.default_rng(0),
        n_members,
    )
    counts = np.zeros(n, int)
    for train, validation in parts:
        assert sorted([*train, *validation]) == list(range(n))
        counts[validation] += 1
    if n_members > 1:
        # Apart from rounding each row is held out once: n / m is not always whole.
        assert counts.max() <= 2
        assert (counts == 0).sum() < n_members
    if n % n_members == 0 and n_members > 1:
        assert (counts == 1).all()


def test_parts_that_would_leave_a_target_out_are_drawn_again():
    W = np.ones((40, 2))
    W[3:, 1] = 0  # three observed rows: most parts of four have none of them
    for train, validation in hold_out(
        W, 0.1, np.array(["a", "b"]), np.random.default_rng(0), 10
    ):
        assert W[train].any(axis=0).all()
        assert W[validation].any(axis=0).all()


def test_one_program_serves_all_members(ensemble, table):
    before = PROGRAMS.n_built
    clone(ensemble).set_params(n_members=5).fit(*table)
    assert PROGRAMS.n_built == before


def test_threads_change_nothing(ensemble, table):
    threaded = clone(ensemble).set_params(n_jobs=2).fit(*table)
    np.testing.assert_array_equal(threaded.predict(table[0]), ensemble.predict(table[0]))
    assert threaded.history_ == ensemble.history_


def test_the_history_is_the_mean_of_the_members_that_ran():
    history = mean_history(
        [{"loss": [4.0, 2.0, 1.0]}, {"loss": [2.0]}, {"loss": [3.0, 0.0]}]
    )
    assert history == {"loss": [3.0, 1.0, 1.0]}


def test_the_history_is_as_long_as_that_of_the_last_to_stop(table):
    model = small(n_members=M, epochs=60, n_iter_no_change=2, learning_rate=0.1)
    model.set_params(refit=False).fit(*table)
    assert_history_is_complete(model)
    assert np.isfinite(model.history_["val_loss"]).all()
    assert 2 < model.n_iter_ < 60
    stopped = model.n_iter_

    model.set_params(refit=True).fit(*table)
    assert_history_is_complete(model)
    assert np.isfinite(model.history_["loss"]).all()
    np.testing.assert_array_equal(
        np.isnan(model.history_["val_loss"]), np.arange(model.n_iter_) >= stopped
    )


def test_a_masked_cell_has_weight_zero(table):
    X, Y = table
    holes = with_holes(Y)
    weights = np.where(np.isnan(holes), 0.0, 2.0)
    model = small(n_members=2)
    masked = clone(model).fit(X, holes, sample_weight=np.full(len(X), 2.0))
    assert_same_predictions(masked, clone(model).fit(X, Y, sample_weight=weights), X)


def test_partial_fit_goes_on_with_every_member(table):
    X, Y = table
    model = small(n_members=2, early_stopping=False).fit(X, Y)
    before = members_of(model, X)
    model.partial_fit(X, Y)
    assert model.n_iter_ == 5
    assert_history_is_complete(model)
    for then, now in zip(before, members_of(model, X), strict=True):
        assert np.abs(then - now).max() > 0


def test_partial_fit_from_the_start(table):
    model = small(n_members=2)
    for _ in range(2):
        model.partial_fit(*table)
    assert len(members_of(model, table[0])) == model.n_iter_ == 2


def test_warm_start_needs_as_many_members(ensemble, table):
    model = pickle.loads(pickle.dumps(ensemble)).set_params(warm_start=True, n_members=4)
    with leaves_unchanged(model, table[0]), raises_naming("n_members=4", "3 members"):
        model.fit(*table)


def test_survives_pickling(ensemble, table):
    copy = pickle.loads(pickle.dumps(ensemble))
    for a, b in zip(
        copy.predict(table[0], return_std=True),
        ensemble.predict(table[0], return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_the_keras_model_is_the_mean_in_one(ensemble, table, tmp_path):
    assert_close(ensemble.model_.predict(table[0], verbose=0), ensemble.predict(table[0]))
    ensemble.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded.predict(table[0], verbose=0), ensemble.predict(table[0]))


def test_the_trunk_is_all_members_side_by_side(ensemble, table):
    X = table[0]
    representation = ensemble.trunk_.predict(X, verbose=0)
    assert representation.shape == (len(X), M * 8)
    first = clone(ensemble).set_params(n_members=1).fit(*table)
    assert_close(representation[:, :8], first.trunk_.predict(X, verbose=0))


def test_a_spread_needs_two_members(fitted, table):
    with raises_naming("return_std", "n_members"):
        fitted.predict(table[0], return_std=True)


@pytest.mark.parametrize("n_members", [0, -1, 1.5, "8"])
def test_a_bad_number_of_members(n_members, table):
    with raises_naming("n_members"):
        small(n_members=n_members).fit(*table)


def test_learnt_loss_weights_are_the_mean(table):
    model = small(n_members=2, loss_weights="uncertainty").fit(*table)
    each = np.exp([-member.log_variances for member in model._members])
    np.testing.assert_allclose(model.loss_weights_, each.mean(axis=0), rtol=1e-6)


def test_one_more_task_leaves_the_others(table):
    X, Y = table
    model = small(n_members=2).fit(X, Y[:, :2])
    before = model.predict(X, return_std=True)
    model.add_task(X, Y[:, 2], "new")
    after = model.predict(X, return_std=True)
    for then, now in zip(before, after, strict=True):
        assert_equal_up_to_rounding(now[:, :2], then)
    np.testing.assert_allclose(after[1], members_of(model, X).std(axis=0))
    assert (after[1][:, 2] > 0).all()


def test_merged_ensembles_predict_what_they_did(table):
    X, Y = as_frames(*table)
    parts = [small(n_members=2).fit(X, Y[[name]]) for name in Y]
    expected = np.hstack([part.predict(X) for part in parts])
    assert_close(merge_tasks(parts).predict(X), expected)


def test_merging_needs_as_many_members(ensemble, fitted):
    with raises_naming("number of members", "3, 1"):
        merge_tasks([ensemble, fitted])


def test_members_start_from_the_trunks_of_members(ensemble, table):
    model = small(n_members=M, init_trunk=ensemble, freeze_trunk=True).fit(*table)
    X = table[0]
    np.testing.assert_array_equal(
        model.trunk_.predict(X, verbose=0), ensemble.trunk_.predict(X, verbose=0)
    )
    assert_differ(model, ensemble, X, at_least=1e-6)


def test_members_may_start_from_one_trunk(fitted, table):
    model = small(n_members=2, init_trunk=FrozenEstimator(fitted), freeze_trunk=True)
    trunk = model.fit(*table).trunk_.predict(table[0], verbose=0)
    np.testing.assert_array_equal(trunk[:, :8], trunk[:, 8:])


def test_trunks_of_another_number_of_members(ensemble, table):
    with raises_naming("init_trunk has n_members=3", "n_members=2"):
        small(n_members=2, init_trunk=ensemble).fit(*table)


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(epoch)


def test_callbacks_see_one_member_after_the_other(ensemble, table):
    recorder = Recorder()
    model = clone(ensemble).set_params(callbacks=[recorder], n_jobs=2)
    model.fit(*table)
    assert recorder.calls == ["begin", 0, 1, 2, 3] * M
    # With callbacks a program has the sizes of the network: another order of sums.
    assert_same_predictions(model, ensemble, table[0], atol=1e-6)


def test_scikeras_has_no_ensembles():
    with raises_naming("to_scikeras", "n_members=3"):
        small(n_members=3).to_scikeras()


def test_the_number_can_be_searched(table):
    search = GridSearchCV(small(), {"n_members": [1, 2]}, cv=2).fit(*table)
    two = cross_val_score(small(n_members=2), *table, cv=2)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"][1], two.mean())
    assert search.cv_results_["mean_test_score"][0] != two.mean()
    assert len(search.best_estimator_._members) == search.best_params_["n_members"]


def test_a_refit_that_diverges_leaves_the_network_before_it(table, monkeypatch):
    X, Y = table
    parameters = {"epochs": 30, "n_iter_no_change": 4}
    expected = small(**parameters, refit=False).fit(X, Y)
    train = members.train

    def diverges(spec, settings, *args, **kwargs):
        if not settings.n_validation:
            raise members.DivergedError("Training diverged.")
        return train(spec, settings, *args, **kwargs)

    monkeypatch.setattr(members, "train", diverges)
    with pytest.warns(ConvergenceWarning, match=r"best epoch before is kept.*refit=False"):
        estimator = small(**parameters).fit(X, Y)

    np.testing.assert_array_equal(estimator.predict(X), expected.predict(X))
    assert estimator.history_ == expected.history_
    np.testing.assert_array_equal(estimator.best_epoch_, expected.best_epoch_)
