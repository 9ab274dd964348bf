"""Weak scaling on machines we do not have, by the model of `cluster.calibration.scale_out`."""

from dataclasses import dataclass

from cluster.calibration.scale_out import ExchangeCost, Fleet, ring_seconds


@dataclass(frozen=True)
class Worker:
    """Measured on one pinned core.

    compute: core-seconds of a step for one image of each domain. beside: those of the discriminator pass, during which the generators'
    vector is exchanged. cost: of the exchange, in a ring of 2.
    """

    compute: float
    beside: float
    cost: ExchangeCost


def efficiency(worker: Worker, fleet: Fleet, speedup: float, batch: int, generators: float, discriminators: float) -> float:
    """Weak-scaling efficiency: seconds of a step alone divided by seconds in the fleet.

    speedup: of all of a worker's cores over one core. generators, discriminators: bytes exchanged.
    """
    compute = batch * worker.compute / speedup
    hidden = batch * worker.beside / speedup
    exposed = max(0.0, ring_seconds(worker.cost, fleet, generators) - hidden) + ring_seconds(worker.cost, fleet, discriminators)
    return compute / (compute + exposed)
