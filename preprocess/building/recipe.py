"""How image files become stored images: decided once per build, from the configuration and a sample of the files."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from preprocess.config import DataConfig
from preprocess.images.decode import MEGAPIXELS, BrokenImage, PixelFormat, pixel_format_of
from preprocess.images.resize import USES_CROP, Mode
from preprocess.images.size import Size
from preprocess.sources.layouts import ImageFile
from ringcycle.domains import DOMAINS, TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import reason

FILE_MB = 64.0
SAMPLE = 32  # files of each train domain whose headers decide what is "auto"
_COLOUR = 3


class Recipe(NamedTuple):
    """What determines the pixels of shards besides the files. crop_size: None if it has no effect; channels: of domain A and domain B."""

    preprocess: Mode
    load_size: Size
    crop_size: Size | None
    channels: tuple[int, int]
    bits: Literal[8, 16]
    max_megapixels: float = MEGAPIXELS
    max_file_mb: float = FILE_MB

    def text(self) -> str:
        """All fields, to identify what a recipe makes; limits only if not the default, so older shards stay valid."""
        return f"{tuple(self[:5])}{_limits(self.max_megapixels, self.max_file_mb)}"

    def of_split(self, split: str) -> int:
        """Channels of the images of "trainA", "testB" …"""
        return self.channels[DOMAINS.index(split[-1])]


def settings_text(config: DataConfig) -> str:
    """The fields that determine the pixels of shards, for their fingerprint. "auto" stays "auto", since the files decide what it means."""
    crop = _crop_size(config)
    return (
        f"preprocess {config.preprocess}, load_size {config.load_size}, crop_size {crop}, "
        f"channels {config.channels_a} {config.channels_b}, bits {config.bits}{_limits(config.max_megapixels, config.max_file_mb)}"
    )


def choose_recipe(config: DataConfig, images: dict[str, list[ImageFile]], read: Callable[[str], bytes]) -> Recipe:
    """Resolve "auto" by the headers of a sample of each train domain's files, always the same ones.

    Channels: the number of bands, if most files have bands; else 3 if any file has colour, 1 if all are grey. Bits: 16 for both
    domains if at least half of the files of one have 16. Raises UserError if a file cannot be read.
    """
    formats = {split: _sample([file for file in images[split] if file.size <= config.max_file_mb * 2**20], read) for split in TRAIN_SPLITS}
    channels = [
        most_channels(formats[split]) if given == "auto" else int(given)
        for split, given in zip(TRAIN_SPLITS, (config.channels_a, config.channels_b), strict=True)
    ]
    deep = config.bits == "16" or (config.bits == "auto" and any(mostly_deep(sample) for sample in formats.values()))
    return Recipe(
        config.preprocess,
        config.load_size,
        _crop_size(config),
        (channels[0], channels[1]),
        16 if deep else 8,
        config.max_megapixels,
        config.max_file_mb,
    )


def most_channels(formats: Sequence[PixelFormat]) -> int:
    """Channels for a domain with files of these formats; 3 if none could be opened."""
    counts = Counter(one.channels for one in formats)
    if not counts:
        return _COLOUR
    common = counts.most_common(1)[0][0]
    return common if common not in (1, _COLOUR) else max(number for number in counts if number in (1, _COLOUR))


def mostly_deep(formats: Sequence[PixelFormat]) -> bool:
    """Whether at least half of the files have 16 bits."""
    return 2 * sum(one.bits == 16 for one in formats) >= max(1, len(formats))


def _sample(files: Sequence[ImageFile], read: Callable[[str], bytes]) -> list[PixelFormat]:
    """The formats of files spread evenly over a domain; broken files are skipped."""
    formats: list[PixelFormat] = []
    if not files:
        return formats
    for i in np.unique(np.linspace(0, len(files) - 1, SAMPLE).astype(int)):
        try:
            formats.append(pixel_format_of(read(files[i].name)))
        except BrokenImage:
            continue
        except OSError as error:
            raise UserError(f"data.source: {files[i].name} was listed but cannot be read ({reason(error)}): fix this and rerun") from error
    return formats


def _crop_size(config: DataConfig) -> Size | None:
    return config.crop_size if config.preprocess in USES_CROP else None


def _limits(megapixels: float, file_mb: float) -> str:
    return "" if (megapixels, file_mb) == (MEGAPIXELS, FILE_MB) else f", up to {megapixels:g} megapixels and {file_mb:g} MiB"
