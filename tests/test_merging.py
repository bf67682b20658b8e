"""Fitted estimators made into one: what they predict, and units in another order."""

import copy
import dataclasses
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.inputs import Inputs
from skmtl._network.scaling import Scaling
from skmtl._network.weights import Layer
from tests._asserts import assert_close, assert_equal_up_to_rounding, weights_of
from tests._inputs import full_batch

D, N = 4, 48

rng = np.random.default_rng(0)
X = rng.normal(size=(N, D))
Y = np.tanh(X @ rng.normal(size=(D, 3))) + 0.1 * rng.normal(size=(N, 3))
ELSEWHERE = 5 + X * [1, 10, 0.1, 3]


def regressor(**parameters):
    return full_batch(**({"epochs": 10, "clip_features": None} | parameters))


@pytest.fixture(scope="module")
def members():
    """Several targets or one, in other places, without scaling, with a shared output."""
    return [
        regressor().fit(X, pd.DataFrame(Y[:, :2], columns=["a", "b"])),
        regressor(random_state=1).fit(ELSEWHERE, pd.Series(100 * Y[:, 2], name="c")),
        regressor(sharing_depth=0, scale_features=False, scale_targets=False).fit(
            X, pd.DataFrame(Y[:, 1:], columns=["d", "e"])
        ),
        regressor(share_output=True, sharing_depth=1).fit(
            X, pd.DataFrame(Y[:, ::2], columns=["f", "g"])
        ),
        regressor(loss="poisson", random_state=2).fit(
            X, pd.Series(np.round(np.exp(Y[:, 0])), name="h")
        ),
    ]


@pytest.fixture(scope="module")
def merged(members):
    return merge_tasks(members)


def permuted(model, depth, seed):
    """The same function, with the units of its first hidden layers in another order."""
    shuffle = np.random.default_rng(seed)
    other = copy.deepcopy(model)
    weights = weights_of(other)
    for layer in range(depth):
        K, b, K_next = 2 * layer, 2 * layer + 1, 2 * layer + 2
        order = shuffle.permutation(weights[K].shape[-1])
        weights[K] = weights[K][..., order]
        weights[b] = weights[b][..., order]
        weights[K_next] = np.take(weights[K_next], order, axis=-2)
    network = other._network
    tree = network.weights.with_leaves(weights)
    other._members = [dataclasses.replace(network, weights=tree)]
    return other


# ---------------------------------------------------------------------------------------
# Depth 0


def test_merged_networks_predict_what_they_did(members, merged):
    expected = np.column_stack([member.predict(X) for member in members])

    assert isinstance(merged, MultiTaskRegressor)
    # Scaled features far from 0 cost digits where they are folded into the first layer.
    np.testing.assert_allclose(merged.predict(X), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        merged.model_.predict(X, verbose=0), expected, rtol=1e-3, atol=1e-3
    )


def test_merged_networks_predict_what_they_did_elsewhere(members, merged):
    far = np.vstack([ELSEWHERE, -2 * X, np.zeros((1, D))])
    expected = np.column_stack([member.predict(far) for member in members])

    np.testing.assert_allclose(merged.predict(far), expected, rtol=1e-4, atol=1e-4)


def test_merged_networks_have_all_targets(members, merged):
    assert list(merged.target_names_) == list("abcdefgh")
    assert merged.n_outputs_ == 8
    assert merged.n_features_in_ == D
    assert merged.sharing_depth == 0
    np.testing.assert_array_equal(merged.loss_weights_, np.ones(8))
    # Each member's loss: the links of counts have to be there when training goes on.
    assert list(merged.loss) == ["squared_error"] * 7 + ["poisson"]


def test_features_in_very_different_places_cost_no_digits():
    """A year is about 2000, and varies by 10."""
    near, far = X * 10, X * 10 + 2000
    first = regressor().fit(near, Y[:, 0])
    second = regressor(random_state=1).fit(far, Y[:, 1])

    for members in ([first, second], [second, first]):
        merged = merge_tasks(members)
        for t, member in enumerate(members):
            for table in (near, far):
                np.testing.assert_allclose(
                    merged.predict(table)[:, t], member.predict(table), atol=2e-4
                )


def test_the_members_are_left_alone(members):
    before = [member.predict(X) for member in members]

    merge_tasks(members, sharing_depth=2).partial_fit(X, np.tile(np.abs(Y[:, :1]), 8))

    for member, predicted in zip(members, before, strict=True):
        np.testing.assert_array_equal(member.predict(X), predicted)


def test_one_estimator_is_merged_into_itself(members):
    np.testing.assert_allclose(
        merge_tasks(members[:1]).predict(X), members[0].predict(X), rtol=1e-5, atol=1e-6
    )
    assert merge_tasks(members[1:2]).predict(X).shape == (N, 1)


def test_networks_without_hidden_layers_can_be_merged():
    empty = {"trunk_sizes": (), "head_sizes": ()}
    parts = [
        regressor(**empty).fit(X, Y[:, 0]),
        regressor(**empty).fit(ELSEWHERE, Y[:, 1]),
    ]

    expected = np.column_stack([part.predict(X) for part in parts])

    assert_close(merge_tasks(parts).predict(X), expected, atol=1e-4)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_a_merged_estimator_survives_copies(merged, how):
    copied = {"pickle": lambda m: pickle.loads(pickle.dumps(m)), "deepcopy": copy.deepcopy}

    again = copied[how](merged)

    np.testing.assert_array_equal(again.predict(X), merged.predict(X))
    assert list(again.target_names_) == list(merged.target_names_)


def test_merged_networks_can_be_merged_and_added_to(members):
    pair = merge_tasks(members[:2])
    again = merge_tasks([pair, members[2]])
    expected = np.column_stack([member.predict(X) for member in members[:3]])

    np.testing.assert_allclose(again.predict(X), expected, rtol=1e-4, atol=1e-4)
    before = again.predict(X)
    again.add_task(X, Y[:, 0], "new")
    assert_equal_up_to_rounding(again.predict(X)[:, :-1], before)


# ---------------------------------------------------------------------------------------
# Deeper: units are matched first


@pytest.mark.parametrize("sharing_depth", [0, 1, 2, 3])
@pytest.mark.parametrize("own_depth", [0, 2, 3])
def test_permutations_of_one_network_give_it_back(own_depth, sharing_depth):
    model = regressor(sharing_depth=own_depth).fit(X, Y[:, 0])
    same = [model, *(permuted(model, 3, seed) for seed in range(3))]
    np.testing.assert_allclose(same[1].predict(X), model.predict(X), rtol=1e-4, atol=1e-6)
    assert not np.allclose(weights_of(same[1])[0], weights_of(model)[0])

    merged = merge_tasks(same, sharing_depth=sharing_depth)

    expected = np.column_stack([model.predict(X)] * 4)
    np.testing.assert_allclose(merged.predict(X), expected, rtol=1e-4, atol=1e-4)
    assert merged.sharing_depth == sharing_depth
    trunk = [layer for layer in merged.model_.layers if layer.name.startswith("trunk")]
    assert len(trunk) == sharing_depth


@pytest.mark.parametrize(
    ("n_features", "sizes"), [(1, (8, 8)), (2, (32, 32, 32)), (2, (64, 64)), (4, (64, 64))]
)
def test_permutations_of_wide_networks_give_them_back(n_features, sizes):
    """Also where the units of the first layer have few weights to be told by."""
    table = np.random.default_rng(1).normal(size=(32, n_features))
    model = regressor(trunk_sizes=sizes, head_sizes=(), epochs=1).fit(table, table[:, 0])
    expected = np.column_stack([model.predict(table)] * 2)
    for seed in range(10):
        merged = merge_tasks([model, permuted(model, len(sizes), seed)], len(sizes))

        np.testing.assert_allclose(merged.predict(table), expected, rtol=1e-3, atol=1e-4)


def test_permutations_with_other_feature_scaling_give_the_network_back():
    """What a network reads is told in the units of the first before units are matched."""
    model = regressor(sharing_depth=3, n_bins=0).fit(ELSEWHERE, Y[:, 0])
    other = permuted(model, 3, 0)
    network = other._network
    weights = network.weights
    (K, b), linear = weights.layers[0], weights.linear[0]
    scaling = network.features.scaling
    mean, scale = scaling.mean, scaling.scale
    first = [K / scale[:, None], b - (mean / scale) @ K]
    K, b = weights.output
    output = Layer(K, b - (mean / scale) @ linear)
    weights = weights.with_layers([Layer(*first), *weights.layers[1:-1], output])
    weights = weights._replace(linear=(linear / scale[:, None])[None])
    weights = weights.map(lambda w: w.astype("float32"))
    unscaled = dataclasses.replace(network, weights=weights, features=Inputs.unscaled(D))
    other._members = [unscaled]
    np.testing.assert_allclose(
        other.predict(ELSEWHERE), model.predict(ELSEWHERE), atol=1e-3
    )

    merged = merge_tasks([model, other], sharing_depth=3)

    expected = np.column_stack([model.predict(ELSEWHERE)] * 2)
    np.testing.assert_allclose(merged.predict(ELSEWHERE), expected, atol=1e-3)


@pytest.fixture(scope="module")
def read_differently():
    """Other rows, limits, bins, none of these: whatever a network may read."""
    rows = [X, ELSEWHERE, X[:30] ** 3, X]
    options = [
        {"clip_features": 2.0, "n_bins": 3},
        {"clip_features": 3.0, "n_bins": 5},
        {"n_bins": 0},
        {"n_bins": 2, "scale_features": False},
    ]
    return [
        regressor(**some).fit(table, pd.Series(Y[: len(table), i % 3], name=f"y{i}"))
        for i, (table, some) in enumerate(zip(rows, options, strict=True))
    ]


@pytest.mark.parametrize("far", [1, 10, 1000])
def test_networks_that_read_differently_keep_their_predictions(read_differently, far):
    merged = merge_tasks(read_differently)
    again = merge_tasks([merged, regressor().fit(X, pd.Series(Y[:, 0], name="z"))])

    expected = np.column_stack([model.predict(far * X) for model in read_differently])
    assert_close(merged.predict(far * X), expected)
    assert_close(again.predict(far * X)[:, :-1], expected)
    assert_close(merged.model_.predict(far * X, verbose=0), expected, atol=1e-4)


def test_networks_that_read_differently_go_on_after_merging(read_differently):
    merged = merge_tasks(read_differently)
    before = merged.predict(X)

    merged.add_task(X, Y[:, 0], name="new")
    assert_close(merged.predict(X)[:, :-1], before)

    merged.partial_fit(X, np.column_stack([before, Y[:, 0]]))
    copy_of_it = pickle.loads(pickle.dumps(merged))
    np.testing.assert_array_equal(copy_of_it.predict(X), merged.predict(X))


def test_what_was_read_by_tasks_is_read_by_a_trunk():
    """In units unlike those of a new network of the same sizes, beside which it goes on."""
    a = regressor(n_bins=0).fit(X, Y[:, 0])
    b = regressor(n_bins=0).fit(ELSEWHERE, Y[:, 1])
    shared = merge_tasks([merge_tasks([b, a]), a], sharing_depth=2)

    regressor(n_bins=0, sharing_depth=2).fit(X, Y).partial_fit(X, Y)
    shared.partial_fit(X, Y)

    assert np.isfinite(shared.predict(X)).all()


def test_a_function_told_in_other_units_is_averaged_as_itself():
    model = regressor(n_bins=4, clip_features=3.0).fit(X, Y[:, 0])
    network = model._network
    old, new = network.features.scaling, Scaling(np.arange(D) - 1.5, np.arange(D) + 0.5)
    units = [units.rescaled(old, new) for units in network.features.units]
    other = copy.deepcopy(model)
    other._members = [dataclasses.replace(network, features=Inputs(new, *units))]
    assert_close(other.predict(X), model.predict(X))

    merged = merge_tasks([model, other], sharing_depth=3)

    assert_close(merged.predict(X), np.column_stack([model.predict(X)] * 2), atol=1e-4)


def test_matching_beats_averaging_as_they_come():
    """Two fits of one task from the same start, one of them with its units shuffled."""
    first = regressor(epochs=200, sharing_depth=3).fit(X, Y[:, 0])
    second = regressor(epochs=200, sharing_depth=3).fit(X[6:], Y[6:, 0])

    unmatched = [
        (mine + theirs) / 2
        for mine, theirs in zip(
            first.model_.get_weights(),
            permuted(second, 3, 1).model_.get_weights(),
            strict=True,
        )
    ]
    model = first.model_
    kept = model.get_weights()
    model.set_weights(unmatched)
    averaged = model.predict(X, verbose=0)
    model.set_weights(kept)
    merged = merge_tasks([first, permuted(second, 3, 1)], sharing_depth=3).predict(X)

    errors = [np.mean((predicted - Y[:, 0]) ** 2) for predicted in (merged[:, 0], averaged)]
    assert errors[0] < errors[1] / 2


@pytest.mark.parametrize("sharing_depth", [0, 1, 2, 3])
def test_merged_networks_go_on_learning(members, sharing_depth):
    merged = merge_tasks(members[:2], sharing_depth)
    table = pd.DataFrame(np.column_stack([Y[:, :2], 100 * Y[:, 2]]), columns=list("abc"))
    before = merged.score(X, table)

    for _ in range(40):
        merged.partial_fit(X, table)

    assert merged.score(X, table) > before
    assert len(merged.history_["loss"]) == merged.n_iter_ == 40
    merged.set_params(warm_start=True).fit(X, table)
    assert list(merged.target_names_) == list("abc")


def test_merged_counts_go_on_learning(members):
    merged = merge_tasks([members[1], members[4]])
    counts = np.round(np.exp(Y[:, 0]))
    table = pd.DataFrame({"c": 100 * Y[:, 2], "h": counts})

    for _ in range(60):
        merged.partial_fit(X, table)

    predicted = merged.predict(X)[:, 1]
    assert (predicted > 0).all()
    np.testing.assert_allclose(predicted.mean(), counts.mean(), rtol=0.1)


# ---------------------------------------------------------------------------------------
# Names, losses, errors


def test_targets_that_nobody_named_are_numbered():
    parts = [regressor(epochs=1).fit(X, Y[:, :2]), regressor(epochs=1).fit(X, Y[:, 2])]

    assert list(merge_tasks(parts).target_names_) == ["target_0", "target_1", "target_2"]


def test_given_names_are_kept_whatever_they_look_like():
    parts = [
        regressor(epochs=1).fit(X, pd.Series(Y[:, 0], name=name))
        for name in ("target_price", "target_volume")
    ]

    assert list(merge_tasks(parts).target_names_) == ["target_price", "target_volume"]


def test_a_name_that_occurs_twice_is_an_error(members):
    with pytest.raises(ValueError, match=r"More than one estimator.*'a', 'b'"):
        merge_tasks([members[0], members[0]])


def test_losses_of_members_come_along():
    parts = [
        regressor(epochs=1, loss={"a": "huber", "b": ("quantile", 0.9)}).fit(
            X, pd.DataFrame(Y[:, :2], columns=["a", "b"])
        ),
        regressor(epochs=1, loss=keras.losses.LogCosh()).fit(
            X, pd.Series(Y[:, 2], name="c")
        ),
    ]

    losses = merge_tasks(parts).loss

    assert losses[:2] == ["huber", ("quantile", 0.9)]
    assert losses[2] is not None
    assert merge_tasks(parts[1:]).loss.get_config() == parts[1].loss.get_config()


def test_what_cannot_be_merged_is_an_error(members):
    named = pd.DataFrame(X, columns=list("pqrs"))
    y = pd.Series(Y[:, 0], name="y")
    for other, message in (
        (regressor(epochs=1, trunk_sizes=(6, 4)).fit(X, y), r"hidden layers.*\(6, 4, 3\)"),
        (regressor(epochs=1, activation="relu").fit(X, y), "activation.*relu"),
        (regressor(epochs=1).fit(X[:, :3], y), "features.*4, 3"),
        (regressor(epochs=1).fit(named, y), "feature names"),
    ):
        with pytest.raises(ValueError, match=f"same {message}"):
            merge_tasks([members[0], other])
    with pytest.raises(ValueError, match="feature names"):
        merge_tasks(
            [
                regressor(epochs=1).fit(named, y),
                regressor(epochs=1).fit(named[list("srqp")], y.rename("z")),
            ]
        )


def test_what_is_no_fitted_estimator_is_an_error(members):
    with pytest.raises(ValueError, match="at least one"):
        merge_tasks([])
    with pytest.raises(ValueError, match="not fitted"):
        merge_tasks([members[0], regressor()])
    with pytest.raises((TypeError, ValueError), match="MultiTaskRegressor"):
        merge_tasks([members[0], LinearRegression().fit(X, Y)])


@pytest.mark.parametrize("sharing_depth", [-1, 4, 1.5, None])
def test_a_depth_that_is_none_is_an_error(members, sharing_depth):
    with pytest.raises((TypeError, ValueError), match="sharing_depth"):
        merge_tasks(members[:2], sharing_depth=sharing_depth)
