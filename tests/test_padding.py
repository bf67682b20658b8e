"""Networks in the program of a larger one: as if they had one of their own."""

import dataclasses
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest

from skmtl._training import PROGRAMS, choose_optimizer, task_losses
from skmtl._training import program_cache as _cache
from skmtl._training.padding import spec_with_room
from skmtl._training.spec import ProgramSpec
from tests._asserts import assert_close, weights_of
from tests._inputs import TARGETS, make_table, small, with_holes

X, Y = make_table(n=120)


@pytest.fixture
def without_room(monkeypatch):
    """Every program has the sizes of the network that asks for it."""
    return lambda: monkeypatch.setattr(_cache, "spec_with_room", lambda spec: spec)


def assert_same_with_and_without_room(without_room, fit):
    PROGRAMS.clear()
    with_room = fit()
    room = [program.spec.architecture for program in PROGRAMS._programs.values()]
    without_room()
    expected = fit()

    assert_close(with_room.predict(X), expected.predict(X), atol=1e-5)
    losses, expected_losses = with_room.history_["loss"], expected.history_["loss"]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for mine, theirs in zip(weights_of(with_room), weights_of(expected), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    return with_room, room


# An optimizer, an activation and an option in each, so that all are seen by few programs.
CASES = [
    (keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), "relu", {"sharing_depth": 0}),
    (keras.optimizers.Adam(0.01, amsgrad=True), "gelu", {"sharing_depth": 2}),
    (keras.optimizers.AdamW(0.01, weight_decay=0.1), "tanh", {"share_output": True}),
    (
        keras.optimizers.RMSprop(0.01, 0.9, 0.5, centered=True),
        "elu",
        {"linear_path": False},
    ),
    (keras.optimizers.Adagrad(0.05), "relu", {"n_bins": 0}),
    (keras.optimizers.Adadelta(1.0), "relu", {"loss_weights": "uncertainty"}),
    (keras.optimizers.Adamax(0.01), "gelu", {"n_experts": 2, "n_task_experts": 1}),
    (keras.optimizers.Nadam(0.01), "tanh", {"target_groups": [[0, 2], [1]]}),
    (keras.optimizers.Ftrl(0.05, l1_regularization_strength=1e-3), "relu", {}),
    (keras.optimizers.Lion(0.003), "elu", {"loss_weights": "upgrad"}),
    (keras.optimizers.Lamb(0.01), "relu", {"loss_weights": "famo"}),
    ("adam", "relu", {"ema_momentum": 0.9, "weight_decay": 0.5, "dropout": 0.3}),
    (keras.optimizers.Adam(0.01, global_clipnorm=0.1), "relu", {"head_sizes": ()}),
    ("adam", "softplus", {}),  # its features are padded, its hidden units not
]
NOT_PADDED = [
    (keras.optimizers.Adafactor(0.01), "relu", {}),
    (keras.optimizers.Muon(0.01), "relu", {}),
    # Adam's step of a weight without a gradient is 0 / (0 + epsilon).
    (keras.optimizers.Adam(0.01, epsilon=0.0), "tanh", {}),
]


def name(case):
    optimizer, activation, options = case
    return "-".join([getattr(optimizer, "name", optimizer), activation, *options])


def trained(optimizer, activation, options):
    parameters = {"optimizer": optimizer, "activation": activation, "n_bins": 3}
    model = small(**(parameters | options)).fit(X, with_holes(Y))
    return pickle.loads(pickle.dumps(model)).partial_fit(X, Y)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_padded_network_trains_as_without(without_room, case):
    model, room = assert_same_with_and_without_room(without_room, lambda: trained(*case))

    assert room[0].n_features == 8
    # A layer that exists once is padded to 64 units, one of several to 32.
    once = [layer.kernel.ndim == 2 for layer in model._network.weights.layers[:2]]
    expected = [64 if of_all else 32 for of_all in once][: len(room[0].hidden_sizes)]
    assert list(room[0].hidden_sizes) == ([8, 4] if case[1] == "softplus" else expected)
    state = model._network.optimizer_state
    of_weights = {w.shape for w in weights_of(model)}
    assert {v.shape for v in state.values if v.ndim > 1} <= of_weights


@pytest.mark.parametrize("case", NOT_PADDED, ids=name)
def test_where_padding_would_change_the_result_sizes_are_the_networks_own(
    without_room, case
):
    _, room = assert_same_with_and_without_room(without_room, lambda: trained(*case))

    assert room[0].hidden_sizes == (8, 4)


def test_no_hidden_layers(without_room):
    none = {"trunk_sizes": (), "head_sizes": ()}

    assert_same_with_and_without_room(without_room, lambda: trained("adam", "relu", none))


def test_a_frozen_trunk_stays_as_it_was(without_room):
    source = small(n_bins=3).fit(X, Y)

    model, _ = assert_same_with_and_without_room(
        without_room, lambda: small(init_trunk=source, freeze_trunk=True).fit(X, Y)
    )

    np.testing.assert_array_equal(weights_of(model)[0], weights_of(source)[0])


def test_sizes_of_a_search_share_programs():
    rng = np.random.default_rng(0)
    shared = small().fit(X, Y)._network
    asked = set()

    for _ in range(300):
        sizes = (*rng.integers(16, 257, size=2).tolist(), int(rng.integers(8, 65)))
        architecture = dataclasses.replace(
            shared.architecture, hidden_sizes=sizes, sharing_depth=2
        )
        choice = choose_optimizer("adam", 1e-3, 0.0, 0.0)
        losses = task_losses("squared_error", TARGETS)
        asked.add(
            spec_with_room(ProgramSpec(architecture, losses, choice.config, 32, False))
        )

    assert len(asked) == 3 * 3 * 2  # of 64, 128 and 256 units; heads of 32 and 64


IN_SOME_ORDER = """
import sys
import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from skmtl import MultiTaskRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 5))
Y = np.tanh(X[:, :2])
TRUNKS = {"narrow": (40, 30), "wide": (70, 70), "wider": (130, 100)}

def make(**sizes):
    return MultiTaskRegressor(head_sizes=(9,), epochs=2, random_state=0, **sizes)

def fit(name):
    return make(trunk_sizes=TRUNKS[name]).fit(X, Y).predict(X)

def searched():
    with parallel_config(backend="threading", n_jobs=int(sys.argv[2])):
        search = GridSearchCV(make(), {"trunk_sizes": list(TRUNKS.values())}, cv=2)
        return search.fit(X, Y).cv_results_["mean_test_score"]

def many_rows():
    return make().fit(np.tile(X, (20, 1)), np.tile(Y, (20, 1))).predict(X)

results = {}
for what in sys.argv[1].split(","):
    run = {"search": searched, "rows": many_rows}.get(what, lambda: fit(what))
    results[what] = run()
np.savez(sys.argv[3], **results)
"""


def test_a_seed_fixes_the_result_whatever_ran_before(tmp_path):
    """To the last bit, in processes that train the same networks in another order."""
    orders = {"narrow,wide,wider,rows,search": "1", "search,rows,wider,wide,narrow": "2"}
    files = [tmp_path / f"{n_jobs}.npz" for n_jobs in orders.values()]
    for (order, n_jobs), file in zip(orders.items(), files, strict=True):
        script = [sys.executable, "-c", IN_SOME_ORDER, order, n_jobs, str(file)]
        subprocess.run(script, check=True, capture_output=True, timeout=600)

    first, second = map(np.load, files)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


MANY_SIZES = """
import numpy as np
from skmtl import MultiTaskRegressor
from skmtl._training import PROGRAMS
from skmtl.datasets import load_slump

def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

X, y = load_slump(return_X_y=True)
rng = np.random.default_rng(0)
fitted = []
for _ in range(60):
    trunk = tuple(rng.integers(16, 257, size=2).tolist())
    head = (int(rng.integers(8, 65)),)
    model = MultiTaskRegressor(trunk_sizes=trunk, head_sizes=head, epochs=1).fit(X, y)
    fitted.append(megabytes())
print(PROGRAMS.n_built, fitted[-1] - fitted[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read off Linux' /proc")
def test_memory_grows_with_programs_and_not_with_sizes():
    """A program takes up to 40 MB for good."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_SIZES], capture_output=True, text=True, timeout=600
    )

    assert done.returncode == 0, done.stderr
    n_programs, grown = map(float, done.stdout.split())
    assert n_programs <= 3 * 3 * 2
    assert grown < 40 * n_programs + 40


@pytest.mark.parametrize("n_rows", [20, 1000, 1500, 5000])
@pytest.mark.parametrize("batch_size", [32, 50])
def test_rows_fit_and_a_refit_takes_the_same_program(n_rows, batch_size):
    train, held_out = _cache._capacities(n_rows, n_rows // 8, batch_size)

    assert train % batch_size == 0
    assert n_rows <= train <= max(4096, 2 * n_rows) + batch_size
    assert n_rows // 8 <= held_out
    assert _cache._capacities(n_rows, 0, batch_size) == (train, held_out)
    assert _cache._capacities(n_rows, n_rows, batch_size)[1] >= n_rows


def test_one_feature_more_or_less_compiles_nothing():
    small(n_bins=3).fit(X, Y)
    before = PROGRAMS.n_built

    small(n_bins=3).fit(X[:, :4], Y)
    small(n_bins=4).fit(X[:110], Y[:110])

    assert PROGRAMS.n_built - before <= 1
