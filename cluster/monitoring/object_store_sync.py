"""A local folder whose files are uploaded to an object store as they grow, since nothing can be appended to an object."""

import logging
import shutil
import tempfile
import threading
from pathlib import Path

from ringcycle.storage.location import Location, reason
from ringcycle.storage.store import Store

log = logging.getLogger(__name__)

SECONDS = 15.0  # between two uploads


class ObjectStoreSync:
    """Uploads changed files of `folder` to `location`, in a thread of its own. No file may change without changing its size.

    A failing store only causes a warning; everything is uploaded once it answers again.
    """

    def __init__(self, location: Location) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ringcycle-"))
        self._store = Store(location)
        self._sent: dict[str, int] = {}
        self._one_at_a_time = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="object store sync", daemon=True)
        self._thread.start()

    def fetch(self, name: str) -> None:
        """Download the store's object of this name, if there is one. Raises OSError."""
        with self._one_at_a_time:
            if self._store.size(name) is not None:
                (self.folder / name).write_bytes(self._store.read(name))

    def send(self) -> None:
        """Upload what has changed. Raises OSError."""
        with self._one_at_a_time:
            for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
                name = str(file.relative_to(self.folder))
                if self._sent.get(name) != file.stat().st_size:
                    content = file.read_bytes()
                    self._store.write(name, content)
                    self._sent[name] = len(content)

    def close(self, seconds: float) -> None:
        """Upload the rest, for at most `seconds`, and delete the folder."""
        self._closing.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning(f"{self._store.label()}: could not upload all metrics and samples within {seconds:.0f} s")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        failing = closing = False
        while not closing:
            closing = self._closing.wait(SECONDS)
            try:
                self.send()
                failing = False
            except OSError as error:
                if not failing:
                    log.warning(f"{self._store.label()}: cannot upload metrics and samples ({reason(error)}); training continues")
                failing = True
