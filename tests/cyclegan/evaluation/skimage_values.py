"""Pairs of images, and PSNR and SSIM of them by scikit-image.

`python -m tests.cyclegan.evaluation.skimage_values` writes skimage_values.json anew, in an environment that has scikit-image.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

from preprocess.images.decoded_image import ImageArray
from ringcycle.hashing import generator

VALUES = Path(__file__).with_suffix(".json")
SHAPES = ((64, 64, 3), (97, 33, 1), (11, 13, 4), (40, 128, 2))
DEPTHS = ("uint8", "uint16")
NOISES = (0.02, 0.2)  # of the range

Pair = tuple[ImageArray, ImageArray]


def pairs() -> dict[str, Pair]:
    """A smooth image with an edge, and the same with noise, by shape, depth and noise."""
    return {f"{shape} {depth} {noise}": pair(shape, depth, noise) for shape in SHAPES for depth in DEPTHS for noise in NOISES}


def pair(shape: tuple[int, int, int], depth: str, noise: float) -> Pair:
    y, x, channel = np.ogrid[: shape[0], : shape[1], : shape[2]]
    clean = 0.5 + 0.3 * np.sin(x / 5 + channel) * np.cos(y / 9) + 0.15 * (x > y)
    noisy = clean + noise * generator(0, "noise", *shape).standard_normal(shape)
    most = np.iinfo(depth).max
    first, second = (np.clip(np.round(most * image), 0, most).astype(depth) for image in (clean, noisy))
    return first, second


def main() -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity  # not among this project's packages

    values = {}
    for name, (one, other) in pairs().items():
        most = np.iinfo(one.dtype).max
        wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "K1": 0.01, "K2": 0.03}
        values[name] = {
            "psnr": float(peak_signal_noise_ratio(one, other, data_range=most)),
            "ssim": float(structural_similarity(one, other, data_range=most, channel_axis=2, **wang)),
        }
    VALUES.write_text(json.dumps({"scikit-image": version("scikit-image"), "values": values}, indent=1) + "\n")


if __name__ == "__main__":
    main()
