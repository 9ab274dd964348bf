import numpy as np
import pytest

from cyclegan.inference.channel_moments import PIECE, ChannelMoments

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1, 5), (3, 7, 5), (PIECE // 100, 3, 64)])  # the last comes in several pieces
def test_pieces_give_the_moments_of_all_pixels(shape: tuple[int, int, int]) -> None:
    strips = [RNG.normal(RNG.normal(0, 9), 2.0, (rows, *shape[1:])).astype(np.float32) for rows in (shape[0], 2, 1)]
    moments = ChannelMoments(shape[2])
    for strip in strips:
        moments.add(strip)
    pixels = np.concatenate([strip.reshape(-1, shape[2]) for strip in strips]).astype(np.float64)
    np.testing.assert_allclose(moments.mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, pixels.var(0), rtol=1e-12)


def test_a_large_mean_does_not_drown_the_deviation() -> None:
    pixels = (1e4 + RNG.normal(0, 0.01, (300, 500, 1))).astype(np.float32)
    moments = ChannelMoments(1)
    for row in pixels:
        moments.add(row)
    # The mean of the squares has a relative error of 1e-16, which is 1e-4 of this variance.
    np.testing.assert_allclose(moments.variance, pixels.astype(np.float64).var(), rtol=1e-9)
