"""Image files: which ones a command reads, where each result goes, and in which format it is written.

PNG and JPEG where they can hold the image, TIFF for any number of channels.
"""

import logging
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from preprocess.images.decode import ImageArray, TooManyPixels, decode
from preprocess.images.decoded_image import to_depth
from preprocess.images.image_files import describe_left_out, images_in
from ringcycle.errors import UserError

log = logging.getLogger(__name__)

WRITABLE = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
TIFF = (".tif", ".tiff")
JPEG_QUALITY = 95
MAX_MEGAPIXELS = 256  # the largest cameras of phones have 200; decoding as many takes 2 GB
LIMIT_HELP = f"an image of more megapixels is refused before it is decoded; default: {MAX_MEGAPIXELS}"


def megapixels(text: str) -> float:
    """The value of --max-megapixels. Raises ArgumentTypeError."""
    value = float(text)
    if not value > 0:
        raise ArgumentTypeError(f"{text} is not above 0")
    return value


def read_image(image: Path, channels: int, bits: int | None, most: float) -> ImageArray:
    """`decode`, with a limit of `most` megapixels. Raises BrokenImage; TooManyPixels names the option that raises the limit."""
    try:
        return decode(image, channels=channels, bits=bits, megapixels=most)
    except TooManyPixels as error:
        raise TooManyPixels(f"{error} (--max-megapixels)") from error


def find_images(folder: Path, argument: str) -> list[Path]:
    """Images in `folder` and the folders inside it, sorted, relative to it, as a training finds them; logs what it leaves out.

    argument: the command's name for what it was given. Raises UserError if a folder cannot be listed.
    """
    try:
        images, left_out = images_in(folder)
    except OSError as error:
        raise UserError(f"{argument}: {folder} cannot be listed ({error.strerror}): fix this, or give another folder") from error
    if images and left_out:
        log.warning("%s", describe_left_out(left_out))
    return sorted(Path(image.name) for image in images)


def plan_outputs(given: Path, output: Path, channels: int = 3) -> dict[Path, Path]:
    """The file to write for each image to read, in order; nothing is touched yet.

    given: an image, or a folder, whose inner structure the results keep. Results have `channels` and are PNG, or TIFF files, of the
    same stem below the folder `output`; for a single image, `output` may be a file that ends with one of WRITABLE instead.
    Raises UserError if there is nothing to read, or if a result would fall among the images to read.
    """
    if given.is_file():
        plan = {given: _single(given, output, channels)}
    elif given.is_dir():
        if output.exists() and not output.is_dir():
            raise UserError(f"OUTPUT = {output} is a file, but INPUT = {given} is a folder: give a folder")
        if output.resolve().is_relative_to(given.resolve()):
            raise UserError(f"OUTPUT = {output} is in INPUT = {given}, among the images to read: give another folder")
        names = find_images(given, "INPUT")
        if not names:
            raise UserError(f"INPUT = {given} holds no images ({_kinds(given)}): give a folder with JPEG, PNG, WebP or TIFF files")
        plan = {given / name: output / result for name, result in zip(names, result_names(names, suffix_for(channels)), strict=True)}
    else:
        raise UserError(f"INPUT = {given} does not exist: give an image or a folder of images")
    read = {image.resolve() for image in plan}
    for image, result in plan.items():
        if result.resolve() in read:
            raise UserError(f"OUTPUT = {output}: the result of {image} would replace {result}, an image to read: give another OUTPUT")
    return plan


def result_names(names: Sequence[Path], suffix: str = ".png") -> list[Path]:
    """A name of this ending for each image name, all different: the stem, or the complete name where several share the stem."""
    stems = Counter(name.with_suffix(suffix) for name in names)
    full = [name.with_name(f"{name.name}{suffix}") for name in names]
    short = [name.with_suffix(suffix) if stems[name.with_suffix(suffix)] == 1 else long for name, long in zip(names, full, strict=True)]
    return short if len(set(short)) == len(short) else full


def suffix_for(channels: int) -> str:
    """The suffix of a file format that keeps all channels: PNG for grey and colour, otherwise TIFF."""
    return ".png" if channels in (1, 3) else ".tif"


def holds(suffix: str, channels: int) -> bool:
    """Whether a file that ends so can hold images of so many channels."""
    return channels in (1, 3) or suffix.lower() in TIFF


def write_image(pixels: ImageArray, suffix: str, file: BinaryIO) -> None:
    """Write uint8 or uint16 [H, W, C] in the format of `suffix`, one of WRITABLE that `holds` C channels; JPEG keeps 8 bits."""
    gray = pixels.shape[2] == 1
    flat = pixels[..., 0] if gray else pixels
    if suffix.lower() in TIFF:
        planes: Literal["contig"] | None = None if gray else "contig"
        photometric = "rgb" if pixels.shape[2] == 3 else "minisblack"
        tifffile.imwrite(file, flat, photometric=photometric, compression="deflate", metadata=None, planarconfig=planes)
    elif suffix.lower() == ".png":
        if pixels.dtype == np.uint16:
            file.write(imagecodecs.png_encode(np.ascontiguousarray(flat)))
        else:
            Image.fromarray(flat).save(file, "PNG")
    else:
        Image.fromarray(to_depth(flat, 8)).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)


def _single(image: Path, output: Path, channels: int) -> Path:
    if output.is_dir() or not output.suffix:
        return output / result_names([Path(image.name)], suffix_for(channels))[0]
    if output.suffix.lower() not in WRITABLE:
        raise UserError(f"OUTPUT = {output} ends with {output.suffix}: end it with {', '.join(WRITABLE)}, or give a folder that exists")
    if not holds(output.suffix, channels):
        raise UserError(f"OUTPUT = {output} cannot hold the {channels} channels of the result: end it with .tif")
    return output


def _kinds(folder: Path) -> str:
    kinds = Counter(sorted(path.suffix.lower() or "no ending" for path in folder.rglob("*") if path.is_file()))
    return f"{kinds.total()} files: {', '.join(kind for kind, _ in kinds.most_common(5))}" if kinds else "it is empty"
