"""The feed: Ray actors beside a worker read, crop, flip and batch ahead of it; the worker gets batches without a copy.

What an actor reads follows from the plan and a position alone, so a killed actor is restarted and asked again, and no batch is lost or
seen twice. Actors belong to the process that made the feed and end with it.
"""

import itertools
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from preprocess.feed.plan import Plan, WorkerShare
from preprocess.feed.reader import Reader
from preprocess.images.decoded_image import ImageArray
from preprocess.shards.cache import CacheSettings
from preprocess.shards.manifest import Manifest
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.logs import send_lines
from ringcycle.storage.location import Location, is_remote
from ringcycle.storage.store import Store

log = logging.getLogger(__name__)

MIB = 2**20
NODE_SHARE = 0.001  # of the resource that marks feeding nodes, for each actor: it limits nothing


@dataclass(frozen=True)
class FeedSettings:
    """How the feed of one worker runs; nothing here changes a batch."""

    actors: int = 1
    read_ahead_mb: float = 32
    """MiB of chunks requested ahead; two chunks, if that is more."""
    cpus: tuple[int, ...] = ()
    """Logical CPUs of this node to which the actors are pinned; none: no pinning."""
    nodes: str = ""
    """Ray resource whose nodes the actors are spread over, without pinning; empty: all actors on the caller's node."""
    cache: CacheSettings | None = None
    """For shards in an object store."""
    log_to: Any = None
    """A Ray actor with a method `add_line(text)`, to which the feed actors send what they log; None: Ray keeps it on their node."""
    log_level: int = logging.INFO
    """Lowest level of what they send."""
    clock: Callable[[], float] = time.perf_counter
    """Seconds, for `Feed.waited`."""


class Feed:
    """Iterator over one worker's batches [2, batch, H, W, C] of the manifest's dtype (uint8 or uint16), domain A then B.

    The arrays are read-only views into Ray's object store, which keeps their chunk as long as one of them is in use.
    """

    waited: float
    """Total seconds that `next` has waited for the actors."""
    position: int
    """Position of the next batch; a step advances it by the global batch."""
    chunk_steps: int
    """Steps in a chunk, the unit that is requested from an actor; the last chunk before `end` may be shorter."""
    ahead: int
    """Maximum number of chunks requested and not yet taken."""

    def __init__(
        self, shards: Location, plan: Plan, share: WorkerShare, *, position: int, end: int | None, settings: FeedSettings | None = None
    ) -> None:
        """Start the actors, which read ahead from now on. Ray must be initialised.

        shards: folder of a manifest, reachable under this path on the actors' nodes, or in an object store;
        position, end: images per domain at which iteration begins and stops (None: never).

        Raises UserError if the manifest cannot be read or does not match the plan, or if no node has the resource `nodes`; `next` raises
        UserError with the name of a shard that cannot be read.
        """
        settings = settings or FeedSettings()
        folder = shards if is_remote(shards) else Path(shards)
        manifest = Manifest.load(folder)
        _check(folder, manifest, plan)
        step_bytes = 2 * share.batch * math.prod(plan.crop_size) * max(manifest.channels) * np.dtype(manifest.dtype).itemsize
        # Ray copies results below 100 KiB to the heap, and a call costs about a millisecond on both sides: a MiB or more per chunk, but
        # no more than lets each actor prepare one chunk while its next one is requested. Chunks of 4 MiB feed twice as fast as of 1 MiB.
        read_ahead = int(settings.read_ahead_mb * MIB)
        self.chunk_steps = -(-max(MIB, read_ahead // max(8, 2 * settings.actors)) // step_bytes)
        self.ahead = max(2, read_ahead // (self.chunk_steps * step_bytes))
        log.debug(f"{settings.actors} feed actors read chunks of {self.chunk_steps:,} steps, at most {self.ahead:,} ahead")
        self.waited = 0.0
        self.position = self._asked = position
        self._end = end
        self._global_batch = share.global_batch
        self._clock = settings.clock
        # No CPU is requested, because the worker's bundle has them all. Deaths are retried without limit, Python errors are not.
        kind = ray.remote(FeedActor).options(num_cpus=0, max_restarts=-1, max_task_retries=-1, **_placement(settings.nodes))
        cpus = () if settings.nodes else settings.cpus
        reader = Reader(folder, plan, share, settings.cache)
        # As bytes: Ray prints an error for a handle among the arguments of an actor that may be restarted.
        log_to = ray.cloudpickle.dumps(settings.log_to)
        self._actors: list[Any] = [kind.remote(reader, cpus, log_to, settings.log_level) for _ in range(settings.actors)]
        self._turns = itertools.cycle(self._actors)
        self._chunks: deque[Any] = deque()
        self._chunk: Iterator[ImageArray] = iter(())
        # The next chunk is fetched, from another node if need be, while the batches of the current one are used.
        self._fetcher = ThreadPoolExecutor(1, "feed")
        self._next: Future[ImageArray] | None = None
        self._ask()
        self._fetch()

    def __iter__(self) -> Self:
        """The feed itself, which has one position."""
        return self

    def __next__(self) -> ImageArray:
        """The batch at `position`, which then advances. Raises StopIteration at `end`, UserError for an unreadable shard."""
        if self._end is not None and self.position >= self._end:
            raise StopIteration
        batch = next(self._chunk, None)
        if batch is None:
            self._chunk = iter(self._take())
            batch = next(self._chunk)
        self.position += self._global_batch
        return batch

    def __enter__(self) -> Self:
        """The feed itself; leaving the `with` statement closes it."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill the actors and release their chunks; batches already handed out stay valid."""
        self._fetcher.shutdown(wait=False, cancel_futures=True)
        for chunk in self._chunks:
            ray.cancel(chunk)  # otherwise Ray prints for each one that it failed and will be retried
        for actor in self._actors:
            ray.kill(actor, no_restart=True)
        self._actors.clear()
        self._chunks.clear()
        self._chunk = iter(())

    def pids(self) -> list[int]:
        """Process ids of the actors; waits until they have read the chunks requested before."""
        return list(ray.get([actor.pid.remote() for actor in self._actors]))

    def _ask(self) -> None:
        while len(self._chunks) < self.ahead and (self._end is None or self._asked < self._end):
            steps = self.chunk_steps
            if self._end is not None:
                steps = min(steps, -(-(self._end - self._asked) // self._global_batch))
            self._chunks.append(next(self._turns).read.remote(self._asked, steps))
            self._asked += steps * self._global_batch

    def _fetch(self) -> None:
        self._next = self._fetcher.submit(ray.get, self._chunks[0]) if self._chunks else None

    def _take(self) -> ImageArray:
        assert self._next is not None, "closed"
        begin = self._clock()
        try:
            chunk = self._next.result()
        except RayTaskError as error:
            self._fetch()  # the next call meets the error again instead of skipping a chunk
            raise error.cause if isinstance(error.cause, UserError) else error from None
        finally:
            self.waited += self._clock() - begin
        self._chunks.popleft()
        self._ask()
        self._fetch()
        return chunk


class FeedActor:
    """A Ray actor around a `Reader`."""

    def __init__(self, reader: Reader, cpus: tuple[int, ...], log_to: bytes, log_level: int) -> None:
        """cpus, log_level: as in `FeedSettings`; log_to: likewise, pickled."""
        self._reader = reader
        receiver = ray.cloudpickle.loads(log_to)
        if receiver is not None:
            send_lines(lambda line: receiver.add_line.remote(line), log_level)
        if cpus:
            os.sched_setaffinity(0, cpus)  # of this thread, and of the threads that it starts

    def read(self, position: int, steps: int) -> ImageArray:
        """See `Reader.read`."""
        return self._reader.read(position, steps)

    def pid(self) -> int:
        """Id of the process in which the actor runs."""
        return os.getpid()


def _placement(nodes: str) -> dict[str, Any]:
    """Actor options: on nodes with the resource `nodes`, or strictly on the caller's node if it is empty."""
    if not nodes:
        here = ray.get_runtime_context().get_node_id()
        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}
    if not ray.cluster_resources().get(nodes):
        raise UserError(
            f"data.feed_nodes = {nodes}, but no node of the cluster has the resource {nodes}: "
            f"""start some with `ray start --resources '{{"{nodes}": 1}}'`, or leave data.feed_nodes empty"""
        )
    return {"resources": {nodes: NODE_SHARE}, "scheduling_strategy": "SPREAD"}


def _check(folder: Location, manifest: Manifest, plan: Plan) -> None:
    found = tuple(manifest.splits[split].count for split in TRAIN_SPLITS)
    if found != plan.sizes:
        raise UserError(
            f"{Store(folder).label()} holds {found[0]} and {found[1]} images, but the run was planned for {plan.sizes[0]} and "
            f"{plan.sizes[1]}: use the shards it was started with, or start a new run"
        )
