"""Images in two halves, what blur and noise make of them, and cheap features for the distances that take features."""

from functools import cache

import numpy as np
import numpy.typing as npt

from preprocess.images.decoded_image import ImageArray
from ringcycle.hashing import generator

SIZE = 64
HALF = 24  # images


@cache
def halves() -> tuple[list[ImageArray], list[ImageArray]]:
    """Two samples of one distribution, uint8 [64, 64, 3]: "dead leaves", rectangles on top of each other, with edges as in photographs."""
    images = [_leaves(i) for i in range(2 * HALF)]
    return images[:HALF], images[HALF:]


@cache
def damaged() -> dict[str, list[ImageArray]]:
    """The second half as it is, and under growing blur and noise."""
    images = halves()[1]
    return {
        "none": images,
        "blur 1": [_blurred(image, 1) for image in images],
        "blur 2": [_blurred(image, 2) for image in images],
        "noise 15": [_noisy(image, 15, i) for i, image in enumerate(images)],
        "noise 40": [_noisy(image, 40, i) for i, image in enumerate(images)],
    }


def features(images: list[ImageArray]) -> npt.NDArray[np.float32]:
    """One layer of random filters of 5x5 that leave no mean, rectified and averaged over the image: [N, 16]."""
    filters = generator(0, "test filters").standard_normal((16, 75))
    filters -= filters.mean(1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(np.stack(images) / 255, (5, 5), (1, 2))[:, ::5, ::5]
    outputs = windows.reshape(len(images), -1, 75) @ filters.T
    return np.maximum(outputs, 0).mean(1).astype(np.float32)


def _leaves(index: int) -> ImageArray:
    rng = generator(0, "leaves", index)
    corners = rng.integers(-SIZE // 2, SIZE, (200, 2))
    sides = np.round(6 / rng.uniform(0.2, 1, (200, 2))).astype(int)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    for (top, left), (height, width), colour in zip(corners, sides, rng.integers(64, 192, (200, 3)), strict=True):
        image[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = colour
    return image


def _blurred(image: ImageArray, sigma: float) -> ImageArray:
    """Gaussian blur of an image that continues at the opposite border."""
    axis = np.fft.fftfreq(SIZE)
    response = np.exp(-2 * (np.pi * sigma * np.hypot(axis[:, None], axis)[..., None]) ** 2)
    return np.round(np.fft.ifft2(np.fft.fft2(image, axes=(0, 1)) * response, axes=(0, 1)).real).astype(np.uint8)


def _noisy(image: ImageArray, sigma: float, index: int) -> ImageArray:
    noise = generator(0, "added noise", index).normal(0, sigma, image.shape)
    return np.clip(np.round(image + noise), 0, 255).astype(np.uint8)
