"""The feed: Ray actors beside a worker read, crop, flip and batch ahead of it; the worker gets batches without a copy.

All that an actor does (`preprocess.reader`) follows from the plan and a position, so a killed one is started again and asked
again, and no batch is lost or seen twice. Actors belong to the process that made the feed and end with it.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from preprocess.feed.plan import Plan
from preprocess.feed.reader import DOMAINS, Reader
from preprocess.shards.cache import CacheSettings
from preprocess.shards.image_buffer import ImageArray
from preprocess.shards.manifest import Manifest
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, is_remote
from ringcycle.storage.store import Store

MIB = 2**20
SHARE = 0.001  # of the resource that marks nodes for feeding: it limits nothing


class Feed:
    """Iterator over one worker's batches: uint8 or uint16 (as the manifest says) [2, batch, crop, crop, C], domain A then B.

    The arrays are read-only views into Ray's object store, which keeps their block as long as one of them lives.
    """

    waited: float
    """Seconds spent in `next` waiting for the actors, in all."""
    position: int
    """Position of the next batch, advanced by batch * workers images a step."""
    block_steps: int
    """Steps in one block, the unit that is asked of an actor; the last block before `end` may be shorter."""
    ahead: int
    """Most blocks asked for and not yet taken."""

    def __init__(
        self,
        shards: Location,
        plan: Plan,
        *,
        batch: int,
        rank: int,
        workers: int,
        position: int,
        end: int | None,
        actors: int = 1,
        read_ahead_mb: float = 32,
        cpus: Sequence[int] = (),
        nodes: str = "",
        node_id: str | None = None,
        cache: CacheSettings | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start the actors, which read ahead from now on. Ray must be initialised.

        shards: folder of a manifest, reachable under this path on the node, or in an object store, read through the `cache`;
        batch: images per domain, worker and step;
        rank, workers: this worker's rows of a global batch are rank::workers; position, end: images per domain at which
        iteration begins and stops (None: never); read_ahead_mb: MiB of blocks asked for ahead, two blocks if that is more;
        cpus: logical CPUs of this node on which the actors run, none: wherever the node lets them;
        nodes: a Ray resource whose nodes the actors live on, spread; none: all on the node `node_id`, by default the caller's.

        Raises UserError if the manifest cannot be read or is not what the plan was made for, or no node has the resource; `next` raises
        UserError with the name of a shard that cannot be read.
        """
        folder = shards if is_remote(shards) else Path(shards)
        manifest = Manifest.load(folder)
        _check(folder, manifest, plan)
        step_bytes = 2 * batch * plan.crop_size**2 * max(manifest.channels) * np.dtype(manifest.dtype).itemsize
        # Ray copies results below 100 KiB to the heap, and a call costs about a millisecond on both sides: a MiB or more a block, but
        # no more than lets each actor prepare one block while the next is asked of it. Blocks of 4 MiB feed twice as fast as of 1.
        read_ahead = int(read_ahead_mb * MIB)
        self.block_steps = -(-max(MIB, read_ahead // max(8, 2 * actors)) // step_bytes)
        self.ahead = max(2, read_ahead // (self.block_steps * step_bytes))
        self.waited = 0.0
        self.position = self._asked = position
        self._end = end
        self._global_batch = batch * workers
        self._clock = clock
        # No CPU is asked for, as the worker's bundle has taken them all. Deaths are retried without end, errors in Python are not.
        reader = ray.remote(Reader).options(num_cpus=0, max_restarts=-1, max_task_retries=-1, **_place(nodes, node_id))
        self._actors: list[Any] = [reader.remote(folder, plan, batch, rank, workers, cache, () if nodes else cpus) for _ in range(actors)]
        self._turns = itertools.cycle(self._actors)
        self._blocks: deque[Any] = deque()
        self._block: Iterator[ImageArray] = iter(())
        # The next block comes to this process, from another node if need be, while the batches of this one are used.
        self._fetcher = ThreadPoolExecutor(1, "feed")
        self._next: Future[ImageArray] | None = None
        self._ask()
        self._fetch()

    def __iter__(self) -> Self:
        """The feed itself: there is one position."""
        return self

    def __next__(self) -> ImageArray:
        """The batch at `position`, which then advances. Raises StopIteration at `end`, UserError for an unreadable shard."""
        if self._end is not None and self.position >= self._end:
            raise StopIteration
        batch = next(self._block, None)
        if batch is None:
            self._block = iter(self._take())
            batch = next(self._block)
        self.position += self._global_batch
        return batch

    def __enter__(self) -> Self:
        """The feed itself, closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill the actors and give their blocks back; batches already handed out stay valid."""
        self._fetcher.shutdown(wait=False, cancel_futures=True)
        for block in self._blocks:
            ray.cancel(block)  # Else Ray prints, for each, that it failed and will be retried.
        for actor in self._actors:
            ray.kill(actor, no_restart=True)
        self._actors.clear()
        self._blocks.clear()
        self._block = iter(())

    def pids(self) -> list[int]:
        """Process ids of the actors; waits for the blocks that were asked of them before."""
        return list(ray.get([actor.pid.remote() for actor in self._actors]))

    def _ask(self) -> None:
        while len(self._blocks) < self.ahead and (self._end is None or self._asked < self._end):
            steps = self.block_steps
            if self._end is not None:
                steps = min(steps, -(-(self._end - self._asked) // self._global_batch))
            self._blocks.append(next(self._turns).read.remote(self._asked, steps))
            self._asked += steps * self._global_batch

    def _fetch(self) -> None:
        self._next = self._fetcher.submit(ray.get, self._blocks[0]) if self._blocks else None

    def _take(self) -> ImageArray:
        assert self._next is not None, "closed"
        begin = self._clock()
        try:
            block = self._next.result()
        except RayTaskError as error:
            self._fetch()  # The next call meets the error again, rather than skip a block.
            raise error.cause if isinstance(error.cause, UserError) else error from None
        finally:
            self.waited += self._clock() - begin
        self._blocks.popleft()
        self._ask()
        self._fetch()
        return block


def _place(nodes: str, node_id: str | None) -> dict[str, Any]:
    """Options of the actors: on nodes with a resource, or hard on one node."""
    if not nodes:
        own = node_id or ray.get_runtime_context().get_node_id()
        return {"scheduling_strategy": NodeAffinitySchedulingStrategy(own, soft=False)}
    if not ray.cluster_resources().get(nodes):
        raise UserError(
            f"data.feed_nodes = {nodes}, but no node of the cluster has the resource {nodes}: "
            f"""start some with `ray start --resources '{{"{nodes}": 1}}'`, or leave it empty"""
        )
    return {"resources": {nodes: SHARE}, "scheduling_strategy": "SPREAD"}


def _check(folder: Location, manifest: Manifest, plan: Plan) -> None:
    found = tuple(manifest.splits[domain].count for domain in DOMAINS)
    if found != plan.sizes:
        where = Store(folder).label()
        raise UserError(
            f"{where} holds {found[0]} and {found[1]} images, but the run was planned for {plan.sizes[0]} and {plan.sizes[1]}: "
            "name the shards with which it was started, or start a new run"
        )
