"""A call that is waited for a limited time, as storage may hang."""

import threading
from collections.abc import Callable


class BoundedCall:
    """Runs `act` in a thread and waits at most `seconds` for it. While it hangs, it is neither started again nor waited for."""

    def __init__(self, act: Callable[[], object], seconds: float) -> None:
        self._act, self._seconds = act, seconds
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self) -> bool:
        """Returns False once for each time that `act` hangs. Raises what `act` raises."""
        if self._thread and self._thread.is_alive():
            return True
        self._error = None
        self._thread = threading.Thread(target=self._catch, name="bounded call", daemon=True)
        self._thread.start()
        self._thread.join(self._seconds)
        if self._error:
            raise self._error
        return not self._thread.is_alive()

    def _catch(self) -> None:
        try:
            self._act()
        except BaseException as error:
            self._error = error
