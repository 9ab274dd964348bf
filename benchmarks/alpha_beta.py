"""The cost of all-reduces on machines we do not have: the alpha-beta model of a ring (Thakur et al. 2005, doi 10.1177/1094342005051521)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Worker:
    """Measured on one pinned core.

    compute: core-seconds of a step for one image of each domain. beside: those of the discriminator pass, during which the generators'
    vector is exchanged. latency: seconds of a message between neighbours. copying: core-seconds to send and receive a byte in a ring of 2.
    """

    compute: float
    beside: float
    latency: float
    copying: float


@dataclass(frozen=True)
class Fleet:
    """Nodes with workers of several cores each. link: bytes per second of a node. speedup: of all of a worker's cores over one core."""

    nodes: int
    workers_per_node: int
    speedup: float
    link: float


def ring_seconds(worker: Worker, fleet: Fleet, size: float) -> float:
    """Seconds of an all-reduce of `size` bytes: 2 (n - 1) messages of size / n, limited by a node's link or by one copying thread.

    Workers of one node are neighbours in the ring, so each link carries one stream in each direction.
    """
    n = fleet.nodes * fleet.workers_per_node
    traffic = 2 * (n - 1) / n * size
    return 2 * (n - 1) * worker.latency + max(traffic / fleet.link, traffic * worker.copying)


def efficiency(worker: Worker, fleet: Fleet, batch: int, generators: float, discriminators: float) -> float:
    """Weak-scaling efficiency: seconds of a step alone divided by seconds in the fleet. generators, discriminators: bytes exchanged."""
    compute = batch * worker.compute / fleet.speedup
    hidden = batch * worker.beside / fleet.speedup
    exposed = max(0.0, ring_seconds(worker, fleet, generators) - hidden) + ring_seconds(worker, fleet, discriminators)
    return compute / (compute + exposed)
