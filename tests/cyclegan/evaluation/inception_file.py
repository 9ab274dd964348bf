"""A file of InceptionV3 weights by formula, and images by formula: the same numbers here and where PyTorch is installed.

The real file cannot be shipped, 96 MB and trained by others.
"""

from pathlib import Path

import numpy as np

from cyclegan.evaluation.inception_shapes import convolution_shapes
from cyclegan.torch_files.state_dict_writer import write_state_dict
from ringcycle.hashing import generator

Arrays = dict[str, np.ndarray]


def formula_weights() -> Arrays:
    """All arrays of a state dict but those that no feature depends on: He's uniform kernels, and statistics far from 0 and 1."""
    arrays: Arrays = {}
    for name, shape in convolution_shapes().items():
        draw = generator(0, name)
        bound = np.float32(np.sqrt(6 / np.prod(shape[1:])))
        arrays[f"{name}.conv.weight"] = (2 * draw.random(shape, np.float32) - 1) * bound
        for statistic, low in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            arrays[f"{name}.bn.{statistic}"] = draw.random(shape[0], np.float32) + np.float32(low)
        arrays[f"{name}.bn.num_batches_tracked"] = np.array(0)
    return arrays


def write_formula_weights(path: Path, arrays: Arrays) -> Path:
    with path.open("wb") as file:
        write_state_dict(file, arrays)
    return path


def formula_images() -> list[np.ndarray]:
    """Two uint8 RGB images: waves that become finer downwards, larger than the network's input, and noise, smaller."""
    y, x = np.mgrid[:400, :350].astype(np.float64)
    waves = [127.5 + 127.5 * np.sin(x * (y + 50 * i) / 3000 + i) for i in range(3)]
    noise = generator(0, "noise").integers(0, 256, (40, 60, 3), np.uint8)
    return [np.stack(waves, 2).round().astype(np.uint8), noise]
