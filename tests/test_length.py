"""How long a default fit to a large table goes on: as long as that pays."""

import keras
import numpy as np
import pytest

from skmtl import MultiTaskRegressor
from skmtl._estimators import automatic
from skmtl._estimators.automatic import course_of, n_epochs
from skmtl._training.length import Length, pays
from skmtl._training.losses import task_losses
from tests._inputs import small

PLANNED, LONGEST = 8, 32  # epochs


@pytest.fixture
def tables_are_large(monkeypatch):
    """Those of some hundred rows, and for a few epochs."""
    monkeypatch.setattr(automatic, "MANY_ROWS", 200)
    monkeypatch.setattr(automatic, "n_epochs", lambda n_rows: PLANNED)


def fitted(X, Y, **parameters):
    defaults = {"epochs": "auto", "batch_size": 32, "n_bins": 0, "refit": False}
    return small(**defaults | {"learning_rate": 5e-3} | parameters).fit(X, Y)


def smooth(n_rows: int = 400):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    return X, np.c_[np.sin(X[:, 0]), X[:, 1] * X[:, 2]]


def noise(n_rows: int = 400):
    return np.random.default_rng(1).normal(size=(n_rows, 2))


def losses_that_fall(*per_epoch: float, n_epochs: int = 8) -> np.ndarray:
    return np.array(per_epoch) ** np.arange(n_epochs)[:, None]


def pays_for(losses, best_epoch=None, loss="squared_error", weights=None) -> bool:
    n_epochs, n_targets = losses.shape
    of_targets = task_losses(loss, [f"y{t}" for t in range(n_targets)])
    best = n_epochs if best_epoch is None else best_epoch
    return pays(
        losses, best, of_targets, np.ones(n_targets) if weights is None else weights
    )


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_table_without_noise_is_learnt_from_for_longer(tables_are_large, n_members):
    X, Y = smooth()

    model = fitted(X, Y, n_members=n_members)

    assert model.n_iter_ == len(model.history_["val_loss"]) == LONGEST
    assert model.best_epoch_.max() > PLANNED
    short = fitted(X, Y, epochs=PLANNED, n_members=n_members)
    assert model.score(X, Y) > short.score(X, Y)


def test_noise_is_not(tables_are_large):
    X, _ = smooth()

    assert fitted(X, noise()).n_iter_ == PLANNED


def test_a_target_without_noise_is_enough(tables_are_large):
    X, Y = smooth()

    assert fitted(X, np.c_[noise(), Y[:, 0]], learning_rate=0.01).n_iter_ > PLANNED


@pytest.mark.parametrize("depth", [0, 2])
def test_longer_is_as_if_planned_from_the_middle_on(tables_are_large, depth):
    """The first half is that of a course of few epochs, to the last bit."""
    X, Y = smooth()

    longer = fitted(X, Y, sharing_depth=depth)

    short = fitted(X, Y, sharing_depth=depth, epochs=PLANNED)
    middle = PLANNED // 2
    losses, of_short = (m.history_["loss"] for m in (longer, short))
    assert losses[:middle] == of_short[:middle]
    assert losses[middle] != of_short[middle]


@pytest.mark.parametrize(
    "parameters",
    [
        {"epochs": PLANNED},
        {"learning_rate_schedule": "constant"},
        {"early_stopping": False},
        {"optimizer": keras.optimizers.Adam(5e-3)},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_without_a_falling_step_size_or_rows_held_out_nothing_is_longer(
    tables_are_large, parameters
):
    assert fitted(*smooth(), **parameters).n_iter_ == PLANNED


def test_small_tables_are_not_learnt_from_for_longer():
    course = course_of(MultiTaskRegressor(), automatic.MANY_ROWS - 1)

    assert course.most_epochs == course.epochs == 400


def test_the_same_network_however_many_epochs_a_call_runs(tables_are_large, monkeypatch):
    X, Y = smooth()
    models = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr("skmtl._training.train.SECONDS_PER_CALL", seconds)
        models.append(fitted(X, Y))

    one_by_one, at_once = (model.predict(X) for model in models)

    np.testing.assert_array_equal(one_by_one, at_once)


def test_a_longer_course_ends_in_time(tables_are_large, monkeypatch):
    """After a look there are more epochs planned, but no more time."""
    monkeypatch.setattr(Length, "n_epochs", lambda *_: PLANNED - 2)

    with pytest.warns(match=f"ended after {PLANNED - 2} of up to {LONGEST} epochs"):
        model = fitted(*smooth(), max_seconds=1e9)

    assert model.n_iter_ == PLANNED - 2
    assert not model.cut_off_  # it has had most of what was planned at first


@pytest.mark.parametrize("shared", [{"sharing_depth": 0}, {"target_groups": [[0], [1]]}])
@pytest.mark.parametrize("beside", ["smooth", "noise"])
def test_what_pays_for_a_network_is_not_up_to_others(tables_are_large, shared, beside):
    """Beside any other target, a network is what it is alone with another of its kind."""
    X, Y = smooth()
    others = {"smooth": Y[:, 1], "noise": noise()[:, 0]}
    same = {"smooth": Y[:, 0], "noise": noise()[:, 1]}[beside]

    models = [
        fitted(X, np.c_[same, other], learning_rate=0.02, **shared)
        for other in others.values()
    ]

    alike, unlike = models if beside == "smooth" else models[::-1]
    assert alike.n_iter_ == (LONGEST if beside == "smooth" else PLANNED)
    assert unlike.n_iter_ == LONGEST
    predicted = [model.predict(X)[:, 0] for model in models]
    np.testing.assert_array_equal(*predicted)
    assert alike.best_epoch_[:, 0] == unlike.best_epoch_[:, 0]
    for name in ("loss_target_0", "val_loss_target_0"):
        n = alike.n_iter_
        assert alike.history_[name] == unlike.history_[name][:n]
    losses = unlike.history_["val_loss_target_0"][: alike.n_iter_]
    assert np.argmin(losses) + 1 == unlike.best_epoch_[0, 0]


def test_with_a_budget_separate_networks_go_on_together(tables_are_large):
    X, Y = smooth()
    limited = {"sharing_depth": 0, "learning_rate": 0.02, "max_seconds": 1e9}

    assert fitted(X, Y, **limited).n_iter_ == LONGEST
    assert fitted(X, np.c_[Y[:, 0], noise()[:, 0]], **limited).n_iter_ == PLANNED


def test_the_rule_for_large_tables():
    epochs = {n: course_of(MultiTaskRegressor(), n) for n in (10_000, 10**6, 4 * 10**6)}

    assert epochs[10_000].most_epochs == 4 * epochs[10_000].epochs == 4 * n_epochs(10_000)
    assert epochs[10**6][2:4] == (8, 32)
    assert epochs[4 * 10**6].most_epochs == 8 == epochs[4 * 10**6].epochs  # no more


def test_a_length_is_looked_at_once():
    length = Length(9, most_epochs=36)

    assert (length.look, length.n_epochs(4)) == (4, 9)
    assert length.extend() == 4
    assert (length.n_planned, length.look, length.n_epochs(4)) == (36, 0, 36)


def test_a_length_knows_how_many_epochs_there_is_time_for():
    length = Length(100, most_epochs=100, max_seconds=10.0)

    assert length.n_epochs(1) == 100  # compiled, and not timed
    length.took(2, 1.0)
    assert length.n_epochs(3) == 3 + 18
    length.took(3, 3.0)  # by now an epoch takes .8 seconds
    assert length.n_epochs(6) == 6 + 7
    length.took(7, 6.5)
    assert length.n_epochs(13) == 13  # the time is over
    assert Length(100, most_epochs=100).n_epochs(99) == 100


@pytest.mark.parametrize(
    ("n_done", "annealed", "cut_off"),
    [(99, False, True), (100, False, False), (49, True, True), (50, True, False)],
)
def test_half_a_course_will_do_where_the_step_size_falls(n_done, annealed, cut_off):
    length = Length(100, most_epochs=100, max_seconds=1.0)

    assert length.cut_off(n_done, annealed=annealed) == cut_off


def test_what_pays():
    steep, flat = 0.9, 0.999

    assert pays_for(losses_that_fall(steep, steep))
    assert not pays_for(losses_that_fall(flat, flat))
    assert pays_for(losses_that_fall(flat, flat, steep))  # of three, one is determined
    assert pays_for(1e3 * losses_that_fall(steep, steep)), "whatever the losses' units"
    weights = np.array([1.0, 1.0, 0.0])
    assert not pays_for(losses_that_fall(flat, flat, steep), weights=weights)
    assert not pays_for(losses_that_fall(steep), best_epoch=4), "what is kept came before"
    assert not pays_for(losses_that_fall(steep), weights=np.zeros(1))  # counts for nothing
    assert not pays_for(np.zeros((8, 2)))  # no cell held out is observed
    assert not pays_for(np.full((8, 2), np.nan))


def test_the_log_likelihood_of_a_normal_distribution_is_a_logarithm_already():
    """Half the logarithm of a squared error, and a constant."""
    squares = losses_that_fall(0.9)

    for constant in (-5.0, 5.0):
        assert pays_for(0.5 * np.log(squares) + constant, loss="normal")
    assert not pays_for(0.5 * np.log(losses_that_fall(0.999)), loss="normal")


@pytest.mark.parametrize("many_rows", [False, True])
def test_best_epochs_of_large_tables_go_by_roots(monkeypatch, many_rows):
    """A target with little noise counts for more then; small tables keep theirs."""
    monkeypatch.setattr(automatic, "MANY_ROWS", 200 if many_rows else 1000)
    X, Y = smooth()
    Y = np.c_[noise(), Y[:, 0]]

    model = fitted(X, Y, epochs=30, learning_rate=0.02, n_iter_no_change=30)

    names = [f"val_loss_{name}" for name in model.target_names_]
    of_targets = [model.history_[name] for name in names]
    losses, roots = np.mean(of_targets, axis=0), np.sqrt(of_targets).mean(axis=0)
    assert losses.argmin() != roots.argmin()
    expected = (roots if many_rows else losses).argmin() + 1
    np.testing.assert_array_equal(model.best_epoch_, expected)
