"""Colour jitter against its definition, pixel by pixel in float64, and against Pillow, on which torchvision's ColorJitter rests."""

import colorsys
from itertools import permutations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from preprocess.images.colour_jitter import ORDERS, Jitter, jittered
from preprocess.images.decoded_image import ImageArray

WEIGHTS = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as torchvision and Pillow
CHANGES = [
    Jitter(brightness=1.3),
    Jitter(brightness=0.6),
    Jitter(contrast=1.4),
    Jitter(contrast=0.0),
    Jitter(saturation=1.5),
    Jitter(saturation=0.2),
    Jitter(hue=0.1),
    Jitter(hue=-0.5),
    *(Jitter(1.2, 0.7, 1.4, -0.2, order) for order in (0, 5, 11, 23)),
]


def image(dtype: type[np.uint8] | type[np.uint16] = np.uint8, channels: int = 3) -> ImageArray:
    """Random pixels, and among them greys, primary colours, black and white."""
    white = np.iinfo(dtype).max
    pixels = np.random.default_rng(2).integers(0, white, (9, 11, channels), endpoint=True).astype(dtype)
    pixels[0, :4] = np.array([0, white, white // 2, 1])[:, None]
    if channels >= 3:
        pixels[1, :3, :3] = white * np.eye(3, dtype=dtype)
    return pixels


def by_definition(pixels: ImageArray, jitter: Jitter) -> np.ndarray:
    """torchvision's formulas in float64, without rounding but for the mean of the contrast; values of an RGB image [H, W, 3]."""
    white = np.iinfo(pixels.dtype).max
    values = pixels.astype(np.float64)
    for operation in list(permutations(range(4)))[jitter.order]:
        if operation == 0:
            values = values * jitter.brightness
        elif operation == 1:
            mean = np.rint(values @ WEIGHTS).mean()
            values = jitter.contrast * values + (1 - jitter.contrast) * mean
        elif operation == 2:
            values = jitter.saturation * values + (1 - jitter.saturation) * (values @ WEIGHTS)[..., None]
        else:
            hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in values.reshape(-1, 3)]
            values = np.array([colorsys.hsv_to_rgb((h + jitter.hue) % 1, s, v) for h, s, v in hsv]).reshape(values.shape)
        values = np.clip(values, 0, white)
    return values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("jitter", CHANGES)
def test_the_definition_rounded_to_whole_levels(jitter: Jitter, dtype: type[np.uint8] | type[np.uint16]) -> None:
    got, wanted = jittered(image(dtype), jitter), by_definition(image(dtype), jitter)
    assert got.dtype == dtype and got.shape == wanted.shape
    # Half a level of rounding; float32 and grey weights in 16 bits add 1e-5 of the range at most.
    assert np.abs(got - wanted).max() <= 0.5 + 1e-5 * np.iinfo(dtype).max


@pytest.mark.parametrize(
    ("jitter", "enhance", "factor"),
    [
        (Jitter(brightness=1.3), ImageEnhance.Brightness, 1.3),
        (Jitter(contrast=0.6), ImageEnhance.Contrast, 0.6),
        (Jitter(saturation=1.5), ImageEnhance.Color, 1.5),
    ],
)
def test_factors_are_those_of_pillow(jitter: Jitter, enhance: type[ImageEnhance.Brightness], factor: float) -> None:
    theirs = np.asarray(enhance(Image.fromarray(image())).enhance(factor)).astype(int)
    assert np.abs(jittered(image(), jitter) - theirs).max() <= 1  # Pillow cuts off fractions, and rounds its grey levels first


def test_the_hue_of_pillow() -> None:
    hue, *rest = Image.fromarray(image()).convert("HSV").split()
    shifted = hue.point([(level + 51) % 256 for level in range(256)])  # 0.2 of the circle, as torchvision does it
    theirs = np.asarray(Image.merge("HSV", (shifted, *rest)).convert("RGB")).astype(int)
    assert np.abs(jittered(image(), Jitter(hue=51 / 256)) - theirs).max() <= 6  # its hues and saturations are whole numbers


def test_nothing_changes_without_a_jitter_and_primary_colours_turn_by_thirds() -> None:
    for dtype in (np.uint8, np.uint16):
        np.testing.assert_array_equal(jittered(image(dtype), Jitter()), image(dtype))
        primary = np.iinfo(dtype).max * np.eye(3, dtype=dtype)[None]
        np.testing.assert_array_equal(jittered(primary, Jitter(hue=1 / 3)), np.roll(primary, 1, 2))


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_brightness_and_contrast_of_grey_and_of_bands(channels: int, dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels = image(dtype, channels)
    white = np.iinfo(dtype).max
    brighter = np.clip(pixels * 1.2, 0, white)
    wanted = np.clip(0.7 * brighter + 0.3 * np.rint(brighter).mean(), 0, white)
    assert np.abs(jittered(pixels, Jitter(1.2, 0.7)) - wanted).max() <= 0.5 + 1e-5 * white
    with pytest.raises(AssertionError):
        jittered(pixels, Jitter(saturation=1.2))


def test_opacity_stays() -> None:
    pixels, jitter = image(channels=4), Jitter(1.2, 0.8, 1.3, 0.1)
    got = jittered(pixels, jitter)
    np.testing.assert_array_equal(got[..., 3], pixels[..., 3])
    np.testing.assert_array_equal(got[..., :3], jittered(pixels[..., :3], jitter))


def test_mirrored_and_turned_views_get_the_same_colours() -> None:
    jitter = Jitter(1.2, 0.8, 1.3, 0.1, 7)
    for view in (image()[:, ::-1], image()[::-1], np.rot90(image())):
        np.testing.assert_array_equal(jittered(view, jitter), jittered(np.ascontiguousarray(view), jitter))
    np.testing.assert_array_equal(jittered(np.rot90(image()), jitter), np.rot90(jittered(image(), jitter)))


def test_all_orders_differ() -> None:
    assert len(ORDERS) == 24
    results = {jittered(image(), Jitter(1.4, 1.4, 1.5, 0.2, order)).tobytes() for order in range(24)}
    assert len(results) > 12  # operations that happen to commute where nothing is cut off give equal pixels
