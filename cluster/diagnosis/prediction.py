"""What a training will take: time and memory, from what `cluster.calibrate` has measured on the nodes, or else at least."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cluster.calibration.record import ASSUMED_EPOCH, Measured, recall
from cluster.calibration.search import Candidate
from cluster.config import Config
from cluster.diagnosis.finding import Figure, Finding, Verdict
from cluster.diagnosis.images import Images
from cluster.diagnosis.node_facts import NodeFacts
from cluster.diagnosis.nodes import Budget, Node, Nodes, answered
from cluster.diagnosis.ray_setup import Placement
from cluster.diagnosis.storage_verdicts import state_bytes
from cluster.hardware.cgroup import cpu_quota
from cluster.hardware.cpu_tree import read_cores
from cluster.hardware.topology import share_of_worker
from cyclegan.config import ImageFormat
from cyclegan.training.schedule import make_schedule
from ringcycle.cli import duration

LOOK_SECONDS = 10.0
LESS_MEMORY = "in this order: train.accumulate if train.batch is above 1, model.remat = true, a smaller data.crop_size, fewer model.filters"


@dataclass(frozen=True)
class NodeNeed:
    """What a node with so many workers must give. measured: by a calibration there; None without one."""

    node: Node
    workers: int
    available: int
    measured: Measured | None


def needs(
    config: Config, images: ImageFormat, nodes: Nodes, facts: Mapping[Node, NodeFacts], placement: Placement, budget: Budget
) -> list[NodeNeed]:
    """What each node with workers must give."""
    busy = {node: count for node, count in placement.workers.items() if count and node in facts}
    questions = {node: (config, images, count, placement.cpus) for node, count in busy.items()}
    found = answered(nodes.ask_each(look_up, budget.at_most(LOOK_SECONDS), questions))
    return [NodeNeed(node, count, facts[node].available, found.get(node)) for node, count in busy.items()]


def look_up(config: Config, images: ImageFormat, workers: int, cpus: int) -> Measured | None:
    """What was measured on this node for `workers` workers of `cpus` CPUs, with the settings of `config`."""
    share = share_of_worker(read_cores(os.sched_getaffinity(0)), cpu_quota(), 0, workers, cpus)
    model, batch = config.model, config.train.batch
    dtype = config.cluster.allreduce_dtype
    return recall(config, images, Candidate(workers, len(share.compute), model.convolution, model.precision, batch, dtype))


def time_needed(config: Config, images: Images, needed: Sequence[NodeNeed], exchange: float) -> Finding:
    """exchange: seconds per step between nodes."""
    schedule = make_schedule(config.train, config.global_batch, images.largest or ASSUMED_EPOCH)
    assumed = "" if images.largest or config.train.steps else f", assuming {ASSUMED_EPOCH:,} images per epoch"
    steps = f"{{steps}} steps of {{batch}} image{'s' * (schedule.global_batch > 1)}{assumed}"
    figures = {"steps": Figure.of(schedule.steps), "batch": Figure.of(schedule.global_batch)}
    measured = [need.measured for need in needed if need.measured]
    if not measured or len(measured) < len(needed):
        where = ", on each kind of node," if len(needed) > 1 else ""
        command = f"`python -m cluster.calibrate` with the same options{where} measures it"
        return Finding("time", Verdict.OK, f"{steps}; how long one takes is not known yet: {command}", figures=figures)
    slowest = max(measured, key=lambda one: one.seconds)
    step = slowest.seconds + exchange
    total = slowest.compile_seconds + schedule.steps * step
    figures |= {"step": Figure.of(step, "s"), "total": Figure.of(total, "s"), "exchange": Figure.of(exchange, "s")}
    between = ", {exchange} of it between nodes" if exchange else ""
    when = f"by cluster.calibrate on {slowest.at:%Y-%m-%d}"
    return Finding("time", Verdict.OK, f"{duration(total)} for {steps}: {{step}} a step{between} ({when})", figures=figures)


def memory_needed(config: Config, images: ImageFormat, needed: Sequence[NodeNeed]) -> Iterator[Finding]:
    """Whether the workers of each node fit into its memory: as measured, or at least what they keep."""
    shared, pools = state_bytes(config, images)
    for need in needed:
        figures = {"available": Figure.of(need.available, "bytes"), "workers": Figure.of(need.workers)}
        many, one = f"{{workers}} worker{'s' * (need.workers > 1)}", "s" * (need.workers == 1)
        if need.measured:
            least = (need.workers - 1) * need.measured.memory + need.measured.peak
            figures |= {"needed": Figure.of(least, "bytes"), "worker": Figure.of(need.measured.memory, "bytes")}
            fact = f"{many} of {{worker}} take{one} {{needed}} while one compiles; {{available}} available"
        else:
            least = need.workers * (shared + pools)
            figures |= {"needed": Figure.of(least, "bytes")}
            fact = f"{many} keep{one} {{needed}} of weights, moments and image pools, beside what computing takes; {{available}} available"
        short = least > need.available
        verdict = Verdict.PROBLEM if short else Verdict.OK
        yield Finding("memory need", verdict, fact, LESS_MEMORY if short else "", figures).on(need.node.name)
