"""Features agree with PyTorch's, of images that are prepared as by clean-fid."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.evaluation import inception
from cyclegan.evaluation.inception import Inception, network_input
from ringcycle.errors import UserError
from tests.cyclegan.evaluation.inception_file import formula_images, formula_weights, write_formula_weights


def noise(channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 70, channels), np.uint8)


def test_features_are_those_of_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Inception(write_formula_weights(tmp_path / "weights.pth", formula_weights()))
    monkeypatch.setattr(inception, "BATCH", 1)
    features = network.features(iter(formula_images()))
    assert features.shape == (2, 2048) and features.dtype == np.float32
    wanted = np.array(json.loads(Path(__file__).with_name("inception_features.json").read_text()))
    np.testing.assert_allclose(features[:, 64::128], wanted, rtol=1e-4, atol=1e-4)  # float32 sums in another order; values up to 35
    assert network.features([]).shape == (0, 2048)
    with pytest.raises(UserError, match=r"^image 2 has 4 channels, but FID and KID are defined for 1 \(grey\) or 3 \(RGB\)"):
        network.features([noise(3), noise(4)])


def test_images_are_resized_in_floats_and_clipped() -> None:
    image = noise(3)
    bands = [Image.fromarray(image[..., i].astype(np.float32), mode="F").resize((299, 299), Image.Resampling.BICUBIC) for i in range(3)]
    levels = np.stack([np.asarray(band) for band in bands], 2)
    assert levels.min() < 0 and levels.max() > 255
    got = network_input(image)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, (levels.clip(0, 255) - 128) / 128)
    assert np.abs(got * 128 - np.rint(got * 128)).max() > 0.4  # not rounded to levels


def test_the_range_is_that_of_the_original_graph() -> None:
    for dtype, white in ((np.uint8, 255), (np.uint16, 65535)):
        for level, wanted in ((0, -1), (white, 127 / 128)):
            assert (network_input(np.full((9, 5, 1), level, dtype)) == wanted).all()


def test_grey_images_and_16_bits() -> None:
    grey = noise(1)
    np.testing.assert_array_equal(network_input(grey), network_input(np.repeat(grey, 3, 2)))
    np.testing.assert_allclose(network_input(grey.astype(np.uint16) * 257), network_input(grey), atol=1e-6)
    deep = np.tile(np.arange(299, dtype=np.uint16)[:, None, None], (1, 299, 1))
    assert len(np.unique(network_input(deep))) == 299  # finer than 8-bit levels
