"""The feed with real Ray: the plan's batches from any position, whatever dies; no copies; bounded; one-line errors."""

import itertools
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray

from preprocess.building.line_collector import LineCollector
from preprocess.feed.feed import MIB, Feed, FeedSettings
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.images.decoded_image import ImageArray
from preprocess.shards.cache import CacheSettings
from ringcycle.errors import UserError
from ringcycle.storage.store import Store
from tests.preprocess.object_store import object_store
from tests.preprocess.small_shards import PLAN, WIDE, expected, make_shards

ONE, TWO, TWENTY = (WorkerShare(rank=0, workers=1, batch=batch) for batch in (1, 2, 20))
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("local_ray")]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shards"))


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not (done := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return done


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def endless(shards: Path, local_ray: None) -> Iterator[Feed]:
    """A feed that several tests share, at whatever position it is; its clock advances by one at each call."""
    ticks = itertools.count()
    settings = FeedSettings(read_ahead_mb=5, clock=lambda: float(next(ticks)))
    with Feed(shards, PLAN, ONE, position=0, end=None, settings=settings) as feed:
        yield feed


@pytest.mark.parametrize(
    ("batch", "rank", "workers", "actors", "position", "plan"),
    [(1, 1, 3, 1, 0, PLAN), (4, 1, 2, 2, 17, WIDE), (50, 0, 1, 1, 10**9, PLAN)],  # one step of 50 is more than a chunk
)
def test_batches_are_the_plan_s(shards: Path, batch: int, rank: int, workers: int, actors: int, position: int, plan: Plan) -> None:
    share = WorkerShare(rank, workers, batch)
    end = position + (100 // batch + 3) * share.global_batch
    with Feed(shards, plan, share, position=position, end=end, settings=FeedSettings(actors=actors)) as feed:
        for got in feed:
            assert got.dtype == np.uint8
            assert np.array_equal(got, expected(position, share, plan=plan))
            position += share.global_batch
            assert feed.position == position
        assert position == end
        with pytest.raises(StopIteration):
            next(feed)


def test_end_inside_a_step(shards: Path) -> None:
    with Feed(shards, PLAN, WorkerShare(rank=0, workers=1, batch=4), position=0, end=6) as feed:
        assert len(list(feed)) == 2


def test_no_batch_lost_or_twice_when_each_actor_is_killed(shards: Path) -> None:
    end, cpu = 1200, min(os.sched_getaffinity(0))
    share, settings = WorkerShare(rank=1, workers=2, batch=2), FeedSettings(actors=2, read_ahead_mb=4, cpus=(cpu,))
    with Feed(shards, PLAN, share, position=0, end=end, settings=settings) as feed:
        pids = feed.pids()
        # Just after the first step of a chunk: the next one has just been requested and is being read.
        kills = dict(zip([3 * feed.chunk_steps, 7 * feed.chunk_steps], pids, strict=True))
        for step, got in enumerate(feed):
            if step in kills:
                os.kill(kills.pop(step), signal.SIGKILL)
            assert np.array_equal(got, expected(4 * step, share)), step
        assert step == end // 4 - 1 and not kills
        restarted = feed.pids()
        assert set(pids).isdisjoint(restarted)
        assert [os.sched_getaffinity(pid) for pid in restarted] == [{cpu}] * 2


def test_batches_lie_in_the_object_store(endless: Feed) -> None:
    begin = endless.position
    kept = [next(endless) for _ in range((endless.ahead + 2) * endless.chunk_steps)]
    assert endless.chunk_steps * kept[0].nbytes >= MIB
    assert {mapping(batch) for batch in kept} == {mapping(kept[0])} and "plasma" in mapping(kept[0])
    assert not any(batch.flags.writeable for batch in kept)
    # Kept batches do not change while the feed moves on.
    assert all(np.array_equal(batch, expected(begin + i, ONE)) for i, batch in enumerate(kept))


def mapping(array: ImageArray) -> str:
    """The file behind the memory of an array, from /proc/self/maps."""
    address = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(edge, 16) for edge in line.split()[0].split("-"))
        if begin <= address < end:
            return " ".join(line.split()[5:])
    raise LookupError(f"no mapping at {address:#x}")


def test_read_ahead_is_bounded(endless: Feed) -> None:
    chunk = endless.chunk_steps * next(endless).nbytes
    assert endless.ahead * chunk <= 5 * MIB < (endless.ahead + 1) * chunk
    endless.pids()  # returns once everything requested has been read
    assert len(endless._chunks) == endless.ahead


def test_waiting_is_counted_by_the_given_clock(endless: Feed) -> None:
    begin = endless.waited
    for _ in range(3 * endless.chunk_steps):
        next(endless)
    assert endless.waited == begin + 3.0  # one tick per chunk, none for the steps inside


def test_few_threads(endless: Feed) -> None:
    next(endless)
    (process,) = map(psutil.Process, endless.pids())
    names = [Path(f"/proc/{process.pid}/task/{task.id}/comm").read_text() for task in process.threads()]
    # Ray has up to 26 sleeping threads here; pools of Arrow or OpenBLAS would compete for the worker's cores.
    assert len(names) < 32
    assert not any("arrow" in name.lower() for name in names)


def test_close_kills_the_actors(shards: Path) -> None:
    feed = Feed(shards, PLAN, TWO, position=0, end=None, settings=FeedSettings(actors=2))
    pids = feed.pids()
    assert len(set(pids)) == 2 and not any(map(ended, pids))
    feed.close()
    assert eventually(lambda: all(map(ended, pids)))
    feed.close()


def test_actors_end_with_their_owner(shards: Path) -> None:
    class Owner:  # for the feed, the same as a worker of the training group
        def start(self) -> tuple[int, list[int]]:
            self.feed = Feed(shards, PLAN, TWO, position=0, end=None)
            next(self.feed)
            return os.getpid(), self.feed.pids()

    owner: Any = ray.remote(Owner).options(num_cpus=0).remote()
    pid, actors = ray.get(owner.start.remote())
    assert not any(map(ended, actors))
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: all(map(ended, actors)))


def test_missing_shard(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "s")
    (folder / "trainB-1.arrow").unlink()
    with Feed(folder, PLAN, TWENTY, position=0, end=None) as feed:
        for _ in range(2):  # the second call does not skip the chunk
            with pytest.raises(UserError) as error:
                next(feed)
            assert str(error.value) == f"{folder}/trainB-1.arrow cannot be read (no such file): delete {folder} and rebuild it"
            assert feed.position == 0


def test_shard_truncated_while_it_is_mapped(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "s")
    with Feed(folder, PLAN, TWENTY, position=0, end=None, settings=FeedSettings(read_ahead_mb=2)) as feed:
        feed.pids()
        for name in ("trainA-0.arrow", "trainB-0.arrow"):
            os.truncate(folder / name, 5000)
        with pytest.raises(UserError, match=r"^\S+/train[AB]-0\.arrow cannot be read \(.+\): delete \S+ and rebuild it$"):
            deque(itertools.islice(feed, 3 * (feed.ahead + 1) * feed.chunk_steps), maxlen=0)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.json cannot be read"):
        Feed(tmp_path, PLAN, ONE, position=0, end=None)


def test_other_shards_than_planned(shards: Path) -> None:
    with pytest.raises(UserError) as error:
        Feed(shards, Plan((12, 20), 5, (64, 64), True), ONE, position=0, end=None)
    assert str(error.value) == (
        f"{shards} holds 13 and 20 images, but the run was planned for 12 and 20: use the shards it was started with, or start a new run"
    )


def test_what_a_feed_actor_logs_reaches_the_given_actor(tmp_path: Path) -> None:
    shards = make_shards(tmp_path / "shards")
    (tmp_path / "file").write_bytes(b"")
    receiver: Any = ray.remote(LineCollector).options(num_cpus=0).remote()
    settings = FeedSettings(cache=CacheSettings(tmp_path / "file" / "below", 1), log_to=receiver)
    lines: list[str] = []

    def arrived() -> bool:
        lines.extend(ray.get(receiver.take.remote()))
        return bool(lines)

    with object_store() as server:
        for path in shards.iterdir():
            Store(server.uri("shards")).write(path.name, path.read_bytes())
        with Feed(server.uri("shards"), PLAN, ONE, position=0, end=20, settings=settings) as feed:
            assert sum(1 for _ in feed) == 20
        assert eventually(arrived)
    host = os.uname().nodename
    assert lines == [f"the shard cache {tmp_path}/file/below on {host} cannot be written (Not a directory): reading without it"]
