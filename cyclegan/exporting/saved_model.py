"""SavedModel: TensorFlow's own format, a folder."""

from pathlib import Path

import tensorflow as tf

from cyclegan.exporting.formats import INPUT, OUTPUT, Images, Run
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.translator import Translator
from cyclegan.networks.generator import generate

SIGNATURE = "serving_default"


def write(trained: GeneratorCheckpoint, direction: str, path: Path) -> None:
    """Write the folder: the generator for batches [B, H, W, C] of any size, continued as `Translator` does, with its channels only.

    Raises OSError.
    """
    model = trained.model.model_copy(update={"convolution": "plain", "precision": "float32", "remat": False})
    taken, made = model.channels_of(direction)
    module = tf.Module()
    module.parameters = {name: tf.Variable(value) for name, value in Translator(trained, direction).parameters.items()}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, taken], tf.float32, INPUT)])
    def translate(image: tf.Tensor) -> dict[str, tf.Tensor]:
        height, width = tf.unstack(tf.shape(image)[1:3])
        continued = _continued(_continued(image, height, 1, model.multiple), width, 2, model.multiple)
        surplus = model.channels - taken
        padded = tf.pad(continued, [[0, 0], [0, 0], [0, 0], [0, surplus]]) if surplus else continued
        translated = generate(module.parameters, padded[None], model, alone=True)[0]
        return {OUTPUT: translated[:, :height, :width, :made]}

    tf.saved_model.save(module, str(path), signatures={SIGNATURE: translate})


def _continued(images: tf.Tensor, side: tf.Tensor, axis: int, multiple: int) -> tf.Tensor:
    """Images continued by reflection at the end of an axis, which has `side` pixels, to a multiple of `multiple`.

    By a gather: the shape of a tf.pad by numbers that are not constant is unknown in all axes, also in that of channels.
    """
    last = side - 1
    return tf.gather(images, last - tf.abs(last - tf.range(side + -side % multiple)), axis=axis)


def load(path: Path) -> Run:
    """The stored function."""
    module = tf.saved_model.load(str(path))
    call = module.signatures[SIGNATURE]

    def run(images: Images) -> Images:
        translated: Images = call(**{INPUT: tf.constant(images, tf.float32)})[OUTPUT].numpy()
        return translated

    return run
