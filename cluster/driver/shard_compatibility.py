"""Whether a training can use the shards it is given."""

from cluster.config import Config
from cyclegan.config import ImageFormat, TrainConfig
from preprocess.shards.manifest import Manifest
from ringcycle.domains import DOMAINS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted


def check_shards(config: Config, manifest: Manifest, images: ImageFormat, shards: Location) -> None:
    """Raises UserError if crops do not fit the images, batches the domains, or an identity loss the channels.

    images: the format of the images in the shards of `manifest`, which are at `shards`.
    """
    _check_batch(config, manifest)
    _check_crop(config, manifest, redacted(shards))
    check_identity(config.train, images)


def check_identity(train: TrainConfig, images: ImageFormat) -> None:
    """Raises UserError if there is an identity loss between domains of unequal channels."""
    if train.lambda_identity and images.channels_a != images.channels_b:
        raise UserError(
            f"train.lambda_identity = {train.lambda_identity:g}, but images of A have {images.channels_a} channels and "
            f"of B {images.channels_b}: set it to 0, or give both domains the same by data.channels_a and data.channels_b"
        )


def _check_batch(config: Config, manifest: Manifest) -> None:
    for domain in DOMAINS:
        count = manifest.splits[f"train{domain}"].count
        if config.train.batch > count:
            raise UserError(
                f"train.batch = {config.train.batch}, but domain {domain} has {count} images ({manifest.source}/train{domain}): "
                f"use {count} or fewer, or add images"
            )


def _check_crop(config: Config, manifest: Manifest, where: str) -> None:
    """Compiled steps have one shape: images must hold a crop, and be no larger where none is cut."""
    crop = config.data.crop_size
    for domain in DOMAINS:
        split = manifest.splits[f"train{domain}"]
        if min(split.smallest) < crop:
            fact = f"is larger than images of domain {domain} in {where}, {split.smallest[1]} wide or {split.smallest[0]} high"
            raise UserError(f"data.crop_size = {crop} {fact}: use a smaller one, or preprocess to a larger data.load_size")
        if "crop" not in manifest.preprocess and max(split.largest) > crop:
            fact = f"does not crop, and domain {domain} has images up to {split.largest[1]} wide and {split.largest[0]} high"
            cure = "use scale_width_and_crop, crop or resize_and_crop"
            raise UserError(f"data.preprocess = {manifest.preprocess} {fact}, where data.crop_size = {crop}: {cure}")
