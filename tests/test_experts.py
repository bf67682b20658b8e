"""Several trunks: experts that targets mix by gates, groups of targets with one each."""

import dataclasses

import numpy as np
import pytest

from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.network_diagram import diagram_data
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.architecture import Architecture
from skmtl._network.diagram import diagram
from skmtl._network.heads import Mean
from skmtl._network.inputs import Inputs
from skmtl._network.network import Network
from skmtl._network.scaling import Scaling
from skmtl._network.weights import Layer
from skmtl._training import build_keras_model
from skmtl.inspection import GatesDisplay
from skmtl.model_selection import task_affinity
from tests._asserts import (
    assert_close,
    assert_equal_up_to_rounding,
    raises_naming,
    weights_of,
)
from tests._inputs import TARGETS, as_frames, make_table, small, small_classifier

X, Y = make_table(n=120)
KINDS = {
    "experts": {"n_experts": 3},
    "own experts": {"n_experts": 2, "n_task_experts": 2},
    "groups": {"groups": (0, 1, 0)},
}


def untrained(hidden_sizes=(8, 6), depth=1, seed=0, **kinds) -> Network:
    """Any weights: those of gates and outputs are not small, nor are the biases zero."""
    architecture = Architecture(
        5, 3, hidden_sizes, depth, "relu", linear_path=True, **kinds
    )
    rng = np.random.default_rng(seed)
    features, targets = Inputs.unscaled(5), Scaling.identity(3)
    network = Network.untrained(architecture, rng, features, targets, (Mean(),) * 3)
    weights = network.weights.map(lambda w: rng.normal(size=w.shape).astype(np.float32) / 2)
    return dataclasses.replace(network, weights=weights)


def trunk_only(network: Network, trunk: int) -> Network:
    """The network of one of its trunks, without gates."""
    architecture = dataclasses.replace(
        network.architecture, n_experts=1, n_task_experts=0, groups=()
    )
    layers = tuple(Layer(K[trunk], b[trunk, 0]) for K, b in network.weights.trunk)
    weights = network.weights._replace(trunk=layers, gates=None)
    return dataclasses.replace(network, architecture=architecture, weights=weights)


# Networks: what is computed


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_keras_model_predicts_the_same(kind, depth):
    network = untrained(depth=depth, **KINDS[kind])

    expected = build_keras_model(network).predict(X, verbose=0)

    assert_close(network.predict(X), expected, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kind", ["experts", "own experts"])
def test_equal_experts_are_the_plain_network(kind, depth):
    network = untrained(depth=depth, **KINDS[kind])
    for w in network.weights.leaves()[: 2 * depth]:
        w[:] = w[:1]

    assert_close(network.predict(X), trunk_only(network, 0).predict(X))
    np.testing.assert_allclose(network.gates(X).sum(axis=2), 1)


@pytest.mark.parametrize("expert", [0, 2])
def test_gates_fixed_to_one_expert_are_the_plain_network(expert):
    network = untrained(n_experts=3)
    K, b = network.weights.gates
    K[:], b[:] = 0, 0
    b[:, :, expert] = 100

    assert_close(network.predict(X), trunk_only(network, expert).predict(X))


def test_a_targets_own_experts_are_of_no_use_to_others():
    network = untrained(n_experts=2, n_task_experts=2)
    before = network.predict(X)

    for w in network.weights.leaves()[:2]:
        w[2 + 2 * 1 : 2 + 2 * 2] += 1  # those of the second target

    after = dataclasses.replace(network).predict(X)
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
    assert np.abs(after[:, 1] - before[:, 1]).min() > 0


def test_each_group_reads_its_own_trunk():
    network = untrained(groups=(0, 1, 0))

    expected = np.stack([trunk_only(network, g).predict(X) for g in (0, 1)])

    assert_close(network.predict(X), expected[[0, 1, 0], :, [0, 1, 2]].T)


# Estimators


@pytest.fixture(scope="module")
def mixed():
    """With experts of all targets and of each."""
    return small(n_experts=2, n_task_experts=1, n_bins=3).fit(*as_frames(X, Y))


def test_every_target_has_its_gate(mixed):
    G = mixed.gates(as_frames(X, Y)[0])

    assert G.shape == (len(X), 3, 3)
    np.testing.assert_allclose(G.sum(axis=2), 1)
    assert (G.std(axis=0) > 0).all()  # they have learnt to look at the features


def test_what_is_public_has_the_true_sizes(mixed):
    shapes = [w.shape for w in weights_of(mixed)]
    n_units = mixed._network.architecture.n_inputs

    assert shapes[:2] == [(2 + 3, n_units, 8), (2 + 3, 1, 8)]
    assert mixed.trunk_.output_shape == (None, 5 * 8)
    frame, _ = as_frames(X, Y)
    expected = mixed.model_.predict(frame.to_numpy(), verbose=0)
    assert_close(mixed.predict(frame), expected, atol=1e-4)


def test_a_classifier_mixes_experts_as_keras_does():
    labels = np.array(["low", "middle", "high"])[np.digitize(Y, np.quantile(Y, [0.3, 0.6]))]

    model = small_classifier(n_experts=2).fit(X, labels)

    of_keras = model.model_.predict(X, verbose=0)
    for ours, theirs in zip(model.predict_proba(X), of_keras, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (model.gates(X).std(axis=0) > 0).all()  # they look at the features


def test_a_classifier_of_two_classes_learns_the_gates_of_the_log_loss():
    y = (np.median(Y, axis=0) < Y).astype(float)

    classifier = small_classifier(n_experts=2).fit(X, y)
    regressor = small(loss="log_loss", n_experts=2).fit(X, y)

    probabilities = [p[:, 1] for p in classifier.predict_proba(X)]
    np.testing.assert_array_equal(np.transpose(probabilities), regressor.predict(X))
    np.testing.assert_array_equal(classifier.gates(X), regressor.gates(X))


def test_groups_of_one_are_separate_networks():
    """Each stops on its own target and keeps its own best epoch."""
    options = {"n_iter_no_change": 2, "epochs": 40, "refit": False}

    groups = small(target_groups=[[0], [1], [2]], **options).fit(X, Y)
    separate = small(sharing_depth=0, **options).fit(X, Y)

    assert_close(groups.predict(X), separate.predict(X), atol=1e-4)


def test_one_group_is_the_plain_network():
    groups = small(target_groups=[[2, 0, 1]], epochs=2).fit(X, Y)

    np.testing.assert_array_equal(groups.predict(X), small(epochs=2).fit(X, Y).predict(X))


@pytest.mark.parametrize(
    "apart", [{"target_groups": [[0, 2], [1]]}, {"sharing_depth": 0}], ids=["groups", "all"]
)
def test_a_target_of_another_network_has_no_influence(apart):
    """Nor on when to stop, nor on how to go on with all rows."""
    options = {"n_iter_no_change": 3, "epochs": 60, **apart}
    other = Y.copy()
    other[:, 1] = np.random.default_rng(1).normal(size=len(Y))

    a, b = (small(**options).fit(X, targets) for targets in (Y, other))

    assert_close(b.predict(X)[:, [0, 2]], a.predict(X)[:, [0, 2]], atol=1e-4)
    assert np.abs(a.predict(X)[:, 1] - b.predict(X)[:, 1]).max() > 1


def test_rows_without_a_group_leave_its_trunk_alone():
    model = small(target_groups=[[0, 2], [1]], early_stopping=False).fit(X, Y)
    before = [w.copy() for w in weights_of(model)]
    unseen = Y.copy()
    unseen[:, 1] = np.nan

    model.partial_fit(X, unseen)

    for w, old in zip(weights_of(model)[:2], before[:2], strict=True):
        np.testing.assert_array_equal(w[1], old[1])
        assert (w[0] != old[0]).any()


def test_without_a_trunk_they_do_nothing():
    plain = small(sharing_depth=0, epochs=2).fit(X, Y)

    for options in ({"n_experts": 3}, {"target_groups": [[0, 1], [2]]}):
        model = small(sharing_depth=0, epochs=2, **options).fit(X, Y)
        np.testing.assert_array_equal(model.predict(X), plain.predict(X))


def test_a_frozen_trunk_keeps_its_experts_and_trains_gates():
    source = small(n_experts=2).fit(X, Y)

    model = small(n_experts=2, init_trunk=source, freeze_trunk=True).fit(X, Y)

    for w, old in zip(
        weights_of(model)[:2],
        weights_of(source)[:2],
        strict=True,
    ):
        np.testing.assert_array_equal(w, old)
    assert np.ptp(model.gates(X)) > 0


def test_a_new_target_gets_a_gate_on_the_same_experts():
    model = small(n_experts=2).fit(X, Y[:, :2])
    before, gates = model.predict(X), model.gates(X)

    model.add_task(X, Y[:, 2])

    assert_equal_up_to_rounding(model.predict(X)[:, :2], before)
    assert_equal_up_to_rounding(model.gates(X)[:, :2], gates)
    new = model.gates(X)[:, 2]
    np.testing.assert_allclose(new.sum(axis=1), 1)
    assert (new.std(axis=0) > 0).all()


def test_members_have_gates_side_by_side():
    model = small(n_experts=2, n_members=2).fit(X, Y)

    each = [member.gates(X) for member in model._members]
    np.testing.assert_allclose(model.gates(X), np.concatenate(each, axis=2) / 2)
    assert np.abs(each[0] - each[1]).max() > 0.01
    with raises_naming("n_members=1"):
        GatesDisplay.from_estimator(model, X)


def test_a_picture_of_who_uses_which_expert(mixed):
    plt = pytest.importorskip("matplotlib.pyplot")

    display = GatesDisplay.from_estimator(mixed, as_frames(X, Y)[0])

    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    experts = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert (names, experts) == (TARGETS, ["1", "2", "own 1"])
    np.testing.assert_allclose(np.sum(display.image_.get_array(), axis=1), 1)
    plt.close("all")


def test_the_diagram_has_a_deck_of_trunks(mixed):
    drawing = diagram(**diagram_data(mixed))

    assert "5 trunks" in [words.text for words in drawing.words]
    plain = diagram(**{**diagram_data(mixed), "n_trunks": 1})
    assert len(drawing.boxes) == len(plain.boxes) + 2
    assert "trunk" in [words.text for words in plain.words]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"target_groups": [["cost", "time"]]}, ["target_groups", "'risk'"]),
        ({"target_groups": [["cost"], ["cost", "time", "risk"]]}, ["'cost' twice"]),
        ({"target_groups": [["cost", "tine"], ["risk"]]}, ["'tine'", "'time'"]),
        ({"target_groups": ["cost", "time", "risk"]}, ["list of lists"]),
        ({"target_groups": [[0, 1], [3]]}, ["3", "from 0 to 2"]),
        ({"target_groups": [[0, 1], [2]], "n_experts": 2}, ["n_experts=2", "one or the"]),
        ({"n_experts": 0}, ["n_experts"]),
        ({"n_task_experts": -1}, ["n_task_experts"]),
    ],
)
def test_bad_parameters_are_named(options, named):
    with raises_naming(*named):
        small(**options).fit(*as_frames(X, Y))


def test_what_has_no_meaning_with_several_trunks_is_refused(mixed):
    frame, targets = as_frames(X, Y)
    plain = MultiTaskRegressor(epochs=1)

    with raises_naming("n_task_experts"):
        mixed.add_task(frame, targets["cost"], name="again")
    with raises_naming("single trunk"):
        merge_tasks([mixed])
    with raises_naming("one trunk"):
        task_affinity(mixed, frame, targets)
    with raises_naming("n_experts"):
        plain.fit(X, Y).gates(X)
