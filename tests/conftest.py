"""Fitted estimators that many tests read and none changes."""

import os

import numpy as np
import pytest

from skmtl._estimators.regressor import MultiTaskRegressor
from tests._inputs import as_frames, make_table, small

pytest.register_assert_rewrite("tests._asserts")
# The same programs, translated less thoroughly: compiling them is most of the tests' time.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# The command line would keep compiled programs in the home of whoever runs the tests.
os.environ["SKMTL_CACHE_DIR"] = "off"


@pytest.fixture(scope="session")
def table() -> tuple[np.ndarray, np.ndarray]:
    X, Y = make_table()
    X.flags.writeable = Y.flags.writeable = False
    return X, Y


@pytest.fixture(scope="session")
def fitted(table) -> MultiTaskRegressor:
    """Rows held out, a trunk and heads."""
    return small().fit(*table)


@pytest.fixture(scope="session")
def fitted_on_frames(table) -> MultiTaskRegressor:
    return small().fit(*as_frames(*table))
