"""How a image file becomes a stored image: one decision for a whole build, from the configuration and a look at the files."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from preprocess.config import DataConfig
from preprocess.images.decode import BrokenImage, PixelFormat, pixel_format_of
from preprocess.images.resize import USES_CROP, Mode
from preprocess.sources.layouts import ImageFile
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.errors import UserError
from ringcycle.storage.location import reason

LOOKED_AT = 32  # files of each train domain whose headers decide what is "auto"
_COLOUR = 3


class Recipe(NamedTuple):
    """What decides the pixels of shards beside the files. crop_size: None where it has no part; channels: of domain A, of domain B."""

    preprocess: Mode
    load_size: int
    crop_size: int | None
    channels: tuple[int, int]
    bits: Literal[8, 16]

    def of_split(self, split: str) -> int:
        """Channels of the images of "trainA", "testB" …"""
        return self.channels["AB".index(split[-1])]


def settings_text(config: DataConfig) -> str:
    """The fields that decide the pixels of shards, as part of their fingerprint. "auto" stays: the files themselves decide it."""
    crop = _crop_size(config)
    return (
        f"preprocess {config.preprocess}, load_size {config.load_size}, crop_size {crop}, "
        f"channels {config.channels_a} {config.channels_b}, bits {config.bits}"
    )


def choose_recipe(config: DataConfig, images: dict[str, list[ImageFile]], read: Callable[[str], bytes]) -> Recipe:
    """Settle what is "auto" by the headers of some files of each train domain, always the same ones. Raises UserError if one is gone.

    Channels: the number of bands, if most files have bands; else 3 if any file has colour, 1 if all are grey. Bits: 16 for both
    domains if at least half of the files of one have 16.
    """
    forms = {split: _look(images[split], read) for split in TRAIN_SPLITS}
    channels = [
        most_channels(forms[split]) if given == "auto" else int(given)
        for split, given in zip(TRAIN_SPLITS, (config.channels_a, config.channels_b), strict=True)
    ]
    deep = config.bits == "16" or (config.bits == "auto" and any(mostly_deep(seen) for seen in forms.values()))
    return Recipe(config.preprocess, config.load_size, _crop_size(config), (channels[0], channels[1]), 16 if deep else 8)


def most_channels(forms: Sequence[PixelFormat]) -> int:
    """Channels for a domain whose files look like this; 3 if none could be opened."""
    counts = Counter(form.channels for form in forms)
    if not counts:
        return _COLOUR
    common = counts.most_common(1)[0][0]
    return common if common not in (1, _COLOUR) else max(number for number in counts if number in (1, _COLOUR))


def mostly_deep(forms: Sequence[PixelFormat]) -> bool:
    """Whether at least half of the files have 16 bits."""
    return 2 * sum(form.bits == 16 for form in forms) >= max(1, len(forms))


def _look(files: Sequence[ImageFile], read: Callable[[str], bytes]) -> list[PixelFormat]:
    """Forms of files spread evenly over the domain; broken ones say nothing."""
    forms = []
    for i in np.unique(np.linspace(0, len(files) - 1, LOOKED_AT).astype(int)):
        try:
            forms.append(pixel_format_of(read(files[i].name)))
        except BrokenImage:
            continue
        except OSError as error:
            raise UserError(f"data.source: {files[i].name} was listed but cannot be read ({reason(error)}): mend that") from error
    return forms


def _crop_size(config: DataConfig) -> int | None:
    return config.crop_size if config.preprocess in USES_CROP else None
