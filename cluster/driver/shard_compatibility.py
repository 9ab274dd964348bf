"""Whether a training can use the shards it is given."""

from cluster.config import Config
from cyclegan.config import ImageFormat, TrainConfig
from preprocess.config import DataConfig
from preprocess.images.colour_jitter import COLOURED, JitterStrengths
from preprocess.images.size import shown, sides_of
from preprocess.shards.manifest import Manifest
from ringcycle.domains import DOMAINS
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted


def check_shards(config: Config, manifest: Manifest, images: ImageFormat, shards: Location) -> None:
    """Raises UserError if crops do not fit the images, batches the domains, or an identity loss or a colour jitter the channels.

    images: the format of the images in the shards of `manifest`, which are at `shards`.
    """
    _check_batch(config, manifest)
    _check_crop(config, manifest, redacted(shards))
    _check_jitter(config.data, images)
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


def _check_jitter(data: DataConfig, images: ImageFormat) -> None:
    strengths = JitterStrengths(*data.jitter)
    for domain, channels in zip(DOMAINS, (images.channels_a, images.channels_b), strict=True):
        if (strengths.saturation or strengths.hue) and channels not in COLOURED:
            kept = JitterStrengths(strengths.brightness, strengths.contrast)
            raise UserError(
                f"data.jitter = {list(strengths)}, but images of {domain} have {channels} channel{'s' * (channels > 1)}, "
                f"without saturation and hue: use {list(kept)}"
            )


def _check_crop(config: Config, manifest: Manifest, where: str) -> None:
    """Compiled steps have one shape: images must hold a crop, and be no larger where none is cut."""
    height, width = sides_of(config.data.crop_size)
    crop = shown(config.data.crop_size)
    for domain in DOMAINS:
        split = manifest.splits[f"train{domain}"]
        if split.smallest[0] < height or split.smallest[1] < width:
            fact = f"is larger than images of domain {domain} in {where}, {split.smallest[1]} wide or {split.smallest[0]} high"
            raise UserError(f"data.crop_size = {crop} {fact}: use a smaller one, or preprocess to a larger data.load_size")
        if "crop" not in manifest.preprocess and (split.largest[0] > height or split.largest[1] > width):
            fact = f"does not crop, and domain {domain} has images up to {split.largest[1]} wide and {split.largest[0]} high"
            cure = "use scale_width_and_crop, crop or resize_and_crop"
            raise UserError(f"data.preprocess = {manifest.preprocess} {fact}, where data.crop_size = {crop}: {cure}")
