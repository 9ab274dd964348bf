"""A configuration takes channels and bits from its shards, and does not start on shards that it cannot train on."""

import pytest

from cluster.config import Config
from cluster.driver.shard_compatibility import fitted
from preprocess.images.resize import Mode
from preprocess.shards.manifest import Manifest, Split
from ringcycle.errors import UserError
from tests.preprocess.small_shards import make_manifest


def manifest(
    smallest: tuple[int, int] = (286, 286),
    largest: tuple[int, int] = (286, 286),
    channels: tuple[int, int] = (3, 3),
    mode: Mode = "resize_and_crop",
    bits: int = 8,
) -> Manifest:
    splits = {split: Split(count=5, shards=[], smallest=smallest, largest=largest) for split in ("trainA", "trainB")}
    made = make_manifest(splits, "uint8" if bits == 8 else "uint16", channels)
    return made.model_copy(update={"preprocess": mode})


def config(**sections: dict[str, object]) -> Config:
    return Config.model_validate(sections)


def mistake(given: Config, found: Manifest) -> str:
    with pytest.raises(UserError) as error:
        fitted(given, found, "shards")
    return str(error.value)


def test_the_model_is_that_of_the_shards() -> None:
    given = config(train={"lambda_identity": 0})
    model = fitted(given, manifest(channels=(1, 5), bits=16), "shards").model
    assert (model.channels_a, model.channels_b, model.bits, model.channels) == (1, 5, 16, 5)
    again = config(train={"lambda_identity": 0}, model=model.model_dump())  # as a run's config.toml gives it
    assert fitted(again, manifest(channels=(1, 5), bits=16), "shards").model == model


def test_ordinary_images_change_nothing() -> None:
    assert fitted(config(), manifest(), "shards") == config()


@pytest.mark.parametrize(
    ("sections", "found", "text"),
    [
        (
            {"model": {"channels_a": 3}},
            {"channels": (1, 1)},
            "model.channels_a = 3, but the images of shards have 1: leave it out, or set data.channels_a = 3",
        ),
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
    ],
)
def test_mistakes(sections: dict[str, dict[str, object]], found: dict[str, object], text: str) -> None:
    assert mistake(config(**sections), manifest(**found)) == text  # type: ignore[arg-type]


def test_whole_images_of_the_crops_size_need_no_crop() -> None:
    fitted(config(data={"preprocess": "none"}), manifest((256, 256), (256, 256), mode="none"), "shards")


def test_a_mistake_shows_no_key_of_the_shards_place() -> None:
    with pytest.raises(UserError) as error:
        fitted(config(model={"bits": 16}), manifest(), "s3://key:secret@bucket/shards?scheme=http")
    assert str(error.value).startswith("model.bits = 16, but the images of s3://***@bucket/shards?scheme=http have 8: ")
