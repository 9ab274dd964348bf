"""Do the options that claim to help do so? Trainings on the embedded data, and on 100 images of it.

    python -m benchmarks.options [--images 4000] [--seeds 3] [--options …] [--folder FOLDER] [--section.field VALUE …]

Error: median error against the truth over that of the unchanged image, A→B / B→A, with the range over the seeds. Checkerboard: share of
the translations' variance at periods of 2 and 4 pixels along both axes, the strides of the generators, in thousandths; the same of the
true images comes last. Further options are those of `cluster.train`.
"""

import argparse
import re
import statistics
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import cyclegan
from benchmarks.embedded_runs import add_options, cell, folder_of, outcomes, print_table
from preprocess.synthetic import write_dataset
from ringcycle.domains import DIRECTIONS

OPTIONS: dict[str, dict[str, object]] = {
    "defaults": {},
    "upsample resize": {"model.upsample": "resize"},
    "spectral norm": {"model.spectral_norm": True},
    "hinge": {"train.loss": "hinge"},
    "cosine": {"train.schedule": "cosine"},
    "warm-up 10 %": {"train.warmup": 0.1},
    "100 images": {"data.source": "few"},
    "100 images, DiffAugment": {"data.source": "few", "train.diffaugment": "color,translation,cutout"},
}


def checkerboard(images: list[npt.NDArray[np.uint8]]) -> float:
    """Share of the images' variance at periods of 2 and 4 pixels, `[H, W, C]` with sides that are multiples of 4, in thousandths."""
    shares = []
    for image in images:
        power = np.abs(np.fft.fft2(image.astype(np.float64), axes=(0, 1))) ** 2
        power[0, 0] = 0
        height, width = (side // 4 for side in image.shape[:2])
        shares.append(power[::height, ::width].sum() / power.sum())
    return 1000 * float(statistics.mean(shares))


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--options", nargs="+", choices=OPTIONS, default=list(OPTIONS), help="which of them (default: all)")
    given, others = parser.parse_known_args()
    rows = []
    with folder_of(given) as folder:
        write_dataset(folder / "synthetic")
        write_dataset(folder / "few", images=100)
        tests = {way: sorted((folder / f"synthetic/test{way[0]}").iterdir()) for way in DIRECTIONS}
        for option in given.options:
            settings = {"train.steps": given.images, **OPTIONS[option]}
            if settings.get("data.source") == "few":
                settings["data.source"] = str(folder / "few")
            name = run_name(option)
            found = outcomes(folder, name, settings, others, given.seeds)
            boards = [
                [checkerboard(translated(folder / f"{name}-seed-{seed}", way, tests[way])) for way in DIRECTIONS]
                for seed, outcome in enumerate(found)
                if outcome.errors
            ]
            shown = " / ".join(f"{statistics.median(way):.2f} ({min(way):.2f}–{max(way):.2f})" for way in zip(*boards, strict=True))
            rows.append([option, cell(found), shown or "–"])
        true = [
            checkerboard([np.asarray(Image.open(file)) for file in (folder / f"synthetic/truth/{way}").iterdir()]) for way in DIRECTIONS
        ]
    rows.append(["the truth", "", " / ".join(f"{share:.2f}" for share in true)])
    print_table(["option", "error", "checkerboard"], rows)


def run_name(option: str) -> str:
    """Of the letters, digits and hyphens that a run may be called."""
    return re.sub(r"[^A-Za-z0-9]+", "-", option).strip("-")


def translated(run: Path, way: str, files: list[Path]) -> list[npt.NDArray[np.uint8]]:
    """Translations of some images by a finished run."""
    generator = cyclegan.load(run, way, scale="native")  # type: ignore[arg-type]
    return generator.translate_batch([np.asarray(Image.open(file)) for file in files])


if __name__ == "__main__":
    main()
