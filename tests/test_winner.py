"""What `--output` saves if other models are compared with the network."""

import joblib
import numpy as np
import pandas as pd
import pytest

from skmtl.__main__ import main

FAST = ["--trunk", "4", "--head", "--folds", "2", "--epochs", "1", "--compare"]


def saved(frame: pd.DataFrame, folder, *options: str):
    """The model that is saved of a table, read again; its targets are y and z."""
    path, output = folder / "table.csv", folder / "model.joblib"
    frame.to_csv(path, index=False)
    arguments = [str(path), "--targets", "y", "z", *FAST, *options]
    assert main([*arguments, "--output", str(output)]) == 0
    return joblib.load(output)


def make_frame(n_rows=300) -> pd.DataFrame:
    """Lines, of which a network learns little in an epoch; with text and holes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["a", "b"])
    frame["kind"] = rng.choice(["red", "blue"], n_rows)
    frame["y"] = frame["a"] + (frame["kind"] == "red")
    frame["z"] = frame["a"] - 3 * frame["b"]
    return frame


def test_what_won_is_saved(tmp_path, capsys):
    frame = make_frame()
    frame["y"] = np.where(frame["a"].abs() < 0.7, 5.0, -5.0)  # no line, but a tree
    holes = frame.assign(z=frame["z"].where(np.arange(len(frame)) % 3 > 0))

    model = saved(holes, tmp_path)

    text = " ".join(capsys.readouterr().out.split())
    assert "What has the highest score, boosted trees, is saved" in text
    assert "Another kind of model has the highest score for 1 of 2 targets" in text
    predicted = model.predict(frame[["kind", "z", "b", "a"]])  # columns by their names
    error = ((predicted - frame[["y", "z"]]) ** 2).mean()
    assert (error < 0.2 * frame[["y", "z"]].var()).all()


def test_probabilities_of_what_won(tmp_path, capsys):
    frame = make_frame()
    labels = frame.assign(y=np.where(frame["y"] > 0, "up", "down"))
    labels["z"] = np.where(frame["z"] > 0, "left", "right")

    model = saved(labels, tmp_path)

    assert "logistic regression, is saved" in " ".join(capsys.readouterr().out.split())
    assert [p.shape for p in model.predict_proba(labels)] == [(300, 2)] * 2
    assert (model.predict(labels) == labels[["y", "z"]]).mean().mean() > 0.9


def test_a_graph_is_refused_before_the_search(tmp_path, capsys):
    pytest.importorskip("skl2onnx")
    output = str(tmp_path / "model.onnx")

    assert main([*FAST, "--output", output]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "name a file .joblib, or leave --compare out" in line


def test_a_network_that_time_has_cut_off_may_win(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skmtl._training.length.Length.cut_off", lambda *_, **__: True)
    monkeypatch.setattr("skmtl._training.length.Length.n_epochs", lambda *_: 200)
    frame = make_frame()
    frame["y"] = frame["z"] = frame["a"] + frame["b"] + np.sin(frame["a"] - frame["b"])

    options = ["--trunk", "16", "--epochs", "10000", "--max-seconds", "1000000"]
    saved(frame, tmp_path, *options)

    said = " ".join(capsys.readouterr().out.split())
    assert "Use a network for both targets" in said
    assert "Time has ended fits of the network (depth 0 and depth 1) too early" in said
    assert "What has the highest score, the network of depth" in said
