"""The faults that are injected into real processes, nodes and links."""

import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.world import World


@dataclass(frozen=True)
class Fault:
    """One kind of fault. inject: breaks something and returns what. repair: undoes it after `lasts` seconds, or None.

    ends_launch: whether the training's command ends and is run again. new_attempt: whether the workers are restarted.
    """

    name: str
    inject: Callable[[World, random.Random], str]
    repair: Callable[[World], None] | None = None
    lasts: float = 0.0
    ends_launch: bool = False
    new_attempt: bool = True


@dataclass(frozen=True)
class Planned:
    """A fault, `after` finished steps after the previous one was survived."""

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
    return "the head and its cluster; a new one is started"


WORKER_KILLED = Fault("worker killed", _kill_worker)
WORKER_HANGS = Fault("worker hangs", _freeze_worker)
FEED_KILLED = Fault("feed killed", _kill_feed, new_attempt=False)
NODE_LOST = Fault("node lost", _lose_node)
NODE_CUT_OFF = Fault("node cut off", _cut_off, World.join, lasts=30.0)
DRIVER_KILLED = Fault("driver killed", _kill_driver, ends_launch=True)
PREEMPTED = Fault("preempted", _stop_driver, ends_launch=True)
HEAD_LOST = Fault("head lost", _lose_head, ends_launch=True)
FAULTS = (WORKER_KILLED, WORKER_HANGS, FEED_KILLED, NODE_LOST, NODE_CUT_OFF, DRIVER_KILLED, PREEMPTED, HEAD_LOST)


def schedule(count: int, seed: int, kinds: Sequence[Fault] = FAULTS, least: int = 3, most: int = 25) -> list[Planned]:
    """`count` faults, `least` to `most` steps apart at random: each kind comes once before any comes again."""
    draw = random.Random(seed)
    chosen: list[Fault] = []
    while len(chosen) < count:
        chosen += draw.sample(kinds, len(kinds))
    return [Planned(fault, draw.randint(least, most)) for fault in chosen[:count]]
