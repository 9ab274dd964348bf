"""Going back in a run's checkpoints; the supervisor itself is at work in each real run."""

from pathlib import Path

import pytest

from cluster.driver.supervise import go_back
from cyclegan.checkpoint_files import ASIDE, checkpoints, step_of
from tests.cluster.checkpointing.test_resume import save


@pytest.mark.parametrize(
    ("before", "torn", "where", "left"),
    [
        (45, None, "the checkpoint of step 40", [20, 40]),
        (40, None, "the checkpoint of step 20", [20]),
        (99, None, "the checkpoint of step 60", [20, 40, 60]),
        (45, 40, "the checkpoint of step 20", [20]),
        (20, None, "the beginning", []),
    ],
)
def test_going_back(before: int, torn: int | None, where: str, left: list[int], tmp_path: Path) -> None:
    for step in (20, 40, 60):
        folder = save(tmp_path, step)
        if step == torn:
            (folder / "part-00001-x.npz").write_bytes(b"")
    assert go_back(tmp_path, before) == where
    assert [step_of(folder) for folder in checkpoints(tmp_path)] == left
    assert len(checkpoints(tmp_path, ASIDE)) == 3 - len(left)
