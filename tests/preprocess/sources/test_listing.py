"""Which files below a folder count as images: by content, each folder once, and what is left out is counted."""

import io
import os
from collections import Counter
from pathlib import Path

from PIL import Image

from preprocess.images.decode import READS_HEIC
from preprocess.images.image_files import NOT_UTF8, describe_left_out
from preprocess.sources.layouts import Source, find_images, list_images
from preprocess.sources.listing import images_below
from ringcycle.storage.store import Store
from tests.preprocess.sources.listing import message, put


def image(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, kind)
    return buffer.getvalue()


def test_the_content_decides_not_the_ending(root: str) -> None:
    for i, kind in enumerate(("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")):
        put(root, f"trainA/{i}", image(kind))
    put(root, "trainA/x.jpg_large", image("JPEG"))
    put(root, "trainA/x.tga", image("TGA"))
    put(root, "trainA/y.heic", b"\0\0\0\x1cftypheic\0\0\0\0mif1heic")
    for name in ("x.txt", "x.bin", "none"):
        put(root, f"trainA/{name}", b"some text")
    put(root, "trainB/b.png", image("PNG"))
    listing = list_images(Source(root))
    assert [file.name for file in listing.images["trainA"]] == [*(f"trainA/{i}" for i in range(9)), "trainA/x.jpg_large"] + (
        ["trainA/y.heic"] if READS_HEIC else []
    )
    left = {".tga": 1, ".txt": 1, ".bin": 1, "without extension": 1} | ({} if READS_HEIC else {".heic": 1})
    assert listing.left_out == Counter(left)


def test_what_was_left_out_is_one_line() -> None:
    line = describe_left_out(Counter({".heic": 31, ".tga": 2, "without extension": 1}))
    assert line.startswith("left out: 31 .heic, 2 .tga, 1 without extension (no image format this version reads")
    assert ("pillow-heif" in line) is not READS_HEIC


def test_circles_of_links_end_and_count_each_image_once(tmp_path: Path) -> None:
    for name in ("trainA/a.jpg", "trainA/deep/b.jpg", "trainB/c.jpg"):
        put(tmp_path, name)
    (tmp_path / "trainA" / "up").symlink_to("..")
    (tmp_path / "trainA" / "deep" / "self").symlink_to(".")
    (tmp_path / "trainA" / "endless.jpg").symlink_to("endless.jpg")
    for i in range(30):  # 2**30 ways through these folders
        (tmp_path / "trainB" / f"d{i}").mkdir()
        for link in "xy":
            (tmp_path / "trainB" / f"d{i}" / link).symlink_to(f"../d{(i + 1) % 30}")
    found = find_images(Source(str(tmp_path)))
    assert [file.name for file in found["trainA"]] == ["trainA/a.jpg", "trainA/deep/b.jpg", "trainA/up/trainB/c.jpg"]
    assert [file.name for file in found["trainB"]] == ["trainB/c.jpg"]


def test_linked_folders_count(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/deep/y.jpg")
    put(tmp_path, "images/x.jpg")
    (tmp_path / "images" / "more").symlink_to(tmp_path / "elsewhere")
    assert [file.name for file in images_below(Store(tmp_path / "images"))[0]] == ["more/deep/y.jpg", "x.jpg"]


def test_names_that_are_not_utf8_are_left_out(tmp_path: Path) -> None:
    for split in ("trainA", "trainB"):
        put(tmp_path, f"{split}/x.jpg")
    (tmp_path / os.fsdecode(b"other\xff")).mkdir()
    (tmp_path / "trainA" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"image")
    listing = list_images(Source(str(tmp_path)))
    assert [file.name for file in listing.images["trainA"]] == ["trainA/x.jpg"]
    assert listing.left_out == Counter({NOT_UTF8: 1})
    assert "left out: 1 with names that are not UTF-8" in listing.describe_left_out()
    (tmp_path / "trainA" / "x.jpg").unlink()
    assert "no images in trainA (1 files, with names that are not UTF-8)" in message(tmp_path)
    (tmp_path / "trainB").rename(tmp_path / "b")
    assert "its folders are b, other\\xff, trainA" in message(tmp_path)


def test_sizes_and_times_are_those_of_the_file_system(tmp_path: Path) -> None:
    path = Path(put(tmp_path, "x.jpg"))
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    (file,) = images_below(Store(tmp_path))[0]
    assert (file.size, file.mtime_ns) == (5, 1_234_567_890_123_456_789)
    (info,) = Store(tmp_path).entries()
    assert info.mtime_ns == file.mtime_ns  # fingerprints of older shards were made with these
