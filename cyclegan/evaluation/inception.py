"""Features of images by InceptionV3, of which FID (Heusel et al., NeurIPS 2017) and KID (Bińkowski et al., ICLR 2018) are distances.

Images are prepared as by clean-fid (Parmar et al., CVPR 2022): resized to 299 x 299 with a bicubic kernel that widens, in floats that are
not rounded, and clipped to the range of pixels. Other ways of resizing change FID by more than one model differs from the next.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from cyclegan.evaluation.inception_network import FEATURES, SIDE, Layer, inception_features
from cyclegan.evaluation.inception_weights import read_inception_weights
from preprocess.images.decoded_image import ImageArray
from preprocess.images.resize import resize_unrounded
from ringcycle.errors import UserError

Floats = npt.NDArray[np.float32]

BATCH = 16  # the process then peaks at 1.2 GiB, with 32 at 1.4; no faster from 8 to 32


class Inception:
    """InceptionV3 with the weights of a file."""

    def __init__(self, path: Path) -> None:
        """path: of pytorch-fid's file of weights (`inception_weights`). Raises UserError if it is another file."""
        layers = {name: Layer(tf.constant(kernel), tf.constant(bias)) for name, (kernel, bias) in read_inception_weights(path).items()}

        # A graph fuses each convolution with its bias and ReLU: 0.23 s of processor time per image, 0.30 eagerly. XLA takes 0.23 too,
        # after it has compiled for 10 s and more, for each size of a batch.
        @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)], autograph=False)
        def run(images: tf.Tensor) -> tf.Tensor:
            return inception_features(layers, images)

        self._run = run

    def features(self, images: Iterable[ImageArray]) -> Floats:
        """Features [N, 2048] of N images [H, W, C], uint8 or uint16, of any sizes; grey or RGB.

        Takes images as it goes, so that an iterator may read them from files. Raises UserError if one has other channels.
        """
        inputs = _inputs(images)
        parts = [np.empty((0, FEATURES), np.float32)]
        while batch := list(islice(inputs, BATCH)):
            parts.append(self._run(tf.constant(np.stack(batch))).numpy())
        return np.concatenate(parts)


def _inputs(images: Iterable[ImageArray]) -> Iterator[Floats]:
    for number, image in enumerate(images, 1):
        channels = image.shape[2]
        if channels not in (1, 3):
            raise UserError(f"image {number} has {channels} channels, but FID and KID are defined for 1 (grey) or 3 (RGB): measure those")
        yield network_input(image)


def network_input(image: ImageArray) -> Floats:
    """A grey or RGB image [H, W, C], uint8 or uint16, as the network takes it: [299, 299, 3] in [-1, 1]."""
    levels = resize_unrounded(image, SIDE, SIDE) / np.float32(np.iinfo(image.dtype).max / 255)
    # 8-bit levels minus 128, over 128, as clean-fid and TensorFlow's original graph have it: white is 127/128.
    return np.repeat((np.clip(levels, 0, 255) - 128) / 128, 3 // image.shape[2], 2)
