import numpy as np
import pytest

from cyclegan.evaluation.laplacian_pyramid import Array, laplacian_pyramid

BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
SHAPES = [(64, 64, 3), (143, 143, 1), (31, 32, 2), (97, 40, 4)]


def image(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(5).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def convolved(x: Array) -> Array:
    """With the binomial filter, mirrored at the border, written as its definition."""
    padded = np.pad(x.astype(np.float64), [(2, 2), (2, 2), (0, 0)], "reflect")
    height, width = x.shape[:2]
    return sum(BINOMIAL[i, j] * padded[i : i + height, j : j + width] for i in range(5) for j in range(5)).astype(np.float32)


def enlarged(x: Array, height: int, width: int) -> Array:
    spread = np.zeros((height, width, x.shape[2]), np.float32)
    spread[::2, ::2] = x
    return 4 * convolved(spread)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_are_those_of_the_definition(shape: tuple[int, int, int]) -> None:
    rest = image(shape).astype(np.float32)
    *details, last = laplacian_pyramid(image(shape))
    for detail in details:
        half = convolved(rest)[::2, ::2]
        np.testing.assert_allclose(detail, rest - enlarged(half, *rest.shape[:2]), atol=1e-4)
        rest = half
    np.testing.assert_allclose(last, rest, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((256, 256, 3), [(256, 256), (128, 128), (64, 64), (32, 32), (16, 16)]),
        ((143, 143, 3), [(143, 143), (72, 72), (36, 36), (18, 18)]),
        ((64, 300, 1), [(64, 300), (32, 150), (16, 75)]),
        ((31, 31, 1), [(31, 31), (16, 16)]),
        ((30, 99, 1), [(30, 99)]),
        ((9, 12, 1), [(9, 12)]),
    ],
)
def test_levels_end_at_16_pixels(shape: tuple[int, int, int], sides: list[tuple[int, int]]) -> None:
    assert [level.shape for level in laplacian_pyramid(image(shape))] == [(*side, shape[2]) for side in sides]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_levels_add_up_to_the_image(shape: tuple[int, int, int], dtype: type) -> None:
    levels = laplacian_pyramid(image(shape, dtype))
    whole = levels.pop()
    while levels:
        detail = levels.pop()
        whole = detail + enlarged(whole, *detail.shape[:2])
    np.testing.assert_array_equal(np.round(whole), image(shape, dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_flat_image_has_no_detail(dtype: type) -> None:
    most = np.iinfo(dtype).max
    *details, last = laplacian_pyramid(np.full((50, 37, 2), most, dtype))
    assert details and all((level == 0).all() for level in details)
    assert (last == most).all()
