"""A process that is forked after a fit: training is refused there, and does not hang."""

import os
import subprocess
import sys

import pytest

from tests._inputs import SMALL

PROGRAM = f"""
import os
import numpy as np
from skmtl import MultiTaskRegressor
X = np.random.default_rng(0).normal(size=(40, 3))
model = MultiTaskRegressor(**{SMALL}).fit(X, X[:, :2])
before = model.predict(X)
child = os.fork()
if child == 0:
    try:
        model.fit(X, X[:, :2])
    except RuntimeError as error:
        print(error, (model.predict(X) == before).all(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
model.fit(X, X[:, :2])
print("the parent goes on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system (2026-11)")
def test_a_forked_process_says_what_to_do_instead():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert "spawn" in done.stdout
    assert "loky" in done.stdout
    assert "True\nthe parent goes on" in done.stdout
