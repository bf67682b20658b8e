"""A search on the workers of Ray."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, KFold

from tests._inputs import as_frames, make_table, small

ROOT = Path(__file__).parents[1]
# In a process of its own: Ray waits for its workers without end, and leaves joblib's
# process pools and the handling of SIGTERM changed.
PROGRAM = """
import json
import os
import ray
from joblib import parallel_config
from ray.util.joblib import register_ray
from tests.test_ray import members, search

register_ray()
local = {"address": "local", "include_dashboard": False}
with (
    ray.init(num_cpus=2, object_store_memory=100_000_000, log_to_driver=False, **local),
    parallel_config("ray", n_jobs=-1),
):
    scores, processes = search()
    predicted = members()
print(json.dumps([scores, len(set(processes) - {os.getpid()}), predicted]))
"""
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),  # of the workers too
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else Ray ends its workers where little memory is free, whoever has taken it: other
    # tests' compiled programs do.
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_worker_niceness": "0",  # of 15 by default: a busy machine would starve them
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(16),  # else one is kept in the home
}


def process(model, X, Y) -> int:
    return os.getpid()


def search() -> tuple[list[float], list[float]]:
    """The mean R2 of each depth, and the processes that the fits ran in."""
    scoring = {"r2": "r2", "process": process}
    depths = {"sharing_depth": [0, 1]}
    grid = GridSearchCV(small(), depths, scoring=scoring, cv=KFold(2), refit=False)
    results = grid.fit(*as_frames(*make_table())).cv_results_
    processes = [*results["split0_test_process"], *results["split1_test_process"]]
    return list(results["mean_test_r2"]), processes


def members() -> list[list[float]]:
    """What two members predict together."""
    X, Y = make_table()
    return small(n_members=2).fit(X, Y).predict(X).tolist()


def test_a_search_and_members_on_two_worker_processes_are_the_same():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    scores, n_workers, predicted = json.loads(done.stdout)

    assert n_workers == 2
    np.testing.assert_allclose(predicted, members(), atol=1e-5)
    np.testing.assert_allclose(scores, search()[0], atol=1e-5)
