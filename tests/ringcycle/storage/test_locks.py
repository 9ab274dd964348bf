"""One process at a time holds a lock file; a long wait is logged once, and a file system without locks is no obstacle."""

import errno
import fcntl
import logging
import os
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from ringcycle.storage import locks
from ringcycle.storage.locks import locked


def test_waits_for_the_holder_and_logs_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(locks, "REPORT_AFTER", 0.1)
    path, held, order = tmp_path / ".lock", threading.Event(), list[str]()

    def hold() -> None:
        with FileLock(path):
            held.set()
            time.sleep(0.5)
            order.append("released")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with caplog.at_level(logging.WARNING), locked(path):
        order.append("taken")
    holder.join()
    assert order == ["released", "taken"]
    assert caplog.messages == [f"{path} has been locked by another process for 0 s; waiting"]


def test_a_free_lock_is_taken_silently(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with locked(tmp_path / ".lock"):
            pass
    assert caplog.messages == []


def test_goes_on_without_locks_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(self: FileLock, timeout: float | None = None) -> None:
        raise NotImplementedError

    monkeypatch.setattr(FileLock, "acquire", no_locks)
    with locked(tmp_path / ".lock"):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without_one(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "lock"):
        entered = True
    assert entered
