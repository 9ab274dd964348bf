"""`python -m cluster.translate` on a real Ray: what `cyclegan.translate` makes, through kills and reruns."""

import os
import re
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import ray
from PIL import Image

from cluster import translate
from cyclegan.config import ModelSpec
from cyclegan.inference.translation_plan import Speed, plan_jobs
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from cyclegan.translate import main as translate_here
from preprocess.images.decode import decode
from tests.cluster.launch import Launch
from tests.cyclegan.made_checkpoint import write_checkpoint

MODEL = ModelSpec(filters=16, blocks=2)
IMAGES = 60


def save(path: Path, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)).save(path)


def results(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.png")}


def assert_same_images(one: Path, other: Path) -> None:
    """But for rounding: other numbers of threads, and programs, add in another order."""
    ours, theirs = results(one), results(other)
    assert ours.keys() == theirs.keys()
    assert max(np.abs(decode(path).astype(int) - decode(theirs[name])).max() for name, path in ours.items()) <= 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint, and a folder of images of many sizes; in a cluster and a cache of the test's own."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    flat = FlatParameters(generator_shapes(MODEL)).initial(3) * 4
    write_checkpoint(tmp_path / "run", model=MODEL, flat=flat)
    for i in range(IMAGES):
        save(tmp_path / "in" / ("deep" if i % 3 else "") / f"{i:02}.png", 150 + i, 170)
    return tmp_path


@pytest.mark.process
def test_a_killed_actor_costs_no_result_and_a_rerun_only_what_is_new(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    arguments = ["--checkpoint", f"{folder / 'run'}", "--direction", "AtoB", f"{folder / 'in'}", f"{out}"]
    with Launch([*arguments, "--actors", "2"], command="cluster.translate") as launch:
        actors = launch.wait_for(r"actor (\d): process (\d+) on \S+, cores", 2)
        assert {actor[1] for actor in actors} == {"0", "1"}
        while len(results(out)) < IMAGES // 5:
            time.sleep(0.01)
        os.kill(int(actors[0][2]), signal.SIGKILL)
        assert len(results(out)) < IMAGES, "killed too late"
        launch.wait_for("an actor died .*; what it held is repeated")
        output = launch.end(0)
    assert f"{out}: {IMAGES} translated, 0 skipped (AtoB, step 10 of " in output
    assert translate_here([*arguments[:-1], f"{folder / 'here'}"]) == 0
    assert_same_images(out, folder / "here")

    times = {path: path.stat().st_mtime_ns for path in results(out).values()}
    assert translate.main(arguments) == 0
    assert not ray.is_initialized(), "nothing was left to do"

    # New images of one size go through a program, with a broken one among them.
    for i in range(10):
        save(folder / "in" / "new" / f"{i}.png", 64, 64)
    broken = folder / "in" / "new" / "2.png"
    broken.write_bytes(broken.read_bytes()[:5000])
    monkeypatch.setattr(translate, "plan_jobs", partial(plan_jobs, speed=Speed(compile_seconds=0, compile_seconds_per_block=0)))
    assert translate.main([*arguments, "--actors", "1"]) == 1
    printed = capsys.readouterr()
    assert f"{IMAGES} of {IMAGES + 10} images are translated already\ncompiled by XLA: 10 of 64x64, 16 at a time\n" in printed.err
    assert f"skipped: {broken}: truncated file\n" in printed.err
    assert f"{out}: {IMAGES + 9} translated, 1 skipped" in printed.out
    assert len(list((folder / "cache").glob("ringcycle/tensorflow-*/*.pb"))) == 1
    assert translate_here([*arguments[:-1], f"{folder / 'here'}"]) == 1
    assert_same_images(out, folder / "here")
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.mark.process
def test_a_stopped_translation_continues(folder: Path) -> None:
    arguments = ["--checkpoint", f"{folder / 'run'}", "--direction", "BtoA", f"{folder / 'in'}", f"{folder / 'out'}", "--actors", "1"]
    with Launch(arguments, command="cluster.translate") as launch:
        launch.wait_for("actor 0: process")
        while len(results(folder / "out")) < IMAGES // 5:
            time.sleep(0.01)
        launch.process.send_signal(signal.SIGTERM)
        assert re.search(rf"error: stopped: \d+ of {IMAGES} images are left: run the same command to continue", launch.end(75))
    with Launch(arguments, command="cluster.translate") as launch:
        output = launch.end(0)
    assert re.search(rf"[1-9]\d* of {IMAGES} images are translated already", output)
    assert len(results(folder / "out")) == IMAGES


def test_mistakes_cost_one_line_each_and_no_ray(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "run")
    save(tmp_path / "in" / "a.png", 8, 8)
    good = ["--checkpoint", f"{tmp_path / 'run'}", "--direction", "AtoB"]
    assert translate.main([*good, f"{tmp_path / 'in/a.png'}", f"{tmp_path / 'out'}"]) == 2
    assert translate.main([*good, f"{tmp_path / 'nowhere'}", f"{tmp_path / 'out'}"]) == 2
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert translate.main([*good, "in", "out"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: INPUT = {tmp_path / 'in/a.png'} is one image: give a folder, or use python -m cyclegan.translate",
        f"error: INPUT = {tmp_path / 'nowhere'} does not exist: give an image or a folder of images",
        "error: OUTPUT = out lies in the job's working directory, an unpacked copy that vanishes with the job: "
        "give an absolute path that all nodes see",
    ]
    with pytest.raises(SystemExit, match="2"):
        translate.main([*good, "in", "out", "--actors", "0"])
    assert not ray.is_initialized() and not (tmp_path / "out").exists()
