"""Checkpoints on storage that fails for real: full, read-only, forbidden, moved away; and ranks that are late."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cluster.checkpointing import checkpointer
from cluster.checkpointing.checkpointer import CheckpointedRun, Checkpointer, GroupMember
from cluster.config import Config
from cluster.load_config import load_config
from cyclegan.checkpoint_files.folders import checkpoints, verify
from cyclegan.checkpoint_files.names import step_of
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.config import ImageFormat, ModelSpec, TrainConfig
from cyclegan.training.state import TrainingState, make_state
from ringcycle.logs import send_lines
from ringcycle.storage import store as stores
from ringcycle.storage.location import Location
from ringcycle.storage.store import Store
from tests.preprocess.object_store import ObjectStore, object_store
from tests.small_file_system import small_disk, small_file_system

SECONDS = 20.0
ROWS = np.arange(1)
NOBODY = 65534
NETWORKS = ["--model.filters", "4", "--model.blocks", "1", "--model.discriminator_filters", "8", "--train.pool_size", "2"]


@pytest.fixture(scope="module")
def state() -> TrainingState:
    return make_state(ModelSpec(filters=4, blocks=1, discriminator_filters=8), TrainConfig(pool_size=2), (32, 32))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(checkpointer, "LONGEST_PAUSE", 0.1)


@pytest.fixture
def size(state: TrainingState) -> int:
    """Bytes of a checkpoint, about."""
    return sum(array.nbytes for array in state.views(shared=True).values()) + 20_000


class Run:
    """A run's checkpoints, saved by one rank or more in this process, and the lines reported."""

    def __init__(self, root: Location, *arguments: str, ranks: int = 1, patience: float = SECONDS) -> None:
        self.root, self.lines = root, list[str]()
        send_lines(self.lines.append)
        config: Config = load_config([*NETWORKS, "--cluster.workers", str(ranks), *arguments], {})
        run = CheckpointedRun(root, config, ImageFormat(), "f")
        self.ranks = [Checkpointer(run, GroupMember(rank, ranks, "t"), patience) for rank in range(ranks)]

    def save(self, state: TrainingState, step: int) -> None:
        for rank in self.ranks:
            rank.save(state, ROWS, step, step, 1 / step)

    def close(self, seconds: float = SECONDS) -> list[str]:
        return [rank.close(seconds) for rank in self.ranks]

    def steps(self) -> list[int | None]:
        """Steps of the valid checkpoints."""
        return [step_of(folder) for folder in checkpoints(self.root) if verify(folder)]

    def wait_for(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS
        while not what():
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.01)

    def wait_for_line(self, text: str) -> None:
        self.wait_for(lambda: any(text in line for line in self.lines))


@pytest.fixture
def storage(tmp_path: Path, size: int) -> Iterator[Path]:
    """A file system of its own, which holds three checkpoints and a bit."""
    with small_file_system(tmp_path / "storage", int(3.5 * size)) as folder:
        yield folder


def test_the_copy_is_of_the_moment_of_saving(state: TrainingState, tmp_path: Path) -> None:
    run = Run(tmp_path)
    state.generators.weights.assign(np.full(state.generators.weights.shape, 1.0))
    run.save(state, 1)
    state.generators.weights.assign(np.full(state.generators.weights.shape, 2.0))
    assert run.close() == [""]
    (folder,) = checkpoints(tmp_path)
    assert (read_arrays(folder, verify(folder).parts[0])["generators.weights"] == 1).all()
    assert not run.ranks[0].busy


def test_a_checkpoint_appears_when_all_ranks_have_written(state: TrainingState, tmp_path: Path) -> None:
    run = Run(tmp_path, ranks=2, patience=0.1)
    run.ranks[0].save(state, ROWS, 1, 1, None)
    time.sleep(0.2)
    run.ranks[0].check()
    assert run.lines == ["checkpoint of step 1 is not complete after 0 s; training continues"]
    run.ranks[0].check()
    assert len(run.lines) == 1, "reported once"
    assert run.ranks[0].busy and run.steps() == []
    run.ranks[1].save(state, ROWS, 1, 1, None)
    assert run.close() == ["", ""]
    assert run.steps() == [1]


def test_a_save_that_waits_for_a_rank_gives_way_to_the_next(state: TrainingState, tmp_path: Path) -> None:
    run = Run(tmp_path, ranks=2)
    run.ranks[0].save(state, ROWS, 1, 1, None)
    run.wait_for(lambda: list(tmp_path.glob("step-00000001/part-00000-t.json")))
    run.save(state, 2)
    assert run.close() == ["", ""]
    assert run.steps() == [2]
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_a_full_disk_costs_old_checkpoints(state: TrainingState, storage: Path) -> None:
    run = Run(storage, "--run.keep", "9")
    for step in range(1, 7):
        run.save(state, step)
        assert run.close() == [""]
        assert run.steps()[-1] == step
    assert run.lines[0] == "the storage is full: step-00000001 was deleted to make room for the checkpoint of step 4"
    assert len(run.lines) == 3
    assert run.steps() == [4, 5, 6]


def test_ranks_that_find_the_disk_full_cost_one_checkpoint_in_all(state: TrainingState, size: int, tmp_path: Path) -> None:
    pools = sum(array.nbytes for array in state.views(shared=False).values())
    with small_file_system(tmp_path / "three", 4 * size + 8 * pools + 600_000) as storage:
        run = Run(storage, "--run.keep", "9", ranks=3)
        taken = 0
        for step in (1, 2, 3):
            before = shutil.disk_usage(storage).used
            run.save(state, step)
            assert run.close() == [""] * 3
            taken = shutil.disk_usage(storage).used - before
        free = shutil.disk_usage(storage).free
        shared = taken - 3 * pools
        (storage / "other").write_bytes(bytes(free - shared - pools // 2))  # rank 0's part might fit, the others' do not
        run.save(state, 4)
        assert run.close() == [""] * 3, run.lines
        assert run.steps() == [2, 3, 4]
        assert [line for line in run.lines if "was deleted" in line] == [
            "the storage is full: step-00000001 was deleted to make room for the checkpoint of step 4"
        ]
        assert not list(storage.rglob("*.full"))


def test_another_rank_deletes_nothing(state: TrainingState, storage: Path, size: int) -> None:
    run = Run(storage, ranks=2)
    for step in (1, 2):
        run.save(state, step)
        assert run.close() == ["", ""]
    (storage / "other").write_bytes(bytes(shutil.disk_usage(storage).free - 4096))
    run.ranks[1].save(state, ROWS, 3, 3, None)
    run.wait_for_line("worker 1 cannot write the checkpoint of step 3 (No space left on device")
    time.sleep(0.3)
    assert run.steps() == [1, 2]
    assert len(run.lines) == 1
    (storage / "other").unlink()
    assert run.ranks[1].close(SECONDS) == ""


def test_metrics_that_hang_do_not_hold_back_checkpoints(state: TrainingState, tmp_path: Path) -> None:
    lines, go_on, flushed = list[str](), threading.Event(), list[int]()
    send_lines(lines.append)

    def flush() -> None:
        go_on.wait()
        flushed.append(1)

    run = CheckpointedRun(tmp_path, load_config(NETWORKS, {}), ImageFormat(), "f")
    keeper = Checkpointer(run, GroupMember(0, 1, "t"), 0.3, flush)
    for step in (1, 2):
        keeper.save(state, ROWS, step, step, None)
        assert keeper.close(SECONDS) == ""
        assert [step_of(folder) for folder in checkpoints(tmp_path)][-1] == step
    assert lines == ["metrics and samples are not stored after 0 s; checkpoints no longer wait for them"]
    go_on.set()
    keeper.save(state, ROWS, 3, 3, None)
    assert keeper.close(SECONDS) == ""
    assert len(flushed) in (1, 2) and len(lines) == 1


def test_a_disk_filled_by_others_costs_a_warning_but_not_the_last_checkpoint(state: TrainingState, storage: Path, size: int) -> None:
    run = Run(storage)
    run.save(state, 1)
    assert run.close() == [""]
    (storage / "other").write_bytes(bytes(int(2.4 * size)))
    run.save(state, 2)
    run.wait_for_line("worker 0 cannot write the checkpoint of step 2 (No space left on device")
    run.ranks[0].check()
    assert run.close(0.2) == [run.lines[0].partition(";")[0]]
    assert len(run.lines) == 1
    assert run.steps() == [1], "the newest valid one stays, whatever happens"
    (storage / "other").unlink()
    assert run.close() == [""]
    assert run.steps() == [1, 2]
    assert run.lines[1:] == ["checkpoint of step 2: worker 0 has written it after all"]


def test_a_read_only_file_system_is_reported_once_and_retried(state: TrainingState, storage: Path) -> None:
    run = Run(storage)
    run.save(state, 1)
    assert run.close() == [""]
    subprocess.run(["mount", "-o", "remount,ro", storage], check=True)
    run.save(state, 2)
    run.wait_for_line("cannot write the checkpoint of step 2 (Read-only file system")
    run.save(state, 3)
    run.wait_for_line("cannot write the checkpoint of step 3")
    time.sleep(0.3)
    assert len(run.lines) == 2
    assert run.steps() == [1]
    subprocess.run(["mount", "-o", "remount,rw", storage], check=True)
    assert run.close() == [""]
    assert run.steps() == [1, 3]


def test_storage_that_hangs_does_not_stop_the_training(state: TrainingState, tmp_path: Path, size: int) -> None:
    with small_disk(tmp_path / "disk", 10 * size + 5_000_000) as storage:
        run = Run(storage, patience=0.3)
        run.save(state, 1)
        assert run.close() == [""]
        subprocess.run(["fsfreeze", "--freeze", storage], check=True)
        try:
            begin = time.monotonic()
            run.save(state, 2)
            assert time.monotonic() - begin < 0.3
            time.sleep(0.4)
            run.ranks[0].check()
            assert run.lines == ["checkpoint of step 2 is not complete after 0 s; training continues"]
            assert run.close(0.1) == ["it takes too long"]
            assert run.ranks[0].busy
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", storage], check=True)
        assert run.close() == [""]
        assert run.steps() == [1, 2]


@contextmanager
def without_rights() -> Iterator[None]:
    """As another user, if this one is root, whom permissions do not bind."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_without_permission_is_reported_and_retried(state: TrainingState, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save(state, 1)  # imports all that it needs, while this process may read it
    assert run.close() == [""]
    with tempfile.TemporaryDirectory() as folder:  # not below pytest's, which no other user may enter
        os.chmod(folder, 0o555)
        with without_rights():
            run = Run(Path(folder))
            run.save(state, 1)
            run.wait_for_line("Permission denied")
        os.chmod(folder, 0o777)
        assert run.close() == [""]
        assert run.steps() == [1]


def test_a_folder_moved_away_is_not_made_anew(state: TrainingState, tmp_path: Path) -> None:
    root, away = tmp_path / "checkpoints", tmp_path / "away"
    root.mkdir()
    run = Run(root, ranks=2)
    run.save(state, 1)
    assert run.close() == ["", ""]
    root.rename(away)
    run.save(state, 2)
    run.wait_for(lambda: len(run.lines) == 2)
    assert all("No such file or directory" in line for line in run.lines)
    assert not root.exists()
    away.rename(root)
    assert run.close() == ["", ""]
    assert run.steps() == [1, 2]


def test_what_is_no_failure_of_the_storage_is_raised(state: TrainingState, tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.ranks[0].save(state, np.array([object()]), 1, 1, None)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        run.close()
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        run.ranks[0].check()
    assert run.lines == [] and run.steps() == []


@pytest.fixture
def server() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


def test_a_bucket_that_fails_every_fifth_request_keeps_checkpoints_as_a_disk_does(state: TrainingState, server: ObjectStore) -> None:
    root = server.uri("run/checkpoints")
    run = Run(root, "--run.keep", "2", ranks=2)
    server.flaky.fails = lambda number: number % 5 == 0
    state.generators.weights.assign(np.full(state.generators.weights.shape, 3.0))
    for step in range(1, 5):
        run.save(state, step)
        assert run.close() == ["", ""]
    assert run.lines == [] and server.flaky.failed > 5
    assert run.steps() == [3, 4]
    newest = checkpoints(root)[-1]
    assert sorted(Store(newest).names()) == ["checkpoint.json", "part-00000-t.npz", "part-00001-t.npz"]
    assert (read_arrays(newest, verify(newest).parts[0])["generators.weights"] == 3).all()


def test_a_bucket_that_is_gone_is_reported_and_retried(state: TrainingState, server: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "with_retries", lambda act, *_: act())
    run = Run(server.uri("run/checkpoints"))
    server.flaky.fails = lambda number: True
    run.save(state, 1)
    run.wait_for_line("worker 0 cannot write the checkpoint of step 1 (")
    assert "s3://***@bucket/run/checkpoints" in run.lines[0]
    server.flaky.fails = lambda number: False
    assert run.close() == [""]
    assert run.lines[1:] == ["checkpoint of step 1: worker 0 has written it after all"]
    assert run.steps() == [1]


def test_metrics_are_in_the_bucket_before_the_checkpoint_is(state: TrainingState, server: ObjectStore) -> None:
    root = server.uri("run/checkpoints")
    there: list[int] = []
    run = CheckpointedRun(root, load_config(NETWORKS, {}), ImageFormat(), "f")
    keeper = Checkpointer(run, GroupMember(0, 1, "t"), SECONDS, lambda: there.append(len(checkpoints(root))))
    for step in (1, 2):
        keeper.save(state, ROWS, step, step, None)
        assert keeper.close(SECONDS) == ""
    assert there == [0, 1]
