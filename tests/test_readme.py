"""The README's Python examples run, and its shell commands name what exists."""

import re
from pathlib import Path

import pytest

from skmtl._estimators.classifier import MultiTaskClassifier
from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.datasets import load_slump

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
# Examples of a file and of a cluster are marked as py: tests/test_known_levels.py and
# tests/test_dask.py have them.
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def concrete_csv(tmp_path, monkeypatch):
    """The file that the README reads, from a bundled table."""
    X, y = load_slump(return_X_y=True, as_frame=True)
    y.columns = ["slump", "flow", "strength"]
    X.join(y).to_csv(tmp_path / "concrete.csv", index=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few_epochs(monkeypatch):
    """What an example prints is not compared, so it need not be the best."""
    for estimator in (MultiTaskRegressor, MultiTaskClassifier):
        monkeypatch.setitem(estimator.__init__.__kwdefaults__, "epochs", 10)


@pytest.mark.usefixtures("concrete_csv", "few_epochs")
@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code, capsys):
    exec(compile(code, "README.md", "exec"), {})

    assert capsys.readouterr().out.strip()


def test_there_are_examples():
    assert len(EXAMPLES) >= 2
