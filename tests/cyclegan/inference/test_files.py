"""Each image has its own output file, never among the images to read; written images read back with their depth and channels."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cyclegan.inference.files import MAX_MEGAPIXELS, find_images, holds, plan_outputs, read_image, result_names, suffix_for, write_image
from preprocess.images.decode import PixelFormat, decode, pixel_format_of
from preprocess.sources.layouts import Source
from preprocess.sources.layouts import find_images as training_images
from ringcycle.errors import UserError


def written(pixels: np.ndarray, suffix: str) -> bytes:
    file = io.BytesIO()
    write_image(pixels, suffix, file)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("channels", "suffix"), [(1, ".png"), (3, ".PNG"), (1, ".tif"), (3, ".tiff"), (2, ".tif"), (4, ".tif"), (7, ".TIF")]
)
def test_every_sample_comes_back(channels: int, suffix: str, dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (9, 14, channels)).astype(dtype)
    data = written(pixels, suffix)
    assert pixel_format_of(data) == PixelFormat(channels, 8 * pixels.itemsize)
    got = decode(data, channels=channels, bits=None)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, pixels)
    np.testing.assert_array_equal(written(pixels[:, ::-1], suffix)[:4], data[:4])


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_8_bits(channels: int) -> None:
    pixels = np.full((16, 16, channels), 200 * 257, np.uint16)
    with Image.open(io.BytesIO(written(pixels, ".jpg"))) as image:
        assert image.format == "JPEG" and image.mode == ("L" if channels == 1 else "RGB")
    assert np.abs(decode(written(pixels, ".jpg"), channels=channels).astype(int) - 200).max() <= 1


def test_which_file_for_which_channels() -> None:
    assert [suffix_for(channels) for channels in (1, 2, 3, 4, 9)] == [".png", ".tif", ".png", ".tif", ".tif"]
    assert holds(".TIF", 9) and holds(".jpg", 3) and not holds(".png", 4)


def test_other_programs_read_the_bands() -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (6, 5, 4)).astype(np.uint16)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(written(pixels, ".tif"))), pixels)


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_photos_of_large_cameras_are_read(tmp_path: Path) -> None:
    Image.new("1", (12000, 9000), 1).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 1, None, MAX_MEGAPIXELS).shape == (9000, 12000, 1)


def test_images_are_found_in_inner_folders_but_not_hidden_or_other_files(tmp_path: Path) -> None:
    folder(tmp_path, "b.JPG", "a.png", "in/c.webp", ".d.png", ".e/f.png", "g.txt", "h")
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path, "INPUT") == [Path("a.png"), Path("b.JPG"), Path("in/c.webp")]


def test_links_contents_and_names_count_as_in_training(tmp_path: Path) -> None:
    folder(tmp_path, "trainA/a.png", "trainA/notes.txt", "elsewhere/b.png", os.fsdecode(b"trainA/caf\xe9.png"))
    Image.new("RGB", (8, 8)).save(tmp_path / "trainA" / "no_extension", "PNG")
    (tmp_path / "trainA" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "trainA" / "circle").symlink_to(tmp_path / "trainA")
    (tmp_path / "trainB").symlink_to(tmp_path / "trainA")
    assert find_images(tmp_path / "trainA", "INPUT") == [Path("a.png"), Path("link/b.png"), Path("no_extension")]
    trained = training_images(Source(str(tmp_path)))["trainA"]
    assert [file.name for file in trained] == ["trainA/a.png", "trainA/link/b.png", "trainA/no_extension"]


def test_results_keep_folders_and_stems(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", "a.jpg", "b/a.jpg", "b/x.y.webp")
    plan = plan_outputs(source, tmp_path / "out")
    assert {k.relative_to(source).as_posix(): v.relative_to(tmp_path).as_posix() for k, v in plan.items()} == {
        "a.jpg": "out/a.png",
        "b/a.jpg": "out/b/a.png",
        "b/x.y.webp": "out/b/x.y.png",
    }
    assert not (tmp_path / "out").exists()


def test_equal_stems_keep_their_endings() -> None:
    names = [Path("a.jpg"), Path("a.png"), Path("b.png")]
    assert result_names(names) == [Path("a.jpg.png"), Path("a.png.png"), Path("b.png")]


@given(st.sets(st.lists(st.sampled_from(["a", "b", ".jpg", ".png"]), min_size=1, max_size=4).map("".join), max_size=8))
def test_results_never_share_a_name(stems: set[str]) -> None:
    names = [Path(f"{stem}.gif") for stem in stems if not stem.startswith(".")]
    assert len(set(result_names(names))) == len(names)


def test_one_image_goes_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    image = folder(tmp_path, "in/a.jpg") / "in" / "a.jpg"
    (tmp_path / "made.d").mkdir()
    for output, result in [("x.png", "x.png"), ("x.JPG", "x.JPG"), ("new", "new/a.png"), ("made.d", "made.d/a.png")]:
        assert plan_outputs(image, tmp_path / output) == {image: tmp_path / result}


@pytest.mark.parametrize(
    ("source", "output", "fact"),
    [
        ("none", "out", "does not exist: give an image or a folder"),
        ("empty", "out", "holds no images (it is empty)"),
        ("texts", "out", "holds no images (2 files: .txt, no ending)"),
        ("images", "images", "among the images to read"),
        ("images", "images/out", "among the images to read"),
        ("images", "link", "among the images to read"),
        ("images", "texts/a.txt", "is a file, but INPUT"),
        ("images/a.png", "images/a.png", "would replace"),
        ("images/a.png", "images", "would replace"),
        ("images/a.png", "out.gif", "ends with .gif: end it with .png"),
        ("nested", ".", "would replace"),
    ],
)
def test_what_cannot_be_done_is_refused(source: str, output: str, fact: str, tmp_path: Path) -> None:
    folder(tmp_path, "texts/a.txt", "texts/b", "images/a.png", "nested/a.png", "nested/nested/a.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    with pytest.raises(UserError) as error:
        plan_outputs(tmp_path / source, tmp_path / output)
    assert fact in str(error.value)
    assert "\n" not in str(error.value)
