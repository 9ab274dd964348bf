"""Images side by side under titles, as one image to look at."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from preprocess.images.decoded_image import ImageArray, to_rgb8

CELL = 144  # pixels a side
GAP, TITLE, BETWEEN = 6, 24, 30
INK, PAPER = "black", "white"

Block = tuple[Sequence[str], Sequence[Sequence[ImageArray]]]
"""Titles of columns, then lines with one image [H, W, C] for each column."""


def image_table(blocks: Sequence[Block]) -> Image.Image:
    """Lay out blocks from left to right. An image is scaled to fit its cell."""
    step = CELL + GAP
    lines = max(len(block) for _, block in blocks)
    width = GAP + sum(len(titles) * step for titles, _ in blocks) + BETWEEN * (len(blocks) - 1)
    table = Image.new("RGB", (width, TITLE + lines * step), PAPER)
    draw = ImageDraw.Draw(table)
    left = GAP
    for titles, block in blocks:
        for column, title in enumerate(titles):
            x = left + column * step
            draw.text((x + CELL / 2, TITLE / 2), title, INK, ImageFont.load_default(14), anchor="mm")
            for line, images in enumerate(block):
                cell = _fit(Image.fromarray(to_rgb8(images[column])))
                table.paste(cell, (x + (CELL - cell.width) // 2, TITLE + line * step + (CELL - cell.height) // 2))
        left += len(titles) * step + BETWEEN
    return table


def _fit(image: Image.Image) -> Image.Image:
    scale = CELL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BICUBIC)
