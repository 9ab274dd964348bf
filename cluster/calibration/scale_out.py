"""What a training takes on more nodes than there are here, by the alpha-beta model of a ring.

Thakur et al. 2005, doi 10.1177/1094342005051521.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.config import Config
from cyclegan.checkpoint_files.arrays import DISCRIMINATOR_WEIGHTS, WEIGHTS, expected_arrays
from cyclegan.config import ImageFormat

ELEMENT_BYTES = {"float32": 4, "bfloat16": 2}  # by cluster.allreduce_dtype
ENOUGH = 0.9  # efficiency from which accumulating more steps is not worth larger batches
MOST_ACCUMULATED = 64


@dataclass(frozen=True)
class ExchangeCost:
    """What an all-reduce costs a worker of its own time, whatever the network: seconds of a message to a neighbour, and per byte sent."""

    latency: float
    per_byte: float


@dataclass(frozen=True)
class Fleet:
    """Equal nodes. link: bytes per second of each one's network, in each direction."""

    nodes: int
    workers_per_node: int
    link: float


@dataclass(frozen=True)
class Scaled:
    """A step of `accumulate` parts on a fleet. efficiency: its speed, relative to workers that exchange nothing."""

    accumulate: int
    seconds: float
    efficiency: float


def exchanged_elements(config: Config, images: ImageFormat) -> tuple[int, int]:
    """Elements of the vectors that a step exchanges: of the generators and of the discriminators."""
    arrays = expected_arrays(config.model_dump(mode="json"), images)
    generators, discriminators = (arrays[name].shape[0] or 0 for name in (WEIGHTS, DISCRIMINATOR_WEIGHTS))
    return generators, discriminators


def exchanged_bytes(config: Config, images: ImageFormat) -> int:
    """Bytes of the gradients that all workers sum in a step."""
    return sum(exchanged_elements(config, images)) * ELEMENT_BYTES[config.cluster.allreduce_dtype]


def ring_seconds(cost: ExchangeCost, fleet: Fleet, size: float) -> float:
    """Seconds of an all-reduce of `size` bytes: 2 (n - 1) messages of size / n, limited by a node's link or by the worker that copies.

    Workers of one node are neighbours in the ring, so each link carries one stream in each direction.
    """
    n = fleet.nodes * fleet.workers_per_node
    traffic = 2 * (n - 1) / n * size
    return 2 * (n - 1) * cost.latency + traffic * max(cost.per_byte, 1 / fleet.link if fleet.nodes > 1 else 0.0)


def scaled(compute: float, sizes: Sequence[float], cost: ExchangeCost, fleet: Fleet) -> list[Scaled]:
    """Steps of 1, 2, 4 … parts, up to the first that is efficient enough.

    compute: seconds of a part without an exchange. sizes: bytes of each all-reduce of a step. Nothing is assumed to be hidden behind
    computing, and each part to cost a whole step: a little too slow rather than too fast.
    """
    exchange = sum(ring_seconds(cost, fleet, size) for size in sizes)
    found: list[Scaled] = []
    accumulate = 1
    while accumulate <= MOST_ACCUMULATED and not (found and found[-1].efficiency >= ENOUGH):
        seconds = accumulate * compute + exchange
        found.append(Scaled(accumulate, seconds, accumulate * compute / seconds))
        accumulate *= 2
    return found
