"""The feed with real Ray: the plan's batches, from any position, whatever dies; no copy; bounded; errors in one line."""

import itertools
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import ray

from preprocess.feed.feed import MIB, Feed
from preprocess.feed.plan import Plan
from ringcycle.errors import UserError
from tests.preprocess.small_shards import PLAN, expected, make_shards

ImageArray = npt.NDArray[Any]

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("local_ray")]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("shards"))


def eventually(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not (done := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return done


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def endless(shards: Path, local_ray: None) -> Iterator[Feed]:
    """A feed that several tests look at, wherever it stands; its clock ticks once a question."""
    ticks = itertools.count()
    with Feed(shards, PLAN, batch=1, rank=0, workers=1, position=0, end=None, read_ahead_mb=5, clock=lambda: float(next(ticks))) as feed:
        yield feed


@pytest.mark.parametrize(
    ("batch", "rank", "workers", "actors", "position"),
    [(1, 1, 3, 1, 0), (4, 1, 2, 2, 17), (50, 0, 1, 1, 10**9)],  # one step of 50 is more than a block
)
def test_batches_are_the_plan_s(shards: Path, batch: int, rank: int, workers: int, actors: int, position: int) -> None:
    global_batch = batch * workers
    end = position + (100 // batch + 3) * global_batch
    with Feed(shards, PLAN, batch=batch, rank=rank, workers=workers, position=position, end=end, actors=actors) as feed:
        for got in feed:
            assert got.dtype == np.uint8
            assert np.array_equal(got, expected(position, batch, rank, workers))
            position += global_batch
            assert feed.position == position
        assert position == end
        with pytest.raises(StopIteration):
            next(feed)


def test_end_inside_a_step(shards: Path) -> None:
    with Feed(shards, PLAN, batch=4, rank=0, workers=1, position=0, end=6) as feed:
        assert len(list(feed)) == 2


def test_no_batch_lost_or_twice_when_each_actor_is_killed(shards: Path) -> None:
    end, actors, cpu = 1200, 2, min(os.sched_getaffinity(0))
    with Feed(shards, PLAN, batch=2, rank=1, workers=2, position=0, end=end, actors=actors, read_ahead_mb=4, cpus=[cpu]) as feed:
        pids = feed.pids()
        # Just after the first step of a block: the next one was asked for a moment ago and is being read.
        kills = dict(zip([3 * feed.block_steps, 7 * feed.block_steps], pids, strict=True))
        for step, got in enumerate(feed):
            if step in kills:
                os.kill(kills.pop(step), signal.SIGKILL)
            assert np.array_equal(got, expected(4 * step, 2, 1, 2)), step
        assert step == end // 4 - 1 and not kills
        restarted = feed.pids()
        assert set(pids).isdisjoint(restarted)
        assert [os.sched_getaffinity(pid) for pid in restarted] == [{cpu}] * 2


def test_batches_lie_in_the_object_store(endless: Feed) -> None:
    begin = endless.position
    kept = [next(endless) for _ in range((endless.ahead + 2) * endless.block_steps)]
    assert endless.block_steps * kept[0].nbytes >= MIB
    assert {mapping(batch) for batch in kept} == {mapping(kept[0])} and "plasma" in mapping(kept[0])
    assert not any(batch.flags.writeable for batch in kept)
    # Kept batches stay as they were while their feed goes on.
    assert all(np.array_equal(batch, expected(begin + i, 1, 0, 1)) for i, batch in enumerate(kept))


def mapping(array: ImageArray) -> str:
    """The file behind the memory of an array, from /proc/self/maps."""
    address = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(edge, 16) for edge in line.split()[0].split("-"))
        if begin <= address < end:
            return " ".join(line.split()[5:])
    raise LookupError(f"no mapping at {address:#x}")


def test_read_ahead_is_bounded(endless: Feed) -> None:
    block = endless.block_steps * next(endless).nbytes
    assert endless.ahead * block <= 5 * MIB < (endless.ahead + 1) * block
    endless.pids()  # Returns after all that was asked for has been read.
    assert len(endless._blocks) == endless.ahead


def test_waiting_is_counted_by_the_given_clock(endless: Feed) -> None:
    begin = endless.waited
    for _ in range(3 * endless.block_steps):
        next(endless)
    assert endless.waited == begin + 3.0  # one tick a block, none for the steps inside


def test_few_threads(endless: Feed) -> None:
    next(endless)
    (process,) = map(psutil.Process, endless.pids())
    names = [Path(f"/proc/{process.pid}/task/{task.id}/comm").read_text() for task in process.threads()]
    # Ray's own sleep, up to 26 here; pools of Arrow or OpenBLAS would work, on the worker's cores.
    assert len(names) < 32
    assert not any("arrow" in name.lower() for name in names)


def test_close_kills_the_actors(shards: Path) -> None:
    feed = Feed(shards, PLAN, batch=2, rank=0, workers=1, position=0, end=None, actors=2)
    pids = feed.pids()
    assert len(set(pids)) == 2 and not any(map(gone, pids))
    feed.close()
    assert eventually(lambda: all(map(gone, pids)))
    feed.close()


def test_actors_end_with_their_owner(shards: Path) -> None:
    class Owner:  # A worker of the training group, as far as the feed can tell.
        def start(self) -> tuple[int, list[int]]:
            self.feed = Feed(shards, PLAN, batch=2, rank=0, workers=1, position=0, end=None)
            next(self.feed)
            return os.getpid(), self.feed.pids()

    owner: Any = ray.remote(Owner).options(num_cpus=0).remote()
    pid, actors = ray.get(owner.start.remote())
    assert not any(map(gone, actors))
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: all(map(gone, actors)))


def test_shard_gone(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "s")
    (folder / "trainB-1.arrow").unlink()
    with Feed(folder, PLAN, batch=20, rank=0, workers=1, position=0, end=None) as feed:
        for _ in range(2):  # asked again, it does not skip the block
            with pytest.raises(UserError) as error:
                next(feed)
            assert str(error.value) == f"{folder}/trainB-1.arrow cannot be read (no such file): delete {folder} and build it again"
            assert feed.position == 0


def test_shard_torn_while_it_is_mapped(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "s")
    with Feed(folder, PLAN, batch=20, rank=0, workers=1, position=0, end=None, read_ahead_mb=2) as feed:
        feed.pids()
        for name in ("trainA-0.arrow", "trainB-0.arrow"):
            os.truncate(folder / name, 5000)
        with pytest.raises(UserError, match=r"^\S+/train[AB]-0\.arrow cannot be read \(.+\): delete \S+ and build it again$"):
            deque(itertools.islice(feed, 3 * (feed.ahead + 1) * feed.block_steps), maxlen=0)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.json cannot be read"):
        Feed(tmp_path, PLAN, batch=1, rank=0, workers=1, position=0, end=None)


def test_other_shards_than_planned(shards: Path) -> None:
    with pytest.raises(UserError) as error:
        Feed(shards, Plan((12, 20), 5, 64, True), batch=1, rank=0, workers=1, position=0, end=None)
    assert str(error.value) == (
        f"{shards} holds 13 and 20 images, but the run was planned for 12 and 20: "
        "name the shards with which it was started, or start a new run"
    )
