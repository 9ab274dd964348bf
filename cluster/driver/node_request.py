"""Asks Ray's autoscaler for the nodes of a full group: it adds none for a driver that only waits until they are there."""

import contextlib
from collections.abc import Iterator

from cluster.config import ClusterConfig
from cluster.driver.nodes import head_answers


@contextlib.contextmanager
def requested_nodes(cluster: ClusterConfig, gpu: bool) -> Iterator[None]:
    """Ask for `cluster.workers` nodes, the largest number of a range, as long as this is entered. Without an autoscaler nobody listens.

    Does nothing where the CPUs of a worker follow from the nodes (`cluster.cpus_per_worker` = 0). Ray keeps a request until another one.
    """
    if not (cluster.workers and cluster.cpus_per_worker):
        yield
        return
    from ray.autoscaler.sdk import request_resources  # a quarter of a second, which only a cluster's driver should cost

    worker = {"CPU": cluster.cpus_per_worker, **({"GPU": 1} if gpu else {})}
    request_resources(bundles=[worker] * cluster.most)
    try:
        yield
    finally:
        if head_answers():  # otherwise the request would block, and its cluster is gone
            request_resources(bundles=[])
