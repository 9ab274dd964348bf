"""Builds in processes of their own that are killed, or run side by side without working locks, give the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

from preprocess.building.shard_folder import build
from preprocess.config import DataConfig
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import Source

SIZE, COUNT = 32, 40
SETTINGS = {"load_size": SIZE, "crop_size": SIZE, "shard_mb": 2 * SIZE * SIZE * 3 / 2**20, "build_actors": 1, "max_rejected": 0.5}
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("local_ray")]

WITHOUT_LOCKS = """
import contextlib, json, pathlib, sys
import preprocess.building.shard_folder
from preprocess.config import DataConfig
from ringcycle.ray_start import start_ray

preprocess.building.shard_folder.locked = lambda path: contextlib.nullcontext()
assert start_ray()
print(preprocess.building.shard_folder.ensure_shards(DataConfig(**json.loads(sys.argv[1])), pathlib.Path(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that take long enough to interrupt a build; some are duplicates, some broken."""
    root = tmp_path_factory.mktemp("images") / "source"
    for domain, split in enumerate(("trainA", "trainB")):
        (root / split).mkdir(parents=True)
        for i in range(COUNT):
            colour = np.full((1, 1, 3), (5 * i, 100 * domain, 90), np.uint8)
            noise = np.random.default_rng([domain, i]).integers(0, 50, (1200, 1200, 3), np.uint8)
            Image.fromarray(colour + noise).save(root / split / f"{i:02d}.jpg")
        (root / split / "again.jpg").write_bytes((root / split / "07.jpg").read_bytes())
        (root / split / "broken.jpg").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def undisturbed(source: Path, local_ray: None) -> dict[str, bytes]:
    out = source.parent / "undisturbed"
    build(Source(str(source)), out, DataConfig(source=str(source), **SETTINGS))
    return contents(out)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that must be equal in two builds of one source."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("build.json", ".lock")}


def environment() -> dict[str, str]:
    """Environment of a process that joins this test's Ray."""
    return {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_killed_twice_in_the_middle(source: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    command = [sys.executable, "-m", "preprocess.build", str(source), str(tmp_path), *options]
    for shards in (5, 15):
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
        while len(list(tmp_path.glob("*.arrow.json"))) < shards:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "manifest.json").exists()
    subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
    assert contents(tmp_path) == undisturbed
    assert 0 < json.loads((tmp_path / "build.json").read_text())["images"] <= 2 * (COUNT + 2) - 2 * 15  # two images a shard


def test_two_at_once_without_locks_end_with_the_same_shards(source: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    settings = json.dumps({"source": str(source), **SETTINGS})
    command = [sys.executable, "-c", WITHOUT_LOCKS, settings, str(tmp_path)]
    both = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=200)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (folder,) = map(Path, set(answers))
    assert contents(folder) == undisturbed
    Manifest.load(folder).verify(folder)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]
