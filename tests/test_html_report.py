"""``python -m skmtl --report``: one file that needs nothing else, and holds everything."""

import builtins
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from skmtl.__main__ import main
from skmtl._cli.page import page, paragraph, section, table

pytest.importorskip("matplotlib")

FAST = ["--trunk", "4", "--head", "--folds", "2", "--epochs", "2"]  # depths 0 and 1
VOID = {"meta", "img", "link", "br", "hr", "input"}
HEADINGS = [
    "What was asked",
    "The verdict",
    "The table and its holes",
    "Scores of every sharing depth",
    "Predicted against observed",
    "Importance of the features",
    "The network",
    "The course of training",
    "How this was made",
]


class Outline(HTMLParser):
    """Headings, images and links of a page whose tags are all closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.headings, self.links, self.images = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [values[key] for key in ("src", "href") if key in values]
        if tag == "img":
            assert values["alt"]
            self.images.append(values["src"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


def make_frame(n_rows=60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 2)), columns=["a", "b & <i>"])
    frame["c"] = rng.choice(["red", "blue"], n_rows)
    frame["y $"] = frame["a"] + (frame["c"] == "red")
    frame["z <b>"] = frame["a"] - frame["b & <i>"]
    frame.loc[::4, "z <b>"] = np.nan
    return frame


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page of a small table with names that HTML might stumble over."""
    folder = tmp_path_factory.mktemp("report")
    make_frame().to_csv(folder / "table.csv", index=False)
    arguments = [str(folder / "table.csv"), "--targets", "y $", "z <b>"]
    code = main([*arguments, *FAST, "--compare", "--report", str(folder / "page.html")])
    assert code == 0
    return (folder / "page.html").read_text(encoding="utf-8")


def test_the_page_is_whole(made):
    found = Outline(made)

    assert set(HEADINGS) <= set(found.headings)
    assert "Other models" in found.headings
    assert len(found.images) == 5
    assert all(image.startswith("data:image/") for image in found.images)
    assert len(made) < 2_000_000


def test_nothing_comes_from_elsewhere(made):
    found = Outline(made)

    assert all(link.startswith("data:") for link in found.links)
    text = re.sub(r"data:[^\"]*", "", made)
    assert "<script" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]  # a name


def test_it_is_readable_in_the_dark_and_on_small_screens(made):
    assert "prefers-color-scheme: dark" in made
    assert 'name="viewport"' in made
    assert "max-width" in made


def test_names_and_the_command_are_escaped(made):
    assert "z &lt;b&gt;" in made
    assert "b &amp; &lt;i&gt;" in made
    assert "--report" in made
    assert "<b>" not in made


def test_holes_and_scores_are_there(made):
    assert "standard deviation of 3 repeats" in made
    assert "{" not in made.partition("</style>")[2]
    assert "25.0%" in made
    assert "boosted trees" in made
    assert "haring 1 of 1 hidden layer" in made


def test_classes(tmp_path):
    frame = make_frame()
    frame["y $"] = np.where(frame["a"] > 0, "up", "down")
    frame["z <b>"] = frame["c"].where(frame.index % 4 > 0)
    frame.drop(columns="c").to_csv(tmp_path / "table.csv", index=False)
    report = tmp_path / "page.html"
    arguments = [str(tmp_path / "table.csv"), "--targets", "y $", "z <b>", *FAST]

    assert main([*arguments, "--repeats", "2", "--report", str(report)]) == 0

    found = Outline(report.read_text(encoding="utf-8"))
    assert len(found.images) == 5
    assert "Other models" not in found.headings


@pytest.mark.parametrize(
    ("name", "words"),
    [("page.pdf", "ends in .html or .htm"), ("no/page.html", "no such folder")],
)
def test_what_is_wrong_is_said_before_the_search(tmp_path, capsys, name, words):
    assert main([*FAST, "--report", str(tmp_path / name)]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_without_matplotlib_it_is_said_before_the_search(tmp_path, capsys, monkeypatch):
    own_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return own_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)

    assert main([*FAST, "--report", str(tmp_path / "page.html")]) == 2
    assert "--report needs matplotlib" in capsys.readouterr().err


def test_parts_of_a_page():
    text = page("a < b", [section("c & d", paragraph("e > f"), table(["g"], [["<h>"]], 0))])

    assert Outline(text).headings == ["a < b", "c & d"]
    assert "&lt;h&gt;" in text
    assert 'class="best"' in text
