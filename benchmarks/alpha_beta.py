"""What exchanges cost on machines we do not have: the alpha-beta model of a ring (Thakur et al. 2005, doi 10.1177/1094342005051521)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Worker:
    """Measured on one pinned core.

    compute: core-seconds of a step for one image of each domain. beside: those of the discriminator pass, beside which generators are
    exchanged. latency: seconds of one message between neighbours. copying: core-seconds to send and receive one byte around a ring of two.
    """

    compute: float
    beside: float
    latency: float
    copying: float


@dataclass(frozen=True)
class Fleet:
    """Nodes with workers of several cores each. link: bytes per second of a node. speedup: of a worker's cores together over one."""

    nodes: int
    workers_per_node: int
    speedup: float
    link: float


def ring_seconds(worker: Worker, fleet: Fleet, size: float) -> float:
    """One all-reduce of `size` bytes: 2 (n - 1) messages of size / n, as fast as the slower of a node's link and of one copying thread.

    Neighbours of one node are neighbours in the ring, so each link carries one stream in each direction.
    """
    n = fleet.nodes * fleet.workers_per_node
    traffic = 2 * (n - 1) / n * size
    return 2 * (n - 1) * worker.latency + max(traffic / fleet.link, traffic * worker.copying)


def efficiency(worker: Worker, fleet: Fleet, batch: int, generators: float, discriminators: float) -> float:
    """Weak-scaling efficiency: seconds of a step alone over those in the fleet. generators, discriminators: bytes exchanged."""
    compute = batch * worker.compute / fleet.speedup
    hidden = batch * worker.beside / fleet.speedup
    exposed = max(0.0, ring_seconds(worker, fleet, generators) - hidden) + ring_seconds(worker, fleet, discriminators)
    return compute / (compute + exposed)
