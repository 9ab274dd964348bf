"""A feed on nodes of its own: batches arrive from there, and none is lost with a node."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from preprocess.feed.feed import MIB, Feed, FeedSettings
from preprocess.feed.plan import WorkerShare
from ringcycle.errors import UserError
from tests.preprocess.small_shards import PLAN, expected, make_shards

pytestmark = pytest.mark.process


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One node for the trainer and two for feed actors, each with its own raylet and object store."""
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray keeps the first one of a process, as for `local_ray`
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 * MIB, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, resources={"feed": 1}, object_store_memory=100 * MIB)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def raylet(pid: int) -> int:
    """Process id of the raylet that started a worker."""
    return psutil.Process(pid).ppid()


def test_the_named_nodes_feed_and_one_may_be_lost(cluster: Cluster, tmp_path: Path) -> None:
    folder, end, share = make_shards(tmp_path / "shards"), 1200, WorkerShare(rank=0, workers=1, batch=2)
    with pytest.raises(UserError, match=r"^data\.feed_nodes = fed, but no node of the cluster has the resource fed: start some with `ray"):
        Feed(folder, PLAN, share, position=0, end=end, settings=FeedSettings(nodes="fed"))
    nodes = {node.all_processes["raylet"][0].process.pid: node for node in cluster.worker_nodes}
    settings = FeedSettings(actors=2, nodes="feed", read_ahead_mb=4)
    with Feed(folder, PLAN, share, position=0, end=end, settings=settings) as feed:
        pids = feed.pids()
        assert {raylet(pid) for pid in pids} == set(nodes)
        for step, got in enumerate(feed):
            if step == 5 * feed.chunk_steps:
                cluster.remove_node(nodes[raylet(pids[0])], allow_graceful=False)
            assert np.array_equal(got, expected(2 * step, share)), step
        assert step == end // 2 - 1
        assert {raylet(pid) for pid in feed.pids()} == {raylet(pids[1])}
