"""Whether work is to go to other machines: by joblib's backends of Dask, Ray and others."""

from __future__ import annotations

import sys

from joblib.parallel import SequentialBackend, get_active_backend


def on_a_cluster() -> bool:
    """Whether joblib has a cluster to send work to, and this process is not part of it.

    What a cluster fits in one of its own tasks is left there.
    """
    backend, _ = get_active_backend()
    of_joblib = type(backend).__module__ == SequentialBackend.__module__
    return not of_joblib and not _in_a_task_of_dask()


def _in_a_task_of_dask() -> bool:
    """Dask's backend is active in its tasks, too; in those of Ray, joblib's own is."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True
