"""Files by name in a local folder, an S3 bucket and a Google bucket; credentials are never shown."""

import contextlib
import io
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from ringcycle.errors import UserError
from ringcycle.storage import store as storage
from ringcycle.storage.location import child
from ringcycle.storage.store import Store, parent_and_name, reading, writing
from tests.preprocess.object_store import ObjectStore, object_store


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    """Address of an emulated Google Cloud Storage, as a query. It runs in its own process, since Arrow's client holds the GIL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [Path(sys.executable).parent / "gcp-storage-emulator", "start", "--host=127.0.0.1", f"--port={port}", "--in-memory"]
    with subprocess.Popen([*command, "--default-bucket=bucket"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port)):
                break
            assert server.poll() is None and time.monotonic() < deadline, "the emulator failed to start"
            time.sleep(0.05)
        yield f"endpoint_override=127.0.0.1:{port}&scheme=http&retry_limit_seconds=10"
        server.kill()


@pytest.fixture(params=["path", "text", "file", "s3", "gs"])
def store(request: pytest.FixtureRequest, tmp_path: Path, server: ObjectStore, google: str) -> Store:
    server.flaky.fails = lambda number: False
    locations = {
        "path": tmp_path,
        "text": str(tmp_path),
        "file": f"file://{tmp_path}",
        "s3": server.uri(f"of/{tmp_path.name}"),
        "gs": f"gs://anonymous@bucket/of/{tmp_path.name}?{google}",
    }
    return Store(locations[request.param])


def test_files_by_name(store: Store) -> None:
    assert store.entries() == [] and store.names() == [] and store.size("a b.bin") is None
    store.write("a b.bin", b"0123456789")
    store.write("a b.bin", b"abcdefghij")
    assert store.names() == ["a b.bin"] and store.size("a b.bin") == 10 and store.kind() == fs.FileType.Directory
    assert store.read("a b.bin") == b"abcdefghij"
    assert store.read_range("a b.bin", 3, 4) == b"defg" and store.read_range("a b.bin", 8, 100) == b"ij"
    assert store.sha256("a b.bin") == "72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf56b2106d06cb78b0"
    assert pickle.loads(pickle.dumps(store)).read("a b.bin") == b"abcdefghij"
    store.delete("a b.bin")
    store.delete("a b.bin")
    assert store.size("a b.bin") is None
    for read in (store.read, lambda name: store.read_range(name, 0, 1)):
        with pytest.raises(FileNotFoundError):
            read("a b.bin")


def test_folders_of_files(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "READ_AHEAD", 1000)
    assert store.folders() == {} and store.kind() in (fs.FileType.NotFound, fs.FileType.Directory)
    one = Store(child(store.location, "one"))
    if one.local:
        one.local.mkdir(parents=True)
    large = bytes(range(256)) * 40
    one.write_with("large", lambda file: [file.write(large[:1000]), file.write(large[1000:])])
    one.write("small", b"s", sync=False)
    one.sync(["small"])
    assert store.folders() == {"one": {"large", "small"}}
    with one.open("large") as file:
        assert file.seek(-5, io.SEEK_END) == len(large) - 5
        assert file.read() == large[-5:]
        file.seek(3)
        assert file.read(4) == large[3:7]
        file.seek(0)
        assert file.read() == large
    with pytest.raises(FileNotFoundError):
        one.open("absent")
    one.rename("small", "large")
    assert one.names() == ["large"] and one.read("large") == b"s"
    one.delete_all()
    one.delete_all()
    assert store.folders() == {}


def test_survives_a_server_that_fails_every_fifth_request(server: ObjectStore) -> None:
    server.flaky.fails = lambda number: number % 5 == 0
    failed = server.flaky.failed
    store = Store(server.uri("flaky"))
    contents = {f"{n}": bytes([n]) * 100 for n in range(8)} | {"large": bytes(range(256)) * 2**16}
    for name, content in contents.items():
        store.write(name, content)
    assert {name: store.read(name) for name in store.names()} == contents
    assert server.flaky.failed > failed + 3


def test_survives_a_longer_outage(server: ObjectStore) -> None:
    """Longer than the S3 client's own retries, which end after three attempts."""
    server.flaky.fails = lambda number: False
    store = Store(server.uri("outage"))
    store.write("x", b"here")
    first = len(server.flaky.requests)
    server.flaky.fails = lambda number: number <= first + 5
    assert store.read("x") == b"here"
    assert len(server.flaky.requests) > first + 5


def test_label_hides_credentials() -> None:
    assert Store("s3://K:S@bucket/x?region=r").label("y") == "s3://***@bucket/x/y"
    assert Store("/a/b").label("c") == "/a/b/c" and Store("file:///a").label() == "/a"


def test_parent_and_name() -> None:
    assert parent_and_name("s3://K:S@bucket/x/y%20z.json?region=r") == (Store("s3://K:S@bucket/x?region=r"), "y z.json")
    assert parent_and_name(Path("/a/b.json")) == (Store(Path("/a")), "b.json")


def test_reading_and_writing_report_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error, reading("s3://K:S3CRET@b/x?region=r", "data.source"):
        raise NotADirectoryError(20, "Not a directory")
    assert str(error.value) == "data.source = s3://***@b/x cannot be read (Not a directory): fix this and rerun"
    with pytest.raises(UserError) as error, writing(tmp_path, "x"):
        raise OSError(28, "No space left on device")
    assert str(error.value) == f"{tmp_path}/x cannot be written (No space left on device): fix this, or name another folder"


@pytest.mark.parametrize("location", ["ftp://K:S3CRET@host/x", "s3://K:S3CRET@bucket/x?colour=red", "s3://K:S3CRET@@:/"])
def test_wrong_addresses_are_one_line_without_credentials(location: str) -> None:
    with pytest.raises(UserError) as error:
        Store(location).entries()
    assert "\n" not in str(error.value) and "S3CRET" not in str(error.value)
