"""Facts of a healthy node, to vary in tests."""

from dataclasses import replace
from typing import Any

from cluster.diagnosis.node_facts import NodeFacts
from cluster.diagnosis.nodes import Node
from cluster.hardware.cpu_tree import Core

GIB = 2**30
HEALTHY = NodeFacts(
    versions={"ringcycle": "0a1b2c3d", "Python": "3.11.9", "TensorFlow": "2.21.0", "Ray": "2.60.0", "NumPy": "2.3.1"},
    bytecode="compiled",
    no_bytecode=False,
    cores=[Core(0, 0, (0, 4)), Core(0, 0, (1, 5)), Core(0, 1, (2, 6)), Core(0, 1, (3, 7))],
    quota=None,
    governors=frozenset({("acpi-cpufreq", "performance")}),
    bfloat16=True,
    memory=64 * GIB,
    machine_memory=64 * GIB,
    available=60 * GIB,
    shared=32 * GIB,
    shared_free=32 * GIB,
    open_files=(65536, 65536),
    proxies={},
    no_proxy="",
    cache="/home/me/.cache/ringcycle/tensorflow-2.21.0",
    cache_fact="",
    cache_free=50 * GIB,
)


def facts(**changed: Any) -> NodeFacts:
    """`HEALTHY` with some other facts."""
    return replace(HEALTHY, **changed)


def node(number: int, cpus: int = 8, gpus: int = 0) -> Node:
    """Node number 1, 2 …"""
    address = f"10.0.0.{number}"
    return Node(f"id{number}", address, address, cpus, gpus, float(GIB))
