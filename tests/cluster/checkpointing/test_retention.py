import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.checkpointing.retention import entries, kept, make_room, roll_back, set_aside, smoothed, sweep
from cluster.config import RunConfig
from cyclegan.checkpoint_files.folders import checkpoints, verify
from cyclegan.checkpoint_files.index import Index, publish
from cyclegan.checkpoint_files.measures import CYCLE_LOSS, MeasuredCheckpoint
from cyclegan.checkpoint_files.names import ASIDE, INDEX, step_of
from cyclegan.checkpoint_files.parts import write_part, written_parts
from cyclegan.config import ImageFormat
from tests.cluster.checkpointing.test_resume import save as save_two_parts
from tests.cyclegan.made_checkpoint import damage


def save(root: Path, step: int, loss: float | None = None) -> Path:
    folder = root / f"step-{step:08d}"
    write_part(folder, 0, "x", {"weights": np.full(100, step)})
    parts = written_parts(folder, 1, "x")
    assert parts is not None
    now = datetime.now(UTC)
    facts = {"fingerprint": "f", "images": ImageFormat(), "written": now, "versions": {}, "config": {}}
    index = Index(step=step, position=step, workers=1, cycle_loss=loss, parts=parts, **facts)
    publish(folder, index)
    return folder


def save_aside(root: Path, step: int) -> None:
    os.rename(save(root, step) / INDEX, root / f"step-{step:08d}" / ASIDE)


def entry(step: int, loss: float | None = None) -> MeasuredCheckpoint:
    return MeasuredCheckpoint(step, {} if loss is None else {CYCLE_LOSS: loss})


def left(root: Path) -> list[str]:
    return sorted(folder.name.removeprefix("step-000000") for folder in root.iterdir())


def steps(root: Path) -> list[int | None]:
    return [step_of(folder) for folder in checkpoints(root)]


@pytest.mark.parametrize(
    ("losses", "run", "stay"),
    [
        ([], {}, {}),
        ([5, 4, 3, 2, 1], {"keep": 2}, {40: ("newest",), 50: ("newest", "best")}),
        ([5, 1, 3, 2, 4], {"keep": 2}, {20: ("best",), 40: ("newest",), 50: ("newest",)}),
        ([5, 1, 3, 2, 4], {"keep": 2, "keep_best": "none"}, {40: ("newest",), 50: ("newest",)}),
        ([5, 1, 1, 2, 4], {"keep": 1}, {30: ("best",), 50: ("newest",)}),
        ([None, None, 1], {"keep": 1}, {30: ("newest", "best")}),
        ([None, None], {"keep": 1}, {20: ("newest",)}),
        ([5, 1, 3, 2, 4], {"keep": 1, "keep_every": 15}, {20: ("every", "best"), 30: ("every",), 50: ("newest", "every")}),
    ],
)
def test_which_stay(losses: list[float | None], run: dict[str, Any], stay: dict[int, tuple[str, ...]]) -> None:
    found = [entry(10 * (i + 1), loss) for i, loss in enumerate(losses)]
    assert kept(reversed(found), RunConfig(**run)) == stay


def test_what_stays_does_not_depend_on_what_went() -> None:
    run = RunConfig(keep=2, keep_every=25)
    losses = np.random.default_rng(0).random(40)
    everything = [entry(10 * (i + 1), float(loss)) for i, loss in enumerate(losses)]
    present: list[MeasuredCheckpoint] = []
    for i, new in enumerate(everything):
        present = [e for e in (*present, new) if e.step in kept((*present, new), run)]
        assert kept(present, run) == kept(everything[: i + 1], run)


def test_smoothed_loss_is_the_mean_at_first_and_resumes_from_its_value() -> None:
    losses = np.random.default_rng(0).random(3000)
    value = None
    for step, loss in enumerate(losses, 1):
        value = smoothed(value, loss, step)
        if step == 500:
            assert value == pytest.approx(losses[:500].mean())
    assert value == pytest.approx(losses[-1000:].mean(), abs=0.02)


def test_sweep_keeps_what_stays_and_leaves_newer_and_unreadable_ones(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 60):
        save(tmp_path, step, loss=0.1 if step == 10 else 1.0)
    (tmp_path / "step-00000020/checkpoint.json").write_text("damaged")
    for step, token in ((25, "x"), (40, "y"), (70, "y")):
        write_part(tmp_path / f"step-{step:08d}", 0, token, {"weights": np.zeros(1)})
    for step in (35, 55):
        save_aside(tmp_path, step)
    sweep(tmp_path, 40, RunConfig(keep=1))
    assert left(tmp_path) == ["10", "20", "40", "55", "60", "70"]
    assert sorted(file.name for file in (tmp_path / "step-00000040").iterdir()) == [INDEX, "part-00000-x.npz"]
    assert checkpoints(tmp_path, ASIDE) == [tmp_path / "step-00000055"]


def test_room_is_made_from_what_can_best_be_missed(tmp_path: Path) -> None:
    for step, loss in ((10, 2.0), (20, 1.0), (30, 3.0), (40, 3.0)):
        save(tmp_path, step, loss)
    damage(save(tmp_path, 50, 4.0))
    save_aside(tmp_path, 60)
    gone = [step_of(folder) for folder in iter(lambda: make_room(tmp_path, "auto"), None)]
    assert gone == [60, 10, 30, 50, 20]
    assert left(tmp_path) == ["40"]
    assert steps(tmp_path) == [40], "the newest valid one stays"
    assert make_room(tmp_path / "nowhere", "auto") is None


def test_newer_checkpoints_are_set_aside(tmp_path: Path) -> None:
    folders = [save(tmp_path, step) for step in (10, 20, 30)]
    set_aside(tmp_path, folders[1])
    assert steps(tmp_path) == [10, 20]
    assert entries(checkpoints(tmp_path)) == {folders[0]: entry(10), folders[1]: entry(20)}
    again = save(tmp_path, 30)
    set_aside(tmp_path, folders[1])
    assert steps(tmp_path) == [10, 20]
    assert verify(again, ASIDE).step == 30


@pytest.mark.parametrize(
    ("before", "damaged", "where", "left"),
    [
        (45, None, "the checkpoint of step 40", [20, 40]),
        (40, None, "the checkpoint of step 20", [20]),
        (99, None, "the checkpoint of step 60", [20, 40, 60]),
        (45, 40, "the checkpoint of step 20", [20]),
        (20, None, "the beginning", []),
    ],
)
def test_rolling_back(before: int, damaged: int | None, where: str, left: list[int], tmp_path: Path) -> None:
    for step in (20, 40, 60):
        folder = save_two_parts(tmp_path, step)
        if step == damaged:
            (folder / "part-00001-x.npz").write_bytes(b"")
    assert roll_back(tmp_path, before) == where
    assert [step_of(folder) for folder in checkpoints(tmp_path)] == left
    assert len(checkpoints(tmp_path, ASIDE)) == 3 - len(left)
