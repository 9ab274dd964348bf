"""Contact sheets: the images of a split in a grid, each with its name, for a quick look."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from preprocess.images.decoded_image import ImageArray, to_rgb8

CELL, GAP, CAPTION = 128, 8, 14  # pixels
COLUMNS = 8
MOST = 80  # images on one sheet
INK, PAPER = "black", "white"
_LETTERS = 21  # of a caption that fit under a cell


def contact_sheet(images: Sequence[tuple[str, ImageArray]]) -> Image.Image:
    """Images [H, W, C] with their names, line by line, each scaled to fit its cell; the first three of many bands become RGB."""
    columns = min(COLUMNS, len(images))
    lines = -(-len(images) // columns)
    sheet = Image.new("RGB", (GAP + columns * (CELL + GAP), GAP + lines * (CELL + CAPTION + GAP)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, (name, pixels) in enumerate(images):
        left, top = GAP + i % columns * (CELL + GAP), GAP + i // columns * (CELL + CAPTION + GAP)
        cell = _fit(Image.fromarray(to_rgb8(pixels)))
        sheet.paste(cell, (left + (CELL - cell.width) // 2, top + (CELL - cell.height) // 2))
        draw.text((left + CELL / 2, top + CELL + CAPTION / 2), _caption(name), INK, font, anchor="mm")
    return sheet


def evenly(count: int, most: int = MOST) -> list[int]:
    """At most `most` of `count` indices, spread evenly."""
    return list(range(count)) if count <= most else [i * count // most for i in range(most)]


def _fit(image: Image.Image) -> Image.Image:
    scale = CELL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BICUBIC)


def _caption(name: str) -> str:
    last = PurePosixPath(name).name
    return last if len(last) <= _LETTERS else f"…{last[-_LETTERS + 1 :]}"
