"""The default number of workers: one for each NUMA node, or one for each GPU."""

import os

import ray

from cluster.hardware.capacity import ask_nodes, usable_nodes
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import workers_of_node


def default_workers(joined: bool, gpu: bool) -> int:
    """Workers for the nodes that are in the cluster now; at least one.

    joined: whether this process joined a running cluster, which may have other nodes.
    """
    nodes = [node for node in usable_nodes() if node["Resources"].get("CPU")]  # a head node may offer no CPUs
    if gpu:
        workers = sum(int(node["Resources"].get("GPU", 0)) for node in nodes)
    elif joined:
        workers = sum(min(count, int(node["Resources"]["CPU"])) for node, count in ask_nodes(_default_workers_here, nodes))
    else:
        workers = default_workers_here()
    return max(1, workers)


def default_workers_here() -> int:
    """Workers for this node's processors."""
    return workers_of_node(read_cores(os.sched_getaffinity(0)), cpu_quota())


_default_workers_here = ray.remote(num_cpus=0)(default_workers_here)
