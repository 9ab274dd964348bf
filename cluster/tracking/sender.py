"""Sends what is new in a run's folder to its tracker, and remembers there what it has sent."""

import json
import logging
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cluster.paths import CONFIG, EVALUATIONS, METRICS, SAMPLES
from cluster.tracking.run_files import ImageFolder, ScalarFile
from cluster.tracking.tracker import Tracker, make_tracker, reason
from ringcycle.storage.location import as_location, child, is_remote
from ringcycle.storage.store import Store
from ringcycle.user_cache import user_cache

log = logging.getLogger(__name__)

POLL_SECONDS, REMOTE_POLL_SECONDS = 2.0, 15.0  # between two looks at a folder, and at an object store
RETRY_SECONDS = (5.0, 30.0)  # after a failure, and after the next ones
SCALARS = {METRICS: "", EVALUATIONS: "held out/"}
"""Files, and what is put before the names of their values: the tags of the event files."""
IMAGES = {"samples": "step", "held out": "held-out"}
"""Tags, and how names of files begin."""


class Sender:
    """Only a failure that lasts is logged, once.

    The steps up to which everything is sent are kept in the run's folder, as KIND.json, with the id of the tracker's run. What was on
    its way when the tracker failed is sent again: one image may be there twice.
    """

    def __init__(self, kind: str, run: str, name: str, make: Callable[[str, Path], Tracker] = make_tracker) -> None:
        """run: its location. name: what the tracker calls a new one."""
        self._kind, self._name, self._make = kind, name, make
        self._run = as_location(run)
        self._store = Store(self._run)
        self._tracker: Tracker | None = None
        self._id, self._configured = "", False
        self._failures, self._reason, self._warned = 0, "", False
        self._scalars: dict[str, ScalarFile] = {}
        self._images: dict[str, ImageFolder] = {}

    def run(self, closing: threading.Event, outcome: Callable[[], str]) -> None:
        """Send what is new, again and again, until `closing` is set; then what is left, once, and end the tracker's run."""
        poll = REMOTE_POLL_SECONDS if is_remote(self._run) else POLL_SECONDS
        while not closing.wait(poll if self._succeeds(self.send) else RETRY_SECONDS[self._failures > 1]):
            pass
        self._warned = True
        if not self._succeeds(lambda: self._finish(outcome())):
            log.warning(f"{self._kind} lacks {self._unsent()} ({self._reason}): sent when the run is resumed")

    def _finish(self, outcome: str) -> None:
        self.send()
        assert self._tracker
        self._tracker.close(outcome)

    def send(self) -> None:
        """Send what is new. Raises what the tracker and the storage raise; what has not arrived then is sent by the next call."""
        tracker = self._tracker or self._open()
        if not self._configured:
            toml = self._store.read(CONFIG).decode()
            tracker.config(dict(_fields(tomllib.loads(toml))), toml)
            self._configured = True
        for scalars in self._scalars.values():
            while records := scalars.batch():
                tracker.scalars(records)
                scalars.accept()
                self._save()
        for tag, folder in self._images.items():
            for step, name in folder.waiting():
                png = folder.read(name)
                if png is None:
                    break
                tracker.image(step, tag, png)
                folder.step = step
                self._save()

    def _open(self) -> Tracker:
        """Continue the tracker's run, or begin one, which then gets everything from the first step on."""
        saved = self._load()
        tracker = self._make(self._kind, self._store.local or user_cache() / self._kind)
        self._id = tracker.open(saved, self._name)
        if self._id != saved:
            self._begin_at({})
        self._save()
        self._tracker = tracker
        log.debug(f"sending to {self._kind}, run {self._id}")
        return tracker

    def _load(self) -> str:
        """Continue where an earlier launch left off. Returns the id of the tracker's run, or ""."""
        saved: dict[str, Any] = {}
        if self._store.size(self._file) is not None:
            saved = json.loads(self._store.read(self._file))
        self._begin_at(saved.get("steps", {}))
        return str(saved.get("id", ""))

    def _begin_at(self, steps: Mapping[str, int]) -> None:
        samples = child(self._run, SAMPLES)
        self._scalars = {name: ScalarFile(self._run, name, prefix, steps.get(name, 0)) for name, prefix in SCALARS.items()}
        self._images = {tag: ImageFolder(samples, prefix, steps.get(tag, 0)) for tag, prefix in IMAGES.items()}

    @property
    def _file(self) -> str:
        return f"{self._kind}.json"

    def _save(self) -> None:
        steps = {name: scalars.step for name, scalars in self._scalars.items()} | {tag: folder.step for tag, folder in self._images.items()}
        self._store.write(self._file, json.dumps({"id": self._id, "steps": steps}).encode(), sync=False)

    def _succeeds(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except Exception as error:  # whatever a library raises
            self._failures, self._reason = self._failures + 1, reason(error)
            if self._failures > 1 and not self._warned:
                log.warning(f"{self._kind} fails ({self._reason}): training continues, and what is missing there is sent later")
                self._warned = True
            return False
        self._failures = 0
        return True

    def _unsent(self) -> str:
        """What is left."""
        try:
            if not self._scalars:
                self._load()
            records = 0
            for scalars in self._scalars.values():
                while batch := scalars.batch():
                    records += len(batch)
                    scalars.accept()
            images = sum(len(folder.waiting()) for folder in self._images.values())
        except (OSError, ValueError) as error:
            return f"everything ({reason(error)})"
        if not records and not images:
            return "the end of the run"
        return f"{records:,} record{'s' * (records != 1)} and {images:,} image{'s' * (images != 1)}"


def _fields(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """SECTION.FIELD and value of a configuration."""
    for section, fields in tree.items():
        for name, value in fields.items():
            yield f"{section}.{name}", value if isinstance(value, str) else json.dumps(value)
