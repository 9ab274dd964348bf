"""The fixed held-out images of a run, read from its shards."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cyclegan.inference.held_out import HeldOutImage
from preprocess.images.decode import BrokenImage, ImageArray, decode
from preprocess.images.resize import Mode, prepare
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet
from ringcycle.domains import DIRECTIONS
from ringcycle.hashing import hash64
from ringcycle.storage.location import Location


class HeldOutImages:
    """The first `most` images of one domain in an order drawn by hash, so the same ones at each checkpoint and in each run.

    As the shards hold them. Where only crops have been trained on, their centre of `crop_size` (height, width). truths: a folder with
    AtoB/NAME.png and BtoA/NAME.png for images testA/NAME.* and testB/NAME.*, if the data set has one.
    """

    def __init__(
        self, shards: Location, manifest: Manifest, domain: str, most: int, crop_size: tuple[int, int], truths: Path | None
    ) -> None:
        self._set = ShardSet(shards, manifest.splits[f"test{domain}"])
        self._manifest, self._domain, self._truths = manifest, domain, truths
        self._crop = None if manifest.preprocess == "resize_and_crop" else crop_size
        order = np.argsort(hash64(0, "held out", np.arange(len(self._set))), kind="stable")
        self._chosen = [int(i) for i in order[:most]]

    def __len__(self) -> int:
        return len(self._chosen)

    def __contains__(self, image: object) -> bool:
        return image in self._chosen

    def __iter__(self) -> Iterator[HeldOutImage]:
        """Raises as `ShardSet.image`."""
        self._set.prefetch(self._chosen)
        for i in self._chosen:
            pixels = np.array(self._set.image(i))
            yield HeldOutImage(_centre(pixels, self._crop), self._truth(self._set.key(i), pixels))

    def _truth(self, key: str, pixels: ImageArray) -> ImageArray | None:
        if self._truths is None:
            return None
        direction = next(name for name in DIRECTIONS if name[0] == self._domain)
        file = self._truths / direction / Path(key).with_suffix(".png").name
        channels = self._manifest.channels["AB".index(direction[-1])]
        try:
            mode: Mode = self._manifest.preprocess
            truth = prepare(
                decode(file, channels=channels, bits=8 * pixels.itemsize), mode, self._manifest.load_size, self._manifest.crop_size
            )
        except BrokenImage:
            return None
        return _centre(truth, self._crop) if truth.shape[:2] == pixels.shape[:2] else None


def _centre(image: ImageArray, size: tuple[int, int] | None) -> ImageArray:
    """The rectangle of `size` (height, width) in the middle, no larger than the image; all of it without a size."""
    if size is None:
        return image
    top, left = (max(0, (side - part) // 2) for side, part in zip(image.shape, size, strict=False))
    return image[top : top + size[0], left : left + size[1]]
