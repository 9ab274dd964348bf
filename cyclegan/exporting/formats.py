"""The formats: what each needs, how its files are called from Python, and the modules that write and read them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from ringcycle.errors import UserError

INPUT, OUTPUT = "image", "translated"
"""Names of the tensors in each file."""

Images = npt.NDArray[np.floating[Any]]
Run = Callable[[Images], Images]
"""Images [B, H, W, C] in [-1, 1] to the translated ones, whatever order of axes the file has."""


@dataclass(frozen=True)
class Format:
    """suffix: of its files; empty for a folder. packages: what pip installs, and the module of each. channels_first: order of axes.

    usage: the call, with {path}, of `x` as the input has it.
    """

    suffix: str
    packages: dict[str, str]
    channels_first: bool
    usage: str

    def axes(self, channels: int) -> str:
        """The shape of a tensor, for the user."""
        return f"[batch, {channels}, height, width]" if self.channels_first else f"[batch, height, width, {channels}]"


FORMATS = {
    "savedmodel": Format("", {}, False, f'tf.saved_model.load("{{path}}").signatures["serving_default"]({INPUT}=x)["{OUTPUT}"]'),
    "onnx": Format(
        ".onnx",
        {"onnx": "onnx", "onnxruntime": "onnxruntime"},
        True,
        f'onnxruntime.InferenceSession("{{path}}").run(["{OUTPUT}"], {{{{"{INPUT}": x}}}})[0]',
    ),
    "tflite": Format(
        ".tflite",
        {"ai-edge-litert": "ai_edge_litert"},
        False,
        f'ai_edge_litert.interpreter.Interpreter("{{path}}").get_signature_runner()({INPUT}=x)["{OUTPUT}"]',
    ),
}


def smallest_side(model: ModelSpec) -> int:
    """Pixels of the smallest side that a file takes: reflection must be able to continue it to a size that the generator takes."""
    return max(model.multiple // 2 + 1, model.smallest - model.multiple + 1)


def check_packages(name: str) -> None:
    """Raise UserError, with the command that installs them, unless the packages of a format are there."""
    missing = [package for package, module in FORMATS[name].packages.items() if find_spec(module) is None]
    if missing:
        raise UserError(f"--format = {name} needs {' and '.join(missing)}: pip install {' '.join(missing)}")


def write(name: str, trained: GeneratorCheckpoint, direction: str, path: Path) -> None:
    """Write the generator of `direction` in a format. Imports TensorFlow. Raises OSError."""
    if name == "onnx":
        from cyclegan.exporting import onnx_file

        onnx_file.write(trained, direction, path)
    else:
        from cyclegan.exporting import saved_model, tflite

        writer = saved_model.write if name == "savedmodel" else tflite.write
        writer(trained, direction, path)


def load(name: str, path: Path) -> Run:
    """Read a file of a format by its own runtime."""
    if name == "onnx":
        from cyclegan.exporting import onnx_file

        return onnx_file.load(path)
    from cyclegan.exporting import saved_model, tflite

    return saved_model.load(path) if name == "savedmodel" else tflite.load(path)
