"""The cache on a node's disk: bounded, evicts the least recently used first, never returns a damaged entry, shared by processes."""

import logging
import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from preprocess.shards.cache import ShardCache

SIZE = 10_000


def content(key: str) -> bytes:
    return key.encode() * (SIZE // len(key))


def key(n: int) -> str:
    return f"{n % 7:02x}-{n:06d}"


def never() -> bytes:
    raise AssertionError("fetched although it is in the cache")


def held(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_fetched_once(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 10**9)
    assert cache.get("ab-0", lambda: b"content") == b"content"
    assert cache.get("ab-0", never) == b"content"
    assert ShardCache(tmp_path / "cache", 10**9).get("ab-0", never) == b"content"
    cache.forget("ab-0")
    cache.forget("ab-0")
    assert cache.get("ab-0", lambda: b"other") == b"other"


def test_errors_of_the_fetch_are_raised_and_nothing_is_kept(tmp_path: Path) -> None:
    def fails() -> bytes:
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        ShardCache(tmp_path, 10**9).get("ab-0", fails)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage", [lambda entry: entry[:-1], lambda entry: b"", lambda entry: b"X" + entry[1:], lambda entry: entry + b"0"]
)
def test_a_damaged_entry_is_fetched_again(tmp_path: Path, damage: object) -> None:
    cache = ShardCache(tmp_path, 10**9)
    cache.get("ab-0", lambda: b"content")
    path = tmp_path / "ab" / "ab-0"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert cache.get("ab-0", lambda: b"content") == b"content"
    assert cache.get("ab-0", never) == b"content"


def test_never_more_than_the_limit_and_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 40 * SIZE)
    for n in range(200):
        cache.get(key(n), lambda n=n: content(key(n)))  # type: ignore[misc]
        cache.get(key(0), never)  # in use all the time
        assert held(tmp_path) <= 40 * SIZE
    assert held(tmp_path) > 25 * SIZE
    assert cache.get(key(199), never) == content(key(199))
    fetched = []
    cache.get(key(1), lambda: fetched.append(1) or content(key(1)))
    assert fetched


def test_files_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, 40 * SIZE)
    cache.get(key(0), lambda: content(key(0)))
    left = tmp_path / "00" / ".00-000000.123.4"
    left.write_bytes(bytes(SIZE))
    os.utime(left, (time.time() - 7200,) * 2)
    for n in range(1, 60):
        cache.get(key(n), lambda n=n: content(key(n)))  # type: ignore[misc]
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ShardCache(tmp_path / "file" / "below", 10**9)
    for _ in range(2):
        assert cache.get("ab-0", lambda: b"content") == b"content"
    assert len(caplog.messages) == 1 and "cannot be written (Not a directory): reading without it" in caplog.messages[0]


def test_processes_share_it(tmp_path: Path) -> None:
    """Four processes read the same 60 entries in different orders through a cache that holds 40."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        results = [pool.apply_async(_read_all, (tmp_path, step)) for step in (1, 7, 11, 13)]
        assert all(result.get(60) for result in results)
    assert held(tmp_path) <= 44 * SIZE and not list(tmp_path.rglob(".[0-9]*"))


def _read_all(folder: Path, step: int) -> bool:
    cache = ShardCache(folder, 44 * SIZE)
    order = [n * step % 60 for n in range(60)] * 5
    return all(cache.get(key(n), lambda n=n: content(key(n))) == content(key(n)) for n in order)  # type: ignore[misc]


def test_threads_that_fail_to_write_at_once_log_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ShardCache(tmp_path / "file" / "below", 10**9)
    lines: list[str] = []

    class SlowHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            time.sleep(0.05)  # the other threads get there meanwhile
            lines.append(record.getMessage())

    handler = SlowHandler()
    logging.getLogger("preprocess").addHandler(handler)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda n: cache.get(key(n), lambda: b"content"), range(16))) == [b"content"] * 16
    finally:
        logging.getLogger("preprocess").removeHandler(handler)
    assert len(lines) == 1
    assert lines[0].endswith("cannot be written (Not a directory): reading without it")
