"""A unit is built once, from files that can be read; the results of all units become a manifest, or a one-line error."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from preprocess.building.pool import Done
from preprocess.building.recipe import Recipe, settings_text
from preprocess.building.result import check_rejected, check_seen, manifest_of
from preprocess.building.units import Built, Unit, build_unit, note, plan_units
from preprocess.config import DataConfig
from preprocess.shards.manifest import Manifest, Rejected, Split
from preprocess.shards.shard_set import ShardSet
from preprocess.sources.layouts import ImageFile, Source, find_images, opener
from ringcycle.errors import UserError

SIZE = 16


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("trainA/0.png", "trainA/1.png", "trainA/2.png", "trainB/0.png"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 30), (40, 50, 60)).save(path)
    return tmp_path / "source"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def recipe(load_size: int = SIZE) -> Recipe:
    return Recipe("resize_and_crop", load_size, None, (3, 3), 8)


def split_of(built: Built) -> Split:
    assert built.shard is not None
    return Split(count=built.shard.count, shards=[built.shard], smallest=built.smallest, largest=built.largest)


def unit_of(source: Path, load_size: int = SIZE) -> Unit:
    return plan_units(find_images(Source(str(source))), recipe(load_size), 64)[0]


def make(source: Path, out: Path, pool: Executor, load_size: int = SIZE) -> tuple[Built, bool]:
    return build_unit(unit_of(source, load_size), opener(Source(str(source))), out, recipe(load_size), pool)


def test_units_are_cut_in_order_and_all_but_the_last_are_full() -> None:
    files = [ImageFile(f"trainA/{i}.png", 1, 1) for i in range(7)]
    units = plan_units({"trainA": files, "trainB": files[:1]}, recipe(100), 3 * 30_000 / 2**20)
    assert [unit.shard for unit in units] == ["trainA-00000.arrow", "trainA-00001.arrow", "trainA-00002.arrow", "trainB-00000.arrow"]
    assert [file for unit in units[:3] for file in unit.files] == files and [len(unit.files) for unit in units] == [3, 3, 1, 1]
    assert len(plan_units({"trainA": files}, recipe(4096), 0.1)) == 7  # an image larger than a shard gets a shard of its own
    assert len({unit.digest for unit in units} | {unit.digest for unit in plan_units({"trainA": files}, recipe(101), 64)}) == 5


def test_a_finished_unit_is_not_rebuilt(source: Path, out: Path, pool: Executor) -> None:
    first, fresh = make(source, out, pool)
    assert fresh and first.shard is not None and first.shard.count == 3
    assert make(source, out, pool) == (first, False)


@pytest.mark.parametrize(
    "harm", ["truncate the shard", "flip a bit", "delete the shard", "truncate the note", "delete the note", "replace an image"]
)
def test_a_damaged_unit_is_rebuilt(harm: str, source: Path, out: Path, pool: Executor) -> None:
    make(source, out, pool)
    shard = out / "trainA-00000.arrow"
    good = shard.read_bytes()
    if harm == "truncate the shard":
        shard.write_bytes(good[:-1])
    elif harm == "flip a bit":
        shard.write_bytes(good[:-200] + bytes([good[-200] ^ 1]) + good[-199:])
    elif harm == "delete the shard":
        shard.unlink()
    elif harm == "truncate the note":
        (out / note(shard.name)).write_bytes((out / note(shard.name)).read_bytes()[:-1])
    elif harm == "delete the note":
        (out / note(shard.name)).unlink()
    else:
        Image.new("RGB", (20, 30), "red").save(source / "trainA" / "1.png")
    again, fresh = make(source, out, pool)
    assert fresh and again.shard is not None
    assert (shard.read_bytes() == good) == (harm != "replace an image")
    images = ShardSet(out, split_of(again))
    assert tuple(images.image(1)[0, 0]) == ((255, 0, 0) if harm == "replace an image" else (40, 50, 60))


def test_another_size_is_rebuilt(source: Path, out: Path, pool: Executor) -> None:
    make(source, out, pool)
    built, fresh = make(source, out, pool, load_size=24)
    assert fresh and built.shard is not None
    assert ShardSet(out, split_of(built)).image(0).shape == (24, 24, 3)


def test_broken_files_are_rejected_with_their_reasons(source: Path, out: Path, pool: Executor) -> None:
    (source / "trainA" / "1.png").write_bytes(b"text")
    built, _ = make(source, out, pool)
    assert built.rejected == [Rejected(path="trainA/1.png", reason="unknown image format")]
    assert built.shard is not None
    shards = ShardSet(out, split_of(built))
    assert [shards.key(i) for i in range(2)] == ["trainA/0.png", "trainA/2.png"]


def test_a_unit_of_broken_files_has_no_shard(source: Path, out: Path, pool: Executor) -> None:
    for path in (source / "trainA").iterdir():
        path.write_bytes(b"")
    built, _ = make(source, out, pool)
    assert built.shard is None and len(built.rejected) == 3
    assert make(source, out, pool) == (built, False)


def test_a_file_that_cannot_be_read_is_not_rejected(source: Path, out: Path, pool: Executor) -> None:
    unit = unit_of(source)
    (source / "trainA" / "1.png").unlink()
    with pytest.raises(UserError, match=r"^data.source: trainA/1.png was listed but cannot be read on .*: every node must see") as error:
        build_unit(unit, opener(Source(str(source))), out, recipe(), pool)
    assert "\n" not in str(error.value) and not list(out.iterdir())


def test_a_folder_that_cannot_be_written(source: Path, out: Path, pool: Executor) -> None:
    out.rmdir()
    with pytest.raises(UserError, match=r"trainA-00000.arrow cannot be written \(No such file"):
        make(source, out, pool)


def done_of(source: Path, out: Path, pool: Executor) -> tuple[list[Unit], dict[str, Done]]:
    units = plan_units(find_images(Source(str(source))), recipe(), 64)
    read = opener(Source(str(source)))
    return units, {unit.shard: Done(unit, *build_unit(unit, read, out, recipe(), pool), "node-7", False) for unit in units}


def manifest(source: Path, units: list[Unit], done: dict[str, Done]) -> Manifest:
    return manifest_of(str(source), "0" * 16, find_images(Source(str(source))), recipe(), units, done, [])


def test_the_manifest_does_not_depend_on_the_order_of_completion(source: Path, out: Path, pool: Executor) -> None:
    units, done = done_of(source, out, pool)
    assert manifest(source, units, done) == manifest(source, units, dict(reversed(done.items())))


def test_a_domain_without_valid_images(source: Path, out: Path, pool: Executor) -> None:
    for path in (source / "trainA").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        UserError, match=r'^data.source = ".*": all images of trainA are broken \(trainA/0.png: empty file, .*\): add valid images'
    ):
        manifest(source, *done_of(source, out, pool))


def test_test_images_that_are_all_broken_leave_no_split(source: Path, out: Path, pool: Executor) -> None:
    (source / "testA").mkdir()
    (source / "testA" / "0.png").write_bytes(b"")
    assert set(manifest(source, *done_of(source, out, pool)).splits) == {"trainA", "trainB"}


def test_shards_that_another_node_wrote_elsewhere_are_missing(source: Path, out: Path, pool: Executor) -> None:
    units, done = done_of(source, out, pool)
    complete = manifest(source, units, done)
    check_seen(complete, out, done)
    (out / "trainB-00000.arrow").unlink()
    with pytest.raises(UserError, match=r"is not shared: node node-7 wrote trainB-00000\.arrow there"):
        check_seen(complete, out, done)


def test_the_limit_of_rejected_images_is_a_share() -> None:
    images = {"trainA": [ImageFile(str(i), 1, 1) for i in range(200)]}
    rejected = [Rejected(path=f"trainA/{i}.png", reason="empty file") for i in range(5)]
    check_rejected(rejected[:2], images, 0.01)
    check_rejected([], images, 0)
    with pytest.raises(UserError) as error:
        check_rejected(rejected, images, 0.01)
    assert str(error.value) == (
        "data.max_rejected = 0.01, but 5 or more of 200 images are broken (trainA/0.png: empty file, trainA/1.png: empty file, "
        "trainA/2.png: empty file and 2 more): fix or remove them, or raise data.max_rejected"
    )


def test_files_above_a_size_limit_are_rejected_unread(source: Path, out: Path) -> None:
    unit = unit_of(source)
    huge = unit._replace(files=[unit.files[0]._replace(size=65 * 2**20), *unit.files[1:]])
    read = opener(Source(str(source)))

    def reads(name: str) -> bytes:
        assert name != huge.files[0].name
        return read(name)

    built, _ = build_unit(huge, reads, out, recipe())
    assert built.rejected == [Rejected(path=huge.files[0].name, reason="65.0 MiB, more than data.max_file_mb = 64")]


def test_the_pixel_limit_names_its_setting_and_can_be_raised(source: Path, out: Path) -> None:
    Image.new("L", (9000, 12000)).save(source / "trainA" / "a108.png")
    images = find_images(Source(str(source)))
    for limit, left in ((64, 1), (120, 0)):
        made = recipe()._replace(max_megapixels=limit)
        built, fresh = build_unit(plan_units(images, made, 64)[0], opener(Source(str(source))), out, made)
        assert fresh and len(built.rejected) == left
        assert not left or built.rejected[0].reason == "9000x12000 pixels, more than 64 megapixels (data.max_megapixels)"


def test_limits_leave_the_digests_of_older_shards_as_they_are(source: Path) -> None:
    old = ("resize_and_crop", SIZE, None, (3, 3), 8)
    files = find_images(Source(str(source)))["trainA"]
    text = f"format 2, {old}, {files}"
    assert unit_of(source).digest == hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    assert settings_text(DataConfig()) == "preprocess resize_and_crop, load_size 286, crop_size None, channels auto auto, bits auto"
    assert settings_text(DataConfig(max_megapixels=100)).endswith("bits auto, up to 100 megapixels and 64 MiB")
