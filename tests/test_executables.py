"""Memory mappings of compiled programs, of which a process may have so many only."""

import sys
from pathlib import Path

import numpy as np
import pytest

from skmtl._runtime import executables as _executables
from skmtl._training import PROGRAMS
from tests._inputs import small

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="mappings are read off Linux' /proc (2026-11)"
)
ACTIVATIONS = ["softplus", "elu", "silu"]


def n_mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def test_executables_are_given_back_and_compiled_again_when_needed(table, monkeypatch):
    monkeypatch.setattr(_executables, "MAX_COMPILED", 0)
    PROGRAMS.clear()  # all below compile, whatever ran before

    def fit(activation):
        return small(activation=activation).fit(*table).predict(table[0])

    with _executables.executing():  # so nothing is given back yet
        before = n_mappings()
        expected = [fit(activation) for activation in ACTIVATIONS]
        of_three = n_mappings() - before

    fit("selu")  # compiles

    assert of_three > 3 * 50, "programs have fewer mappings now: is all this needed still?"
    assert n_mappings() < before + of_three / 2
    for activation, predicted in zip(ACTIVATIONS, expected, strict=True):
        np.testing.assert_array_equal(fit(activation), predicted)
