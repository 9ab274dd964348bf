"""Injects a schedule of faults into a training and measures what each one cost."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tests.chaos.faults import Planned
from tests.chaos.world import World

POLL_SECONDS = 0.1


class NotSurvived(Exception):
    """The run hangs, failed, or ended early; the text states which."""


@dataclass(frozen=True)
class Survived:
    """A fault and its cost. step: the last finished one when it struck. lost: seconds until the run passed that step. repeated: steps."""

    fault: str
    what: str
    step: int
    lost: float
    repeated: int


@dataclass(frozen=True)
class Chaos:
    """All faults of a run, and its duration in seconds."""

    survived: Sequence[Survived]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def steps_needed(planned: Sequence[Planned], margin: int = 30) -> int:
    """Steps of a training that is long enough for all these faults: after each, some steps pass before it is noticed."""
    return sum(one.after + margin for one in planned) + margin


def disturb(world: World, planned: Sequence[Planned], seed: int, patience: float, report: Callable[[str], None]) -> Chaos:
    """Inject all faults into a training that was started, and wait for its end. patience: seconds within which each must be survived.

    report: takes a line for each fault. Raises NotSurvived, with the training's output.
    """
    draw, began, survived = random.Random(f"{seed} faults"), time.monotonic(), []
    _wait(world, partial(_has_reached, world, 1), patience, "the first step")
    for number, one in enumerate(planned, start=1):
        due = world.step() + one.after
        _wait(world, partial(_has_reached, world, due), patience, f"step {due}, where fault {number} strikes")
        survived.append(last := _strike(world, one, draw, patience))
        cost = f"survived, {last.lost:.1f} s, {last.repeated} steps repeated"
        report(f"{number}/{len(planned)} {last.fault} ({last.what}) at step {last.step}: {cost}")
    _wait(world, lambda: world.launch.process.poll() is not None, patience, "the end")
    if world.launch.process.returncode:
        raise NotSurvived(f"the training ended with exit code {world.launch.process.returncode}\n{world.launch.output}")
    return Chaos(survived, time.monotonic() - began)


def _has_reached(world: World, step: int) -> bool:
    return world.step() >= step


def _strike(world: World, one: Planned, draw: random.Random, patience: float) -> Survived:
    fault, before, launches, group = one.fault, world.step(), len(world.launches), world.workers()
    struck, reached, resumed = time.monotonic(), before, None
    what = fault.inject(world, draw)
    repair = fault.repair

    def survived() -> bool:
        nonlocal repair, reached, resumed
        if repair and time.monotonic() > struck + fault.lasts:
            repair(world)
            repair = None
        if fault.ends_launch and len(world.launches) == launches:
            if world.launch.process.poll() is None:
                return False
            world.start_training()
        workers = world.workers()
        if workers and workers != group:
            resumed = min(int(worker[5].replace(",", "")) for worker in workers)
        elif resumed is None:
            reached = max(reached, world.step())
        effective = not fault.new_attempt or resumed is not None  # the step that was running when the fault struck does not count
        return repair is None and effective and world.step() > before

    _wait(world, survived, patience, f"step {before + 1} after: {fault.name}, {what}")
    repeated = 0 if resumed is None else max(0, reached - resumed)
    return Survived(fault.name, what, before, time.monotonic() - struck, repeated)


def _wait(world: World, condition: Callable[[], bool], patience: float, what: str) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        world.restart_nodes()
        ended = world.launch.process.poll()
        if ended is not None and not condition():
            raise NotSurvived(f"the training ended with exit code {ended} before {what}\n{world.launch.output}")
        if time.monotonic() > deadline:
            raise NotSurvived(f"no {what} within {patience:.0f} s\n{world.launch.output}")
        time.sleep(POLL_SECONDS)
