"""An evaluation as a table, as JSON and as an image to look at."""

import io
import json
import math

from cyclegan.evaluation.estimate import Estimate
from cyclegan.inference.held_out import Evaluation, Example
from cyclegan.inference.tables import Block, image_table
from preprocess.images.decoded_image import ImageArray
from ringcycle.domains import DIRECTIONS
from ringcycle.tables import table_lines

ROWS = {
    "sliced_wasserstein": "sliced Wasserstein distance × 1000",
    "kid": "KID",
    "fid": "FID",
    "cycle_l1": "cycle error, L1",
    "cycle_psnr": "cycle error, PSNR (dB)",
    "cycle_ssim": "cycle error, SSIM",
    "cycle_jpeg_l1": "cycle error through JPEG, L1",
    "cycle_jpeg_psnr": "cycle error through JPEG, PSNR (dB)",
    "cycle_jpeg_ssim": "cycle error through JPEG, SSIM",
    "truth_l1": "error against the truth, L1",
    "truth_psnr": "error against the truth, PSNR (dB)",
    "truth_ssim": "error against the truth, SSIM",
    "unchanged_l1": "error of the unchanged image, L1",
}
"""What the table shows, by the names of measures without their domain."""


def describe(evaluation: Evaluation) -> list[str]:
    """The measures as a table; a column for each direction, with standard errors."""
    lines = []
    for name, title in ROWS.items():
        of_source = name.startswith("cycle")
        cells = [evaluation.measures.get(f"{name}_{direction[0 if of_source else -1]}") for direction in DIRECTIONS]
        if any(cell is not None for cell in cells):
            lines.append((title, *(_cell(cell) for cell in cells)))
    a, b = evaluation.images
    return table_lines(("", f"AtoB ({a:,} images)", f"BtoA ({b:,} images)"), lines, numbers=0)


def as_json(evaluation: Evaluation) -> str:
    """The measures with their standard errors; those that are infinite are left out."""
    measures = {
        name: {"value": estimate.value, "standard_error": estimate.standard_error}
        for name, estimate in evaluation.measures.items()
        if math.isfinite(estimate.value)
    }
    return json.dumps({"images": dict(zip("AB", evaluation.images, strict=True)), "measures": measures}, indent=1)


def examples_png(evaluation: Evaluation) -> bytes:
    """A few images of each direction beside their translation, the way back, and the truth if it is known."""
    blocks: list[Block] = []
    for name, examples in evaluation.examples.items():
        titles = (f"{name[0]} (input)", f"translated to {name[-1]}", f"back in {name[0]}", f"{name[-1]} (truth)")
        rows = [_row(example) for example in examples]
        blocks.append((titles[: len(rows[0])], rows))
    file = io.BytesIO()
    image_table(blocks).save(file, "PNG")
    return file.getvalue()


def _row(example: Example) -> tuple[ImageArray, ...]:
    images = (example.real, example.fake, example.cycled)
    return images if example.truth is None else (*images, example.truth)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    error = "" if estimate.standard_error is None else f" ± {estimate.standard_error:.2g}"
    return f"{estimate.value:.4g}{error}"
