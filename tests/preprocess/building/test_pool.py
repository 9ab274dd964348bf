"""A file that kills the actors which decode it is rejected, and the build continues; an actor's memory is bounded."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from PIL import Image

from preprocess.building import pool
from preprocess.building.shard_folder import build
from preprocess.config import DataConfig
from preprocess.shards.manifest import Rejected
from preprocess.sources.layouts import Source
from ringcycle.errors import UserError

SIZE, COUNT = 32, 12
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("local_ray")]


class Fragile(pool.Builder):
    """Dies of SIGKILL when it reads a file named killer.png, as a decoder's crash or the kernel's out-of-memory killer would do it."""

    def __init__(self, task: pool.Task, collector: Any) -> None:
        super().__init__(task, collector)
        real = pool.opener

        def deadly(source: Source) -> Any:
            read = real(source)

            def reading(name: str) -> bytes:
                if name.endswith("killer.png"):
                    os.kill(os.getpid(), signal.SIGKILL)
                return read(name)

            return reading

        pool.opener = deadly


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(pool, "Builder", Fragile)
    for split in ("trainA", "trainB"):
        (tmp_path / "source" / split).mkdir(parents=True)
        for i in range(COUNT):
            pixels = np.random.default_rng([i, split == "trainA"]).integers(0, 255, (40, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "source" / split / f"{i:02d}.png")
    (tmp_path / "source" / "trainA" / "05killer.png").write_bytes((tmp_path / "source" / "trainA" / "05.png").read_bytes())
    return tmp_path / "source"


def config(source: Path, **changes: Any) -> DataConfig:
    return DataConfig(source=str(source), load_size=SIZE, crop_size=SIZE, build_actors=2, threads=1, **changes)


def test_a_file_that_kills_two_actors_is_rejected(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("preprocess").propagate = True
    with caplog.at_level(logging.WARNING, "preprocess"):
        manifest = build(Source(str(source)), tmp_path / "out", config(source, max_rejected=0.1))
    assert manifest.rejected == [Rejected(path="trainA/05killer.png", reason="killed a build actor twice")]
    assert [manifest.splits[split].count for split in ("trainA", "trainB")] == [COUNT, COUNT]
    assert "trainA/05killer.png killed a build actor twice: rejected; the build continues" in caplog.text
    manifest.verify(tmp_path / "out")


def test_more_such_files_than_max_rejected_end_the_build(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^trainA/05killer.png: killed a build actor twice, and data.max_rejected allows 0 such files: "):
        build(Source(str(source)), tmp_path / "out", config(source, max_rejected=0.01))


def test_the_memory_of_an_actor_is_bounded() -> None:
    @ray.remote(num_cpus=0, max_calls=1)
    def take(limit: int, wanted: int) -> str:
        pool._limit_memory(limit)
        try:
            return str(np.ones(wanted, np.uint8)[-1])
        except MemoryError:
            return "MemoryError"

    assert ray.get(take.remote(2**28, 2**26)) == "1"
    assert ray.get(take.remote(2**28, 2**29)) == "MemoryError"
