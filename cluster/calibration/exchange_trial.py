"""Measures the exchange: two workers on this node that do nothing else."""

import os

from cluster.calibration.exchange_worker import PAIR, ExchangeOrder
from cluster.calibration.scale_out import ExchangeCost
from cluster.calibration.trial_group import answers
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import largest_share

SECONDS = 300  # after which it counts as stuck


def measure_exchange(elements: int, dtype: str) -> ExchangeCost:
    """The cost of an all-reduce of so many elements, by the slower worker. Raises TrialFailed."""
    cpus = largest_share(read_cores(os.sched_getaffinity(0)), cpu_quota(), PAIR)[1]
    orders = [ExchangeOrder(index=index, cpus=cpus, elements=elements, dtype=dtype) for index in range(PAIR)]
    costs = [ExchangeCost(**answer) for answer in answers("cluster.calibration.exchange_worker", orders, SECONDS)]
    return ExchangeCost(max(cost.latency for cost in costs), max(cost.per_byte for cost in costs))
