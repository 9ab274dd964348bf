"""TFLite: the format of LiteRT, for phones and small devices. TensorFlow converts to it; the package ai-edge-litert runs it."""

import tempfile
from pathlib import Path

import tensorflow as tf

from cyclegan.exporting import saved_model
from cyclegan.exporting.formats import INPUT, OUTPUT, Images, Run
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint


def write(trained: GeneratorCheckpoint, direction: str, path: Path) -> None:
    """Write the file, in float32, of LiteRT's own operations only. Raises OSError."""
    with tempfile.TemporaryDirectory() as folder:
        saved_model.write(trained, direction, Path(folder))
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def load(path: Path) -> Run:
    """The file in an interpreter, which takes another batch or size with each call."""
    from ai_edge_litert.interpreter import Interpreter

    call = Interpreter(model_path=str(path)).get_signature_runner(saved_model.SIGNATURE)

    def run(images: Images) -> Images:
        translated: Images = call(**{INPUT: images.astype("float32")})[OUTPUT]
        return translated

    return run
