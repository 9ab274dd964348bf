"""What counts as an image, how a source is named, and the messages for a wrong one."""

import os
from pathlib import Path

import pytest

from preprocess.sources.layouts import Source, absolute, find_images, fingerprint, opener
from ringcycle.errors import UserError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two train folders and a test folder; listing does not look into files."""
    for name in ("trainA/b.jpg", "trainA/a.PNG", "trainA/deep/er/c d é.webp", "trainB/x.tiff", "testA/t.jpeg"):
        put(tmp_path / "source" / name)
    return tmp_path / "source"


def put(path: Path, content: bytes = b"image") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def names(source: object) -> dict[str, list[str]]:
    return {split: [file.name for file in files] for split, files in find_images(Source(str(source))).items()}


def message(source: object) -> str:
    """The one-line message for a wrong source."""
    with pytest.raises(UserError) as error:
        find_images(Source(str(source)))
    assert "\n" not in str(error.value) and str(error.value).startswith("data.source")
    return str(error.value)


def key(source: Path, settings: str = "load_size 286") -> str:
    return fingerprint(find_images(Source(str(source))), settings)


def test_images_by_extension_in_any_case_at_any_depth_sorted(source: Path) -> None:
    for name in ("trainA/notes.txt", "trainA/.hidden.jpg", "trainA/.cache/z.jpg", "trainA/._b.jpg", "trainA/noending", "other/q.jpg"):
        put(source / name)
    (source / "testB").mkdir()
    assert names(source) == {
        "trainA": ["trainA/a.PNG", "trainA/b.jpg", "trainA/deep/er/c d é.webp"],
        "trainB": ["trainB/x.tiff"],
        "testA": ["testA/t.jpeg"],
    }


def test_links_are_followed(source: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "y.jpg")
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
        put(tmp_path / ".data" / name)
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
    for name in ("a.txt", "b.TXT", "c.heic", "d"):
        put(source / "trainB" / name)
    assert "no images in trainB (4 files, .txt, .heic, no extension)" in message(source)


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
    put(moved / "notes.txt")
    assert key(moved) == first
    assert key(moved, settings="load_size 142") != first

    stat = (moved / "trainA" / "b.jpg").stat()
    os.utime(moved / "trainA" / "b.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))  # rewritten with the same size
    assert key(moved) != first
    os.utime(moved / "trainA" / "b.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert key(moved) == first
    (moved / "trainA" / "b.jpg").rename(moved / "trainA" / "z.jpg")
    assert key(moved) != first
