"""Small checkpoints whose arrays belong to no networks."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cyclegan.checkpoint_files.folders import drop_leftovers
from cyclegan.checkpoint_files.index import Index, publish
from cyclegan.checkpoint_files.parts import write_part, written_parts
from cyclegan.config import ImageFormat


def arrays(rank: int) -> dict[str, npt.NDArray[Any]]:
    random = np.random.default_rng(rank)
    pool = {"pool.images": random.random((2, 1, 3, 4, 4, 3), np.float32), "pool.filled": random.random((2, 1, 3)) < 0.5}
    return pool if rank else {"generators.weights": random.random(1000), "generators.updates": np.array(7, np.int32)} | pool


def save(root: Path, step: int, workers: int = 2, token: str = "x") -> Path:
    root.mkdir(exist_ok=True)
    folder = root / f"step-{step:08d}"
    for rank in range(workers):
        write_part(folder, rank, token, arrays(rank))
    parts = written_parts(folder, workers, token)
    assert parts is not None
    index = Index(
        step=step,
        position=step * workers,
        workers=workers,
        fingerprint="f" * 64,
        images=ImageFormat(),
        written=datetime(2026, 11, 24, tzinfo=UTC),
        cycle_loss=0.25,
        versions={"python": "3"},
        config={"train": {"batch": 1}},
        parts=parts,
    )
    publish(folder, index)
    drop_leftovers(folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())
