"""A build gives the same shards whatever happens on the way, or a one-line error that names what to change."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import ray
from PIL import Image

from preprocess.building.progress import BuildProgress
from preprocess.building.shard_folder import build, check_source, ensure_shards
from preprocess.config import DataConfig
from preprocess.images.decode import decode
from preprocess.images.resize import square
from preprocess.shards.manifest import NAME, Manifest
from preprocess.shards.shard_set import ShardSet
from preprocess.sources.layouts import Source
from ringcycle.errors import UserError

SIZE = 32
COUNTS = {"trainA": 11, "trainB": 7, "testA": 2}
ALL = sum(COUNTS.values())
# Three images per shard: 4 + 3 + 1 shards.
CONFIG = DataConfig(load_size=SIZE, crop_size=SIZE, shard_mb=3 * SIZE * SIZE * 3 / 2**20, max_rejected=0)
pytestmark = [pytest.mark.process, pytest.mark.usefixtures("local_ray")]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small JPEGs and PNGs of many sizes. Read only."""
    root = tmp_path_factory.mktemp("kept") / "source"
    random = np.random.default_rng(1)
    for split, count in COUNTS.items():
        (root / split).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (20 + 9 * i, 90 - 5 * i, 3), np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i:03d}.{'png' if i % 3 else 'jpg'}")
    return root


@pytest.fixture
def source(kept: Path, tmp_path: Path) -> Path:
    """A copy that a test may change, with the same fingerprint."""
    return shutil.copytree(kept, tmp_path / "source")


@pytest.fixture(scope="module")
def reference(kept: Path, local_ray: None) -> Path:
    """The shards that one undisturbed actor builds. Read only."""
    build(Source(str(kept)), kept.parent / "reference", config(kept, build_actors=1))
    return kept.parent / "reference"


def config(source: Path, **changes: object) -> DataConfig:
    return CONFIG.model_copy(update={"source": str(source), **changes})


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that must be equal in two builds of one source."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("build.json", ".lock")}


def wrong(act: Callable[[], object]) -> str:
    """The one-line message of a UserError."""
    with pytest.raises(UserError) as error:
        act()
    assert "\n" not in str(error.value)
    return str(error.value)


def builders() -> list[psutil.Process]:
    """Build actors of this process's Ray."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.name().startswith("ray::Builder"):
                found.append(child)
    return found


def test_shards_hold_the_decoded_and_resized_images(kept: Path, reference: Path) -> None:
    manifest = Manifest.load(reference)
    manifest.verify(reference)
    assert {name: split.count for name, split in manifest.splits.items()} == COUNTS
    assert [len(split.shards) for split in manifest.splits.values()] == [4, 3, 1]
    assert not manifest.rejected and manifest.load_size == SIZE and manifest.dtype == "uint8"
    for split in manifest.splits:
        shards = ShardSet(reference, manifest.splits[split])
        assert [shards.key(i) for i in range(len(shards))] == sorted(f"{split}/{path.name}" for path in (kept / split).iterdir())
        for i in range(len(shards)):
            np.testing.assert_array_equal(shards.image(i), square(decode(kept / shards.key(i), at_least=2 * SIZE), SIZE))
    names = {shard.name for split in manifest.splits.values() for shard in split.shards}
    assert {path.name for path in reference.iterdir()} == names | {NAME, "build.json", ".lock"}


@pytest.mark.parametrize("changes", [{"build_actors": 2}, {"threads": 2}])
def test_any_number_of_actors_and_threads_gives_equal_bytes(changes: dict[str, int], kept: Path, reference: Path, tmp_path: Path) -> None:
    seen: list[BuildProgress] = []
    build(Source(str(kept)), tmp_path, config(kept, **changes), seen.append)
    assert contents(tmp_path) == contents(reference)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert seen[-1].done == seen[-1].new == seen[-1].total == ALL
    assert "20/20 images" in seen[-1].describe() and "0 s left" in seen[-1].describe()
    log = json.loads((tmp_path / "build.json").read_text())
    assert log["nodes"] == [ray.get_runtime_context().get_node_id()] and log["images"] == ALL and not log["shared_cpus"]


def test_interrupted_build_resumes(kept: Path, reference: Path, tmp_path: Path) -> None:
    def interrupt(progress: BuildProgress) -> None:
        if progress.done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(Source(str(kept)), tmp_path, config(kept, build_actors=1), interrupt)
    assert not (tmp_path / NAME).exists()
    assert len(list(tmp_path.glob("*.arrow"))) >= 2
    # Left by an earlier build with other units, and by one that was killed while writing.
    (tmp_path / "trainA-00077.arrow").write_bytes(b"old")
    (tmp_path / ".trainA-00003.arrow.host.1234").write_bytes(b"partial")
    seen: list[BuildProgress] = []
    build(Source(str(kept)), tmp_path, CONFIG, seen.append)
    assert 0 < seen[-1].new < seen[-1].done == ALL
    assert contents(tmp_path) == contents(reference)


def test_killed_actors_are_replaced(kept: Path, reference: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(progress: BuildProgress) -> None:
        for victim in [] if killed else builders():
            victim.kill()
            killed.append(victim.pid)

    build(Source(str(kept)), tmp_path, config(kept, build_actors=2), kill)
    assert killed
    assert contents(tmp_path) == contents(reference)


def test_actors_that_keep_dying_end_the_build(kept: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def kill_all() -> None:
        while not stop.wait(0.02):
            for victim in builders():
                with suppress(psutil.NoSuchProcess):
                    victim.kill()

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        large = config(kept, build_actors=1, load_size=2000, crop_size=24)
        assert "build actors died" in wrong(lambda: build(Source(str(kept)), tmp_path, large))
    finally:
        stop.set()
        killer.join()
    assert not (tmp_path / NAME).exists()


def test_a_full_cluster_does_not_stop_a_build(kept: Path, reference: Path, tmp_path: Path) -> None:
    class Holder:
        def ready(self) -> bool:
            return True

    holder = ray.remote(Holder).options(num_cpus=2).remote()
    ray.get(holder.ready.remote())
    try:
        build(Source(str(kept)), tmp_path, CONFIG)
    finally:
        ray.kill(holder)
    assert json.loads((tmp_path / "build.json").read_text())["shared_cpus"]
    assert contents(tmp_path) == contents(reference)


def test_broken_images(source: Path, tmp_path: Path) -> None:
    (source / "trainA" / "004.png").write_bytes(b"")
    (source / "testA" / "000.jpg").write_text("not an image")
    out = tmp_path / "out"
    text = wrong(lambda: build(Source(str(source)), out, config(source, max_rejected=0.05)))
    assert text.startswith(
        "data.max_rejected = 0.05, but 2 or more of 20 images are broken (trainA/004.png: empty file, testA/000.jpg: unknown image format)"
    )
    seen: list[BuildProgress] = []
    manifest = build(Source(str(source)), out, config(source, max_rejected=0.1), seen.append)
    assert [one.path for one in manifest.rejected] == ["trainA/004.png", "testA/000.jpg"]
    assert manifest.splits["trainA"].count == 10 and manifest.splits["testA"].count == 1
    assert seen[-1].rejected == 2 and seen[-1].new < ALL  # the first build's shards are reused
    assert "data.max_rejected = 0.05" in wrong(lambda: build(Source(str(source)), out, config(source, max_rejected=0.05)))


def test_an_error_in_an_actor_reaches_the_user(source: Path, tmp_path: Path) -> None:
    def hide(progress: BuildProgress) -> None:
        if (source / "trainB").exists():
            (source / "trainB").rename(source / "gone")

    text = wrong(lambda: build(Source(str(source)), tmp_path / "out", config(source, build_actors=1, max_rejected=1), hide))
    assert "was listed but cannot be read on" in text and "every node must see the source" in text


def test_too_many_threads(kept: Path, tmp_path: Path) -> None:
    text = wrong(lambda: build(Source(str(kept)), tmp_path, config(kept, threads=3)))
    assert text == "data.threads = 3, but the largest node has 2 CPUs: use 2 or fewer"


def test_out_that_cannot_be_used(kept: Path, reference: Path, tmp_path: Path) -> None:
    for name in ("notes.json", "model.arrow", "trainA-00000.arrow.backup"):
        (tmp_path / name).write_text("precious")
        assert f"{tmp_path} holds other files ({name})" in wrong(lambda: build(Source(str(kept)), tmp_path, CONFIG))
        assert (tmp_path / name).read_text() == "precious"
        (tmp_path / name).unlink()
    out = shutil.copytree(reference, tmp_path / "out")
    assert build(Source(str(kept)), out, CONFIG) == Manifest.load(reference)
    text = wrong(lambda: build(Source(str(kept)), out, config(kept, load_size=40)))
    assert f"{out} holds shards of {kept}, images {SIZE}x{SIZE}, 3 and 3 channels (A and B) of uint8" in text
    (out / "trainA-00000.arrow").unlink()
    assert "trainA-00000.arrow cannot be read" in wrong(lambda: build(Source(str(kept)), out, CONFIG))
    assert "is a file" in wrong(lambda: build(Source(str(kept)), kept / "trainA" / "000.jpg", CONFIG))


def test_two_concurrent_requests_build_once_and_a_later_one_finds_the_shards(kept: Path, reference: Path, tmp_path: Path) -> None:
    root = tmp_path / "shards"
    progress: list[list[BuildProgress]] = [[], []]
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ensure_shards, config(kept), root, progress[n].append) for n in range(2)]
        first, second = (call.result() for call in calls)
    assert first == second == root / Manifest.load(first).fingerprint
    assert sorted(bool(seen) for seen in progress) == [False, True]
    assert contents(first) == contents(reference)
    again: list[BuildProgress] = []
    assert ensure_shards(config(kept, shard_mb=64, threads=2, build_actors=5), root, again.append) == first and not again
    assert [path.name for path in root.iterdir() if path.is_dir()] == [first.name]


def test_a_folder_of_shards_is_a_source(reference: Path, tmp_path: Path) -> None:
    check_source(config(reference))
    assert ensure_shards(config(reference), tmp_path / "shards") == reference
    assert not (tmp_path / "shards").exists()


def test_stopped_between_manifest_and_rename(kept: Path, reference: Path, tmp_path: Path) -> None:
    name = Manifest.load(reference).fingerprint
    shutil.copytree(reference, tmp_path / f".{name}.unfinished")
    seen: list[BuildProgress] = []
    assert ensure_shards(config(kept), tmp_path, seen.append) == tmp_path / name and not seen


def test_damaged_shards_are_not_trained_on(kept: Path, reference: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(reference, tmp_path / Manifest.load(reference).fingerprint)
    shard = folder / "trainB-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-1])
    for act in (
        lambda: ensure_shards(config(kept), tmp_path),
        lambda: ensure_shards(config(folder), tmp_path),
        lambda: check_source(config(folder)),
    ):
        assert f"{shard} has" in wrong(act)
    (folder / NAME).unlink()
    assert "delete this one and rebuild it" in wrong(lambda: ensure_shards(config(kept), tmp_path))


def test_command_is_quiet_and_leaves_the_home_alone(source: Path, tmp_path: Path) -> None:
    (source / "trainA" / "bad[0].jpg").write_bytes(b"")
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "RAY_ADDRESS": "local"}
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "preprocess.build", str(source), "out", "--load-size", str(SIZE), "--max-rejected", "0.1"]
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert lines[:5] == [
        "trainA: 11 images in 1 shard",
        "trainB: 7 images in 1 shard",
        "testA: 2 images in 1 shard",
        f"images {SIZE}x{SIZE}, 3 and 3 channels (A and B) of uint8",
        "rejected trainA/bad[0].jpg: empty file",
    ]
    assert lines[5].startswith(f"20 images, 1 rejected, in {tmp_path}/out after ") and lines[5].endswith(" images/s") and len(lines) == 6
    assert list(home.iterdir()) == []
    Manifest.load(tmp_path / "out").verify(tmp_path / "out")


def test_a_copied_source_finds_its_shards(kept: Path, tmp_path: Path) -> None:
    """A copy by `cp -r`, or from an archive without times, has another fingerprint, but the same bytes."""
    first = ensure_shards(config(kept), tmp_path / "shards")
    copy = shutil.copytree(kept, tmp_path / "copy", copy_function=shutil.copyfile)
    (copy / "trainA" / "000.jpg").touch()
    for _ in range(2):
        assert ensure_shards(config(copy), tmp_path / "shards") == first
    assert build(Source(str(copy)), first, config(copy)) == Manifest.load(first)
    changed = copy / "trainA" / "001.png"
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")  # the same name and size
    assert ensure_shards(config(copy, max_rejected=0.5), tmp_path / "shards") != first
    assert "not of these images and settings" in wrong(lambda: build(Source(str(copy)), first, config(copy)))


def test_a_copy_with_rejected_files_and_duplicates(source: Path, tmp_path: Path) -> None:
    (source / "trainA" / "000.jpg").write_bytes(b"broken")
    (source / "trainA" / "003.jpg").write_bytes((source / "trainA" / "006.jpg").read_bytes())
    first = ensure_shards(config(source, max_rejected=0.5), tmp_path / "shards")
    copy = shutil.copytree(source, tmp_path / "copy", copy_function=shutil.copyfile)
    assert ensure_shards(config(copy, max_rejected=0.5), tmp_path / "shards") == first
    (copy / "trainA" / "000.jpg").write_bytes(b"BROKEN")
    assert ensure_shards(config(copy, max_rejected=0.5), tmp_path / "shards") != first
