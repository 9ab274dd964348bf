"""Settings of "auto" follow the files, in the same way every time; explicit settings are kept."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from preprocess.building.recipe import Recipe, choose_recipe, most_channels, mostly_deep, settings_text
from preprocess.config import DataConfig
from preprocess.images.decode import PixelFormat
from preprocess.sources.layouts import ImageFile
from ringcycle.errors import UserError

GREY, COLOUR, BANDS = PixelFormat(1, 8), PixelFormat(3, 8), PixelFormat(5, 16)


@pytest.mark.parametrize(
    ("formats", "channels"),
    [([], 3), ([GREY], 1), ([COLOUR], 3), ([GREY] * 9 + [COLOUR], 3), ([BANDS] * 3 + [COLOUR], 5), ([BANDS] + [GREY] * 3, 1)],
)
def test_channels_of_a_domain(formats: list[PixelFormat], channels: int) -> None:
    assert most_channels(formats) == channels


@pytest.mark.parametrize(("deep", "plain", "expected"), [(0, 0, False), (1, 0, True), (1, 1, True), (1, 2, False), (0, 3, False)])
def test_depth_of_a_domain(deep: int, plain: int, expected: bool) -> None:
    assert mostly_deep([BANDS] * deep + [GREY] * plain) == expected


def tiff_bands() -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((9, 9, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    return file.getvalue()


def png(mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (9, 9)).save(file, "PNG")
    return file.getvalue()


FILES = {
    "grey16": imagecodecs.png_encode(np.zeros((9, 9), np.uint16)),
    "grey": png("L"),
    "colour": png("RGB"),
    "bands": tiff_bands(),
    "broken": b"text",
}


def recipe_of(a: list[str], b: list[str], **fields: object) -> Recipe:
    images = {
        split: [ImageFile(f"{split}/{i}-{kind}", 1, 0) for i, kind in enumerate(kinds)] for split, kinds in (("trainA", a), ("trainB", b))
    }
    config = DataConfig.model_validate({"load_size": 40, "crop_size": 24, **fields})
    return choose_recipe(config, images, lambda name: FILES[name.rpartition("-")[2]])


def test_auto_follows_the_files() -> None:
    assert recipe_of(["grey16"] * 3, ["colour"] * 50) == Recipe("resize_and_crop", 40, None, (1, 3), 16)
    assert recipe_of(["broken", "grey"], ["bands"])[3:5] == ((1, 5), 8)
    assert recipe_of(["broken"], ["broken"])[3:5] == ((3, 3), 8)


def test_explicit_settings_are_kept() -> None:
    assert recipe_of(["grey16"], ["colour"], channels_a=3, bits=8)[3:5] == ((3, 3), 8)
    assert recipe_of(["grey"], ["grey"], channels_b="4", bits="16")[3:5] == ((1, 4), 16)
    assert recipe_of(["grey"], ["grey"], preprocess="crop").crop_size == 24
    assert recipe_of(["grey"], ["grey"]).of_split("testB") == 1


def test_a_missing_file() -> None:
    def read(name: str) -> bytes:
        raise FileNotFoundError(2, "No such file or directory")

    images = {split: [ImageFile(f"{split}/x.png", 1, 0)] for split in ("trainA", "trainB")}
    with pytest.raises(UserError, match=r"^data.source: trainA/x.png was listed but cannot be read \(.*No such file"):
        choose_recipe(DataConfig(), images, read)


def test_settings_that_determine_pixels_change_the_text(tmp_path: Path) -> None:
    given = [{}, {"load_size": 300}, {"preprocess": "crop"}, {"preprocess": "crop", "crop_size": 128}, {"channels_a": 1}, {"bits": 16}]
    given += [{"load_size": [300, 400]}, {"load_size": [400, 300]}, {"preprocess": "crop", "crop_size": [128, 256]}]
    assert len({settings_text(DataConfig.model_validate(fields)) for fields in given}) == len(given)
    same = [{}, {"crop_size": 128}, {"crop_size": [128, 256]}, {"load_size": [286, 286]}, {"flip": False}, {"threads": 3}, {"shard_mb": 1}]
    same += [{"flip_vertical": True, "rotate": True, "jitter": [0.2, 0.2, 0.2, 0.1]}]
    assert len({settings_text(DataConfig.model_validate(fields)) for fields in same}) == 1


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"channels_a": 0}, "data.channels_a = 0 is not a number from 1 to 64: use one, or auto"),
        ({"channels_b": "many"}, "data.channels_b = many is not a number from 1 to 64: use one, or auto"),
        ({"preprocess": "scale_width"}, "data.load_size = 286 and does not crop them to data.crop_size = 256: make them equal"),
        ({"bits": 12}, "Input should be 'auto', '8' or '16'"),
        ({"preprocess": "scale_width_and_crop", "load_size": 100}, "data.crop_size = 256 is larger than data.load_size = 100"),
    ],
)
def test_mistakes(fields: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DataConfig.model_validate(fields)
