"""Ray actors that build units, spread over all nodes. Actors may die, also of a file, and CPUs may be taken by others."""

import contextlib
import logging
import resource
import time
from collections import Counter, deque
from collections.abc import Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from preprocess.building.line_collector import LineRelay, send_warnings
from preprocess.building.recipe import Recipe
from preprocess.building.units import LETHAL, Built, Unit, build_unit
from preprocess.shards.image_buffer import ScratchMemory
from preprocess.sources.layouts import Source, opener
from ringcycle.errors import UserError
from ringcycle.storage.location import Location

log = logging.getLogger(__name__)

ATTEMPTS = 3
START_SECONDS = 60.0
RELEASE_SECONDS = 5.0
DEATHS_OF_A_FILE = 2
BYTES_PER_PIXEL = 96  # that decoding and converting may take; 16-bit RGB with alpha takes 55
BYTES_BESIDES = 4 * 2**30  # for the shard, Ray and libraries
_FILE_SECONDS = 10.0  # for the name of a file, to or from the collector
_SHOWN = 3
_LOOK_SECONDS = 1.0  # between two looks at the actors' warnings while no result arrives


class Task(NamedTuple):
    """What all units of a build share."""

    source: Source
    out: Location
    recipe: Recipe
    threads: int


class Done(NamedTuple):
    """A unit's result: where it was built, and whether this build made it (fresh) or found it finished by an earlier one."""

    unit: Unit
    built: Built
    fresh: bool
    node: str
    shared_cpus: bool


class Builder:
    """A Ray actor that builds units with its own threads. The driver first asks for its node, which shows that it has started."""

    def __init__(self, task: Task, collector: Any) -> None:
        """collector: an actor with a method `add_line`, to which this process's warnings go."""
        send_warnings(collector)
        _limit_memory(int(task.threads * task.recipe.max_megapixels * 1e6 * BYTES_PER_PIXEL) + BYTES_BESIDES)
        self._task = task
        self._collector = collector
        self._pool = ThreadPoolExecutor(task.threads) if task.threads > 1 else None
        self._memory = ScratchMemory()

    def node(self) -> str:
        """Id of the node on which this actor runs."""
        return str(ray.get_runtime_context().get_node_id())

    def build(self, unit: Unit, lethal: Collection[str] = (), watched: bool = False) -> tuple[Built, bool]:
        """See `build_unit`. watched: one file at a time, each named to the collector first, because an actor died of this unit."""
        task = self._task
        read = opener(task.source)
        if not watched:
            return build_unit(unit, read, task.out, task.recipe, self._pool, self._memory, lethal)

        def name_file(name: str) -> None:
            ray.get(self._collector.set_file.remote(unit.shard, name), timeout=_FILE_SECONDS)

        return build_unit(unit, read, task.out, task.recipe, None, self._memory, lethal, name_file)


class Pool:
    """At most `size` living actors and the units they work on. An actor that dies is replaced, and its unit goes to the next one.

    The next one decodes file by file. A file at which DEATHS_OF_A_FILE actors died is rejected, up to `most_lethal` of them.
    size 0: one for every `task.threads` CPUs of the cluster. If others hold all CPUs, one actor per node shares them: a build inside a
    full cluster is slow, but never waits forever. Warnings that the actors log appear in the driver's log.
    """

    def __init__(self, task: Task, units: list[Unit], size: int, most_lethal: int = 0) -> None:
        cpus = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        if 0 < max(cpus) < task.threads:
            raise UserError(f"data.threads = {task.threads}, but the largest node has {max(cpus)} CPUs: use {max(cpus)} or fewer")
        self._task = task
        self._waiting = deque(units)
        self._size = min(len(units), size or max(1, sum(count // task.threads for count in cpus)))
        self._nodes = len(cpus)
        self._calls: dict[Any, tuple[Any, Unit | None]] = {}
        self._where: dict[Any, str] = {}
        self._idle: list[Any] = []
        self._deaths: Counter[str] = Counter()
        self._deaths_of: Counter[str] = Counter()
        self._lethal: dict[str, list[str]] = {}
        self._most_lethal = most_lethal
        self._shared = not _free(task.threads)

    def run(self) -> Generator[Done, None, None]:
        """Yield each unit's result as it arrives. Raises UserError from a unit, or if its actors keep dying."""
        self._relay = LineRelay()
        try:
            self._hire(min(self._size, self._nodes) if self._shared else self._size)
            while self._waiting or any(unit for _, unit in self._calls.values()):
                call = self._next_call()
                if call is None:
                    self._share()
                    continue
                actor, unit = self._calls.pop(call)
                result = self._result(call, actor, unit)
                if result is not None and unit is not None:
                    yield Done(unit, *result, self._where[actor], self._shared)
        finally:
            self._dismiss()
            self._relay.close()

    def _next_call(self) -> Any | None:
        """The next call to finish; None if no actor has started within START_SECONDS. Logs the actors' warnings meanwhile."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            ready, _ = ray.wait(list(self._calls), timeout=_LOOK_SECONDS)
            self._relay.poll()
            if ready:
                return ready[0]
            if not self._where and time.monotonic() >= deadline:
                return None

    def _result(self, call: Any, actor: Any, unit: Unit | None) -> tuple[Built, bool] | None:
        """A call's result, None for a new actor. The actor gets its next unit; a dead one is replaced."""
        try:
            result = ray.get(call)
        except RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None
        except RayActorError as error:
            self._bury(actor, unit, error)
            return None
        if unit is None:
            self._where[actor] = result
        if self._waiting:
            following = self._waiting.popleft()
            shard = following.shard
            call = actor.build.remote(following, self._lethal.get(shard, ()), self._deaths[shard] > 0)
            self._calls[call] = (actor, following)
        else:
            self._idle.append(actor)
        return result if unit is not None else None

    def _bury(self, actor: Any, unit: Unit | None, error: RayActorError) -> None:
        """Count a death and replace the actor. A unit that kills every actor, or actors that never start, end the build."""
        self._where.pop(actor, None)
        name = unit.shard if unit else "start"
        self._deaths[name] += 1
        if unit and self._deaths[name] > 1:
            self._suspect(unit)
        if self._deaths[name] >= (ATTEMPTS if unit else ATTEMPTS + self._size):
            fact = str(error).splitlines()[0]
            when = f"while building {unit.files[0].name} to {unit.files[-1].name}" if unit else "while starting"
            raise UserError(
                f"build actors died {self._deaths[name]} times {when} ({fact}): "
                "check the memory of the nodes, and use fewer data.threads or a smaller data.shard_mb"
            ) from error
        if unit:
            self._waiting.appendleft(unit)
        # A new actor may find no free CPU while idle ones hold them all. Those may be dead too, so they are asked first.
        if self._idle:
            self._ask(self._idle.pop())
        else:
            self._hire(1)

    def _suspect(self, unit: Unit) -> None:
        """Blame the file at which a watched actor died; at the second death it is rejected, and the unit's deaths do not count."""
        name = ""
        with contextlib.suppress(RayActorError, GetTimeoutError):
            name = ray.get(self._relay.collector.file_of.remote(unit.shard), timeout=_FILE_SECONDS)
        if not name:
            return
        self._deaths_of[name] += 1
        if self._deaths_of[name] < DEATHS_OF_A_FILE:
            return
        self._lethal.setdefault(unit.shard, []).append(name)
        self._deaths[unit.shard] = 1
        names = [name for files in self._lethal.values() for name in files]
        if len(names) > self._most_lethal:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            raise UserError(
                f"{', '.join(names[:_SHOWN])}{more}: {LETHAL}, and data.max_rejected allows {self._most_lethal} such files: "
                "remove them, raise it, or check the memory of the nodes and use fewer data.threads"
            )
        log.warning("%s %s: rejected; the build continues", name, LETHAL)

    def _hire(self, count: int) -> None:
        cpus = 0 if self._shared else self._task.threads
        kind = ray.remote(Builder).options(num_cpus=cpus, scheduling_strategy="SPREAD", max_restarts=0)
        for _ in range(count):
            self._ask(kind.remote(self._task, self._relay.collector))

    def _ask(self, actor: Any) -> None:
        """Ask an actor for its node; once it answers, it gets a unit."""
        self._calls[actor.node.remote()] = (actor, None)

    def _share(self) -> None:
        """No actor has started: stop claiming CPUs."""
        self._dismiss()
        self._shared = True
        self._hire(min(self._size, self._nodes))

    def _dismiss(self) -> None:
        for actor in {actor for actor, _ in self._calls.values()} | set(self._where):
            ray.kill(actor)
        self._calls.clear()
        self._where.clear()
        self._idle.clear()


def _free(cpus: int) -> bool:
    """Whether the cluster has free CPUs; it counts those of actors that have just ended with a delay."""
    deadline = time.monotonic() + RELEASE_SECONDS
    while ray.available_resources().get("CPU", 0) < cpus:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
    return True


def _limit_memory(more: int) -> None:
    """Let this process take at most `more` bytes from now on: a decode that wants more fails, instead of the node running out of memory."""
    statistics = Path("/proc/self/statm")
    if statistics.exists():
        taken = int(statistics.read_text().split()[5]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = taken + more if most == resource.RLIM_INFINITY else min(taken + more, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
