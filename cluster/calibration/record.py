"""What was measured on this node, kept in the user's cache: `cluster.doctor` predicts with it what a training takes."""

import contextlib
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cluster.calibration.search import Candidate, Figures, Trial
from cluster.calibration.trial_group import with_settings
from cluster.config import Config
from cyclegan.config import ImageFormat
from ringcycle.errors import UserError
from ringcycle.storage.atomic import write_atomic
from ringcycle.user_cache import processor_kind, tensorflow_version, user_cache

ASSUMED_EPOCH = 1000
"""Images of an epoch in predictions when no source is given."""

# Fields that change neither the time of a step nor its memory.
_WITHOUT_EFFECT = {
    "model": {"init", "init_gain"},
    "train": {
        *("epochs", "steps", "schedule", "constant_fraction", "decay_epochs", "warmup", "learning_rate", "rate_rule", "seed", "seeds"),
        *("discriminator_rate", "beta1", "beta2"),
    },
}


class Measured(BaseModel):
    """A trial's figures, as in `Figures`, and when they were measured."""

    seconds: float
    compile_seconds: float
    memory: int
    peak: int
    at: datetime

    @property
    def figures(self) -> Figures:
        """The figures alone."""
        return Figures(self.seconds, self.compile_seconds, self.memory, self.peak)


def settings_of_steps(config: Config, images: ImageFormat) -> list[Any]:
    """What of a configuration affects a step's time or memory, as JSON."""
    tree = config.model_dump(mode="json")
    settings = {s: {name: value for name, value in tree[s].items() if name not in without} for s, without in _WITHOUT_EFFECT.items()}
    return [settings, tree["data"]["crop_size"], images.model_dump()]


def remember(trial: Trial, config: Config, images: ImageFormat, folder: Path | None = None) -> None:
    """Keep a trial's figures; failing to is no reason to stop. folder: default: below the user's cache."""
    if trial.figures is None:
        return
    measured = Measured(**vars(trial.figures), at=datetime.now(UTC))
    with contextlib.suppress(OSError, UserError):
        file = _file(config, images, trial.candidate, folder)
        file.parent.mkdir(exist_ok=True)
        write_atomic(file, lambda out: out.write(measured.model_dump_json().encode()))


def recall(config: Config, images: ImageFormat, candidate: Candidate, folder: Path | None = None) -> Measured | None:
    """What was measured on this kind of processor for a candidate and whatever else affects a step; None if nothing was."""
    try:
        return Measured.model_validate_json(_file(config, images, candidate, folder).read_text())
    except (OSError, UserError, ValidationError, UnicodeDecodeError):
        return None


def _file(config: Config, images: ImageFormat, candidate: Candidate, folder: Path | None) -> Path:
    what = [*settings_of_steps(with_settings(config, candidate), images), vars(candidate), tensorflow_version(), processor_kind()]
    key = hashlib.blake2b(json.dumps(what, sort_keys=True).encode(), digest_size=8).hexdigest()
    return (folder or user_cache() / "calibrations") / f"{key}.json"
