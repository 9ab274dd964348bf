"""A training does not start on shards that it cannot train on."""

import pytest

from cluster.config import Config
from cluster.driver.shard_compatibility import check_shards
from cluster.job import images_by_settings, images_of
from cyclegan.config import ImageFormat
from preprocess.config import DataConfig
from preprocess.images.resize import Mode
from preprocess.shards.manifest import Manifest, Split
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from tests.preprocess.small_shards import make_manifest


def manifest(
    smallest: tuple[int, int] = (286, 286),
    largest: tuple[int, int] = (286, 286),
    channels: tuple[int, int] = (3, 3),
    mode: Mode = "resize_and_crop",
    bits: int = 8,
) -> Manifest:
    splits = {split: Split(count=5, shards=[], smallest=smallest, largest=largest) for split in TRAIN_SPLITS}
    made = make_manifest(splits, "uint8" if bits == 8 else "uint16", channels)
    return made.model_copy(update={"preprocess": mode})


def check(sections: dict[str, dict[str, object]], found: Manifest, shards: str = "shards") -> None:
    check_shards(Config.model_validate(sections), found, images_of(found), shards)


def test_the_images_are_those_of_the_shards() -> None:
    assert images_of(manifest()) == ImageFormat()
    images = images_of(manifest(channels=(1, 5), bits=16))
    assert images == ImageFormat(channels_a=1, channels_b=5, bits=16)
    assert (images.channels, images.channels_of("AtoB"), images.channels_of("BtoA")) == (5, (1, 5), (5, 1))


def test_before_there_are_shards_the_settings_decide() -> None:
    assert images_by_settings(DataConfig()) == ImageFormat()
    asked = DataConfig.model_validate({"channels_a": 1, "channels_b": 4, "bits": 16})
    assert images_by_settings(asked) == ImageFormat(channels_a=1, channels_b=4, bits=16)


@pytest.mark.parametrize(
    ("sections", "found", "text"),
    [
        (
            {},
            {"channels": (1, 3)},
            "train.lambda_identity = 0.5, but images of A have 1 channels and of B 3: set it to 0, "
            "or give both domains the same by data.channels_a and data.channels_b",
        ),
        (
            {"train": {"batch": 6}},
            {},
            "train.batch = 6, but domain A has 5 images (here/trainA): use 5 or fewer, or add images",
        ),
        (
            {},
            {"smallest": (300, 200), "largest": (400, 400), "mode": "scale_width_and_crop"},
            "data.crop_size = 256 is larger than images of domain A in shards, 200 wide or 300 high: use a smaller one, "
            "or preprocess to a larger data.load_size",
        ),
        (
            {"data": {"preprocess": "none"}},
            {"smallest": (256, 256), "largest": (256, 300), "mode": "none"},
            "data.preprocess = none does not crop, and domain A has images up to 300 wide and 256 high, where data.crop_size = 256: "
            "use scale_width_and_crop, crop or resize_and_crop",
        ),
        (
            {"data": {"load_size": [300, 600], "crop_size": [256, 512]}},
            {"smallest": (300, 500), "largest": (300, 600)},
            "data.crop_size = [256, 512] is larger than images of domain A in shards, 500 wide or 300 high: use a smaller one, "
            "or preprocess to a larger data.load_size",
        ),
        (
            {"data": {"load_size": [300, 600], "crop_size": [256, 512]}},
            {"smallest": (240, 600), "largest": (300, 600)},
            "data.crop_size = [256, 512] is larger than images of domain A in shards, 600 wide or 240 high: use a smaller one, "
            "or preprocess to a larger data.load_size",
        ),
        (
            {"data": {"preprocess": "none", "crop_size": [256, 512]}},
            {"smallest": (256, 512), "largest": (260, 512), "mode": "none"},
            "data.preprocess = none does not crop, and domain A has images up to 512 wide and 260 high, where data.crop_size = [256, 512]: "
            "use scale_width_and_crop, crop or resize_and_crop",
        ),
        (
            {"data": {"jitter": [0.2, 0.1, 0, 0.05]}, "train": {"lambda_identity": 0}},
            {"channels": (3, 1)},
            "data.jitter = [0.2, 0.1, 0.0, 0.05], but images of B have 1 channel, without saturation and hue: use [0.2, 0.1, 0.0, 0.0]",
        ),
        (
            {"data": {"jitter": [0, 0, 0.1, 0]}},
            {"channels": (5, 5)},
            "data.jitter = [0.0, 0.0, 0.1, 0.0], but images of A have 5 channels, without saturation and hue: use [0.0, 0.0, 0.0, 0.0]",
        ),
    ],
)
def test_mistakes(sections: dict[str, dict[str, object]], found: dict[str, object], text: str) -> None:
    with pytest.raises(UserError) as error:
        check(sections, manifest(**found))  # type: ignore[arg-type]
    assert str(error.value) == text


def test_unequal_channels_train_without_an_identity_loss() -> None:
    check({"train": {"lambda_identity": 0}}, manifest(channels=(1, 5), bits=16))


def test_images_of_the_crop_size_need_no_crop() -> None:
    check({"data": {"preprocess": "none"}}, manifest((256, 256), (256, 256), mode="none"))
    check({"data": {"preprocess": "none", "crop_size": [256, 512]}}, manifest((256, 512), (256, 512), mode="none"))


def test_colour_jitter_of_grey_images_and_of_images_with_opacity() -> None:
    check({"data": {"jitter": [0.2, 0.2, 0, 0]}}, manifest(channels=(1, 1)))
    check({"data": {"jitter": [0.2, 0.2, 0.2, 0.1]}}, manifest(channels=(4, 4)))


def test_a_mistake_shows_no_key_of_the_shards_location() -> None:
    with pytest.raises(UserError, match=r"of domain A in s3://\*\*\*@bucket/shards\?scheme=http, "):
        check({}, manifest(smallest=(200, 200)), "s3://key:secret@bucket/shards?scheme=http")
