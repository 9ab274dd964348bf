"""ONNX: a file for many runtimes. The package onnx writes it, onnxruntime runs it."""

from pathlib import Path

import numpy as np

from cyclegan.exporting.formats import INPUT, OUTPUT, Images, Run
from cyclegan.exporting.onnx_graph import generator_graph
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.translator import Translator


def write(trained: GeneratorCheckpoint, direction: str, path: Path) -> None:
    """Write the file. Raises OSError."""
    parameters = {name: value.numpy()[0] for name, value in Translator(trained, direction).parameters.items()}
    about = f"{direction}, step {trained.step}; float32 in [-1, 1]"
    model = generator_graph(parameters, trained.model, trained.model.channels_of(direction), about)
    path.write_bytes(model.SerializeToString())


def load(path: Path) -> Run:
    """The file in onnxruntime, on CPUs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(images: Images) -> Images:
        channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
        translated: Images = session.run([OUTPUT], {INPUT: channels_first})[0]
        return translated.transpose(0, 2, 3, 1)

    return run
