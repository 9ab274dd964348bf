"""All files of a run that its page shows, as far as they exist: runs of earlier versions have fewer."""

import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyarrow import fs

from cluster.paths import CHECKPOINTS, CONFIG, EVALUATIONS, GOODPUT, METRICS, RACE, checkpoints_of
from cluster.reporting.launches import LaunchEntry, read_launches
from cluster.reporting.metrics_file import Metrics, MetricsFile
from cluster.reporting.sample_images import Sample, SampleFolder
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import checkpoints
from cyclegan.checkpoint_files.index import read_index
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, shown
from ringcycle.storage.store import Store, parent_and_name, reading

MOST_CHECKPOINTS = 50
FILES = (CONFIG, METRICS, EVALUATIONS)
"""What makes a folder a run's, beside a folder of checkpoints."""


@dataclass(frozen=True)
class CheckpointEntry:
    """A checkpoint as its index describes it; none of its bytes are verified. size: in bytes."""

    step: int
    written: datetime
    workers: int
    size: int
    versions: Mapping[str, str]
    cycle_loss: float | None


@dataclass(frozen=True)
class EvaluationEntry:
    """A line of `evaluation.jsonl`. images: of A and B. values, errors: measures and their standard errors by name, finite."""

    step: int
    images: tuple[int, int] | None
    values: Mapping[str, float]
    errors: Mapping[str, float]


@dataclass(frozen=True)
class RunFiles:
    """What was found. config: as stored, by section. goodput, race: as stored, empty without such a file."""

    name: str
    label: str
    config: Mapping[str, Mapping[str, Any]]
    metrics: Metrics
    evaluations: list[EvaluationEntry]
    goodput: Mapping[str, Any]
    race: Mapping[str, Any]
    launches: list[LaunchEntry]
    checkpoints: list[CheckpointEntry]
    samples: Mapping[str, list[Sample]]

    def field(self, name: str) -> Any:
        """The stored value of `section.field`, None if there is none."""
        section, _, key = name.partition(".")
        return self.config.get(section, {}).get(key)

    @property
    def step(self) -> int:
        """The newest step that anything is known of, 0 if nothing is."""
        found = [0, *map(int, self.metrics.steps[-1:])]
        found += [entry.step for entry in self.checkpoints[-1:]] + [entry.step for entry in self.evaluations[-1:]]
        found += [attempt.reached_step for launch in self.launches[-1:] for attempt in launch.attempts[-1:]]
        return max(found)


class RunReader:
    """Reads one run, again and again while it trains: of large files only what is new."""

    def __init__(self, run: Location) -> None:
        self._run, self._store = run, Store(run)
        self._metrics, self._samples = MetricsFile(run), SampleFolder(run)
        self._checkpoints: dict[Location, CheckpointEntry] = {}

    def read(self, most_images: int, image_bytes: int) -> RunFiles:
        """Everything there is. most_images, image_bytes: see `SampleFolder.read`. Raises OSError."""
        config = self._toml(CONFIG)
        batch = config.get("train", {}).get("batch")
        return RunFiles(
            name=parent_and_name(self._run)[1] or shown(self._run),
            label=self._store.label(),
            config=config,
            metrics=self._metrics.read(),
            evaluations=self._evaluations(),
            goodput=self._json(GOODPUT),
            race=self._json(RACE),
            launches=read_launches(self._run),
            checkpoints=self._read_checkpoints(),
            samples=self._samples.read(most_images, image_bytes, batch if type(batch) is int and batch > 0 else 0),
        )

    def _text(self, name: str) -> str:
        return "" if self._store.size(name) is None else self._store.read(name).decode(errors="replace")

    def _toml(self, name: str) -> dict[str, dict[str, Any]]:
        try:
            found = tomllib.loads(self._text(name))
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}
        return {section: fields for section, fields in found.items() if isinstance(fields, dict)}

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._text(name) or "{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _evaluations(self) -> list[EvaluationEntry]:
        entries: dict[int, EvaluationEntry] = {}
        for line in self._text(EVALUATIONS).splitlines():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict) and type(found.get("step")) is int:
                images = found.get("images")
                pair = tuple(images) if isinstance(images, list) and [type(n) for n in images] == [int, int] else None
                errors = found.get("standard_errors")
                errors = _finite(errors) if isinstance(errors, dict) else {}
                values = _finite({name: value for name, value in found.items() if name != "step"})
                entries[found["step"]] = EvaluationEntry(found["step"], pair, values, errors)
        return [entries[step] for step in sorted(entries)]

    def _read_checkpoints(self) -> list[CheckpointEntry]:
        """The newest ones, oldest first. An index that was read once is not read again."""
        folders = checkpoints(checkpoints_of(self._run))[-MOST_CHECKPOINTS:]
        known = self._checkpoints
        self._checkpoints = {}
        for folder in folders:
            entry = known.get(folder) or _checkpoint(folder)
            if entry:
                self._checkpoints[folder] = entry
        return list(self._checkpoints.values())


def check_is_run(run: Location) -> None:
    """Raise UserError if there is no folder, or one that is no run's."""
    with reading(run, "RUN"):
        store = Store(run)
        kind = store.kind()
        if kind == fs.FileType.NotFound:
            raise UserError(f"RUN = {shown(run)} does not exist: give the folder of a run, STORAGE/NAME")
        if kind != fs.FileType.Directory:
            raise UserError(f"RUN = {shown(run)} is a file: give the folder of a run, STORAGE/NAME")
        present = {info.base_name: info.type for info in store.entries()}
        if not present.keys() & {*FILES, CHECKPOINTS}:
            folders = sorted(name for name, kind in present.items() if kind == fs.FileType.Directory)
            inside = [name for name in folders[:50] if store.size(f"{name}/{CONFIG}") is not None]
            cure = f"give one of the runs in it: {', '.join(inside[:5])}" if inside else "give the folder of a run, STORAGE/NAME"
            raise UserError(f"RUN = {shown(run)} is no run: it has no {CONFIG}, {METRICS} or {CHECKPOINTS}: {cure}")


def _checkpoint(folder: Location) -> CheckpointEntry | None:
    try:
        index = read_index(folder)
    except DamagedCheckpoint:
        return None
    size = sum(part.bytes for part in index.parts)
    return CheckpointEntry(index.step, index.written, index.workers, size, index.versions, index.cycle_loss)


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    largest = sys.float_info.max  # an integer may be larger
    return {name: float(value) for name, value in values.items() if type(value) in (int, float) and -largest <= value <= largest}
