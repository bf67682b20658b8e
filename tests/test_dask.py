"""Searches and members on the workers of a Dask cluster."""

import sys

import numpy as np
import pytest
from dask import distributed
from joblib import parallel_config
from sklearn.model_selection import KFold

from skmtl._runtime.cluster import on_a_cluster
from skmtl.model_selection import SharingDepthSearchCV
from tests._inputs import as_frames, make_table, small


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        yield cluster


def test_a_search_on_two_worker_processes_finds_the_same(cluster):
    X, Y = as_frames(*make_table())
    search = SharingDepthSearchCV(small(), depths=[0, 1], cv=KFold(2))
    locally = search.fit(X, Y).sharing_gain_

    with distributed.Client(cluster) as client, parallel_config("dask"):
        search.fit(X, Y)
        trained = client.run(lambda: "tensorflow" in sys.modules)

    assert any(trained.values()), "the workers did nothing"
    np.testing.assert_allclose(search.sharing_gain_["gain"], locally["gain"], atol=1e-5)


def test_members_on_two_worker_processes_are_the_same(cluster):
    X, Y = make_table()
    model = small(n_members=2)
    locally = model.fit(X, Y).predict(X)

    with (
        distributed.Client(cluster) as client,
        parallel_config("dask"),
        distributed.get_task_stream(client) as stream,
    ):
        model.fit(X, Y)

    assert len(stream.data) == 2, "the workers did nothing"
    np.testing.assert_allclose(model.predict(X), locally, atol=1e-5)


def test_what_a_worker_fits_stays_there(cluster):
    def asked() -> bool:
        with parallel_config("dask"):
            return on_a_cluster()

    with distributed.Client(cluster) as client:
        assert asked()
        assert not client.submit(asked).result()
    assert not on_a_cluster()
    with parallel_config("loky"):
        assert not on_a_cluster()
