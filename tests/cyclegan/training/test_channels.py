"""Domains with different numbers of channels and 16 bits: in the step, and end to end from files to translated files."""

from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from PIL import Image

from cyclegan.config import ModelSpec, TrainConfig
from cyclegan.training.channels import channel_mask
from cyclegan.training.image_pool import pool_draws
from cyclegan.training.passes import FLAGS, make_passes
from cyclegan.training.state import TrainingState, make_state
from cyclegan.training.step import make_step
from cyclegan.translate import main
from preprocess.config import DataConfig
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.feed.reader import Reader
from preprocess.images.decode import PixelFormat, decode, pixel_format_of
from tests.cyclegan.made_checkpoint import write_checkpoint
from tests.cyclegan.uncompiled import uncompiled
from tests.preprocess.built_here import build_here

SIDE = 24
MODEL = ModelSpec(filters=8, blocks=1, discriminator_filters=8, channels_a=1, channels_b=3, bits=16)
TRAIN = TrainConfig(pool_size=2, lambda_identity=0)
RATE = 1e-3

Array = npt.NDArray[np.generic]


def new_state(dtype: tf.DType = tf.float64) -> TrainingState:
    state = make_state(MODEL, TRAIN, (SIDE, SIDE), dtype)
    state.assign_initial(0)
    return state


def real(seed: int = 0) -> npt.NDArray[np.uint16]:
    images = np.random.default_rng(seed).integers(0, 65536, (2, 1, SIDE, SIDE, 3)).astype(np.uint16)
    images[0, ..., 1:] = 0
    return images


def test_equal_channels_need_no_mask() -> None:
    assert channel_mask(ModelSpec(channels_a=4, channels_b=4), tf.float32) is None
    mask = channel_mask(MODEL, tf.float64)
    assert mask is not None and mask.dtype == tf.float64
    assert mask.numpy()[:, 0, 0, 0].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_surplus_channels_stay_zero_and_do_not_count() -> None:
    state = new_state()
    flags = tf.zeros([len(FLAGS)], tf.float64)
    with uncompiled():
        passes = make_passes(state, MODEL, TRAIN)
        vector, fake, cycled = (t.numpy() for t in passes.generator_pass(tf.constant(real()), flags))
        filled = real()
        filled[0, ..., 1:] = 40000  # values in surplus channels must not matter
        again = passes.generator_pass(tf.constant(filled), flags)[0].numpy()
    np.testing.assert_array_equal(vector, again)
    # fake = (fake_B, fake_A), cycled = (cycled_B, cycled_A): A has one channel of three.
    assert np.abs(fake[1, ..., 0]).max() > 0 and not fake[1, ..., 1:].any() and not cycled[1, ..., 1:].any()
    assert (np.abs(fake[0]).max((0, 1, 2)) > 0).all()
    signed = real() / 32767.5 - 1
    expected = [np.abs(cycled[0] - signed[1]).mean(), np.abs(cycled[1, ..., 0] - signed[0, ..., 0]).mean()]
    size = state.generator_layout.size
    np.testing.assert_allclose(vector[size + 2 : size + 4], 10 * np.array(expected), rtol=1e-6)  # to_signed computes in float64


def test_weights_of_surplus_channels_do_not_learn() -> None:
    state = new_state()
    with uncompiled():
        passes = make_passes(state, MODEL, TRAIN)
        vector = passes.generator_pass(tf.constant(real()), tf.zeros([len(FLAGS)], tf.float64))[0].numpy()
    gradient = state.generator_layout.views(vector[: state.generator_layout.size])
    first, last, bias = gradient["c7s1-8/kernel"], gradient["c7s1-3/kernel"], gradient["c7s1-3/bias"]
    assert not first[0, :, :, 1:].any() and first[0, :, :, 0].any() and first[1].any()  # G_AB reads A
    assert not last[1, ..., 1:].any() and not bias[1, 1:].any() and last[0].any()  # G_BA makes A


def test_an_identity_loss_for_unequal_channels_is_refused() -> None:
    with pytest.raises(AssertionError, match="identity loss"):
        make_passes(new_state(), MODEL, TrainConfig())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """trainA of 16-bit grey PNG, trainB of 8-bit colour PNG."""
    folder = tmp_path_factory.mktemp("source")
    random = np.random.default_rng(3)
    for split in ("trainA", "trainB"):
        (folder / split).mkdir()
        for i in range(4):
            coarse = random.integers(0, 65536, (6, 6, 3)).astype(np.uint16).repeat(6, 0).repeat(6, 1)
            if split == "trainA":
                (folder / split / f"{i}.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(coarse[..., 0])))
            else:
                Image.fromarray((coarse >> 8).astype(np.uint8)).save(folder / split / f"{i}.png")
    return folder


def test_16_bit_grey_and_8_bit_colour_from_files_to_files(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    manifest = build_here(source, out, DataConfig(load_size=36, crop_size=SIDE))
    assert (manifest.dtype, manifest.channels) == ("uint16", (1, 3))
    plan = Plan((4, 4), seed=0, crop_size=(SIDE, SIDE), flip=True)
    batches = Reader(out, plan, WorkerShare(rank=0, workers=1, batch=1)).read(0, 2)
    assert batches.shape == (2, 2, 1, SIDE, SIDE, 3) and batches.dtype == np.uint16
    assert not batches[:, 0, ..., 1:].any()
    assert (batches[:, 1] % 257 == 0).mean() > 0.2  # 8-bit values become multiples of 257; bicubic resizing mixes some of them
    with uncompiled():
        state = new_state(tf.float32)
        passes = make_passes(state, MODEL, TRAIN)
        step = make_step(passes)
        for number, batch in enumerate(batches):
            draws = pool_draws(0, number, np.arange(1), 1, TRAIN.pool_size)
            arguments = (batch, draws, np.zeros(len(FLAGS), np.float32), np.float32(RATE))
            means = step(*map(tf.constant, arguments))[0].numpy()
            assert np.isfinite(means).all() and dict(zip(passes.means, means, strict=True))["identity_A"] == 0
    assert state.generators.updates.numpy() == 2
    write_checkpoint(tmp_path / "run", model=MODEL, flat=state.generators.weights.numpy())
    for direction, folder, form in (("AtoB", "trainA", PixelFormat(3, 16)), ("BtoA", "trainB", PixelFormat(1, 16))):
        result = tmp_path / direction
        assert main(["--checkpoint", str(tmp_path / "run"), "--direction", direction, str(source / folder), str(result)]) == 0
        assert sorted(path.name for path in result.iterdir()) == [f"{i}.png" for i in range(4)]
        data = (result / "0.png").read_bytes()
        assert pixel_format_of(data) == form
        pixels = decode(data, channels=form.channels, bits=None)
        assert pixels.shape == (36, 36, form.channels) and (pixels % 257 != 0).any()  # values that 8 bits cannot hold


def test_five_channels_are_written_as_tiff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = MODEL.model_copy(update={"channels_a": 3, "channels_b": 5, "bits": 8})
    state = make_state(model, TRAIN, (SIDE, SIDE))
    state.assign_initial(0)
    write_checkpoint(tmp_path / "run", model=model, flat=state.generators.weights.numpy())
    Image.new("RGB", (20, 30), "red").save(tmp_path / "a.png")
    command = ["--checkpoint", str(tmp_path / "run"), "--direction", "AtoB", str(tmp_path / "a.png")]
    assert main([*command, str(tmp_path / "out")]) == 0
    data = (tmp_path / "out" / "a.tif").read_bytes()
    assert pixel_format_of(data) == PixelFormat(5, 8) and decode(data, channels=5).shape == (30, 20, 5)
    assert main([*command, str(tmp_path / "a.jpg")]) == 2
    assert f"error: OUTPUT = {tmp_path / 'a.jpg'} cannot hold the 5 channels of the result: end it with .tif" in capsys.readouterr().err
