"""A real build and a real feed, with an S3 server that fails every fifth request as source and as storage of shards."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.building.shard_folder import build, ensure_shards
from preprocess.config import DataConfig
from preprocess.feed.feed import Feed, FeedSettings
from preprocess.feed.find_pairs import find_pairs
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.feed.reader import Reader
from preprocess.shards.cache import CacheSettings
from preprocess.shards.manifest import NAME, Manifest
from preprocess.sources.layouts import Source, source_of
from preprocess.sources.pair_list import NamedPair
from ringcycle.errors import UserError
from ringcycle.storage.location import child
from ringcycle.storage.store import Store, parent_and_name
from tests.preprocess.object_store import ObjectStore, object_store

pytestmark = pytest.mark.process

SIZES = {"trainA": 40, "trainB": 30, "testA": 3}


@dataclass(frozen=True)
class Both:
    """The same images built from folders into a folder, and from a bucket into a bucket."""

    server: ObjectStore
    local: Path
    remote: str
    config: DataConfig


@pytest.fixture(scope="module")
def both(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("store")
    with object_store() as server:
        random = np.random.default_rng(0)
        for split, count in SIZES.items():
            (folder / "images" / split).mkdir(parents=True)
            for n in range(count):
                file = BytesIO()
                Image.fromarray(random.integers(0, 255, (20, 20, 3), np.uint8)).resize((200, 180)).save(file, "JPEG", quality=95)
                (folder / "images" / split / f"{n}.jpg").write_bytes(file.getvalue())
                store, name = parent_and_name(child(server.uri("images"), f"{split}/{n}.jpg"))
                store.write(name, file.getvalue())
        server.flaky.fails = lambda number: number % 5 == 0
        config = DataConfig(source=server.uri("images"), load_size=160, crop_size=128, shard_mb=1)
        build(Source(str(folder / "images")), folder / "shards", config)
        remote = ensure_shards(config, server.uri("shards"))
        yield Both(server, folder / "shards", str(remote), config)


def copy_of(both: Both, name: str) -> str:
    """The URI of a copy of the shards in the bucket."""
    out = both.server.uri(name)
    for file in Store(both.remote).names():
        Store(out).write(file, Store(both.remote).read(file))
    return out


def test_a_build_into_a_bucket_equals_one_into_a_folder(both: Both) -> None:
    local, remote = Manifest.load(both.local), Manifest.load(both.remote)
    assert remote.splits == local.splits and remote.channels == local.channels and not remote.rejected
    assert both.server.flaky.failed > 20
    remote.verify(both.remote)
    store = Store(both.remote)
    shards = [shard.name for split in remote.splits.values() for shard in split.shards]
    assert sorted(store.names()) == sorted([*shards, NAME, "build.json"]) and len(shards) > 5
    assert all(store.read(name) == (both.local / name).read_bytes() for name in shards)
    assert not any(secret in store.read(name) for name in (NAME, "build.json") for secret in (b"KEY", b"SECRET"))


def test_finished_shards_are_reused(both: Both) -> None:
    before = [request for request in both.server.flaky.requests if request.startswith("PUT")]
    assert ensure_shards(both.config, both.server.uri("shards")) == both.remote
    assert ensure_shards(DataConfig(source=both.remote), both.server.uri("other")) == both.remote  # as the source itself
    assert [request for request in both.server.flaky.requests if request.startswith("PUT")] == before


def test_an_interrupted_build_resumes(both: Both) -> None:
    out = copy_of(both, "interrupted")
    log = Store(out).read("build.json")
    Store(out).delete(NAME)
    again = build(source_of(both.config), out, both.config)
    assert again == Manifest.load(both.remote) and Store(out).read("build.json") != log
    with pytest.raises(UserError, match=r"s3://\*\*\*@bucket/interrupted holds shards of s3://\*\*\*@bucket/images"):
        build(Source(both.server.uri("images"), class_a="trainA", class_b="trainB"), out, both.config)


def test_a_feed_from_a_bucket_equals_one_from_a_folder_and_fetches_shards_once(both: Both, tmp_path: Path) -> None:
    plan = Plan((SIZES["trainA"], SIZES["trainB"]), seed=1, crop_size=(128, 128), flip=True)
    share = WorkerShare(rank=0, workers=1, batch=4)
    settings = FeedSettings(actors=2, cache=CacheSettings(tmp_path / "cache", 1))
    with Feed(both.local, plan, share, position=0, end=160) as feed:
        expected = [np.array(batch) for batch in feed]
    for fetched in (True, False):
        start = len(both.server.flaky.requests)
        with Feed(both.remote, plan, share, position=0, end=160, settings=settings) as feed:
            for batch, wanted in zip(feed, expected, strict=True):
                np.testing.assert_array_equal(batch, wanted)
        assert any(".arrow" in request for request in both.server.flaky.requests[start:]) == fetched


def test_only_the_record_batches_of_an_image_are_read(both: Both) -> None:
    plan = Plan((SIZES["trainA"], SIZES["trainB"]), seed=1, crop_size=(128, 128), flip=True)
    start = len(both.server.flaky.requests)
    Reader(both.remote, plan, WorkerShare(rank=0, workers=1, batch=1)).read(0, 1)
    ranges = [request.rpartition("bytes=")[2].split("-") for request in both.server.flaky.requests[start:] if "bytes=" in request]
    assert ranges and all(int(end) - int(begin) < 2**20 + 2**12 for begin, end in ranges)


def test_known_pairs_are_found_in_a_bucket_as_in_a_folder(both: Both) -> None:
    named = [NamedPair((f"trainA/{n}.jpg", f"trainB/{29 - n}.jpg"), n + 1) for n in (7, 0, 29)]
    local, remote = (find_pairs("", named, folder, Manifest.load(folder)) for folder in (both.local, both.remote))
    assert len(remote) == 3 and remote.fingerprint() == local.fingerprint()


def test_a_damaged_shard_in_a_bucket_is_named(both: Both, tmp_path: Path) -> None:
    out = copy_of(both, "damaged")
    manifest = Manifest.load(out)
    store, shard = Store(out), manifest.splits["trainA"].shards[0]
    content = bytearray(store.read(shard.name))
    content[len(content) // 2] ^= 1
    store.write(shard.name, bytes(content))
    with pytest.raises(UserError, match=rf"{shard.name} is damaged"):
        manifest.verify(out)
    plan = Plan((SIZES["trainA"], SIZES["trainB"]), seed=1, crop_size=(128, 128), flip=True)
    with pytest.raises(UserError) as error:
        Reader(out, plan, WorkerShare(rank=0, workers=1, batch=40), CacheSettings(tmp_path / "cache", 1)).read(0, 1)
    assert str(error.value).startswith(f"s3://***@bucket/damaged/{shard.name} cannot be read (its images ")
    assert "CRC-32 is" in str(error.value) and "SECRET" not in str(error.value)
