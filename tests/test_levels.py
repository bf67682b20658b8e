"""Categories and missing features inside the network: what they change, and what not."""

import dataclasses
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge

from skmtl import merge_tasks
from skmtl._tables.features import check_features
from skmtl._training import PROGRAMS
from skmtl._training import program_cache as _cache
from skmtl.model_selection import task_affinity
from tests._asserts import assert_close, assert_same_predictions, weights_of
from tests._inputs import TARGETS, small, small_classifier

N = 160
COLOURS = ["red", "green", "blue", "grey"]
ARCHITECTURES = {
    "shared trunk": {},
    "networks of their own": {"sharing_depth": 0},
    "experts": {"n_experts": 2, "n_task_experts": 1},
    "groups": {"target_groups": [[0, 2], [1]]},
    "shared output": {"share_output": True, "linear_path": False},
    "no hidden layers": {"trunk_sizes": (), "head_sizes": ()},
    "gradients balanced": {"loss_weights": "upgrad"},
}


def make_raw(n=N, seed=0):
    """Numbers with holes, text with holes, bools; targets that depend on all of them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "mass": rng.normal(50, 10, n),
            "colour": rng.choice(COLOURS, n, p=[0.4, 0.3, 0.2, 0.1]),
            "heat": rng.normal(size=n),
            "town": rng.choice([f"town {i}" for i in range(12)], n),
            "new": rng.random(n) < 0.4,
        }
    )
    of_colour = X["colour"].map(dict(zip(COLOURS, [3.0, -1.0, 0.0, -2.0], strict=True)))
    signal = (X["mass"] - 50) / 10 + of_colour + 2 * X["new"] * X["heat"]
    Y = pd.DataFrame({name: signal * (i + 1) for i, name in enumerate(TARGETS)})
    Y += 0.1 * rng.normal(size=Y.shape)
    X.loc[rng.random(n) < 0.2, "mass"] = np.nan
    X["colour"] = X["colour"].where(rng.random(n) > 0.1)
    return X, Y


X, Y = make_raw()


def raw(**parameters):
    return small(n_bins=4, epochs=3, **parameters)


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=lambda name: name)
def fitted(request):
    return raw(**ARCHITECTURES[request.param]).fit(X, Y)


@pytest.fixture(scope="module")
def plain():
    return raw().fit(X, Y)


def test_the_signal_of_levels_is_learnt():
    model = small(epochs=200, learning_rate=0.02, n_bins=0, early_stopping=False)
    error = ((model.fit(X, Y).predict(X) - Y) ** 2).mean() / Y.var()

    assert (error < 0.4).all()  # of which some is that a fifth of a feature is missing


def test_levels_renamed_are_the_same_levels(plain):
    renamed = X.assign(colour=X["colour"].map({c: c[::-1].upper() for c in COLOURS}))

    other = raw().fit(renamed, Y)

    np.testing.assert_array_equal(other.predict(renamed), plain.predict(X))


def test_a_level_that_the_fit_did_not_see_is_a_missing_one(fitted):
    unseen = fitted.predict(X.assign(colour="violet", town="a village"))

    missing = fitted.predict(X.assign(colour=None, town=np.nan))
    np.testing.assert_array_equal(unseen, missing)
    assert np.isfinite(unseen).all()


def test_levels_of_rows_without_weight_are_unknown():
    more = pd.concat([X, X.assign(town="elsewhere")], ignore_index=True)
    twice = pd.concat([Y, Y], ignore_index=True)
    weight = np.repeat([1.0, 0.0], len(X))

    model = raw(early_stopping=False).fit(more, twice, weight)

    alone = raw(early_stopping=False).fit(X, Y)
    assert "elsewhere" not in model.categories_["town"]
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))


def test_missing_numbers_are_flagged_where_the_fit_had_some(plain):
    (network,) = plain._members

    assert network.architecture.n_flags == 1  # of mass
    changed = plain.predict(X.assign(mass=np.nan)) - plain.predict(X)
    assert np.abs(changed).max() > 0
    assert np.isfinite(plain.predict(X.assign(heat=np.nan))).all()


def test_a_feature_that_is_missing_without_a_flag_is_its_mean():
    complete = X[["heat"]]
    model = small(n_bins=0).fit(complete, Y)

    missing = model.predict(complete.assign(heat=np.nan))

    at_mean = model.predict(complete.assign(heat=complete["heat"].mean()))
    assert_close(missing, at_mean)


def test_other_targets_do_not_reach_networks_of_their_own():
    model = raw(sharing_depth=0).fit(X, Y)

    other = raw(sharing_depth=0).fit(X, Y.assign(**{TARGETS[1]: Y[TARGETS[1]] ** 2}))

    others = [0, 2]
    np.testing.assert_array_equal(model.predict(X)[:, others], other.predict(X)[:, others])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_padded_program_trains_the_same_network(monkeypatch, name):
    PROGRAMS.clear()
    padded = raw(**ARCHITECTURES[name]).fit(X, Y)
    room = [program.spec.architecture for program in PROGRAMS._programs.values()]
    assert room[0].n_levels > padded._network.architecture.n_levels

    monkeypatch.setattr(_cache, "spec_with_room", lambda spec: spec)
    exact = raw(**ARCHITECTURES[name]).fit(X, Y)

    assert_close(padded.predict(X), exact.predict(X), atol=1e-5)
    for mine, theirs in zip(weights_of(padded), weights_of(exact), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_a_level_less_takes_the_same_program():
    raw().fit(X, Y)
    n_built = PROGRAMS.n_built

    seen = (X["town"] != "town 3").to_numpy()
    raw().fit(X[seen], Y[seen])

    assert PROGRAMS.n_built == n_built


def test_many_rows_are_predicted_as_few(fitted):
    many = pd.concat([X] * 250, ignore_index=True)

    predicted = fitted.predict(many)

    assert_close(predicted[: len(X)], fitted.predict(X), atol=1e-3)


def test_the_keras_model_reads_positions_of_levels(fitted, tmp_path):
    codes = check_features(fitted, X, reset=False)

    predicted = fitted.model_.predict_on_batch(codes)

    assert_close(predicted, fitted.predict(X), atol=1e-4)
    fitted.model_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(codes), predicted)


@pytest.mark.parametrize("code", [-1, 12, 99, np.nan])
def test_what_is_no_position_is_unknown_to_the_keras_model(plain, code):
    codes = check_features(plain, X, reset=False)
    codes[:, 3] = code

    predicted = plain.model_.predict_on_batch(codes)

    assert_close(predicted, plain.predict(X.assign(town="nowhere")), atol=1e-4)


def test_a_pickle_predicts_the_same_and_goes_on(fitted):
    back = pickle.loads(pickle.dumps(fitted))

    assert_same_predictions(back, fitted, X)
    back.partial_fit(X, Y)
    later = pickle.loads(pickle.dumps(fitted)).partial_fit(X, Y)
    assert_same_predictions(back, later, X)


def test_training_goes_on_with_levels_and_holes_that_are_new():
    complete = X[["heat", "town"]].assign(heat=X["heat"])
    model = small(n_bins=4).partial_fit(complete[:100], Y[:100])

    later = complete[100:].assign(town="a new town")
    later.loc[later.index[:20], "heat"] = np.nan
    model.partial_fit(later, Y[100:])

    assert np.isfinite(model.predict(later)).all()
    assert "a new town" not in model.categories_["town"]


def test_a_frozen_trunk_keeps_what_it_knows_of_levels(plain):
    (source,) = plain._members
    model = raw(init_trunk=FrozenEstimator(plain), freeze_trunk=True)
    few = X["town"] != "town 3"  # levels are those of the trunk nevertheless

    (network,) = model.fit(X[few], Y[few])._members

    for name in ("embeddings", "embedded"):
        old, new = getattr(source.weights, name), getattr(network.weights, name)
        np.testing.assert_array_equal(old, new)
    assert model.categories_["town"].tolist() == plain.categories_["town"].tolist()


def test_a_trunk_of_other_categories_is_refused(plain):
    with pytest.raises(ValueError, match=r"init_trunk was fitted with .*colour"):
        raw(init_trunk=plain).fit(X.assign(colour=1.0), Y)
    numbers = dict.fromkeys(plain.categories_, 1.0)
    with pytest.raises(ValueError, match="but X has no categorical feature:"):
        raw(init_trunk=plain).fit(X.assign(**numbers), Y)


@pytest.mark.parametrize("source", [3, "a", raw(), Ridge().fit([[0.0]], [0.0])])
def test_what_is_no_trunk_is_said_to_be_none_beside_categories(source):
    with pytest.raises((ValueError, TypeError), match="init_trunk must be a"):
        raw(init_trunk=FrozenEstimator(source) if hasattr(source, "fit") else source).fit(
            X, Y
        )


@pytest.mark.parametrize("depth", [0, 1])
def test_a_task_is_added_without_a_change_to_the_others(depth):
    model = raw(sharing_depth=depth).fit(X, Y.iloc[:, :2])
    before = model.predict(X)

    model.add_task(X, Y.iloc[:, 2])

    assert_close(model.predict(X)[:, :2], before)
    assert np.isfinite(model.predict(X)).all()


def test_networks_that_know_other_levels_are_merged_as_they_are():
    few = (X["town"] != "town 3") & X["mass"].notna() & (X["colour"] != "grey")
    parts = [raw().fit(X, Y[["cost"]]), raw().fit(X[few], Y.loc[few, ["time"]])]

    merged = merge_tasks(parts)

    expected = np.column_stack([part.predict(X) for part in parts])
    assert_close(merged.predict(X), expected, atol=1e-4)
    assert np.isfinite(merged.partial_fit(X, Y[["cost", "time"]]).predict(X)).all()


def test_the_same_network_twice_is_merged_into_itself(plain):
    other = pickle.loads(pickle.dumps(plain))
    other.target_names_ = np.array(["a", "b", "c"], dtype=object)

    merged = merge_tasks([plain, other], sharing_depth=1)

    once = plain.predict(X)
    assert_close(merged.predict(X), np.hstack([once, once]), atol=1e-3)


def test_labels_are_predicted_of_raw_tables():
    labels = Y.apply(lambda y: np.where(y > y.median(), "high", "low"))
    model = small_classifier(n_bins=4).fit(X, labels)

    assert all(P.shape == (N, 2) for P in model.predict_proba(X))


def test_tasks_have_an_affinity_on_raw_tables(plain):
    assert np.isfinite(task_affinity(plain, X, Y).to_numpy()).all()


def test_a_table_of_categories_alone_is_fitted():
    only = X[["colour", "town"]]

    model = small().fit(only, Y)

    assert np.isfinite(model.predict(only)).all()
    assert np.isfinite(
        model.model_.predict_on_batch(check_features(model, only, reset=False))
    ).all()


def test_a_column_without_any_value_says_nothing():
    empty = X.assign(nothing=np.nan, silent=None)

    assert np.isfinite(small().fit(empty, Y).predict(empty)).all()


def test_members_know_the_same_levels():
    model = raw(n_members=2).fit(X, Y)
    first, second = model._members

    assert first.features is second.features
    assert dataclasses.replace(first).architecture == second.architecture
