"""The embedded data set: sunlit and moonlit images of drawn scenes, unpaired for training, paired for evaluation.

`python -m preprocess.synthetic OUT` writes real JPEG files and the truth, so that a number says whether a translation is right.
Domain A is a scene in warm sunlight, its shapes inked around; domain B is a scene in moonlight, a pale line inside each shape at a
fixed distance from its outline. Each colour channel goes through a power law, which has an inverse, and the lines follow the
outlines: either image is a local, translation-equivariant function of the other's pixels.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from preprocess.synthetic_scene.scene import UNIT, Array, Scene, draw_scene
from ringcycle.errors import UserError

ImageArray = npt.NDArray[np.uint8]

FORMAT = 1
"""Counts up whenever the pixels change, so that an older set is not taken for a new one."""

_SUN_GAIN, _SUN_POWER = np.array([[1.0, 0.92, 0.70], [0.9, 1.0, 1.15]], np.float32)
_MOON_GAIN, _MOON_POWER = np.array([[0.64, 0.80, 1.0], [1.3, 1.1, 0.9]], np.float32)
_INK = np.array([0.20, 0.10, 0.06], np.float32)
_GLOW = np.array([0.92, 1.0, 0.80], np.float32)
_HALF_LINE = 0.9
_INK_AT, _GLOW_AT = -0.6, -3.2

_DRAFT = ".synthetic-draft-"

_README = """Synthetic images of drawn scenes. A is sunlit and inked, B is moonlit with a pale line inside each shape. The folders
trainA and trainB show different scenes. truth/AtoB/NNNNN.png is what testA/NNNNN.jpg is in domain B, truth/BtoA/NNNNN.png what
testB/NNNNN.jpg is in domain A. Written by `python -m preprocess.synthetic`; synthetic.json holds its settings.
"""


def sun(albedo: Array) -> Array:
    """Colour in domain A of a colour under white light; (..., 3) float32 in [0, 1], channel by channel, increasing."""
    lit: Array = _SUN_GAIN * albedo**_SUN_POWER
    return lit


def moon(albedo: Array) -> Array:
    """Colour in domain B of a colour under white light; (..., 3) float32 in [0, 1], channel by channel, increasing."""
    lit: Array = _MOON_GAIN * albedo**_MOON_POWER
    return lit


def render_a(scene: Scene) -> ImageArray:
    """The scene in domain A: sunlight, and dark ink along the outlines; (size, size, 3) uint8."""
    return _lined(sun(scene.albedo), scene, _INK_AT, _INK)


def render_b(scene: Scene) -> ImageArray:
    """The scene in domain B: moonlight, and a pale line at a fixed distance inside the outlines; (size, size, 3) uint8."""
    return _lined(moon(scene.albedo), scene, _GLOW_AT, _GLOW)


def write_dataset(out: Path, images: int = 400, test: int = 32, size: int = UNIT, seed: int = 0) -> None:
    """Write `images` training and `test` test images of each domain, `size` pixels a side, and the truth below `out`.

    The same settings give the same bytes. The set is drawn in a hidden folder inside `out` and moved into place when it is
    complete, synthetic.json last; a complete set with the same settings is left as it is. Raises UserError if a setting is out of
    range, or if `out` holds anything else.
    """
    settings = {"format": FORMAT, "images": images, "test": test, "size": size, "seed": seed}
    _check(images, test, size, seed)
    if _is_there(out, settings):
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
    """Parse the command line, write the set, say where it is; 2 after a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.synthetic", description="Draw a data set with a known truth.")
    parser.add_argument("out", type=Path, help="folder to write; new, empty, or a set with the same settings")
    parser.add_argument("--images", type=int, default=400, help="training images of each domain")
    parser.add_argument("--test", type=int, default=32, help="test images of each domain")
    parser.add_argument("--size", type=int, default=UNIT, help="pixels a side")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other scenes")
    given = parser.parse_args(arguments)
    try:
        write_dataset(given.out, given.images, given.test, given.size, given.seed)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{given.out}: {given.images} + {given.images} training and {given.test} + {given.test} test images with their truth")
    return 0


def _lined(colours: Array, scene: Scene, at: float, line: Array) -> ImageArray:
    """Draw a line in colour `line` (3,) over colours (size, size, 3) where the distance to the outline is `at` units."""
    cover = np.clip(_HALF_LINE * scene.scale + 0.5 - np.abs(scene.distance - at * scene.scale), 0, 1)[..., None]
    lined: ImageArray = np.rint((colours * (1 - cover) + line * cover) * 255).astype(np.uint8)
    return lined


def _write(out: Path, images: int, test: int, size: int, seed: int) -> None:
    """Scenes are dealt to the four folders in turn, so that none is in two and a longer set begins with the shorter one."""
    for turn, (folder, count) in enumerate([("trainA", images), ("trainB", images), ("testA", test), ("testB", test)]):
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


def _is_there(out: Path, settings: dict[str, int]) -> bool:
    """Whether `out` is a complete set with these settings; UserError if it holds anything else."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise UserError(f"OUT = {out} is a file: give a folder")
    try:
        found = json.loads((out / "synthetic.json").read_text())
    except (OSError, ValueError):
        if any(not path.name.startswith(_DRAFT) for path in out.iterdir()):  # a killed run leaves its draft
            raise UserError(f"OUT = {out} holds files that are no synthetic set: give a new or empty folder") from None
        return False
    if found != settings:
        raise UserError(f"OUT = {out} holds a synthetic set with other settings ({found}): give another folder, or delete this one")
    return True


def _check(images: int, test: int, size: int, seed: int) -> None:
    for name, value, low, high in (
        ("images", images, 1, 100_000),
        ("test", test, 1, 100_000),
        ("size", size, 32, 1024),
        ("seed", seed, 0, 2**63 - 1),
    ):
        if not low <= value <= high:
            raise UserError(f"--{name} = {value} is out of range: give {low} to {high}")


if __name__ == "__main__":
    sys.exit(main())
