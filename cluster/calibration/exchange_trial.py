"""Measures the exchange: two workers on this node that do nothing else."""

from cluster.calibration.exchange_worker import PAIR, ExchangeOrder
from cluster.calibration.scale_out import ExchangeCost
from cluster.calibration.trial_group import answers, cpus_of

SECONDS = 300  # after which it counts as stuck


def measure_exchange(elements: int, dtype: str) -> ExchangeCost:
    """The cost of an all-reduce of so many elements, by the slower worker. Raises TrialFailed."""
    orders = [ExchangeOrder(index=index, cpus=cpus_of(PAIR), elements=elements, dtype=dtype) for index in range(PAIR)]
    costs = [ExchangeCost(**answer) for answer in answers("cluster.calibration.exchange_worker", orders, SECONDS)]
    return ExchangeCost(max(cost.latency for cost in costs), max(cost.per_byte for cost in costs))
