"""Held-out images in folders: testA and testB, with the truth of each image where the data set has it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cyclegan.evaluation.sliced_wasserstein import SIDE
from cyclegan.inference.files import find_images, read_image
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.held_out import HeldOutImage
from cyclegan.inference.progress import track
from cyclegan.inference.scale import Scale
from preprocess.images.decode import BrokenImage, ImageArray
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError

log = logging.getLogger(__name__)

CURE = "give a folder with testA and testB"
SYNTHETIC_CURE = "write the data set again with `python -m preprocess.synthetic`"


@dataclass(frozen=True)
class Reading:
    """How to read a folder. paired: testA/STEM.* and testB/STEM.* show the same scene. most: megapixels that an image may have."""

    scale: Scale
    paired: bool
    most: float


@dataclass(frozen=True)
class FolderImages:
    """Images of one domain, read one after another at the scale at which they are translated; broken ones are logged and left out.

    truths: the same scenes in the other domain, by image; empty if they are unknown.
    """

    paths: list[Path]
    truths: dict[Path, Path]
    channels: tuple[int, int]
    trained: GeneratorCheckpoint
    reading: Reading
    name: str
    console: Console

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    def __iter__(self) -> Iterator[HeldOutImage]:
        """Raises UserError if a truth cannot be used."""
        for path in track(self.paths, self.name, self.console):
            try:
                image = self._read(path, self.channels[0])
            except BrokenImage as reason:
                log.warning(f"left out: {path}: {reason}")
                continue
            yield HeldOutImage(image, self._truth(path, image) if self.truths else None)

    def _truth(self, path: Path, image: ImageArray) -> ImageArray:
        truth = self.truths[path]
        try:
            wanted = self._read(truth, self.channels[1])
        except BrokenImage as reason:
            raise UserError(f"SOURCE: {truth}, the truth of {path}, cannot be used ({reason}): {SYNTHETIC_CURE}") from reason
        if wanted.shape[:2] != image.shape[:2]:
            raise UserError(f"SOURCE: {path} and its truth {truth} differ in size: {SYNTHETIC_CURE}")
        return wanted

    def _read(self, path: Path, channels: int) -> ImageArray:
        image = read_image(path, channels, self.trained.model.bits, self.reading.most)
        image = self.reading.scale.scaled(image, self.trained.preparation)
        if min(image.shape[:2]) < SIDE:
            raise BrokenImage(f"{image.shape[1]}x{image.shape[0]} pixels, less than {SIDE} a side")
        return image


def held_out_folder(source: Path, trained: GeneratorCheckpoint, reading: Reading, console: Console) -> dict[str, FolderImages]:
    """testA and testB of `source` by domain, with truth/AtoB/STEM.png and truth/BtoA/STEM.png if `source` has a folder truth.

    Raises UserError if a folder, an image or a truth is missing.
    """
    names = {}
    for domain in "AB":
        folder = source / f"test{domain}"
        for part in (source, folder):
            if not part.is_dir():
                raise UserError(f"SOURCE = {source}: there is no folder {part}: {CURE}")
        names[domain] = find_images(folder, "SOURCE")
        if not names[domain]:
            raise UserError(f"SOURCE = {source}: {folder} holds no images: {CURE}")
    result = {}
    for direction in DIRECTIONS:
        domain, other = direction[0], direction[-1]
        paths = [source / f"test{domain}" / name for name in names[domain]]
        truths = _pairs(source, paths, domain, other, names[other]) if reading.paired else _truths(source, direction, paths)
        result[domain] = FolderImages(paths, truths, trained.model.channels_of(direction), trained, reading, direction, console)
    return result


def _truths(source: Path, direction: str, paths: list[Path]) -> dict[Path, Path]:
    if not (source / "truth").is_dir():
        return {}
    found = {path: (source / "truth" / direction / path.relative_to(source / f"test{direction[0]}")).with_suffix(".png") for path in paths}
    missing = next((truth for truth in found.values() if not truth.is_file()), None)
    if missing:
        raise UserError(f"SOURCE = {source}: {missing} is missing: {SYNTHETIC_CURE}")
    return found


def _pairs(source: Path, paths: list[Path], domain: str, other: str, names: list[Path]) -> dict[Path, Path]:
    partners = {name.with_suffix(""): source / f"test{other}" / name for name in names}
    found = {}
    for path in paths:
        stem = path.relative_to(source / f"test{domain}").with_suffix("")
        if stem not in partners:
            raise UserError(f"--paired: {path} has no partner {stem}.* in {source / f'test{other}'}: add it, or leave out --paired")
        found[path] = partners[stem]
    return found
