"""Networks in files: plain values, by the names of classes alone."""

import pickle
import pickletools

import numpy as np
import pytest
from sklearn.base import clone

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._network.architecture import Architecture
from skmtl._network.heads import Classes, Counts, Mean, Normal, Probability, Quantiles
from skmtl._network.inputs import Inputs
from skmtl._network.network import Network, OptimizerState
from skmtl._network.scaling import Scaling
from skmtl._network.serialization import as_plain, from_plain
from tests._asserts import assert_same_predictions
from tests._inputs import small

KINDS = (
    *(Mean(), Counts(), Probability(), Normal()),
    *(Quantiles((0.1, 0.5, 0.9)), Classes(3)),
)


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    features = Inputs.fit(X, np.ones(len(X)), scale=True, limit=3.0, n_bins=4)
    architecture = Architecture(
        *(4, len(KINDS), (6, 5), 1, "relu"),
        linear_path=True,
        n_bins=features.hidden.n_units - 4,
        n_outputs=3,
        n_experts=2,
    )
    targets = Scaling(rng.normal(size=len(KINDS)), rng.uniform(1, 2, len(KINDS)))
    network = Network.untrained(architecture, rng, features, targets, KINDS)
    weights = network.weights.leaves()
    state = OptimizerState("a key", [w + 1 for w in weights], [w + 2 for w in weights])
    return Network(**{**vars(network), "optimizer_state": state})


def test_a_network_comes_back_from_plain_values(network):
    back = from_plain(as_plain(network))

    assert back.architecture == network.architecture
    assert back.kinds == KINDS
    assert back.features == network.features
    assert back.optimizer_state.key == "a key"
    for own, other in zip(back.weights.leaves(), network.weights.leaves(), strict=True):
        assert own is other  # arrays are not copied
    X = np.random.default_rng(1).normal(size=(7, 4))
    np.testing.assert_array_equal(back.outputs(X), network.outputs(X))


def test_what_members_have_in_common_they_have_in_common_again(network):
    first, second = from_plain(as_plain([network, network]))

    assert first is second


def test_files_name_the_public_module_and_no_other(table):
    model = small(n_members=2, loss=["huber", "normal", ("quantile", (0.1, 0.9))])
    model.fit(*table)

    file = pickle.dumps(model)

    texts = {argument for _, argument, _ in pickletools.genops(file)}
    modules = {text for text in texts if isinstance(text, str) and "skmtl" in text}
    assert modules == {"skmtl", "_skmtl_version"}
    assert_same_predictions(pickle.loads(file), model, table[0])
    assert type(clone(model)) is MultiTaskRegressor
