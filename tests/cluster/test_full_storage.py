"""A training whose storage fills up twice: by its own checkpoints, then by others. It ends as if nothing had happened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.checkpoint import list_run
from preprocess.synthetic import write_dataset
from tests.cluster.launch import SMALL, Launch, assert_equal_runs, options
from tests.small_file_system import small_file_system

pytestmark = [pytest.mark.process, pytest.mark.soak]
STEPS = 300


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", 30_000_000) as folder:
        yield folder


def test_a_training_survives_a_full_storage(small: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "images", images=20, test=2)
    common = {"data.source": tmp_path / "images", "data.shards": tmp_path / "shards", "cluster.compile_cache": tmp_path / "programs"}
    length = {"train.steps": STEPS, "run.checkpoint_every": 10, "run.keep": 50, "run.log_every": 1, "run.name": "a"}
    arguments = options({**SMALL, **common, **length})

    Launch([*arguments, "--run.storage", str(tmp_path / "large")]).end(0)

    launch = Launch([*arguments, "--run.storage", str(small)])
    launch.wait_for("the storage is full: step-00000010 was deleted to make room")
    other = small / "other"
    with other.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(bytes(100_000) for _ in range(300))
    launch.wait_for("(metrics of step .* are lost|cannot write the checkpoint of step) .*No space left")
    other.unlink()
    output = launch.end(0)
    assert "Traceback" not in output and "restarting" not in output, output
    listed = list_run(small / "a")
    assert listed[-1].index and listed[-1].index.step == STEPS and not any(checkpoint.damage for checkpoint in listed)
    assert len(listed) < STEPS // 10
    assert_equal_runs(tmp_path / "large/a", small / "a", STEPS)
