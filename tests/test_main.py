"""``python -m skmtl``: its report, the model it saves, and one line for any bad input."""

import io
import os
import re
import subprocess
import sys
import warnings
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, RepeatedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from tqdm import tqdm

from skmtl import __version__
from skmtl.__main__ import main
from skmtl._cli import InputError
from skmtl._cli import comparison as _comparison
from skmtl._cli import folds as _folds
from skmtl._cli import html_report as _html_report
from skmtl._cli import plot as _plot
from skmtl._cli import report as _report
from skmtl._cli import search as _search
from skmtl._cli import table as _table
from skmtl._cli.arguments import parser
from skmtl._estimators.automatic import MANY_ROWS, course_of
from skmtl._estimators.classifier import MultiTaskClassifier
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl._training import PROGRAMS
from skmtl.metrics import target_scorers
from skmtl.model_selection import SharingDepthSearchCV, sharing_verdict

FAST = ["--trunk", "4", "--head", "--folds", "2", "--epochs", "2"]  # depths 0 and 1
N_FITS = 2 * 2 + 1


def make_frame(n_rows=40) -> pd.DataFrame:
    """Numbers, text and holes among features a..e and the targets y and z."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n_rows))
    frame = pd.DataFrame({"a": a, "b": b})
    frame["c"] = rng.choice(["red", "green", "blue"], n_rows)
    frame["d"] = rng.choice([True, False], n_rows)
    frame["e"] = 1
    frame["y"] = a + b
    frame["z"] = a - 100 * (frame["c"] == "red")
    return frame


@pytest.fixture
def save(tmp_path):
    """Saves a table and returns the arguments to run it with."""

    def save_frame(frame, name="table.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return [str(tmp_path / name), "--targets", "y", "z"]

    return save_frame


def table_lines(report: str, header: str) -> list[list[str]]:
    """The cells of the table whose first line starts with `header`."""
    lines = report.split("\n")
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith(header))
    end = lines.index("", start)
    return [line.split() for line in lines[start + 1 : end]]


# The report


def test_a_search_that_ends_in_time_says_so(capsys):
    assert main([*FAST, "--epochs", "1000000", "--max-seconds", "1"]) == 0
    out, err = capsys.readouterr()
    assert re.search(rf"warning: --max-seconds ended [1-{N_FITS}] of {N_FITS} fits", err)
    assert err.count("max") == 1
    said = " ".join(out.split())
    assert "Whether sharing 1 of 1 hidden layer pays cannot be said. max_seconds" in said
    assert {row[-1] for row in table_lines(out, "at depth 1")} == {"judged"}


@pytest.mark.parametrize(("spent", "left"), [(0, 8), (3, 5), (7, 4)])
def test_other_models_take_a_part_of_the_time(spent, left, capsys, monkeypatch):
    """The search gets what they leave, but half of all at least."""
    now, given = [0.0], []
    fit, compare = SharingDepthSearchCV.fit, _comparison.compare

    def seeing_fit(self, *args, **kwargs):
        given.append(self.max_seconds)
        self.max_seconds = None
        return fit(self, *args, **kwargs)

    def in_no_time(*args, max_seconds, **kwargs):
        given.append(max_seconds)
        now[0] += spent
        found = compare(*args, **kwargs)
        return found._replace(left_out=["boosted trees"] if spent else [])

    monkeypatch.setattr("skmtl.__main__.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(_comparison, "compare", in_no_time)
    monkeypatch.setattr(SharingDepthSearchCV, "fit", seeing_fit)

    assert main([*FAST, "--compare", "--max-seconds", "8"]) == 0

    assert given == [2, left]
    out, err = capsys.readouterr()
    told = "warning: --max-seconds 8 is too little to compare with boosted trees"
    assert (told in err) == bool(spent)
    said = "Left out for want of time: boosted trees."
    assert (said in " ".join(out.split())) == bool(spent)


def test_bundled_table(capsys):
    assert main(FAST) == 0
    out, err = capsys.readouterr()
    assert out.startswith("energy (bundled): 768 rows, 8 features, 2 targets, 2 folds\n")
    assert [row[0] for row in table_lines(out, "depth")] == ["0", "1"]
    assert "fit/s" in err
    assert "skmtl:" not in err


def test_scores_are_those_of_cross_validation_by_hand(save, capsys):
    frame = make_frame().drop(columns=["c", "d"])
    assert main([*save(frame), *FAST]) == 0
    X, Y = frame[["a", "b", "e"]], frame[["y", "z"]]
    splits = list(KFold(2, shuffle=True, random_state=0).split(X))
    for depth, row in enumerate(table_lines(capsys.readouterr().out, "depth")):
        network = MultiTaskRegressor(
            trunk_sizes=(4,), head_sizes=(), sharing_depth=depth, epochs=2, random_state=0
        )
        scores = []
        for train, test in splits:
            network.fit(X.iloc[train], Y.iloc[train])
            scores.append(network.score(X.iloc[test], Y.iloc[test]))
        assert float(row[2]) == pytest.approx(np.mean(scores), abs=1e-4)
        assert float(row[3]) == pytest.approx(np.std(scores, ddof=1), abs=1e-4)
        assert int(row[1]) == network.model_.count_params()


def test_jobs_do_not_change_the_scores(save, capsys, monkeypatch):
    monkeypatch.setattr(_search, "tqdm", partial(tqdm, mininterval=0))
    arguments = [*save(make_frame()), *FAST]
    reports = []
    for jobs in "12":
        assert main([*arguments, "--jobs", jobs]) == 0
        out, err = capsys.readouterr()
        reports.append([row[:-1] for row in table_lines(out, "depth")])  # without seconds
        assert f"{N_FITS}/{N_FITS}" in err
    assert reports[0] == reports[1]


def test_a_warning_is_shown_once(save, capsys, monkeypatch):
    plain = MultiTaskRegressor.predict

    def predict(self, X):
        warnings.warn("mind the gap", UserWarning, stacklevel=2)
        return plain(self, X)

    monkeypatch.setattr(MultiTaskRegressor, "predict", predict)
    assert main([*save(make_frame()), *FAST]) == 0
    assert capsys.readouterr().err.count("skmtl: warning: mind the gap\n") == 1


def fake_search(r2, names="yz", n_repeats=1):
    """What a search would return that found these scores (depths, folds, targets)."""
    r2 = np.asarray(r2, dtype=float)
    n_depths, n_folds, n_targets = r2.shape
    network = MultiTaskRegressor(epochs=1, early_stopping=False, random_state=0)
    folds = RepeatedKFold(n_splits=n_folds // n_repeats, n_repeats=n_repeats)
    fitted = SharingDepthSearchCV(cv=folds)
    fitted.n_splits_, fitted.best_index_ = n_folds, int(r2.mean(axis=(1, 2)).argmax())
    fitted.best_estimator_ = make_pipeline(network.fit(np.eye(4), np.zeros((4, n_targets))))
    fitted.cv_results_ = {
        "params": [{"multitaskregressor__sharing_depth": d} for d in range(n_depths)],
        "mean_fit_time": np.full(n_depths, 1.25 / n_folds),
    }
    for fold in range(n_folds):
        scores = dict(zip(names, r2[:, fold].T, strict=True))
        scores = {"mean": r2[:, fold].mean(axis=1), **scores}
        fitted.cv_results_ |= {f"split{fold}_test_{k}": v for k, v in scores.items()}
    return _search.DepthSearch(fitted, n_weights=[1000] * n_depths, warnings=[])


def test_gains_are_differences_from_separate_networks():
    r2 = np.array([[0.5, 0.6], [0.75, 0.75]])[:, :, None] * np.ones(2)
    first, second = table_lines(
        "\n".join([*_report._summary(fake_search(r2)), ""]), "depth"
    )
    assert first[4:] == ["1.2"]  # no gain over itself, seconds
    # Differences 0.25 and 0.15; each of two folds tests as many rows as it trains on.
    error = np.sqrt((1 / 2 + 1) * 0.005)
    assert second[2:] == ["0.7500", "0.0000", "+0.2000", f"{error:.4f}", "1.2"]


def test_repeats_have_folds_of_their_own():
    """The first are those of a shuffled KFold, whatever the number of repeats."""
    table = _table.Table("", make_frame()[["a"]], make_frame()[["y", "z"]])

    folds = _folds.choose_folds(table, n_folds=4, n_repeats=3, seed=5)

    tests = [test.tolist() for _, test in folds.split(table.X)]
    plain = KFold(4, shuffle=True, random_state=5).split(table.X)
    assert tests[:4] == [test.tolist() for _, test in plain]
    assert len({tuple(test) for test in tests}) == 12


def test_report_says_how_often_folds_were_repeated():
    r2 = np.array([[0.5, 0.6, 0.5, 0.6], [0.75, 0.75, 0.75, 0.75]])[:, :, None] * np.ones(2)
    search = fake_search(r2, n_repeats=2)
    Y = pd.DataFrame(np.zeros((4, 2)), columns=["y", "z"])

    report = _report.report(_table.Table("", pd.DataFrame(np.eye(4)), Y), search)

    assert report.split("\n")[0].endswith(", 4 folds (2 times 2)")
    # Each of two folds tests as many rows as it trains on, however often it is repeated.
    error = np.sqrt((1 / 4 + 1) * np.var([0.25, 0.15, 0.25, 0.15], ddof=1))
    assert table_lines(report, "depth")[1][-2] == f"{error:.4f}"


def test_repeats_and_members(save, capsys, tmp_path):
    frame = make_frame().drop(columns=["c", "d"])
    output = tmp_path / "model.joblib"
    options = ["--repeats", "2", "--members", "3", "--output", str(output)]

    assert main([*save(frame), *FAST, *options]) == 0

    out, err = capsys.readouterr()
    assert "4 folds (2 times 2)" in out
    assert "weights: of the 3 networks in every model" in " ".join(out.split())
    assert f"/{2 * 4 + 1} " in err, "two depths, four folds, and the best once more"
    model = joblib.load(output)
    X, Y = frame[["a", "b", "e"]], frame[["y", "z"]]
    network = model[-1]
    alone = MultiTaskRegressor(**network.get_params()).fit(X, Y)
    assert network.n_members == 3
    np.testing.assert_allclose(model.predict(X), alone.predict(X))
    (line,) = [
        line for line in table_lines(out, "depth") if line[0] == str(network.sharing_depth)
    ]
    assert int(line[1]) == network.model_.count_params()


def test_gain_of_each_target_and_verdict():
    rng = np.random.default_rng(0)
    gains = [0.3, -0.1, 0] + 0.02 * rng.normal(size=(5, 3))
    search = fake_search([np.full((5, 3), 0.5), 0.5 + gains], names=["y", "z", "b c"])
    Y = pd.DataFrame(np.zeros((4, 3)), columns=["y", "z", "b c"])
    report = _report.report(_table.Table("", pd.DataFrame(np.eye(4)), Y), search)

    mean, *lines = table_lines(report, "at depth 1")
    assert mean[:3] == ["mean", "of", "targets"]
    assert mean[3] == f"{gains.mean():+.4f}"
    assert [line[0] for line in lines] == ["y", "b", "z"]  # by gain
    error = np.sqrt((1 / 5 + 1 / 4) * gains[:, 0].var(ddof=1))
    assert lines[0][1:] == [
        f"{gains[:, 0].mean():+.4f}",
        f"{error:.4f}",
        *("5", "of", "5"),
        "helps",
    ]
    assert lines[1][-3:] == ["no", "clear", "difference"]
    assert lines[2][-4:] == ["0", "of", "5", "hurts"]
    assert sharing_verdict(search.fitted) in " ".join(report.split())


def test_the_legend_says_what_every_column_is():
    search = fake_search(np.random.default_rng(0).normal(size=(2, 3, 2)))

    legend = _report._legend(search)

    for column in ["depth", "weights", "R2", "std", "gain", "s.e.", "seconds"]:
        assert column in _report._summary(search)[0]
        assert f"{column}: " in legend
    assert "folds gained: " in legend


def test_the_legend_of_the_page_is_of_its_own_columns():
    pytest.importorskip("matplotlib")
    search = fake_search(np.random.default_rng(0).normal(size=(2, 3, 2)))

    page = _html_report._depths(search)

    legend = page[page.rindex("<p") :]
    columns = re.findall("<th[^>]*>([^<]+)</th>", page.partition("</thead>")[0])
    assert "standard error" in columns
    assert all(f"{column}: " in legend for column in columns)
    assert "s.e." not in legend
    assert "seconds" not in legend


def test_tables_of_models_say_what_is_clear():
    """A network may hurt in the table of depths and not differ clearly in this one."""
    best = {"score": 0.5, "difference": 0.0, "se": 0.0, "effect": "best"}
    other = {"score": 0.4, "difference": -0.1, "se": 0.1, "effect": "no clear difference"}
    own = {(key, "a"): value for key, value in best.items()}
    own |= {(key, "b"): value for key, value in other.items()}
    verdict = SimpleNamespace(table=pd.DataFrame(own, index=["mean"]), metric="r2")

    for text in (_comparison.comparison(verdict), _html_report._models(verdict)):
        said = " ".join(text.split())
        assert "all pairs of models" in said
        assert "a larger difference than one to separate networks alone" in said
    assert "to the best: R2 less" in _comparison.comparison(verdict)


@pytest.mark.parametrize("n_targets", [2, 16])
@pytest.mark.parametrize("name", ["y", "92998_All_Other_Machine_Operators_and_" * 3])
def test_report_fits_into_100_columns(n_targets, name):
    names = [f"{name}{t:02}" for t in range(n_targets)]
    Y = pd.DataFrame(np.zeros((4, n_targets)), columns=names)
    table = _table.Table("table.csv", pd.DataFrame(np.eye(4)), Y)
    r2 = np.random.default_rng(0).normal(-1, 5, size=(4, 3, n_targets))
    search = fake_search(r2, names)
    report = _report.report(table, search)
    assert max(map(len, report.split("\n"))) <= _report.WIDTH
    for lines in map(str.splitlines, report.split("\n\n")):
        shown = {line.split()[0] for line in lines if line.startswith(name[:8])}
        assert len(shown) in {0, n_targets}, "the names can be told apart"
    assert all(f"{t:02}" in report for t in range(n_targets))


# What is in the table


def test_missing_targets(save, capsys):
    frame = make_frame()
    frame.loc[:9, "y"] = np.nan
    frame.loc[5:14, "z"] = np.nan
    assert main([*save(frame), *FAST]) == 0
    out, err = capsys.readouterr()
    assert "5 of 40 rows have no observed target and are left out" in err
    assert err.count("no observed target") == 1
    assert ": 35 rows, 5 features (2 of categories), 2 targets (14.3% of the cells" in out


def test_saved_model_takes_new_rows_as_they_come(save, capsys, tmp_path):
    """Text never seen before, missing cells, other columns: what real tables do."""
    frame = make_frame()
    frame.loc[::7, "a"] = np.nan
    frame.loc[::5, "c"] = np.nan
    frame["d"] = frame["d"].where(frame.index != 3)  # true, false and missing
    frame.insert(2, "empty", np.nan)
    frame.insert(0, "id", [f"row {i}" for i in range(len(frame))])
    output = str(tmp_path / "model.joblib")
    arguments = save(frame, "table.csv.gz")
    assert main([*arguments, *FAST, "--output", output]) == 0

    out, err = capsys.readouterr()
    assert "left out 'id' (text, different in every row), 'empty' (no values)" in err
    assert f"joblib.load({output!r}).predict(rows)" in out
    model = joblib.load(output)
    new_rows = frame.drop(columns=["y", "z", "id"])
    new_rows.loc[0, "c"] = "violet"
    new_rows.loc[1, "b"] = np.nan
    predicted = model.predict(new_rows)
    assert predicted.shape == (40, 2)
    assert np.isfinite(predicted).all()
    assert list(model[-1].target_names_) == ["y", "z"]


def labelled_frame() -> pd.DataFrame:
    """Text of three kinds with holes, true and false, and whole numbers."""
    frame = make_frame()
    frame["y"] = pd.cut(frame["y"], 3, labels=["low", "middle", "high"]).astype(object)
    frame["z"] = np.where(frame["a"] > 0, "yes", "no")
    frame["n"] = np.where(frame["b"] > 0, 1, 4)
    frame.loc[:2, "y"] = None
    return frame


def test_text_is_classified(save, capsys, tmp_path):
    frame = labelled_frame()
    path, *targets = save(frame)
    output = str(tmp_path / "model.joblib")

    assert main([path, *targets, *FAST, "--output", output]) == 0

    out = capsys.readouterr().out
    assert "-log loss" in out
    assert "R2" not in out
    for depth, row in enumerate(table_lines(out, "depth")):
        network = MultiTaskClassifier(
            trunk_sizes=(4,), head_sizes=(), sharing_depth=depth, epochs=2, random_state=0
        )
        X, Y = frame.drop(columns=["y", "z"]), frame[["y", "z"]]
        scores = cross_validate(
            network,
            X,
            Y,
            cv=KFold(2, shuffle=True, random_state=0),
            scoring=target_scorers(metric="neg_log_loss"),
        )
        assert float(row[2]) == pytest.approx(scores["test_mean"].mean(), abs=2e-3)
    predicted = joblib.load(output).predict(frame.drop(columns=["y", "z"]))
    assert set(predicted[:, 1]) <= {"yes", "no"}


def test_numbers_are_classified_on_request(save, capsys):
    path, *_ = save(labelled_frame())

    assert main([path, "--targets", "n", "d", "z", "--classify", *FAST]) == 0

    assert "-log loss" in capsys.readouterr().out


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ([f"row {i}" for i in range(40)], ["'z' has 40 classes in 40 rows"]),
        (["yes"] * 40, ["'z' has a single class, 'yes'"]),
        ([1.5, "two"] * 20, ["'z' is not numeric", "'two'"]),
    ],
)
def test_what_cannot_be_classified(values, parts, save, capsys):
    frame = labelled_frame().assign(z=values)
    if parts[0].endswith("numeric"):
        frame["y"] = frame["a"]
    assert main(save(frame)) == 2
    assert_one_line(capsys, *parts)


def test_classes_that_a_fold_does_not_train_on_are_noted(save, capsys):
    frame = labelled_frame()
    frame.loc[7, "z"] = "maybe"

    assert main([*save(frame), *FAST]) == 0

    assert "target 'z' has the label 'maybe' in none" in capsys.readouterr().err


def test_dropped_columns_are_not_used(save, tmp_path):
    output = tmp_path / "model.joblib"
    arguments = [*save(make_frame()), *FAST, "--output", str(output)]
    assert main([*arguments, "--drop", "a", "c", "d"]) == 0
    assert list(joblib.load(output).feature_names_in_) == ["b", "e"]


def test_folds_that_lack_a_category_or_a_hole_share_programs(save, capsys):
    """A category and a column's missing cell that only one fold has: as if all had them."""
    frame = make_frame()
    frame.loc[0, "a"] = np.nan
    frame.loc[::5, "b"] = np.nan
    frame.loc[0, "c"] = "violet"
    PROGRAMS.clear()
    n_built = PROGRAMS.n_built

    assert main([*save(frame), *FAST]) == 0

    assert PROGRAMS.n_built - n_built <= 2  # one for each depth


@pytest.mark.parametrize(
    ("columns", "holes"),
    [(["a", "b"], False), (["a", "b"], True), (["c", "d"], False), (["a", "c"], True)],
)
def test_a_notebook_can_show_the_model(columns, holes):
    """Whether there are numbers, text, missing cells or not."""
    frame = make_frame()
    if holes:
        frame.loc[::7, columns] = np.nan
    X = frame[columns]
    network = MultiTaskRegressor(trunk_sizes=(4,), head_sizes=(), epochs=1)

    model = make_pipeline(_search.columns_of(X), network).fit(X, frame[["y", "z"]])

    html = model._repr_html_()
    assert all(name in html for name in [*columns, "MultiTaskRegressor"])


@pytest.mark.parametrize("n_repeated", [0, 1], ids=["nowhere", "in one fold"])
def test_texts_that_no_two_rows_share_are_left_out(n_repeated, save, capsys):
    """Those that two rows share, too, if one fold does not train on any such two."""
    frame = make_frame(60)
    frame["c"] = [f"name {i}" for i in range(60)]
    frame.loc[[1, 3], "c"] = np.nan
    tests = [test for _, test in KFold(2, shuffle=True, random_state=0).split(frame)]
    frame.loc[tests[0][:n_repeated], "c"] = frame.loc[tests[0][-1], "c"]

    assert main([*save(frame), *FAST]) == 0

    out, err = capsys.readouterr()
    assert "note: left out 'c' (text, different in every row" in err
    assert "4 features (1 of categories)" in out


def test_numbers_of_few_values_stay_numbers(save, tmp_path):
    output = tmp_path / "model.joblib"
    frame = make_frame().assign(a=np.resize([1, 2, 3], 40))

    assert main([*save(frame), *FAST, "--output", str(output)]) == 0

    network = joblib.load(output)[-1]
    assert list(network.categories_) == ["c", "d"]


def test_dates_are_noted(save, capsys):
    frame = make_frame()
    frame["c"] = pd.date_range("2026-01-31", periods=40).astype(str)
    frame["d"] = np.resize(frame["c"][:9], 40)

    assert main([*save(frame), *FAST]) == 0

    err = capsys.readouterr().err
    assert "left out 'c' (dates, different in every row)" in err
    assert "feature 'd' holds dates, which are read as categories" in err


def test_rare_targets_are_noted(save, capsys):
    frame = make_frame()
    frame["z"] = 0
    frame.loc[0, "z"] = 1
    assert main([*save(frame), *FAST]) == 0
    assert "target 'z' has a single value in 1 of 2 test folds" in capsys.readouterr().err


# Bad input


def assert_one_line(capsys, *parts):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skmtl: error: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


@pytest.fixture
def no_search(monkeypatch):
    monkeypatch.setattr(_search, "search_depths", lambda *_: pytest.fail("searched"))


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["nowhere.csv", "--targets", "y", "z"], ["no such file: nowhere.csv"]),
        (["--targets", "y", "z"], ["name the table"]),
        (["--trunk", "0"], ["--trunk", "at least 1", "'0'"]),
        (["--head", "-3"], ["--head", "at least 1", "'-3'"]),
        (["--trunk", "--head"], ["no layer"]),
        (["--folds", "1"], ["--folds", "at least 2", "'1'"]),
        (["--folds", "many"], ["--folds", "at least 2", "'many'"]),
        (["--repeats", "0"], ["--repeats", "at least 1", "'0'"]),
        (["--repeats", "1.5"], ["--repeats", "at least 1", "'1.5'"]),
        (["--members", "-2"], ["--members", "at least 1", "'-2'"]),
        (["--folds", "500"], ["768 rows", "500 folds need at least 1000"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--max-seconds", "0"], ["--max-seconds"]),
        (["--epochs", "0"], ["--epochs"]),
        (["--seed", "-1"], ["--seed"]),
        (["--seed", "9999999999"], ["--seed", "too large"]),
        (["--folder", "x"], ["--folder"]),
        (["--output", "/no/such/folder/model.joblib"], ["no such folder: /no/such/folder"]),
        (["--output", "/"], ["'/' is a folder"]),
        (["--plot", "/no/such/folder/depth.png"], ["--plot", "no such folder"]),
        (["--plot", "depth.jpeg"], ["'depth.jpeg'", ".png, .pdf, .svg"]),
        (["--plot", "depth"], ["'depth'", ".png, .pdf, .svg"]),
        (["--output", "model.csv"], ["'model.csv'", "pickled model", "model.joblib"]),
        (["--output", "page.HTML"], ["'page.HTML'", "pickled model"]),
        (["--output", "page.htm"], ["'page.htm'", "pickled model"]),
        (["--output", "table.csv.gz"], ["'table.csv.gz'", "pickled model"]),
        (["--output", "book.xlsx"], ["'book.xlsx'", "pickled model"]),
        (["--plot", "a.png", "--output", "./a.png"], ["--output and --plot", "same file"]),
        (["--report", "a", "--output", "a"], ["--output and --report", "same file 'a'"]),
    ],
)
def test_bad_arguments(arguments, parts, capsys):
    assert main(arguments) == 2
    assert_one_line(capsys, *parts)


@pytest.mark.parametrize("name", ["model", "m.pkl", "m.joblib.gz", "d.csv.joblib", "m.v2"])
def test_a_model_may_have_any_other_name(name, capsys, monkeypatch):
    def search(*_):
        raise InputError("searched")

    monkeypatch.setattr(_search, "search_depths", search)
    assert main(["--output", name]) == 2
    assert_one_line(capsys, "searched")


@pytest.mark.parametrize("level", [None, "1"])
def test_the_log_of_tensorflow_is_silent_unless_a_level_is_set(level, monkeypatch):
    """It is read when TensorFlow is imported, which no table of bad input waits for."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level or "")  # as before, afterwards
    if level is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")

    assert main(["nowhere.csv", "--targets", "y", "z"]) == 2

    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "3")


@pytest.mark.parametrize("option", ["--output", "--plot", "--report"])
def test_the_table_is_not_written_over(option, save, capsys, monkeypatch):
    table = Path(save(make_frame())[0])
    before = table.read_bytes()
    monkeypatch.chdir(table.parent)

    assert main([str(table), "--targets", "y", "z", option, table.name]) == 2

    assert_one_line(capsys, "the table and " + option, "same file")
    assert table.read_bytes() == before


def test_columns_of_one_name_are_refused(tmp_path, capsys):
    for mark in (",", ";"):
        rows = [["a", "y", "z", "y", "b", "a"], *[map(str, range(6))] * 20]
        (tmp_path / "t.csv").write_text("\n".join(mark.join(row) for row in rows))

        assert main([str(tmp_path / "t.csv"), "--targets", "y", "z"]) == 2

        assert_one_line(capsys, "more than one", "'y', 'a'", "rename")


@pytest.mark.parametrize("name", ["NA", "None", "a.1", "a\nb", "1"])
def test_columns_of_any_one_name_are_refused(name, tmp_path, capsys):
    frame = pd.DataFrame(np.eye(40, 4), columns=["y", name, "z", name])
    frame.to_csv(tmp_path / "t.csv", index=False)

    assert main([str(tmp_path / "t.csv"), "--targets", "y", "z"]) == 2

    assert_one_line(capsys, "more than one column", "rename")


@pytest.mark.parametrize("names", [["a", "a.1"], ["1", "1.1"], ["", ""], ["NA", ""]])
def test_columns_of_like_names_are_told_apart(names, tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)))
    frame.columns = ["y", *names, "z"]
    frame.to_csv(tmp_path / "t.csv", index=False)

    assert _table.read_table(str(tmp_path / "t.csv"), ["y", "z"], []).X.shape == (40, 2)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="needs pipes with names")
def test_a_table_may_come_from_a_pipe():
    read_end, write_end = os.pipe()
    with open(write_end, "w") as pipe:
        make_frame().to_csv(pipe, index=False)

    table = _table.read_table(f"/dev/fd/{read_end}", ["y", "z"], [])

    os.close(read_end)
    assert table.X.shape == (40, 5)


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("targets", "parts"),
    [
        (["y", "Zz"], ["no column 'Zz'", "Did you mean 'z'?"]),
        (["y", "price"], ["no column 'price'", "columns 'a', 'b'"]),
        (["y", "c"], ["target 'c' of text", "target 'y' of numbers", "--classify"]),
        (["y", "z", "--classify"], ["target 'y' holds", "leave --classify out"]),
        (["d", "e", "--classify"], ["target 'e' has a single class, 1"]),
        (["y", "e"], ["target 'e' is constant, always 1"]),
        (["y", "mean"], ["target 'mean'", "rename the column"]),
        (["y"], ["at least two targets"]),
        (["y", "y"], ["'y' is named twice"]),
        (["y", "z", "--drop", "z"], ["'z' is named twice"]),
        (["y", "z", "--drop", "x"], ["no column 'x'"]),
        (["y", "z", "--drop", *"abcde", "mean"], ["no column left"]),
    ],
)
def test_bad_columns(targets, parts, save, capsys):
    path, *_ = save(make_frame().assign(mean=0))
    assert main([path, "--targets", *targets]) == 2
    assert_one_line(capsys, *parts)


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("column", "rows", "value", "parts"),
    [
        ("y", slice(None), np.nan, ["target 'y' has no observed value"]),
        ("y", slice(3, None), np.nan, ["target 'y' is observed in 3 of 40 rows", "folds"]),
        ("y", slice(0, 0), np.inf, ["target 'y' holds infinity"]),
        ("a", slice(0, 0), -np.inf, ["infinity in column 'a'"]),
    ],
)
def test_bad_cells(column, rows, value, parts, save, capsys):
    frame = make_frame()
    frame.loc[rows, column] = value
    assert main(save(frame)) == 2
    assert_one_line(capsys, *parts)


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["cannot be read as CSV"]),
        (b"\xff\xfe\x00", ["cannot be read as CSV"]),
        (b"y,z\n1,2\n1,2,3,4\n", ["cannot be read as CSV"]),
        ("a,y,z\n\xe9,2,3\n".encode("latin-1"), ["cannot be read", "save it as UTF-8"]),
        (b"a|y|z\n1|2|3\n", ["one column", "'a|y|z'", "commas or semicolons"]),
        (b"a;y;z\n", ["target 'y' has no observed value"]),
        (b"a,y,z\n", ["target 'y' has no observed value"]),
        (b"a,y,z\n1,2,3\n2,3,4\n", ["2 rows", "5 folds need at least 10"]),
    ],
)
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_bad_files(content, parts, name, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    assert main([str(tmp_path / name), "--targets", "y", "z"]) == 2
    assert_one_line(capsys, *(["cannot be read as CSV"] if name.endswith("gz") else parts))


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("holes", [False, True])
def test_semicolons_read_as_commas_do(decimal, holes, tmp_path):
    frame = make_frame()
    frame["e"] = "1,5 kg; net"  # the other signs in text
    if holes:  # with decimal commas, rows have unlike numbers of commas
        frame.loc[::3, "a"] = 2
        frame.loc[1::3, "y"] = np.nan
    frame.to_csv(tmp_path / "commas.csv", index=False)
    frame.to_csv(tmp_path / "semicolons.csv", index=False, sep=";", decimal=decimal)

    expected, table = (
        _table.read_table(str(tmp_path / name), ["y", "z"], [])
        for name in ("commas.csv", "semicolons.csv")
    )

    pd.testing.assert_frame_equal(table.X, expected.X)
    pd.testing.assert_frame_equal(table.Y, expected.Y)
    # What is printed reads the same.
    (said,) = (
        line
        for line in _report.how_to_load("m.joblib", table, "it", "").splitlines()
        if "read_csv" in line
    )
    arguments = said.split("read_csv('new_rows.csv'")[1].removesuffix(")")
    read = eval(
        f"pd.read_csv(file{arguments})", {"pd": pd}, {"file": tmp_path / "semicolons.csv"}
    )
    pd.testing.assert_frame_equal(read, pd.read_csv(tmp_path / "commas.csv"))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({7: "?"}, "'?' in row 8 made"),
        ({7: "?", 38: "n.n."}, "'?' in row 8, 'n.n.' in row 39 made"),
        (dict.fromkeys(range(3, 8), "?"), "'?' in row 4, '?' in row 5, '?' in row 6 and 2"),
    ],
)
@pytest.mark.parametrize("n_values", [40, 5], ids=["left out", "categories"])
def test_cells_that_make_a_column_text_are_named(cells, said, n_values, save):
    frame = make_frame()
    frame["a"] = frame["a"].iloc[np.arange(40) % n_values].to_numpy().astype(object)
    frame.loc[list(cells), "a"] = list(cells.values())
    frame.loc[0, ["y", "z"]] = np.nan  # a row that is left out counts all the same
    frame.loc[1, "a"] = np.nan

    notes = _table.read_table(save(frame)[0], ["y", "z"], []).notes

    (note,) = (note for note in notes if "are numbers" in note)
    assert note.startswith(f"{38 - len(cells)} of 38 cells of feature 'a' are numbers")
    assert said in note
    assert "leave cells empty" in note


def test_texts_with_few_numbers_are_no_numbers(save):
    frame = make_frame()
    frame["c"] = np.resize(["10", "red", "1,5", "blue", "a,5"], 40)

    assert _table.read_table(save(frame)[0], ["y", "z"], []).notes == []


def with_decimal_commas(column: pd.Series) -> pd.Series:
    return column.map("{:.3f}".format).str.replace(".", ",")


def test_features_with_decimal_commas_are_noted(save):
    frame = make_frame()
    frame["a"] = with_decimal_commas(frame["a"])
    frame.loc[3, "a"] = "?"

    notes = _table.read_table(save(frame)[0], ["y", "z"], []).notes

    found = repr(frame["a"][0])
    assert f"'a' looks like numbers with decimal commas, such as {found}" in notes[0]
    assert "write decimal points" in notes[0]


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("names", [["y"], ["z"], ["y", "z"]])
def test_targets_with_decimal_commas_are_no_labels(names, save, capsys):
    frame = make_frame()
    for name in names:
        frame[name] = with_decimal_commas(frame[name])
    frame.loc[3, names] = "?"

    assert main(save(frame)) == 2

    said = f"target {names[0]!r} looks like numbers with decimal commas"
    assert_one_line(capsys, said, repr(frame[names[0]][0]), "decimal points", "--classify")


def test_labels_with_commas_are_classified_on_request(save):
    frame = make_frame()
    frame["y"], frame["z"] = np.resize(["1,2", "1,3"], 40), np.resize(["2,5", "0,5"], 40)

    table = _table.read_table(save(frame)[0], ["y", "z"], [], classify=True)

    assert table.of_classes
    assert set(table.Y["y"]) == {"1,2", "1,3"}


@pytest.mark.parametrize("first", [0, 1])
def test_row_numbers_without_a_name_are_left_out(first, tmp_path):
    frame = make_frame()
    frame.index += first
    frame.loc[frame.index[:3], ["y", "z"]] = np.nan  # the others still count the rows
    frame.to_csv(tmp_path / "table.csv")

    table = _table.read_table(str(tmp_path / "table.csv"), ["y", "z"], [])

    assert list(table.X) == list("abcde")
    assert any("'Unnamed: 0' (row numbers)" in note for note in table.notes)


def test_row_numbers_with_a_name_are_noticed(tmp_path):
    frame = make_frame()
    frame["id"], frame["year"] = np.arange(40), np.arange(1980, 2020)
    frame.to_csv(tmp_path / "table.csv", index=False)

    table = _table.read_table(str(tmp_path / "table.csv"), ["y", "z"], [])

    assert list(table.X) == [*"abcde", "id", "year"]
    assert table.notes == [
        "feature 'id' counts the rows: --drop it if it says nothing else"
    ]


def test_columns_are_listed_if_no_targets_are_named(save, capsys):
    path, *_ = save(make_frame())
    assert main([path]) == 2
    assert_one_line(capsys, "--targets", "'a', 'b', 'c'")


@pytest.mark.parametrize("labels", [False, True], ids=["numbers", "labels"])
def test_an_onnx_graph_predicts_what_the_pipeline_does(save, capsys, tmp_path, labels):
    onnxruntime = pytest.importorskip("onnxruntime")
    frame = make_frame(240)
    frame["many"] = [f"text {i // 2}" for i in range(240)]
    frame.loc[::9, "a"] = np.nan
    frame.loc[::7, "c"] = None
    if labels:
        frame["y"] = np.where(frame["y"] > 0, "high", "low")
        frame["z"] = np.where(frame["z"] > -50, "near", "far")
    X = frame.drop(columns=["y", "z"])
    arguments = [*save(frame), *FAST, "--output"]

    assert main([*arguments, str(tmp_path / "model.onnx")]) == 0
    assert "onnxruntime.InferenceSession(" in capsys.readouterr().out
    assert main([*arguments, str(tmp_path / "model.joblib")]) == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    inputs = {
        node.name: X[[node.name]].to_numpy(np.float64)
        if node.type == "tensor(double)"
        else X[[node.name]].map(str, na_action="ignore").fillna("").to_numpy(object)
        for node in session.get_inputs()
    }

    model = joblib.load(tmp_path / "model.joblib")
    expected = model.predict_proba(X) if labels else [model.predict(X)]
    for actual, wanted in zip(session.run(None, inputs), expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-5 * np.ptp(wanted))


def test_an_onnx_graph_without_what_writes_it(save, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    output = str(tmp_path / "model.ONNX")

    assert main([*save(make_frame()), *FAST, "--output", output]) == 2
    assert "pip install 'skmtl[onnx]'" in capsys.readouterr().err


@pytest.mark.usefixtures("no_search")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_folder_without_permission_to_write(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["--output", str(tmp_path / "model.joblib")]) == 2
    assert_one_line(capsys, "no permission to write")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_report_is_not_lost_if_the_model_cannot_be_saved(save, capsys):
    assert main([*save(make_frame()), *FAST, "--output", "/dev/full"]) == 2
    out, err = capsys.readouterr()
    assert len(table_lines(out, "depth")) == 2
    assert "skmtl: error: the model cannot be saved" in err


# The picture


def test_picture_of_the_scores(save, capsys, tmp_path):
    picture = tmp_path / "depth.svg"
    arguments = save(make_frame().rename(columns={"y": "größe"}))
    arguments[2] = "größe"
    assert main([*arguments, *FAST, "--plot", str(picture)]) == 0
    assert f"drawn in {picture}" in capsys.readouterr().out
    text = picture.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    for shown in (
        "größe",
        "z",
        "separate networks",
        "Sharing depth (shared hidden layers)",
    ):
        assert f"<!-- {shown}" in text


@pytest.mark.parametrize(
    ("name", "start"), [("depth.png", b"\x89PNG"), ("Depth.PDF", b"%PDF")]
)
def test_formats_of_the_picture(name, start, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # it may want a screen
    search = fake_search(np.random.default_rng(0).normal(size=(4, 3, 2)))
    assert _plot.save_plot(search.fitted, str(tmp_path / name)) == []
    assert (tmp_path / name).read_bytes().startswith(start)


def test_picture_of_names_that_the_font_lacks(tmp_path):
    names = ["深度", "z"]
    search = fake_search(np.random.default_rng(0).normal(size=(2, 3, 2)), names)
    warned = _plot.save_plot(search.fitted, str(tmp_path / "depth.png"))
    assert len(warned) == len(set(warned)) == 2
    assert all("Glyph" in text for text in warned)


@pytest.mark.usefixtures("no_search")
def test_without_matplotlib_the_remedy_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["--plot", "depth.png"]) == 2
    assert_one_line(capsys, "--plot needs matplotlib", "pip install 'skmtl[plot]'")


def test_failure_of_the_estimator_is_one_line(save, capsys, monkeypatch):
    def fit(self, X, y):
        raise ValueError("Training diverged:\nlower learning_rate.")

    monkeypatch.setattr(MultiTaskRegressor, "fit", fit)
    assert main([*save(make_frame()), *FAST]) == 2
    assert capsys.readouterr().err.endswith(
        "skmtl: error: Training diverged: lower learning_rate.\n"
    )


# The process


def test_interruption(save, capsys, monkeypatch):
    def fit(self, X, y):
        raise KeyboardInterrupt

    monkeypatch.setattr(MultiTaskRegressor, "fit", fit)
    assert main([*save(make_frame()), *FAST]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("skmtl: interrupted\n")
    assert "Traceback" not in err


def test_reader_that_has_left(save, tmp_path, monkeypatch):
    """As in ``| head``: no error, and the model is saved all the same."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    output = tmp_path / "model.joblib"
    arguments = [*save(make_frame()), *FAST, "--output", str(output)]
    with open(write_end, "w") as closed_pipe:
        monkeypatch.setattr(sys, "stdout", closed_pipe)
        assert main(arguments) == 0
    assert output.exists()


def test_characters_that_the_terminal_lacks(save, monkeypatch):
    frame = make_frame().rename(columns={"y": "größe"})
    path, *_ = save(frame)
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main([path, "--targets", "größe", "z", *FAST]) == 0
    assert b"gr??e" in terminal.buffer.getvalue()


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"skmtl {__version__}\n"


def test_help_states_the_defaults_and_they_are_the_estimator_s():
    arguments, network = parser().parse_args([]), MultiTaskRegressor()
    assert tuple(arguments.trunk) == network.trunk_sizes
    assert tuple(arguments.head) == network.head_sizes
    assert arguments.epochs is None
    assert network.epochs == "auto"
    assert arguments.members == network.n_members
    text = re.sub(r"\s+", " ", parser().format_help())
    for sizes in (network.trunk_sizes, network.head_sizes):
        assert f"(default: {' '.join(map(str, sizes))})" in text
    epochs = [course_of(network, n).epochs for n in (MANY_ROWS - 1, MANY_ROWS)]
    assert f"(default: {epochs[0]}; of {MANY_ROWS} rows or more, as many as pay)" in text
    assert epochs[1] < epochs[0]


def test_help_and_bad_input_do_not_wait_for_slow_imports(save):
    """Neither imports TensorFlow; help, with its reader gone, not even pandas."""
    path, *_ = save(make_frame())
    code = """
import sys
from skmtl.__main__ import main
try:
    main(["--help"])
except SystemExit as stop:
    assert stop.code == 0
assert "pandas" not in sys.modules and "sklearn" not in sys.modules
assert main(sys.argv[1:]) == 2
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-c", code, path, "--targets", "y", "c"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write_end)
    assert done.stderr.startswith("skmtl: error: target 'c' of text")
    assert done.stderr.count("\n") == 1
    assert done.returncode == 0


def test_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "skmtl", "--folds", "1"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("skmtl: error: argument --folds")


def test_text_columns_of_new_rows_may_look_like_numbers_or_be_empty(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["x", "a", "b"])
    frame["kind"] = np.where(frame["x"] > 0, "new", "1")
    frame.to_csv(tmp_path / "table.csv", index=False)
    options = ["--epochs", "1", "--trunk", "--head", "4", "--folds", "2"]
    output = tmp_path / "model.joblib"
    arguments = [str(tmp_path / "table.csv"), "--targets", "a", "b", *options]
    assert main([*arguments, "--output", str(output)]) == 0
    model = joblib.load(output)

    as_text = model.predict(pd.DataFrame({"x": [0.5], "kind": ["1"]}))

    np.testing.assert_allclose(
        model.predict(pd.DataFrame({"x": [0.5], "kind": [1]})), as_text
    )
    assert np.isfinite(model.predict(pd.DataFrame({"x": [0.5], "kind": [np.nan]}))).all()


def test_rows_of_a_group_stay_together(save, capsys, monkeypatch):
    seen = []
    fit, predict = MultiTaskRegressor.fit, MultiTaskRegressor.predict

    @wraps(fit)
    def seeing_fit(self, X, *args, groups=None, **kwargs):
        assert list(groups) == [f"p{number:g}" for number in X["a"]]
        seen.append((set(groups), set()))
        return fit(self, X, *args, groups=groups, **kwargs)

    def seeing_predict(self, X):
        seen[-1][1].update(f"p{number:g}" for number in X["a"])
        return predict(self, X)

    monkeypatch.setattr(MultiTaskRegressor, "fit", seeing_fit)
    monkeypatch.setattr(MultiTaskRegressor, "predict", seeing_predict)
    frame = make_frame()
    frame["a"] = np.arange(40) % 8
    frame["patient"] = [f"p{number}" for number in frame["a"]]
    frame.loc[5, ["y", "z"]] = np.nan  # left out, with its group

    assert main([*save(frame), *FAST, "--groups", "patient", "--compare"]) == 0

    out, _ = capsys.readouterr()
    assert "5 features" in out.split("\n")[0]
    assert "2 folds of whole groups (8 in 'patient')" in out
    assert len(seen) == N_FITS
    for fitted, predicted in seen[:-1]:
        assert not fitted & predicted
        assert fitted | predicted == {f"p{number}" for number in range(8)}


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize(
    ("patient", "arguments", "parts"),
    [
        (["a", "b"] * 20, [], ["'patient'", "2 groups", "2 folds", "at least 3"]),
        ([None, *"abcd" * 9, *"abc"], [], ["'patient'", "empty in 1 of 40 rows"]),
        (["a", "b"] * 20, ["--drop", "patient"], ["'patient'", "twice", "--groups"]),
        (None, [], ["no column 'patient'"]),
    ],
)
def test_groups_that_cannot_be_used(patient, arguments, parts, save, capsys):
    frame = make_frame() if patient is None else make_frame().assign(patient=patient)

    assert main([*save(frame), *FAST, "--groups", "patient", *arguments]) == 2

    assert_one_line(capsys, *parts)
