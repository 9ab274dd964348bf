from collections.abc import Sequence
from math import gamma, pi, sqrt

import numpy as np
import pytest

from cyclegan.evaluation.sliced_wasserstein import (
    MOST_VALUES,
    Patches,
    SlicedWasserstein,
    patches_of,
    patches_per_image,
    sliced_wasserstein,
    wasserstein,
)
from preprocess.images.decoded_image import ImageArray, to_depth
from tests.cyclegan.evaluation.leaves import damaged, halves

Distances = dict[str, SlicedWasserstein]


def patches(images: Sequence[ImageArray], count: int = 128) -> list[Patches]:
    return [patches_of(image, count, 0) for image in images]


@pytest.fixture(scope="module")
def first() -> list[Patches]:
    return patches(halves()[0])


@pytest.fixture(scope="module")
def few(first: list[Patches]) -> list[Patches]:
    return first[:4]


@pytest.fixture(scope="module")
def distances(first: list[Patches]) -> Distances:
    """From the first half to the second one, damaged in several ways."""
    return {damage: sliced_wasserstein(first, patches(images), 0) for damage, images in damaged().items()}


def test_it_grows_with_blur_and_noise(distances: Distances) -> None:
    assert 1.15 * distances["none"].mean < distances["blur 1"].mean < distances["blur 2"].mean
    assert 1.15 * distances["none"].mean < distances["noise 15"].mean < distances["noise 40"].mean


@pytest.mark.parametrize("damage", ["blur 1", "blur 2", "noise 15", "noise 40"])
def test_blur_and_noise_show_at_the_finest_level_most(distances: Distances, damage: str) -> None:
    growth = np.divide(distances[damage].levels, distances["none"].levels)
    assert len(growth) == 3
    assert growth[0] > 1.5 and growth[0] > 1.4 * growth[1]
    assert growth[2] == pytest.approx(1, abs=0.1)


def test_large_shapes_show_at_the_coarsest_level_most(first: list[Patches], distances: Distances) -> None:
    """A quarter of each image painted flat hardly changes what an edge looks like."""
    painted = [image.copy() for image in halves()[1]]
    for image in painted:
        image[:32, :32] = 0
    growth = np.divide(sliced_wasserstein(first, patches(painted), 0).levels, distances["none"].levels)
    assert growth[2] > 2 and growth[2] > growth[0]


def test_a_set_is_at_distance_0_from_itself(few: list[Patches]) -> None:
    assert sliced_wasserstein(few, few, 0) == SlicedWasserstein((0, 0, 0))


def test_twice_the_same_images_are_no_other_distribution(few: list[Patches]) -> None:
    np.testing.assert_allclose(sliced_wasserstein(few, [*few, *few], 0).levels, 0, atol=1e-3)


def test_neither_the_order_nor_the_other_images_matter(few: list[Patches]) -> None:
    images = halves()[1][:5]
    forth = sliced_wasserstein(few, patches(images), 0)
    back = sliced_wasserstein(patches(images[::-1]), few[::-1], 0)
    np.testing.assert_allclose(forth.levels, back.levels, rtol=1e-5)
    assert all(np.array_equal(*levels) for levels in zip(patches(images)[3], patches(images[3:4])[0], strict=True))


def test_another_seed_takes_other_patches() -> None:
    image = halves()[0][0]
    assert not np.array_equal(patches_of(image, 48, 0)[0], patches_of(image, 48, 1)[0])


def test_the_depth_does_not_matter(few: list[Patches]) -> None:
    images = halves()[0][:4]
    np.testing.assert_allclose(sliced_wasserstein(few, patches([to_depth(image, 16) for image in images]), 0).levels, 0, atol=0.01)


def test_brightness_and_contrast_go_unseen(few: list[Patches]) -> None:
    """The statistics of each set are its own. The patches are changed, as changed images would have theirs elsewhere."""
    changed = [tuple(level / 3 + 9 for level in image) for image in few]
    np.testing.assert_allclose(sliced_wasserstein(few, changed, 0).levels, 0, atol=0.01)


def test_flat_images_are_far_from_others_and_equal_to_each_other(few: list[Patches]) -> None:
    black = patches([np.zeros((64, 64, 3), np.uint8)] * 2)
    assert sliced_wasserstein(black, black, 0).mean == 0
    assert min(sliced_wasserstein(black, few, 0).levels) > 300


@pytest.mark.parametrize(("shape", "levels"), [((7, 7, 1), 1), ((143, 40, 2), 2), ((64, 64, 5), 3)])
def test_any_size_and_number_of_channels(shape: tuple[int, int, int], levels: int) -> None:
    images = np.random.default_rng(0).integers(0, 65536, (4, *shape), np.uint16)
    found = sliced_wasserstein(patches(images[:2]), patches(images[2:]), 0)
    assert len(found.levels) == levels and 0 < found.mean < 1000


def test_images_of_several_sizes_are_compared_at_their_common_levels(few: list[Patches]) -> None:
    mixed = patches([halves()[1][0], halves()[1][1][:40, :33]])
    assert [len(image) for image in mixed] == [3, 2]
    assert len(sliced_wasserstein(few, mixed, 0).levels) == 2


def test_large_sets_give_fewer_patches_of_each_image() -> None:
    assert [patches_per_image(n, 3) for n in (0, 1, 512, 513, 5000, 10**6)] == [128, 128, 128, 127, 13, 1]
    assert [patches_per_image(n, 64) for n in (24, 1000)] == [128, 3]
    assert patches_per_image(5000, 3) * 5000 * 3 * 49 <= MOST_VALUES


def test_what_cannot_be_compared() -> None:
    grey, coloured = (patches([np.zeros((20, 20, channels), np.uint8)]) for channels in (1, 3))
    with pytest.raises(ValueError, match="0 and 1 images: a distance needs at least one of each"):
        sliced_wasserstein([], grey, 0)
    with pytest.raises(ValueError, match="1 and 3 channels"):
        sliced_wasserstein(grey, coloured, 0)
    with pytest.raises(ValueError, match="6x30 pixels has no patch of 7x7"):
        patches_of(np.zeros((30, 6, 3), np.uint8), 1, 0)


def test_shifted_samples_are_as_far_apart_as_the_shift() -> None:
    x = np.random.default_rng(1).standard_normal((3, 1000)).astype(np.float32)
    shifts = np.array([0, -0.5, 3], np.float32)
    np.testing.assert_allclose(wasserstein(x, np.flip(x, 1) + shifts[:, None]), abs(shifts), atol=1e-6)


def test_samples_of_different_sizes() -> None:
    x = np.array([[1, 0]], np.float32)
    assert wasserstein(x, np.array([[0, 0.5, 1]], np.float32)) == pytest.approx(2 * (0.5 - 1 / 3) * 0.5)
    assert wasserstein(x, np.array([[2]], np.float32)) == pytest.approx(1.5)
    assert wasserstein(np.repeat(x, 7, 1), x) == pytest.approx(0, abs=1e-9)


def test_normal_distributions_of_two_widths() -> None:
    """Quantile functions a z(p) and b z(p): the distance is |a - b| E|z| = |a - b| sqrt(2 / pi)."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, (1, 200_000)), rng.normal(0, 1.7, (1, 150_000))
    assert wasserstein(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(0.7 * sqrt(2 / pi), abs=0.01)


def test_patches_shifted_along_a_vector() -> None:
    """The mean of |v . u| over unit vectors u in d dimensions is |v| gamma(d / 2) / (sqrt(pi) gamma((d + 1) / 2)).

    The sets are moved apart by v, which leaves the mean of a patch, and so both have the standard deviation (1 + mean of (v / 2)²)^½.
    """
    rng = np.random.default_rng(3)
    d, n = 49, 4000
    x = rng.standard_normal((n, 1, d)).astype(np.float32)
    v = rng.standard_normal(d).astype(np.float32)
    v -= v.mean()
    found = sliced_wasserstein([(x - v / 2,)], [(x + v / 2,)], 0).mean / 1e3
    distance = np.linalg.norm(v) / sqrt(1 + (v**2).mean() / 4)
    # The spread of |v . u| is 0.76 of its mean: 512 directions leave 3 %.
    assert found == pytest.approx(distance * gamma(d / 2) / (sqrt(pi) * gamma((d + 1) / 2)), rel=0.1)
