"""How many workers a cluster has when nobody says: one for each NUMA node, or for each GPU."""

import os

import ray

from cluster.config import Config
from cluster.hardware.ask_nodes import ask_nodes
from cluster.hardware.capacity import usable_nodes
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import workers_of_node


def with_workers(config: Config, joined: bool, gpu: bool) -> Config:
    """`config` with a number for `cluster.workers`, also where it is 0; of the nodes that are there now, at least one worker.

    joined: whether the cluster is not this process's own, and so may have other nodes.
    """
    if config.cluster.workers:
        return config
    nodes = [node for node in usable_nodes() if node["Resources"].get("CPU")]  # a head that only leads has none
    if gpu:
        workers = sum(int(node["Resources"].get("GPU", 0)) for node in nodes)
    elif joined:
        workers = sum(min(count, int(node["Resources"]["CPU"])) for node, count in ask_nodes(_workers_here, nodes))
    else:
        workers = workers_here()
    return config.model_copy(update={"cluster": config.cluster.model_copy(update={"workers": max(1, workers)})})


def workers_here() -> int:
    """Of this node."""
    return workers_of_node(read_cores(os.sched_getaffinity(0)), cpu_quota())


_workers_here = ray.remote(num_cpus=0)(workers_here)
