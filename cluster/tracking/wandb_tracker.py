"""A run of Weights & Biases, set up by its own environment variables (WANDB_API_KEY, WANDB_MODE, WANDB_PROJECT …)."""

import io
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import wandb
from PIL import Image

from cluster.tracking.tracker import PROJECT, Scalars

INIT_SECONDS = 30
STEP = "step"
"""The horizontal axis; W&B's own steps count calls."""


class WandbTracker:
    """wandb keeps what it is given in `folder`, and sends it in a process of its own; offline it stays there for `wandb sync`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._run: wandb.Run

    def open(self, run_id: str, name: str) -> str:
        """See `Tracker`. Nothing but what it is given is collected: no output, code, or figures of the machine."""
        run_id = run_id or secrets.token_hex(4)
        settings = wandb.Settings(
            console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True, init_timeout=INIT_SECONDS
        )
        folder = None if "WANDB_DIR" in os.environ else str(self._folder)
        project = None if "WANDB_PROJECT" in os.environ else PROJECT
        self._run = wandb.init(project=project, name=name, id=run_id, resume="allow", dir=folder, settings=settings)
        self._run.define_metric("*", step_metric=STEP)
        return run_id

    def config(self, values: Mapping[str, str], toml: str) -> None:
        """See `Tracker`; the fields are all that the file has."""
        self._run.config.update(dict(values), allow_val_change=True)

    def scalars(self, records: Sequence[Scalars]) -> None:
        """See `Tracker`."""
        for record in records:
            self._run.log({STEP: record.step, **record.values})

    def image(self, step: int, tag: str, png: bytes) -> None:
        """See `Tracker`."""
        self._run.log({STEP: step, tag: wandb.Image(Image.open(io.BytesIO(png)))})

    def close(self, outcome: str) -> None:
        """See `Tracker`; waits until everything is sent."""
        self._run.finish(exit_code=int(outcome not in ("finished", "stopped")))
