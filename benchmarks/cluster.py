"""What it takes to send one large table to the workers of Dask and Ray.

::

    python -m benchmarks.cluster                 200 000 rows, into RESULTS.md
    python -m benchmarks.cluster --rows 20000    fewer, printed only

Two workers, each a process of one core, train eight members on a table, and then four
folds of two sharing depths, for one epoch each; the networks are small, so that hardly
anything but the table is large. Dask's workers talk by TCP, and so do two nodes of Ray,
each with an object store of its own. Bytes are those that passed over the loopback
interface, whoever sent them; the row numbers of members and folds, results and logs are
among them. What goes by way of Dask's scheduler counts twice. One of Ray's nodes has the
table from the start. Before each job, workers import TensorFlow by a job of 1000 rows.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from joblib import parallel_config
from sklearn.model_selection import KFold

from ._clocks import duration, in_fresh_process
from ._report import circumstances, markdown_table, with_rows, write_section
from .large import table

N_ROWS = 200_000
LOOPBACK = Path("/sys/class/net/lo/statistics/tx_bytes")  # Linux


@contextmanager
def dask() -> Iterator[None]:
    from dask import distributed

    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster):
        yield


@contextmanager
def ray() -> Iterator[None]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    import ray as library
    from ray.cluster_utils import Cluster
    from ray.util.joblib import register_ray

    register_ray()
    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=400_000_000)
    library.init(address=cluster.address, log_to_driver=False)
    try:
        yield
    finally:
        library.shutdown()
        cluster.shutdown()


CLUSTERS = {"dask": dask, "ray": ray}


def network(**parameters):
    from skmtl._estimators.regressor import MultiTaskRegressor

    small = {"trunk_sizes": (32,), "head_sizes": (16,), "n_bins": 0, "epochs": 1}
    return MultiTaskRegressor(**small, **parameters, random_state=0)


def members(X, Y) -> None:
    network(n_members=8).fit(X, Y)


def search(X, Y) -> None:
    from skmtl.model_selection import SharingDepthSearchCV

    SharingDepthSearchCV(network(), depths=[0, 1], cv=KFold(4), refit=False).fit(X, Y)


JOBS = {"eight members": members, "eight fits of a search": search}


def measure(backend: str, n_rows: int) -> list[tuple[str, ...]]:
    X, Y = table(n_rows)
    kinds: list[tuple[str, dict]] = [("", {})]
    if backend == "dask":
        kinds.append((", `scatter=[X, Y]`", {"scatter": [X, Y]}))
    rows = []
    with CLUSTERS[backend]():
        for title, job in JOBS.items():
            with parallel_config(backend, n_jobs=2):
                job(X[:1000], Y[:1000])
            for name, options in kinds:
                before, started = int(LOOPBACK.read_text()), time.perf_counter()
                with parallel_config(backend, n_jobs=2, **options):
                    job(X, Y)
                seconds = time.perf_counter() - started
                sent = (int(LOOPBACK.read_text()) - before) / (X.nbytes + Y.nbytes)
                what = f"{title}, {backend}{name}"
                rows.append((what, f"{sent:.1f}", duration(seconds)))
                sys.stderr.write(f"{rows[-1]}\n")
    return rows


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description="One table on two workers."
    )
    parser.add_argument("--backends", nargs="+", choices=CLUSTERS, default=list(CLUSTERS))
    return with_rows(parser, argv, N_ROWS)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    where = circumstances()
    rows = []
    for backend in arguments.backends:
        rows += in_fresh_process(measure, backend, arguments.rows)
    X, Y = table(8)
    size = (X.nbytes + Y.nbytes) / 8 * arguments.rows / 1e6
    lines = ["## A cluster", "", *where]
    lines += [f"- table: {arguments.rows} rows, {size:.0f} MB; two workers", ""]
    lines += markdown_table(["what", "bytes sent / those of the table", "time"], rows)
    sys.stdout.write("\n".join([*lines, ""]))
    if arguments.results is not None:
        write_section(arguments.results, "cluster", lines)


if __name__ == "__main__":
    main()
