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

STARTS_PROCESSES = ("test_ray.py", "test_dask.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Clusters come first: in the end, compiled programs fill most of the memory.

    Ray ends its workers where less than a twentieth of it is free.
    """
    items.sort(key=lambda item: item.path.name not in STARTS_PROCESSES)


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
