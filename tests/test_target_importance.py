"""How much each target's score falls without a feature, and the picture of it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from skmtl.inspection import TargetImportanceDisplay, _target_importance, target_importance
from skmtl.metrics import target_scorers
from tests._inputs import as_frames, make_table, small, small_classifier, with_holes


def linear_table():
    """Targets of one feature each, and a feature that no one needs."""
    X = np.random.default_rng(0).normal(size=(200, 3))
    return pd.DataFrame(X, columns=["a", "b", "c"]), pd.DataFrame(
        X[:, :2], columns=["y", "z"]
    )


def test_a_target_needs_its_own_features_only():
    X, Y = linear_table()
    found = target_importance(LinearRegression().fit(X, Y), X, Y, random_state=0)[
        "importance"
    ]

    # Of independent rows, half of the squared error is that of the value put in its place.
    expected = [[2, 0], [0, 2], [0, 0]]
    np.testing.assert_allclose(found[["y", "z"]], expected, atol=0.3)
    assert found.index.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found["mean"], found[["y", "z"]].mean(axis=1))


def test_it_is_about_what_scikit_learn_finds():
    X, Y = as_frames(*make_table(n=300))
    model = LinearRegression().fit(X, Y)

    found = target_importance(model, X, Y, n_repeats=30, random_state=0)
    theirs = permutation_importance(model, X, Y, scoring=target_scorers(), n_repeats=30)

    for name in found["importance"]:
        expected, std = (theirs[name][f"importances_{key}"] for key in ("mean", "std"))
        np.testing.assert_allclose(found["importance"][name], expected, atol=0.05)
        np.testing.assert_allclose(found["std"][name], std, rtol=1, atol=0.01)


def test_cells_that_are_not_observed_do_nothing():
    X, Y = make_table()
    holes = with_holes(Y)
    model = small().fit(X, holes)

    found = target_importance(model, X, holes, n_repeats=2, random_state=0)
    weight = (~np.isnan(holes)).astype(float)
    weighted = target_importance(
        model, X, Y, n_repeats=2, sample_weight=weight, random_state=0
    )

    pd.testing.assert_frame_equal(found, weighted)
    assert found.index.tolist() == [f"x{j}" for j in range(5)]


def test_it_does_nothing_how_many_rows_are_predicted_at_once(monkeypatch):
    X, Y = as_frames(*make_table())
    model = small().fit(X, Y)
    metric = "neg_average_relative_rmse"
    options = {"metric": metric, "n_repeats": 2, "random_state": 0}
    together = target_importance(model, X, Y, **options)
    monkeypatch.setattr(_target_importance, "MOST_ROWS", 1)

    alone = target_importance(model, X, Y, **options)

    pd.testing.assert_frame_equal(together, alone)
    array = target_importance(small().fit(X.to_numpy(), Y), X.to_numpy(), Y, **options)
    np.testing.assert_allclose(array, alone)


def test_raw_columns_and_labels():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"kind": rng.choice(["a", "b"], 90), "size": rng.normal(size=90)})
    X.loc[::7, "size"] = np.nan
    labels = pd.DataFrame({"is_a": X["kind"] == "a"})
    model = small_classifier(epochs=30).fit(X, labels)
    before = X.copy()

    found = target_importance(model, X, labels, random_state=0)["importance"]["is_a"]

    assert found["kind"] > 0.1 > found["size"]
    pd.testing.assert_frame_equal(X, before)


def test_one_repeat_has_no_spread_and_seeds_repeat():
    X, Y = linear_table()
    model = LinearRegression().fit(X, Y)
    found = [target_importance(model, X, Y, n_repeats=1, random_state=3) for _ in range(2)]

    pd.testing.assert_frame_equal(*found)
    assert found[0]["std"].isna().all(axis=None)


def test_what_is_wrong_is_named():
    X, Y = linear_table()
    with pytest.raises(NotFittedError):
        target_importance(small(), X, Y)
    model = LinearRegression().fit(X, Y)
    with pytest.raises(ValueError, match="n_repeats"):
        target_importance(model, X, Y, n_repeats=0)
    with pytest.raises(ValueError, match="inconsistent"):
        target_importance(model, X, Y[:9])


def test_the_picture_has_the_most_important_first():
    pytest.importorskip("matplotlib")
    X, Y = linear_table()
    model = LinearRegression().fit(X, Y[["z"]])
    display = TargetImportanceDisplay.from_estimator(model, X, Y[["z"]], n_repeats=2)

    assert display.order_[0] == "b"
    assert display.image_.get_array().shape == (3, 2)
    texts = [text.get_text() for text in display.ax_.texts]
    assert len(texts) == 6
    assert "±" in texts[0]


@pytest.mark.parametrize("n_targets", [1, 30])
def test_the_picture_of_nothing_and_of_many(n_targets):
    pytest.importorskip("matplotlib")
    columns = [f"$target_{t}$" for t in range(n_targets)]
    zeros = pd.DataFrame(0.0, index=["a $", "b"], columns=columns)
    display = TargetImportanceDisplay(importance=zeros).plot(most=1)

    display.figure_.canvas.draw()
    assert display.order_ == ["a $"]
