"""The memory that a training's programs take, as XLA predicts it: compiled once, then remembered in the user's cache."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ValidationError

import cyclegan
from cluster.calibration.record import settings_of_steps
from cluster.config import Config
from cluster.hardware.default_workers import default_workers_here
from cluster.program_reports import program_reports
from cyclegan.config import ImageFormat, ModelSpec
from ringcycle.errors import UserError
from ringcycle.storage.atomic import write_atomic
from ringcycle.user_cache import processor_kind, tensorflow_version, user_cache


class ProgramMemory(BaseModel):
    """Bytes of a worker's variables, and of what its programs take besides."""

    state: int
    passes: int


def recall_memory(config: Config, images: ImageFormat, folder: Path | None = None) -> ProgramMemory | None:
    """What `predict_memory` has found before; None if it was not asked. folder: default: below the user's cache."""
    try:
        return ProgramMemory.model_validate_json(_file(config, images, folder).read_bytes())
    except (OSError, UserError, ValidationError):
        return None


def predict_memory(config: Config, images: ImageFormat, folder: Path | None = None) -> ProgramMemory:
    """What XLA predicts for this machine's processor, which is remembered. Compiles for a minute at 256×256."""
    try:
        file = _file(config, images, folder)  # before compiling, which binds this process and sets XLA's flags
    except UserError:  # no folder to remember in
        file = None
    with tempfile.TemporaryDirectory(prefix="ringcycle-programs-") as dumps:
        programs = program_reports(config, ModelSpec.of(config.model, images), Path(dumps))
    memory = ProgramMemory(state=programs.state, passes=programs.passes)
    if file:
        with contextlib.suppress(OSError):
            file.parent.mkdir(exist_ok=True)
            write_atomic(file, lambda out: out.write(memory.model_dump_json().encode()))
    return memory


def _file(config: Config, images: ImageFormat, folder: Path | None) -> Path:
    """Named by all that the programs depend on, this version's code included."""
    code = hashlib.blake2b(digest_size=8)
    for source in sorted(Path(cyclegan.__file__).parent.rglob("*.py")):
        code.update(source.read_bytes())
    machine = [config.cluster.most, default_workers_here(), os.environ.get("XLA_FLAGS", ""), tensorflow_version(), processor_kind()]
    what = json.dumps([settings_of_steps(config, images), machine, code.hexdigest()], sort_keys=True)
    key = hashlib.blake2b(what.encode(), digest_size=8).hexdigest()
    return (folder or user_cache() / "program-memory") / f"{key}.json"
