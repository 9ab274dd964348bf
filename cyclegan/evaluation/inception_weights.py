"""InceptionV3's weights from pytorch-fid's public file: TensorFlow's release of 2015-12-05, converted. This package ships none."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cyclegan.evaluation.inception_shapes import convolution_shapes
from cyclegan.torch_files.state_dict import read_state_dict
from cyclegan.torch_files.tensors import Array
from ringcycle.errors import UserError

log = logging.getLogger(__name__)

FILE = "pt_inception-2015-12-05-6726825d.pth"
# As torch-fidelity, GenForce and others pin it; the file's name has its first eight digits.
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
CURE = f"give {FILE}, a release asset of github.com/mseitzer/pytorch-fid (sha256 {SHA256})"
EPSILON = 1e-3  # of the batch normalization

Folded = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Kernel [height, width, C, K] and bias [K]."""


def read_inception_weights(path: Path) -> dict[str, Folded]:
    """Each convolution by name, with its batch normalization folded in.

    A file with the right arrays but another checksum is used, with a warning. Raises UserError if `path` is anything else.
    """
    arrays, sha256 = read_state_dict(path, CURE)
    difference = _difference(arrays)
    if difference:
        raise UserError(f"{path} does not hold the weights of InceptionV3 that define FID ({difference}): {CURE}")
    if sha256 != SHA256:
        log.warning("%s is not %s (its sha256 is %s): FID and KID by it compare with no others", path, FILE, sha256)
    return {name: _fold(arrays, name) for name in convolution_shapes()}


def _shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays that are used."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, kernel in convolution_shapes().items():
        shapes[f"{name}.conv.weight"] = kernel
        shapes |= {f"{name}.bn.{statistic}": kernel[:1] for statistic in ("weight", "bias", "running_mean", "running_var")}
    return shapes


def _difference(arrays: dict[str, Array]) -> str:
    """How `arrays` differ from those of `FILE`: the first difference, or nothing.

    Surplus arrays count: torchvision's own InceptionV3 has all these names and shapes, other values, and an auxiliary head.
    """
    shapes = _shapes()
    unused = {"fc.weight", "fc.bias", *(f"{name}.bn.num_batches_tracked" for name in convolution_shapes())}
    for name in shapes:
        if name not in arrays:
            return f"it has no {name}"
    for name in arrays:
        if name not in shapes and name not in unused:
            return f"it has {name[:100]} too"
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            return f"its {name} is {array.dtype} {list(array.shape)}, not float32 {list(shape)}"
        if not np.isfinite(array).all() or (name.endswith("running_var") and array.min() < 0):
            return f"its {name} holds numbers that no training gives"
    return ""


def _fold(arrays: dict[str, Array], name: str) -> Folded:
    weight, bias, mean, variance = (arrays[f"{name}.bn.{s}"].astype(np.float64) for s in ("weight", "bias", "running_mean", "running_var"))
    scale = weight / np.sqrt(variance + EPSILON)
    kernel = arrays[f"{name}.conv.weight"].transpose(2, 3, 1, 0) * scale
    return kernel.astype(np.float32), (bias - mean * scale).astype(np.float32)
