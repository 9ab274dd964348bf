"""The files of a run that a tracker reads, without a training."""

import json
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from cluster.config import Config
from cluster.load_config import as_toml
from cluster.paths import CONFIG, EVALUATIONS, METRICS, SAMPLES


def write_run(folder: Path, steps: Iterable[int]) -> None:
    """Add these steps, with a value equal to the step; the tens have a grid of samples, too, and an evaluation."""
    (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(as_toml(Config()))
    for step in steps:
        _append(folder / METRICS, {"step": step, "G_AB": float(step), "learning_rate": 2e-4})
        if step % 10 == 0:
            _append(folder / EVALUATIONS, {"step": step, "images": [2, 2], "sliced_wasserstein": step / 10})
            for name in ("step", "held-out"):
                Image.new("RGB", (12, 8), (step, 0, 0)).save(folder / SAMPLES / f"{name}-{step:08d}.png")


def _append(file: Path, entry: dict[str, object]) -> None:
    with file.open("a") as out:
        out.write(json.dumps(entry) + "\n")
