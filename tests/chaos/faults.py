"""The faults that are injected, each on real processes, nodes and links."""

import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.world import World


@dataclass(frozen=True)
class Fault:
    """One kind of fault. inject: breaks something and says what. mend: undoes it after `lasts` seconds, or None.

    ends_launch: whether the training's command ends by it, and its scheduler starts it again. new_group: whether the workers start again.
    """

    name: str
    inject: Callable[[World, random.Random], str]
    mend: Callable[[World], None] | None = None
    lasts: float = 0.0
    ends_launch: bool = False
    new_group: bool = True


@dataclass(frozen=True)
class Planned:
    """A fault, so many finished steps after the one before was survived."""

    fault: Fault
    after: int


def _kill_worker(world: World, draw: random.Random) -> str:
    rank, pid, host = draw.choice(world.workers())[:3]
    os.kill(int(pid), signal.SIGKILL)
    return f"worker {rank} on {host}"


def _freeze_worker(world: World, draw: random.Random) -> str:
    rank, pid, host = draw.choice(world.workers())[:3]
    os.kill(int(pid), signal.SIGSTOP)
    return f"worker {rank} on {host}"


def _kill_feed(world: World, draw: random.Random) -> str:
    rank, _, host, _, feeds, _ = draw.choice(world.workers())
    pid = draw.choice(feeds.split(", "))
    os.kill(int(pid), signal.SIGKILL)
    return f"feed actor of worker {rank} on {host}"


def _lose_node(world: World, draw: random.Random) -> str:
    host, seconds = draw.choice(world.worker_hosts), draw.uniform(2, 10)
    world.lose_node(host, seconds)
    return f"{host.address} for {seconds:.0f} s"


def _cut_off(world: World, draw: random.Random) -> str:
    host = draw.choice(world.worker_hosts)
    world.cut_off(host)
    return host.address


def _kill_driver(world: World, _: random.Random) -> str:
    world.launch.kill()
    return "the command, SIGKILL"


def _stop_driver(world: World, _: random.Random) -> str:
    os.kill(world.launch.process.pid, signal.SIGTERM)
    return "the command, SIGTERM"


def _lose_head(world: World, _: random.Random) -> str:
    world.lose_cluster()
    return "head and cluster; a new one is started"


WORKER_KILLED = Fault("worker killed", _kill_worker)
WORKER_HANGS = Fault("worker hangs", _freeze_worker)
FEED_KILLED = Fault("feed killed", _kill_feed, new_group=False)
NODE_LOST = Fault("node lost", _lose_node)
NODE_CUT_OFF = Fault("node cut off", _cut_off, World.join, lasts=30.0)
DRIVER_KILLED = Fault("driver killed", _kill_driver, ends_launch=True)
PREEMPTED = Fault("preempted", _stop_driver, ends_launch=True)
HEAD_LOST = Fault("head lost", _lose_head, ends_launch=True)
FAULTS = (WORKER_KILLED, WORKER_HANGS, FEED_KILLED, NODE_LOST, NODE_CUT_OFF, DRIVER_KILLED, PREEMPTED, HEAD_LOST)


def schedule(count: int, seed: int, kinds: Sequence[Fault] = FAULTS, least: int = 3, most: int = 25) -> list[Planned]:
    """`count` faults at random distances of `least` to `most` steps: each kind once before any comes again."""
    draw = random.Random(seed)
    chosen: list[Fault] = []
    while len(chosen) < count:
        chosen += draw.sample(kinds, len(kinds))
    return [Planned(fault, draw.randint(least, most)) for fault in chosen[:count]]
