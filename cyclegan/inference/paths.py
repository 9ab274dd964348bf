"""Which images a command reads and where each result goes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cyclegan.inference.files import WRITABLE, holds, suffix_for
from preprocess.images.decode import EXTENSIONS
from ringcycle.errors import UserError


def find_images(folder: Path) -> list[Path]:
    """Images in `folder` and the folders inside it, sorted, relative to it: files with one of decode.EXTENSIONS, not hidden."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.parts))


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
        names = find_images(given)
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
