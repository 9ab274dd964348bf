"""Whether a configuration fits the shards, and what it takes from them."""

from cluster.config import Config
from preprocess.shards.manifest import Manifest
from ringcycle.errors import UserError
from ringcycle.storage.location import Location, redacted


def fitted(config: Config, manifest: Manifest, shards: Location) -> Config:
    """The configuration with the model's channels and bits as the shards have them.

    Raises UserError if it says others, if crops do not fit the images or batches the domains, or if the identity loss makes no sense.
    """
    found = {"channels_a": manifest.channels[0], "channels_b": manifest.channels[1], "bits": 8 if manifest.dtype == "uint8" else 16}
    where = redacted(shards)
    for field, value in found.items():
        given = getattr(config.model, field)
        if field in config.model.model_fields_set and given != value:
            cure = f"leave it out, or set data.{field} = {given}"
            raise UserError(f"model.{field} = {given}, but the images of {where} have {value}: {cure}")
    _check_batch(config, manifest)
    _check_crop(config, manifest, where)
    result = config.model_copy(update={"model": config.model.model_copy(update=found)})
    check_identity(result)
    return result


def check_identity(config: Config) -> None:
    """Raises UserError if there is an identity loss between domains of unequal channels."""
    model, train = config.model, config.train
    if train.lambda_identity and model.channels_a != model.channels_b:
        raise UserError(
            f"train.lambda_identity = {train.lambda_identity:g}, but images of A have {model.channels_a} channels and "
            f"of B {model.channels_b}: set it to 0, or give both domains the same by data.channels_a and data.channels_b"
        )


def _check_batch(config: Config, manifest: Manifest) -> None:
    for domain in "AB":
        count = manifest.splits[f"train{domain}"].count
        if config.train.batch > count:
            raise UserError(
                f"train.batch = {config.train.batch}, but domain {domain} has {count} images ({manifest.source}/train{domain}): "
                f"use {count} or fewer, or add images"
            )


def _check_crop(config: Config, manifest: Manifest, where: str) -> None:
    """Compiled steps have one shape: images must hold a crop, and be no larger where none is cut."""
    crop = config.data.crop_size
    for domain in "AB":
        split = manifest.splits[f"train{domain}"]
        if min(split.smallest) < crop:
            fact = f"is larger than images of domain {domain} in {where}, {split.smallest[1]} wide or {split.smallest[0]} high"
            raise UserError(f"data.crop_size = {crop} {fact}: use a smaller one, or preprocess to a larger data.load_size")
        if "crop" not in manifest.preprocess and max(split.largest) > crop:
            fact = f"does not crop, and domain {domain} has images up to {split.largest[1]} wide and {split.largest[0]} high"
            cure = "use scale_width_and_crop, crop or resize_and_crop"
            raise UserError(f"data.preprocess = {manifest.preprocess} {fact}, where data.crop_size = {crop}: {cure}")
