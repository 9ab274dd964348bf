"""What counts as an image, how a source is named, the split by hash, and the messages for a wrong source."""

import os
import time
from pathlib import Path

import pytest

from preprocess.building.shard_folder import check_source
from preprocess.config import DataConfig
from preprocess.sources.layouts import Source, absolute, find_images, fingerprint, is_test, opener
from ringcycle.errors import UserError
from ringcycle.storage.location import child
from tests.preprocess.object_store import ObjectStore
from tests.preprocess.sources.listing import message, names, put


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two train folders and a test folder; listing does not look into files."""
    for name in ("trainA/b.jpg", "trainA/a.PNG", "trainA/deep/er/c d é.webp", "trainB/x.tiff", "testA/t.jpeg"):
        put(tmp_path / "source", name)
    return tmp_path / "source"


def key(source: Path, settings: str = "load_size 286") -> str:
    return fingerprint(find_images(Source(str(source))), settings)


def test_images_by_extension_in_any_case_at_any_depth_sorted(source: Path) -> None:
    for name in ("trainA/notes.txt", "trainA/.hidden.jpg", "trainA/.cache/z.jpg", "trainA/._b.jpg", "trainA/noending", "other/q.jpg"):
        put(source, name)
    (source / "testB").mkdir()
    assert names(source) == {
        "trainA": ["trainA/a.PNG", "trainA/b.jpg", "trainA/deep/er/c d é.webp"],
        "trainB": ["trainB/x.tiff"],
        "testA": ["testA/t.jpeg"],
    }


def test_links_are_followed(source: Path, tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/y.jpg")
    (source / "trainB" / "link.jpg").symlink_to(tmp_path / "elsewhere" / "y.jpg")
    (source / "trainB" / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (source / "testB").symlink_to(tmp_path / "elsewhere")
    assert names(source)["trainB"] == ["trainB/link.jpg", "trainB/x.tiff"]
    assert names(source)["testB"] == ["testB/y.jpg"]


@pytest.mark.parametrize("spelling", ["{}", "{}/", "file://{}", "file://{}/"])
def test_all_spellings_of_a_source_are_equal(source: Path, spelling: str) -> None:
    assert find_images(Source(spelling.format(source))) == find_images(Source(str(source)))
    assert opener(Source(spelling.format(source)))("trainB/x.tiff") == b"image"


def test_relative_source(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    assert find_images(Source("source")) == find_images(Source(str(source)))
    assert absolute("source") == str(source) and absolute("s3://bucket/x") == "s3://bucket/x"


def test_read_raises_oserror(source: Path) -> None:
    with pytest.raises(OSError):
        opener(Source(str(source)))("trainA/absent.jpg")


def test_a_hidden_parent_does_not_hide_its_images(tmp_path: Path) -> None:
    for name in ("trainA/a.jpg", "trainB/b.jpg"):
        put(tmp_path / ".data", name)
    assert names(tmp_path / ".data")["trainA"] == ["trainA/a.jpg"]


def test_wrong_sources(source: Path, tmp_path: Path) -> None:
    assert "is empty: name a folder" in message("")
    assert f'"{tmp_path / "absent"}" does not exist: name a folder that holds trainA and trainB' in message(tmp_path / "absent")
    assert "is a file: name a folder" in message(source / "trainA" / "b.jpg")
    assert "has no folder trainA, its folders are source: it must hold" in message(tmp_path)
    (source / "trainB").rename(source / "TrainB")
    assert "has no folder trainB, its folders are TrainB, testA, trainA" in message(source)
    assert "has no folder trainA, its folders are none" in message(source / "TrainB")
    assert 'data.source = "ftp://host/images" has an unknown scheme' in message("ftp://host/images")
    assert "cannot be opened (Unable to load libjvm)" in message("hdfs://host/images") or "libhdfs" in message("hdfs://host/images")


def test_empty_domain(source: Path) -> None:
    (source / "trainB" / "x.tiff").unlink()
    assert "no images in trainB (it is empty): put" in message(source)
    for name in ("a.txt", "b.TXT", "c.tga", "d"):
        put(source / "trainB", name)
    assert "no images in trainB (4 files, .txt, .tga, without extension)" in message(source)


def test_long_lists_of_folders_are_truncated(tmp_path: Path) -> None:
    for n in range(9):
        (tmp_path / f"class{n}").mkdir()
    assert "its folders are class0, class1, class2, class3, class4 and 4 more" in message(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can list any folder")
def test_forbidden_folder(source: Path) -> None:
    (source / "trainA").chmod(0)
    try:
        assert "cannot be listed" in message(source)
    finally:
        (source / "trainA").chmod(0o700)


def test_fingerprint_is_stable_and_follows_changes(source: Path) -> None:
    first = key(source)
    assert len(first) == 16 and int(first, 16) >= 0
    assert key(source) == first
    moved = source.rename(source.with_name("moved"))
    assert key(moved) == first
    put(moved, "notes.txt")
    assert key(moved) == first
    assert key(moved, settings="load_size 142") != first

    stat = (moved / "trainA" / "b.jpg").stat()
    os.utime(moved / "trainA" / "b.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))  # rewritten with the same size
    assert key(moved) != first
    os.utime(moved / "trainA" / "b.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert key(moved) == first
    (moved / "trainA" / "b.jpg").rename(moved / "trainA" / "z.jpg")
    assert key(moved) != first


def test_standard_layout_anywhere(root: str) -> None:
    for name in ("trainA/a.jpg", "trainA/deep/b c é%20?#.png", "trainB/x.webp", "testA/t.jpg", "trainB/notes.txt"):
        put(root, name, name.encode())
    source = Source(root, test_fraction=0.9)
    assert names(source) == {
        "trainA": ["trainA/a.jpg", "trainA/deep/b c é%20?#.png"],
        "trainB": ["trainB/x.webp"],
        "testA": ["testA/t.jpg"],
    }
    assert all(opener(source)(name) == name.encode() for files in names(source).values() for name in files)


def test_two_folders(root: str) -> None:
    for n in range(40):
        put(root, f"horses/{n}.jpg", b"%d" % n)
        put(root, f"my zebras/deep/{n}.jpg")
    source = Source(source_a=str(child(root, "horses")), source_b=str(child(root, "my zebras")), test_fraction=0.25)
    found = names(source)
    assert set(found) == {"trainA", "trainB", "testA", "testB"}
    assert sorted(found["trainA"] + found["testA"]) == sorted(f"A/{n}.jpg" for n in range(40))
    assert sorted(found["trainB"] + found["testB"]) == sorted(f"B/deep/{n}.jpg" for n in range(40))
    assert 4 <= len(found["testA"]) <= 18
    assert opener(source)("A/7.jpg") == b"7"
    assert set(names(source._replace(test_fraction=0.0))) == {"trainA", "trainB"}


def test_classes(root: str) -> None:
    for name in ("horse/1.jpg", "horse/2.jpg", "zebra/1.jpg", "cat/1.jpg", "more/dog/1.jpg"):
        put(root, name)
    source = Source(root, class_a="horse", class_b="zebra")
    assert names(source) == {"trainA": ["horse/1.jpg", "horse/2.jpg"], "trainB": ["zebra/1.jpg"]}
    assert names(source._replace(class_b="more/dog"))["trainB"] == ["more/dog/1.jpg"]
    assert opener(source)("zebra/1.jpg") == b"image"
    line = message(source._replace(class_b="zebar"))
    assert "has no folder zebar, its folders are cat, horse, more, zebra: name two of them" in line
    assert str(source).endswith(" (horse and zebra)") and "SECRET" not in str(source)


def test_slashes_around_a_class_are_ignored(tmp_path: Path) -> None:
    for n in range(20):
        put(tmp_path, f"horse/{n}.jpg")
        put(tmp_path, f"zebra/{n}.jpg")
    plain = find_images(Source(str(tmp_path), class_a="horse", class_b="zebra", test_fraction=0.5))
    assert find_images(Source(str(tmp_path), class_a="/horse/", class_b="zebra/", test_fraction=0.5)) == plain
    assert [file.name[6:] for file in plain["testA"]] == [file.name[6:] for file in plain["testB"]]


def test_wrong_folders(root: str) -> None:
    put(root, "a/1.jpg")
    put(root, "empty/readme.txt")
    a, empty, absent = (str(child(root, name)) for name in ("a", "empty", "absent"))
    assert message(Source(source_a=a, source_b=absent)).startswith("data.source_b = ") and "does not exist" in message(
        Source(source_a=a, source_b=absent)
    )
    assert "no images in it (1 files, .txt)" in message(Source(source_a=a, source_b=empty))
    assert "data.test_fraction = 0.99 leaves none of the 1 images of domain A for training: use a smaller fraction" in message(
        Source(source_a=a, source_b=a, test_fraction=0.99)
    )
    assert "does not exist" in message(Source(absent))


def test_a_wrong_bucket_or_address_fails_within_seconds(server: ObjectStore) -> None:
    assert "does not exist" in message(Source(server.uri("x").replace("bucket", "absent")))
    began = time.monotonic()
    with pytest.raises(UserError, match=r"cannot be listed \(When getting information for key"):
        check_source(DataConfig(source=server.uri("x").replace(str(server.port), "9")))
    assert time.monotonic() - began < 60  # nine attempts, as for known locations, would take two minutes


def test_the_split_is_stable_and_close_to_its_fraction() -> None:
    everything = [f"deep/{n}.jpg" for n in range(20_000)]
    test = {name for name in everything if is_test(name, 0.1)}
    assert abs(len(test) / 20_000 - 0.1) < 0.01
    assert {name for name in everything if is_test(name, 0.05)} < test
    assert not any(is_test(name, 0.0) for name in everything)


def test_moving_images_to_the_test_split_changes_the_fingerprint(tmp_path: Path) -> None:
    for n in range(40):
        put(tmp_path, f"a/{n}.jpg")
    source = Source(source_a=f"{tmp_path}/a", source_b=f"{tmp_path}/a", test_fraction=0.2)
    assert fingerprint(find_images(source), "") != fingerprint(find_images(source._replace(test_fraction=0.4)), "")
    before = {file.name for file in find_images(source)["testA"]}
    for n in range(40, 80):
        put(tmp_path, f"a/{n}.jpg")
    assert before <= {file.name for file in find_images(source)["testA"]}
