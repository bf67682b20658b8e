"""What the pictures show is what they were given; names, axes and notebooks."""

import copy
import sys
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl._estimators.merging import merge_tasks
from skmtl._estimators.network_diagram import network_svg
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.inspection import (
    NetworkDisplay,
    SharingDepthDisplay,
    SharingGainDisplay,
    TaskAffinityDisplay,
    TrainingDisplay,
)
from skmtl.metrics import target_scorers
from skmtl.model_selection import (
    SharingDepthSearchCV,
    sharing_gain,
    sharing_verdict,
    task_affinity,
)
from tests._inputs import TARGETS, as_frames, small

LONG = "concentration of <cadmium> in $\\mu$g/kg, upper layer, & without $ the coast, 2021"
NAMES_50 = [f"gene {t}" for t in range(49)] + [LONG]


@pytest.fixture(autouse=True)
def _own_figures():
    """Nothing but figures is left behind, and they are drawn without complaint."""
    plt.close("all")  # whatever ran before in this process may have drawn some
    settings = dict(matplotlib.rcParams)
    with plt.rc_context({"backend": "agg"}):
        yield
        for number in plt.get_fignums():
            plt.figure(number).canvas.draw()
    plt.close("all")
    assert dict(matplotlib.rcParams) == settings


@pytest.fixture(scope="module")
def search(table):
    return SharingDepthSearchCV(small(), cv=3).fit(*as_frames(*table))


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def plain(names) -> list[str]:
    """As matplotlib shows them, with dollar signs that are not escaped."""
    return [name.replace(r"\$", "$") for name in names]


def tick_names(axis) -> list[str]:
    return plain(tick.get_text() for tick in axis.get_ticklabels())


def affinities(names, seed=0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(len(names), len(names)))
    return pd.DataFrame(values, index=names, columns=names)


def gains(names, seed=0) -> dict:
    rng = np.random.default_rng(seed)
    gain, se = rng.normal(size=len(names)), rng.uniform(0.1, 1, len(names))
    return {"gain": pd.Series(gain, names), "se": pd.Series(se, names)}


def scores(names, seed=0) -> dict:
    rng = np.random.default_rng(seed)
    targets = pd.DataFrame(rng.normal(size=(3, len(names))), columns=names)
    return {
        "depths": [0, 1, 3],
        "scores": rng.normal(size=(3, 5)),
        "target_scores": targets,
    }


def history(names, n_epochs=9, seed=0) -> dict:
    rng = np.random.default_rng(seed)
    keys = [prefix + end for prefix in ("loss", "val_loss") for end in ("", *names)]
    keys = [
        key if key.endswith("loss") else key.replace("loss", "loss_", 1) for key in keys
    ]
    return {key: rng.uniform(1, 2, n_epochs).tolist() for key in keys}


def by_hand(names) -> list:
    network = {"hidden_sizes": (64, 32), "sharing_depth": 1, "target_names": names}
    training = {"history": history(names), "target_names": names, "best_epoch": 4}
    return [
        NetworkDisplay(**network),
        SharingDepthDisplay(**scores(names), best_depth=1),
        SharingGainDisplay(**gains([*names, "mean"])),
        TaskAffinityDisplay(affinity=affinities(names)),
        TrainingDisplay(**training),
    ]


# Axes and figures


@pytest.mark.parametrize("names", [["cost"], TARGETS, NAMES_50], ids=len)
def test_axes_that_are_given_are_used_and_no_others(names):
    for display in by_hand(names):
        figure, axes = plt.subplots(1, 2)

        assert display.plot(ax=axes[1]) is display

        assert display.ax_ is axes[1]
        assert display.figure_ is figure
        assert not axes[0].has_data()
        assert len(plt.get_fignums()) == 1
        figure.canvas.draw()
        plt.close(figure)


@pytest.mark.parametrize("names", [["cost"], TARGETS, NAMES_50], ids=len)
def test_a_figure_is_made_if_none_is_given(names):
    for n, display in enumerate(by_hand(names)):
        display.plot()

        assert display.figure_ is display.ax_.figure
        assert len(plt.get_fignums()) == n + 1


@pytest.mark.parametrize("names", [TARGETS, NAMES_50], ids=len)
def test_all_of_a_new_figure_is_visible(names):
    for display in by_hand(names):
        figure = display.plot().figure_
        figure.canvas.draw()

        needed = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert min(needed.x0, needed.y0) > -0.02
        assert needed.x1 < width + 0.02
        assert needed.y1 < height + 0.02


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for display in by_hand(TARGETS):
        with pytest.raises(ImportError, match=r"pip install 'skmtl\[plot\]'"):
            display.plot()


# Search: score against depth


def test_depth_shows_the_means_and_deviations_of_the_search(search):
    display = SharingDepthDisplay.from_search(search)

    results = search.cv_results_
    line, _, (bars,) = display.errorbar_
    np.testing.assert_array_equal(line.get_xdata(orig=False), [0, 1, 2])
    np.testing.assert_allclose(line.get_ydata(orig=False), results["mean_test_mean"])
    lengths = np.ptp([path[:, 1] for path in bars.get_segments()], axis=1)
    np.testing.assert_allclose(lengths, 2 * results["std_test_mean"])
    assert list(display.target_lines_) == TARGETS
    for name, line in display.target_lines_.items():
        np.testing.assert_allclose(line.get_ydata(), results[f"mean_test_{name}"])
    best = search.best_params_["sharing_depth"]
    assert display.best_.get_xdata() == [best]
    assert display.best_.get_ydata() == pytest.approx(search.best_score_)
    separate = results["mean_test_mean"][0]
    np.testing.assert_allclose(display.base_line_.get_ydata(), separate)
    assert display.ax_.get_ylabel().startswith("R²")


def test_depth_of_a_pipeline_in_a_grid_with_other_parameters(table):
    X, Y = as_frames(*table)
    grid = {
        "multitaskregressor__sharing_depth": [2, 0],
        "multitaskregressor__learning_rate": [0.001, 0.01],
    }
    pipeline = make_pipeline(StandardScaler(), small())
    search = GridSearchCV(pipeline, grid, scoring=target_scorers(), refit="mean", cv=3)
    search.fit(X, Y)

    display = SharingDepthDisplay.from_search(search, per_target=False)

    results = pd.DataFrame(search.cv_results_)
    depths = results["param_multitaskregressor__sharing_depth"].astype(int)
    expected = results["mean_test_mean"].groupby(depths).max()
    np.testing.assert_array_equal(display.errorbar_[0].get_xdata(orig=False), [0, 2])
    np.testing.assert_allclose(display.errorbar_[0].get_ydata(orig=False), expected)
    assert not display.target_lines_
    gain = SharingGainDisplay.from_search(search, depth=2)
    assert gain.depth == 2


def test_depth_of_a_search_with_one_score(table):
    search = GridSearchCV(small(), {"sharing_depth": [0, 2]}, cv=3).fit(*table)

    display = SharingDepthDisplay.from_search(search)

    line = display.errorbar_[0]
    expected = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(line.get_ydata(orig=False), expected)
    assert not display.target_lines_
    gains = SharingGainDisplay.from_search(search)
    np.testing.assert_allclose(
        gains.errorbars_["score"][0].get_xdata(orig=False),
        sharing_gain(search).loc[2, "gain"],
    )


def test_depth_shows_the_mean_though_the_search_went_by_one_target(search):
    by_cost = copy.copy(search)
    by_cost.refit = "cost"

    display = SharingDepthDisplay.from_search(by_cost)

    means = search.cv_results_["mean_test_mean"]
    np.testing.assert_allclose(display.errorbar_[0].get_ydata(orig=False), means)
    assert list(display.target_lines_) == TARGETS


def test_depth_leaves_out_folds_without_a_score():
    scores = [[0.5, np.nan, 0.7], [np.nan] * 3, [0.1, 0.2, -9]]

    display = SharingDepthDisplay(depths=[1, 2, 3], scores=scores, best_depth=1).plot()

    np.testing.assert_allclose(
        display.errorbar_[0].get_ydata(orig=False), [0.6, np.nan, -2.9]
    )
    assert display.base_line_ is None


# Search: gain per target


def test_gain_shows_the_gains_and_errors_of_the_search(search):
    display = SharingGainDisplay.from_search(search, depth=1)

    table = sharing_gain(search).loc[1]
    assert set(display.errorbars_) == {"mean", *TARGETS}
    for name, (mark, _, (bar,)) in display.errorbars_.items():
        assert mark.get_xdata() == pytest.approx(table["gain", name])
        (segment,) = bar.get_segments()
        assert np.ptp(segment[:, 0]) == pytest.approx(2 * table["se", name])
    assert "sharing 1 hidden layer" in display.ax_.get_xlabel()


def test_gain_is_that_of_the_best_depth_that_shares(search):
    mean = sharing_gain(search)["gain", "mean"]

    assert SharingGainDisplay.from_search(search).depth == mean[1:].idxmax()


def test_gains_are_sorted_with_the_mean_first():
    display = SharingGainDisplay(**gains([*NAMES_50, "mean"])).plot()

    values = [bar[0].get_xdata()[0] for bar in display.errorbars_.values()]
    rows = [bar[0].get_ydata()[0] for bar in display.errorbars_.values()]
    assert next(iter(display.errorbars_)) == "mean"
    assert values[1:] == sorted(values[1:], reverse=True)
    assert rows == list(range(51))
    shown = tick_names(display.ax_.yaxis)
    assert len(shown) == 51
    assert shown[0] == "mean of targets"
    assert max(map(len, shown)) <= 30


def test_targets_look_like_what_they_are_called():
    gain = pd.Series({"up": 0.3, "level": 0.1, "down": -0.3, "unknown": np.nan, "one": 1})
    se = pd.Series({"up": 0.1, "level": 0.1, "down": 0.1, "unknown": np.nan, "one": np.nan})
    called = {
        "one": "no clear difference",
        "up": "helps",
        "level": "no clear difference",
        "down": "hurts",
    }

    display = SharingGainDisplay(gain=gain, se=se, effect=pd.Series(called)).plot()

    kinds = {name: bar.get_label() for name, bar in display.errorbars_.items()}
    assert kinds == called
    markers = [display.errorbars_[name][0].get_marker() for name in ("up", "level", "down")]
    assert len(set(markers)) == 3
    assert "no score" in texts(display.ax_)[0]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert sorted(legend) == ["helps", "hurts", "no clear difference"]


def test_gains_without_a_judgement_look_alike():
    display = SharingGainDisplay(**gains(TARGETS)).plot()

    markers = {bar[0].get_marker() for bar in display.errorbars_.values()}
    assert len(markers) == 1
    assert display.ax_.get_legend() is None


def test_gains_are_called_as_the_verdict_does(table):
    """3.5 standard errors of three folds are not clear, in the picture as in words."""
    search = SharingDepthSearchCV(small(), depths=[2], cv=3).fit(*as_frames(*table))
    search.row_scores_ = None  # so that it goes by its folds
    gains = {"cost": [0.5, 0.5, 0.501], "risk": [-0.5, -0.5, -0.501]}
    gains["time"] = 0.5 + np.sqrt(6 / 5) / 7 * np.array([-1, 0, 1])
    for name, by_fold in gains.items():
        for fold, gain in enumerate(by_fold):
            separate, shared = search.cv_results_[f"split{fold}_test_{name}"]
            search.cv_results_[f"split{fold}_test_{name}"][1] += separate + gain - shared

    display = SharingGainDisplay.from_search(search)

    gain, se = (sharing_gain(search).loc[2, (key, "time")] for key in ("gain", "se"))
    assert gain / se == pytest.approx(3.5)
    kinds = {name: bar.get_label() for name, bar in display.errorbars_.items()}
    assert kinds["time"] == "no clear difference"
    assert (kinds["cost"], kinds["risk"]) == ("helps", "hurts")
    for said in ("helps cost (+0.5)", "no clear difference for time", "hurts risk (-0.5)"):
        assert said in sharing_verdict(search)


def test_gain_of_a_depth_that_was_not_searched(search):
    with pytest.raises(ValueError, match=r"depth=7 was not searched.*\[0, 1, 2\]"):
        SharingGainDisplay.from_search(search, depth=7)


@pytest.mark.parametrize("display", [SharingDepthDisplay, SharingGainDisplay])
def test_searches_that_say_nothing_about_sharing(display, table):
    ridge = GridSearchCV(Ridge(), {"alpha": [1, 2]}, cv=2)

    with pytest.raises(NotFittedError):
        display.from_search(ridge)
    with pytest.raises(ValueError, match="sharing_depth"):
        display.from_search(ridge.fit(*table))


def test_gain_of_separate_networks_alone(table):
    search = GridSearchCV(small(), {"sharing_depth": [0]}, cv=2).fit(*table)

    with pytest.raises(ValueError, match="only sharing_depth=0"):
        SharingGainDisplay.from_search(search)


# Training


def test_training_shows_the_history(fitted_on_frames):
    display = TrainingDisplay.from_estimator(fitted_on_frames)

    losses = fitted_on_frames.history_
    assert list(display.lines_) == ["loss", "val_loss"]
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(line.get_ydata(), losses[name])
    best = int(np.argmin(losses["val_loss"]))
    assert display.best_epoch == best + 1
    assert display.lines_["val_loss"].get_markevery() == [best]
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["training", "validation", f"best epoch: {best + 1}"]


def test_training_per_target(fitted_on_frames):
    display = TrainingDisplay.from_estimator(fitted_on_frames, per_target=True)

    assert set(display.lines_) == {
        f"{prefix}loss_{name}" for prefix in ("", "val_") for name in TARGETS
    }
    validation = [display.lines_[f"val_loss_{name}"] for name in TARGETS]
    assert len({line.get_marker() for line in validation}) == 3
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_ydata(), fitted_on_frames.history_[name])


def test_training_of_many_targets_draws_their_mean_too():
    display = TrainingDisplay(
        history=history(NAMES_50), target_names=NAMES_50, best_epoch=3
    )

    display.plot(per_target=True)

    assert len(display.lines_) == 50 + 2
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[0] == "each of 50 targets, validation"
    assert len(legend) == 4


def test_training_without_rows_held_out(table):
    estimator = small(early_stopping=False).fit(*table)

    assert list(TrainingDisplay.from_estimator(estimator).lines_) == ["loss"]
    per_target = TrainingDisplay.from_estimator(estimator, per_target=True)
    assert list(per_target.lines_) == [f"loss_target_{t}" for t in range(3)]
    assert per_target.best_epoch is None


@pytest.mark.parametrize("sharing_depth", [0, 1])
def test_the_best_epoch_is_the_one_whose_weights_are_kept(table, sharing_depth):
    X, Y = table
    parameters = {"learning_rate": 0.05, "n_iter_no_change": 3, "refit": False}
    estimator = small(sharing_depth=sharing_depth, epochs=60, **parameters).fit(X, Y)

    display = TrainingDisplay.from_estimator(estimator, per_target=True)

    expected = estimator.predict(X)
    assert estimator.n_iter_ > np.max(display.best_epoch) + 2
    for t, best in enumerate(np.broadcast_to(display.best_epoch, 3)):
        # Training that ends with this epoch keeps the same weights, but none before it.
        ends = small(sharing_depth=sharing_depth, epochs=int(best), **parameters)
        np.testing.assert_array_equal(ends.fit(X, Y).predict(X)[:, t], expected[:, t])
        earlier = ends.set_params(epochs=int(best) - 1).fit(X, Y)
        assert not np.allclose(earlier.predict(X)[:, t], expected[:, t])
    line = display.lines_["val_loss_target_2"]
    assert line.get_markevery() == [np.broadcast_to(display.best_epoch, 3)[2] - 1]
    TrainingDisplay.from_estimator(estimator)


def test_marks_are_of_the_networks_and_stay(table):
    X, Y = table
    groups = {"target_groups": [[0, 2], [1]], "epochs": 60, "learning_rate": 0.05}
    estimator = small(**groups, n_iter_no_change=3, refit=False).fit(X, Y)

    best = TrainingDisplay.from_estimator(estimator).best_epoch

    course = estimator.history_
    of_group = np.mean([course["val_loss_target_0"], course["val_loss_target_2"]], axis=0)
    assert best[0] == best[2] == 1 + first_best(of_group, 3)
    assert best[1] == 1 + first_best(course["val_loss_target_1"], 3)
    assert estimator.best_epoch_.tolist() == [best]
    estimator.set_params(n_iter_no_change=50, target_groups=None)
    assert TrainingDisplay.from_estimator(estimator).best_epoch == best


def first_best(losses, patience):
    """Position of the best before so many epochs in a row were no better."""
    best = 0
    for epoch, loss in enumerate(losses[1:], start=1):
        if epoch - best > patience:
            break
        best = epoch if loss < losses[best] else best
    return best


def test_the_best_epochs_of_members_are_marked(table):
    estimator = small(n_members=2, sharing_depth=0).fit(*table)

    display = TrainingDisplay.from_estimator(estimator, per_target=True)

    assert np.broadcast_to(display.best_epoch, (2, 3)).tolist() == (
        estimator.best_epoch_.tolist()
    )
    marked = display.lines_["val_loss_target_1"].get_markevery()
    assert marked == sorted({best - 1 for best in estimator.best_epoch_[:, 1]})


def test_without_rows_held_out_the_last_epoch_is_kept_and_none_is_marked(table):
    estimator = small(epochs=2).fit(*table).partial_fit(*table)

    assert estimator.best_epoch_.tolist() == [[3, 3, 3]]
    assert TrainingDisplay.from_estimator(estimator).best_epoch is None


def test_training_after_partial_fit_and_in_a_pipeline(table):
    X, Y = table
    pipeline = make_pipeline(StandardScaler(), small()).fit(X, Y)
    pipeline[-1].partial_fit(X, Y)

    display = TrainingDisplay.from_estimator(pipeline)

    assert len(display.lines_["loss"].get_ydata()) == 5
    assert np.isnan(display.lines_["val_loss"].get_ydata()[-1])


def test_losses_may_be_negative():
    losses = {"loss": [3.0, 0.1, -2.0], "val_loss": [np.nan, 0.5, -1.0]}

    display = TrainingDisplay(history=losses, best_epoch=3).plot()

    assert display.ax_.get_yscale() == "linear"
    wide = TrainingDisplay(history={"loss": [30.0, 1.0]}).plot()
    assert wide.ax_.get_yscale() == "log"


def test_training_that_did_not_happen(fitted):
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(small())
    with pytest.raises(TypeError, match=r"MultiTaskRegressor.*got Ridge"):
        TrainingDisplay.from_estimator(Ridge())
    with pytest.raises(ValueError, match="partial_fit"):
        TrainingDisplay.from_estimator(merge_tasks([fitted, fitted]))


# Affinity


def test_affinity_shows_the_numbers_in_the_order_of_the_names(table, fitted_on_frames):
    X, Y = as_frames(*table)

    display = TaskAffinityDisplay.from_estimator(fitted_on_frames, X, Y)

    expected = task_affinity(fitted_on_frames, X, Y)
    assert sorted(display.order_) == sorted(TARGETS)
    reordered = expected.loc[display.order_, display.order_].to_numpy()
    off_diagonal = ~np.eye(3, dtype=bool)
    drawn = display.image_.get_array()
    np.testing.assert_allclose(drawn[off_diagonal], reordered[off_diagonal])
    assert np.ma.getmaskarray(drawn)[~off_diagonal].all()
    assert tick_names(display.ax_.xaxis) == display.order_
    assert tick_names(display.ax_.yaxis) == display.order_
    low, high = display.image_.get_clim()
    assert low == -high
    kept = TaskAffinityDisplay.from_estimator(fitted_on_frames, X, Y, clustered=False)
    assert kept.order_ == TARGETS


def test_groups_of_targets_become_neighbours():
    group = np.arange(8) % 2
    names = [f"{'ab'[g]}{t}" for t, g in enumerate(group)]
    together = np.where(group[:, None] == group, 0.1, -0.1)

    display = TaskAffinityDisplay(affinity=pd.DataFrame(together, names, names)).plot()

    first = [name[0] for name in display.order_]
    assert first in (["a"] * 4 + ["b"] * 4, ["b"] * 4 + ["a"] * 4)


def test_affinity_with_unknown_cells():
    affinity = affinities(TARGETS)
    affinity.loc["cost", "time"] = np.nan

    display = TaskAffinityDisplay(affinity=affinity).plot()

    assert len([text for text in texts(display.ax_) if text]) == 8
    nothing = pd.DataFrame(np.full((3, 3), np.nan), TARGETS, TARGETS)
    assert sorted(TaskAffinityDisplay(affinity=nothing).plot().order_) == sorted(TARGETS)


def test_many_affinities_have_a_minus_for_harm():
    display = TaskAffinityDisplay(affinity=affinities(NAMES_50)).plot()

    assert not texts(display.ax_)
    (marks,) = display.ax_.collections
    values = affinities(NAMES_50).to_numpy()
    assert len(marks.get_offsets()) == (values < 0).sum() - (np.diag(values) < 0).sum()


def test_affinity_of_separate_networks(table):
    separate = small(sharing_depth=0).fit(*table)

    with pytest.raises(ValueError, match="no shared layer"):
        TaskAffinityDisplay.from_estimator(separate, *table)


# Network


def boxes(ax, colour) -> list[FancyBboxPatch]:
    return [
        box
        for box in ax.patches
        if isinstance(box, FancyBboxPatch) and to_hex(box.get_facecolor()) == colour
    ]


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("share_output", [False, True])
def test_network_has_a_box_for_every_layer(depth, share_output):
    ax = (
        NetworkDisplay(
            hidden_sizes=(64, 32),
            sharing_depth=depth,
            n_features=5,
            target_names=TARGETS,
            share_output=share_output,
        )
        .plot()
        .ax_
    )

    assert len(boxes(ax, "#0072b2")) == depth + share_output
    assert len(boxes(ax, "#e69f00")) == 3 * (2 - depth)
    words = texts(ax)
    assert set(TARGETS) < set(words)
    assert words.count("64") == (1 if depth > 0 else 3)
    assert words.count("32") == (1 if depth > 1 else 3)
    assert words.count("5") == 1


def test_network_of_many_targets_names_them_all():
    display = NetworkDisplay(hidden_sizes=(8, 4), sharing_depth=1, target_names=NAMES_50)

    words = texts(display.plot().ax_)

    assert set(NAMES_50[:-1]) < set(words)
    assert "50 heads" in words
    assert max(map(len, words)) <= 22
    several = NetworkDisplay(
        hidden_sizes=(8,), sharing_depth=0, target_names=[f"{t}" for t in range(1000)]
    )
    assert "and 901 more" in texts(several.plot().ax_)


def test_network_before_fit_and_after(table, fitted_on_frames):
    unfitted = texts(NetworkDisplay.from_estimator(small()).ax_)
    assert {"T targets", "T heads", "d", "8", "4"} < set(unfitted)

    changed = clone(fitted_on_frames).fit(*as_frames(*table)).set_params(trunk_sizes=(77,))
    for estimator in (fitted_on_frames, changed):
        fitted = texts(NetworkDisplay.from_estimator(estimator).ax_)
        assert {*TARGETS, "5", "8", "4"} < set(fitted)


def test_network_in_a_pipeline_or_search(search):
    best = search.best_params_["sharing_depth"]
    assert NetworkDisplay.from_estimator(search).sharing_depth == best
    unfitted = GridSearchCV(make_pipeline(StandardScaler(), small()), {})
    assert NetworkDisplay.from_estimator(unfitted).hidden_sizes == (8, 4)
    with pytest.raises(TypeError, match=r"MultiTaskRegressor.*got Ridge"):
        NetworkDisplay.from_estimator(Ridge())
    with pytest.raises(ValueError, match="sharing_depth=3, but there are 2 hidden layers"):
        NetworkDisplay.from_estimator(small(sharing_depth=3))
    with pytest.raises(ValueError, match="share_output=True needs heads"):
        NetworkDisplay.from_estimator(small(share_output=True, sharing_depth=2))


def test_long_names_lose_their_middle_and_stay_literal():
    names = [LONG, LONG[::-1]]
    displays = [
        display.plot()
        for display in by_hand(names)
        if not isinstance(display, (SharingDepthDisplay, TrainingDisplay))
    ]

    network, gain, affinity = displays
    for shown in (
        texts(network.ax_),
        tick_names(gain.ax_.yaxis),
        tick_names(affinity.ax_.yaxis),
    ):
        (short,) = (name for name in shown if name.startswith("concen"))
        assert short.endswith("2021")
        assert "…" in short
        assert len(short) <= 34


# Notebooks


def test_svg_has_the_words_of_the_diagram(fitted_on_frames):
    svg = ElementTree.fromstring(network_svg(fitted_on_frames))

    words = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {*TARGETS, "trunk", "heads", "8", "4", "5"} < set(words)
    assert network_svg(small()).count("T targets") == 1


def test_svg_escapes_names(table):
    X, Y = table
    names = ["<script>alert(1)</script>", 'a "quoted" & b']
    estimator = small().fit(X, pd.DataFrame(Y[:, :2], columns=names))

    svg = network_svg(estimator)

    assert "<script>" not in svg
    words = [text.text for text in ElementTree.fromstring(svg).iter()]
    assert set(names) < set(words)


@pytest.mark.parametrize(
    "parameters",
    [
        {"trunk_sizes": 3},
        {"sharing_depth": 9},
        {"sharing_depth": "all"},
        {"head_sizes": None},
        {"sharing_depth": -1},
    ],
)
def test_no_svg_for_parameters_that_make_no_network(parameters):
    assert network_svg(MultiTaskRegressor(**parameters)) == ""
