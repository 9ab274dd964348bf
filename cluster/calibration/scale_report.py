"""Predicts steps on more nodes from what was measured on this one, and tells it in lines of text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cluster.calibration.exchange_trial import measure_exchange
from cluster.calibration.record import ASSUMED_EPOCH
from cluster.calibration.scale_out import ELEMENT_BYTES, ExchangeCost, Fleet, Scaled, exchanged_elements, ring_seconds, scaled
from cluster.calibration.search import Trial
from cluster.calibration.trial_group import TrialFailed
from cluster.config import Config
from cyclegan.config import ImageFormat
from cyclegan.training.schedule import make_schedule
from ringcycle.cli import duration
from ringcycle.errors import UserError
from ringcycle.tables import table_lines

DEFAULT_GBITS = 10.0


def fleet_of(nodes: int, gbits: float | None) -> Fleet:
    """Nodes of one worker each. gbits: None for the default. Raises UserError for numbers that no fleet has."""
    if nodes < 1:
        raise UserError(f"--nodes {nodes}: give 1 or more")
    if nodes == 1 and gbits is not None:
        raise UserError(f"--gbits {gbits:g} means nothing on one node: give --nodes, or leave it out")
    gbits = DEFAULT_GBITS if gbits is None else gbits
    if not 0 < gbits < math.inf:
        raise UserError(f"--gbits {gbits:g}: give the bandwidth between nodes, above 0")
    return Fleet(nodes, 1, gbits * 1e9 / 8)


def exchange_costs(config: Config, images: ImageFormat) -> dict[str, ExchangeCost]:
    """The cost of the generators' exchange by `cluster.allreduce_dtype`. Raises UserError if it cannot be measured here."""
    elements, _ = exchanged_elements(config, images)
    try:
        return {dtype: measure_exchange(elements, dtype) for dtype in ELEMENT_BYTES}
    except TrialFailed as failed:
        raise UserError(f"the exchange of two workers could not be measured: {failed}") from failed


def scaled_steps(config: Config, images: ImageFormat, chosen: Trial, fleet: Fleet, costs: Mapping[str, ExchangeCost]) -> list[Scaled]:
    """Steps on the fleet, with more and more accumulation."""
    assert chosen.figures is not None
    candidate, seconds = chosen.candidate, chosen.figures.seconds
    dtype = candidate.allreduce_dtype
    sizes = [count * ELEMENT_BYTES[dtype] for count in exchanged_elements(config, images)]
    fleet = replace(fleet, workers_per_node=candidate.workers)
    within = sum(ring_seconds(costs[dtype], replace(fleet, nodes=1), size) for size in sizes)  # the trial's workers have exchanged, too
    return scaled(max(seconds - within, seconds / 2), sizes, costs[dtype], fleet)


def scale_table(config: Config, chosen: Trial, fleet: Fleet, steps: Sequence[Scaled], epoch: int | None) -> list[str]:
    """Steps on the fleet, the last one chosen, and the time that a training with it takes."""
    each, last = fleet.nodes * chosen.candidate.workers * chosen.candidate.batch, steps[-1]
    headings = ("accumulated", "images/step", "s/step", "images/s", "efficiency", "")
    rows = [
        (
            str(step.accumulate),
            str(step.accumulate * each),
            f"{step.seconds:.3f}",
            f"{step.accumulate * each / step.seconds:.3f}",
            f"{step.efficiency:.2f}",
            "chosen" if step is last else "",
        )
        for step in steps
    ]
    schedule = make_schedule(config.train, last.accumulate * each, epoch or ASSUMED_EPOCH)
    return [
        f"on {fleet.nodes} nodes with {8 * fleet.link / 1e9:g} Gbit/s between them, by a model of the exchange:",
        *table_lines(headings, rows, len(headings) - 1),
        f"a training there of {schedule.steps:,} steps of {schedule.global_batch} images: {duration(schedule.steps * last.seconds)}",
    ]
