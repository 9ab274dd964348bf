"""A folder of this machine whose files go to an object store as they grow, since to an object nothing can be appended."""

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from ringcycle.storage.location import Location, reason
from ringcycle.storage.store import Store

SECONDS = 15.0  # between two looks


class ObjectStoreSync:
    """Sends what has changed in `folder` to `place`, in a thread of its own: no file of it may change without changing its size.

    say: takes a line for the user when the store fails, which stops nothing; all is sent when it answers again.
    """

    def __init__(self, place: Location, say: Callable[[str], object]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ringcycle-"))
        self._store, self._say = Store(place), say
        self._sent: dict[str, int] = {}
        self._one_at_a_time = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def fetch(self, name: str) -> None:
        """Begin with what the store has under this name, if anything. Raises OSError."""
        with self._one_at_a_time:
            if self._store.size(name) is not None:
                (self.folder / name).write_bytes(self._store.read(name))

    def send(self) -> None:
        """Bring the store up to now. Raises OSError."""
        with self._one_at_a_time:
            for file in sorted(path for path in self.folder.rglob("*") if path.is_file()):
                name = str(file.relative_to(self.folder))
                if self._sent.get(name) != file.stat().st_size:
                    content = file.read_bytes()
                    self._store.write(name, content)
                    self._sent[name] = len(content)

    def close(self, seconds: float) -> None:
        """Send the rest, for at most so long, and delete the folder."""
        self._closing.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._say(f"{self._store.label()}: not all metrics and samples could be sent in {seconds:.0f} s")
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
                    self._say(f"{self._store.label()}: metrics and samples cannot be sent ({reason(error)}); training goes on")
                failing = True
