"""The built-in data set: sunlit and moonlit images of drawn scenes, unpaired for training, paired for evaluation.

`python -m preprocess.synthetic OUT` writes real JPEG files and the true translations, so that a translation can be measured.
Domain A shows scenes in warm sunlight, with inked outlines; domain B shows scenes in moonlight, with a pale line inside each shape at a
fixed distance from its outline. Each colour channel follows a power law, which is invertible, and the lines follow the outlines: either
image is a local, translation-equivariant function of the other's pixels.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from preprocess.images.decoded_image import ImageArray
from preprocess.synthetic_scene.scene import UNIT, Array, Scene, draw_scene
from ringcycle.cli import ExitCode, Parser, fail, run
from ringcycle.domains import SPLITS
from ringcycle.errors import UserError
from ringcycle.output import say

FORMAT = 1
"""Increases whenever the pixels change, so that an older set is not mistaken for a new one."""

_SUN_GAIN, _SUN_POWER = np.array([[1.0, 0.92, 0.70], [0.9, 1.0, 1.15]], np.float32)
_MOON_GAIN, _MOON_POWER = np.array([[0.64, 0.80, 1.0], [1.3, 1.1, 0.9]], np.float32)
_INK = np.array([0.20, 0.10, 0.06], np.float32)
_GLOW = np.array([0.92, 1.0, 0.80], np.float32)
_HALF_LINE = 0.9
_INK_AT, _GLOW_AT = -0.6, -3.2

_DRAFT = ".synthetic-draft-"

_README = """Synthetic images of drawn scenes. A is sunlit and inked, B is moonlit with a pale line inside each shape. The folders
trainA and trainB show different scenes. truth/AtoB/NNNNN.png is the scene of testA/NNNNN.jpg in domain B, truth/BtoA/NNNNN.png that
of testB/NNNNN.jpg in domain A. Written by `python -m preprocess.synthetic`; synthetic.json holds the settings.
"""


def sun(albedo: Array) -> Array:
    """Domain A colour of a colour under white light; (..., 3) float32 in [0, 1], each channel independent and increasing."""
    lit: Array = _SUN_GAIN * albedo**_SUN_POWER
    return lit


def moon(albedo: Array) -> Array:
    """Domain B colour of a colour under white light; (..., 3) float32 in [0, 1], each channel independent and increasing."""
    lit: Array = _MOON_GAIN * albedo**_MOON_POWER
    return lit


def render_a(scene: Scene) -> ImageArray:
    """The scene in domain A: sunlight, with dark ink along the outlines; (size, size, 3) uint8."""
    return _lined(sun(scene.albedo), scene, _INK_AT, _INK)


def render_b(scene: Scene) -> ImageArray:
    """The scene in domain B: moonlight, with a pale line at a fixed distance inside the outlines; (size, size, 3) uint8."""
    return _lined(moon(scene.albedo), scene, _GLOW_AT, _GLOW)


def write_dataset(out: Path, images: int = 400, test: int = 32, size: int = UNIT, seed: int = 0) -> None:
    """Write `images` training and `test` test images per domain, `size` x `size` pixels, and their true translations, to `out`.

    The same settings give the same bytes. The set is drawn in a hidden folder inside `out` and moved into place once complete,
    synthetic.json last; a complete set with the same settings is left unchanged. Raises UserError if a setting is out of range, or
    if `out` contains anything else.
    """
    settings = {"format": FORMAT, "images": images, "test": test, "size": size, "seed": seed}
    _check(images, test, size, seed)
    if _is_complete(out, settings):
        return
    out.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=out))
    try:
        _write(draft, images, test, size, seed)
        for part in draft.iterdir():
            part.replace(out / part.name)
        (draft / "synthetic.json").write_text(json.dumps(settings) + "\n")
        (draft / "synthetic.json").replace(out / "synthetic.json")
    finally:
        for unfinished in out.glob(_DRAFT + "*"):
            shutil.rmtree(unfinished, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """`python -m preprocess.synthetic`; returns the exit code."""
    parser = Parser(prog="python -m preprocess.synthetic", description="Draw a data set with known true translations.")
    parser.add_argument("out", type=Path, help="folder to write; new, empty, or a set with the same settings")
    parser.add_argument("--images", type=int, default=400, help="training images per domain")
    parser.add_argument("--test", type=int, default=32, help="test images per domain")
    parser.add_argument("--size", type=int, default=UNIT, help="width and height in pixels")
    parser.add_argument("--seed", type=int, default=0, help="a different seed draws different scenes")
    parser.add_argument("--pictures", help=argparse.SUPPRESS)  # renamed
    given = parser.parse_args(arguments)
    try:
        if given.pictures is not None:
            raise UserError("--pictures is now --images")
        write_dataset(given.out, given.images, given.test, given.size, given.seed)
    except UserError as error:
        fail(error)
        return ExitCode.USAGE
    say(f"{given.out}: {given.images} + {given.images} training and {given.test} + {given.test} test images with their true translations")
    return ExitCode.OK


def _lined(colours: Array, scene: Scene, at: float, line: Array) -> ImageArray:
    """Draw a line of colour `line` (3,) on colours (size, size, 3) where the distance to the outline is `at` units."""
    cover = np.clip(_HALF_LINE * scene.scale + 0.5 - np.abs(scene.distance - at * scene.scale), 0, 1)[..., None]
    lined: ImageArray = np.rint((colours * (1 - cover) + line * cover) * 255).astype(np.uint8)
    return lined


def _write(out: Path, images: int, test: int, size: int, seed: int) -> None:
    """Scenes go to the four folders in turn: none is in two folders, and a longer set begins with the shorter one."""
    for turn, (folder, count) in enumerate(zip(SPLITS, (images, images, test, test), strict=True)):
        render, other = (render_a, render_b) if folder.endswith("A") else (render_b, render_a)
        truth = out / "truth" / ("AtoB" if folder.endswith("A") else "BtoA")
        (out / folder).mkdir()
        truth.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            scene = draw_scene(seed, 4 * number + turn, size)
            Image.fromarray(render(scene)).save(out / folder / f"{number:05}.jpg", quality=95, subsampling=0)
            if folder.startswith("test"):
                Image.fromarray(other(scene)).save(truth / f"{number:05}.png")
    (out / "README.txt").write_text(_README)


def _is_complete(out: Path, settings: dict[str, int]) -> bool:
    """Whether `out` is a complete set with these settings; UserError if it contains anything else."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise UserError(f"OUT = {out} is a file: name a folder")
    try:
        found = json.loads((out / "synthetic.json").read_text())
    except (OSError, ValueError):
        if any(not path.name.startswith(_DRAFT) for path in out.iterdir()):  # a killed run leaves its draft behind
            raise UserError(f"OUT = {out} contains files that are not a synthetic set: name a new or empty folder") from None
        return False
    if isinstance(found, dict) and "pictures" in found:  # the name that version 0.1.0 wrote
        found["images"] = found.pop("pictures")
    if found != settings:
        raise UserError(f"OUT = {out} holds a synthetic set with other settings ({found}): name another folder, or delete this one")
    return True


def _check(images: int, test: int, size: int, seed: int) -> None:
    for name, value, low, high in (
        ("images", images, 1, 100_000),
        ("test", test, 1, 100_000),
        ("size", size, 32, 1024),
        ("seed", seed, 0, 2**63 - 1),
    ):
        if not low <= value <= high:
            raise UserError(f"--{name} = {value} is out of range: use {low} to {high}")


if __name__ == "__main__":
    sys.exit(run(main))
