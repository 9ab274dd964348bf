"""A translator is one direction of `generate`, for images of any size."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf

from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.translator import GRAPH_AFTER, MOST_GRAPHS, Translator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.generator import generate
from cyclegan.networks.shapes import generator_shapes
from cyclegan.training.pixels import to_pixels, to_signed
from preprocess.images.decode import BrokenImage, ImageArray
from ringcycle.domains import DIRECTIONS
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, weights

TRAINED = GeneratorCheckpoint(Path("step-00000010"), 10, MODEL, weights())


def image(height: int, width: int) -> ImageArray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), np.uint8)


def twin(pixels: ImageArray, convolution: str) -> ImageArray:
    """Both translations [2, H, W, 3] by the twin network that training uses."""
    model = MODEL.model_copy(update={"convolution": convolution})
    parameters = FlatParameters(generator_shapes(model)).split(tf.constant(TRAINED.weights))
    signed = to_signed(tf.constant(np.stack([pixels, pixels])[:, None]))
    return to_pixels(generate(parameters, signed, model).numpy()[:, 0])


@pytest.mark.parametrize("convolution", ["plain", "auto"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_is_one_direction_of_the_twin(direction: str, convolution: str) -> None:
    pixels = image(32, 40)
    got = Translator(TRAINED, direction)(pixels)
    both = twin(pixels, convolution).astype(int)
    i = DIRECTIONS.index(direction)
    # Another order of the same float32 sums, or Winograd's: where a value lies at half a level, rounding may go either way.
    assert np.abs(got - both[i]).max() <= 1
    assert np.abs(got - both[1 - i]).mean() > 10


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 5), (6, 6), (7, 8), (37, 53), (4, 400), (400, 3), (64, 64)])
def test_output_has_the_size_of_the_input(size: tuple[int, int]) -> None:
    pixels = image(*size)
    translated = Translator(TRAINED, "AtoB")(pixels)
    assert translated.shape == pixels.shape
    assert translated.dtype == np.uint8


def test_an_image_is_continued_by_reflection() -> None:
    pixels = image(30, 41)
    padded = np.concatenate([pixels, pixels[-2:-4:-1]], 0)
    padded = np.concatenate([padded, padded[:, -2:-5:-1]], 1)
    assert padded.shape == (32, 44, 3)
    translate = Translator(TRAINED, "BtoA")
    np.testing.assert_array_equal(translate(pixels), translate(padded)[:30, :41])


def test_what_does_not_fit_in_memory_comes_in_strips(caplog: pytest.LogCaptureFixture) -> None:
    pixels = image(1097, 1201).astype(np.uint16) * 257
    counts = []

    @contextmanager
    def meter(total: int, _name: str) -> Iterator[Callable[[], None]]:
        done: list[None] = []
        yield lambda: done.append(None)
        counts.append((len(done), total))

    memory = psutil.Process().memory_info().rss + 150 * 2**20  # at once it needs 166 MiB, in strips 107
    with caplog.at_level("INFO"):
        got = Translator(TRAINED, "BtoA", memory, meter)(pixels)
    assert caplog.messages == ["1201x1097 pixels are too many at once: in strips, with up to 30.3 MiB of files in /var/tmp"]
    assert len(counts) == 1 and counts[0][0] == counts[0][1] > len(generator_shapes(MODEL))
    expected = Translator(TRAINED, "BtoA")(pixels)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= 2  # of 65,535: 1e-5 of the range, and rounding


def test_even_strips_need_some_memory() -> None:
    rss = psutil.Process().memory_info().rss
    with pytest.raises(
        BrokenImage, match=r"^1400x1000 pixels need 10\d\.\d MiB of memory even in strips, \S+ \SiB are left of --memory = "
    ):
        Translator(TRAINED, "AtoB", rss + 60 * 2**20)(image(1000, 1400))
    with pytest.raises(UserError, match=r"^--memory = 100\.0 MiB, but without any image the process takes \S+ \SiB: allow more$"):
        Translator(TRAINED, "AtoB", 100 * 2**20)


def test_more_than_the_disk_is_refused_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (4000, 400_000_000, 3))  # 4.8 TB; here 3 bytes
    translate = Translator(TRAINED, "AtoB")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(BrokenImage, match=rf"^400000000x4000 pixels need 34.9 TiB of files in {tmp_path}, \S+ \SiB are free: set TMPDIR"):
        translate(pixels)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(BrokenImage, match=r"need files in .*nowhere, which fails \(No such file or directory\): set TMPDIR to a folder"):
        translate(pixels)


def test_weights_of_other_networks_are_refused() -> None:
    with pytest.raises(UserError, match="holds 17,333 generator weights, but this version's networks of its sizes have 17,334"):
        Translator(GeneratorCheckpoint(Path("x"), 1, MODEL, weights()[1:]), "AtoB")


def of_channels(a: int, b: int, bits: int = 8) -> GeneratorCheckpoint:
    model = MODEL.model_copy(update={"channels_a": a, "channels_b": b, "bits": bits})
    flat = np.random.default_rng(0).normal(0, 0.2, FlatParameters(generator_shapes(model)).size).astype(np.float32)
    return GeneratorCheckpoint(Path("step-00000010"), 10, model, flat)


@pytest.mark.parametrize(("a", "b"), [(1, 3), (3, 1), (5, 3), (2, 2)])
def test_channels_are_those_of_the_other_domain(a: int, b: int) -> None:
    trained = of_channels(a, b)
    for direction, (taken, made) in (("AtoB", (a, b)), ("BtoA", (b, a))):
        pixels = np.random.default_rng(1).integers(0, 256, (32, 36, taken), np.uint8)
        got = Translator(trained, direction)(pixels)
        assert got.shape == (32, 36, made) and got.dtype == np.uint8
        signed = np.zeros((2, 1, 32, 36, max(a, b)), np.float32)  # what the training makes of it: surplus channels are 0
        i = DIRECTIONS.index(direction)
        signed[i, 0, ..., :taken] = to_signed(tf.constant(pixels))
        model = trained.model.model_copy(update={"convolution": "plain"})
        parameters = FlatParameters(generator_shapes(model)).split(tf.constant(trained.weights))
        expected = generate(parameters, tf.constant(signed), model)[i, 0].numpy()
        assert np.abs(got - to_pixels(expected[..., :made]).astype(int)).max() <= 1


def test_16_bits_come_out_if_they_go_in_or_were_trained_on() -> None:
    pixels = image(16, 20)
    deep = pixels.astype(np.uint16) * 257
    eight = Translator(TRAINED, "AtoB")
    got = eight(deep)
    assert eight(pixels).dtype == np.uint8 and got.dtype == np.uint16
    assert np.abs(got / 257 - eight(pixels)).max() <= 0.51
    assert Translator(of_channels(3, 3, bits=16), "BtoA")(pixels).dtype == np.uint16


def test_no_more_pixels_are_computed_at_once_than_tensorflow_survives(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    translate, pixels = Translator(TRAINED, "AtoB"), image(120, 80)
    whole = translate(pixels)
    monkeypatch.setattr("cyclegan.inference.translator.LARGEST", 120 * 80 - 1)
    assert np.abs(translate(pixels).astype(int) - whole).max() <= 1
    assert "80x120 pixels are too many at once: in strips" in caplog.text


def test_a_unet_takes_what_fits_at_once_only() -> None:
    model = ModelSpec(filters=4, generator="unet", unet_depth=3)
    flat = np.random.default_rng(0).normal(0, 0.2, FlatParameters(generator_shapes(model)).size).astype(np.float32)
    trained = GeneratorCheckpoint("folder", 1, model, flat)
    image = np.random.default_rng(1).integers(0, 256, (21, 30, 3), np.uint8)
    result = Translator(trained, "AtoB")(image)
    assert result.shape == image.shape and np.std(result) > 10
    memory = psutil.Process().memory_info().rss + 100 * 2**20
    with pytest.raises(
        BrokenImage, match=r"^1201x1097 pixels are too many for a unet, which cannot be computed in strips: give a smaller --scale$"
    ):
        Translator(trained, "AtoB", memory)(np.zeros((1097, 1201, 3), np.uint8))


def test_an_image_is_translated_alike_whatever_came_before() -> None:
    """The first ones run eagerly, later ones of the size in a graph; 16 bits show the rounding of both."""
    translate = Translator(TRAINED, "AtoB")
    pixels = image(64, 72).astype(np.uint16) * 257
    first, *others = (translate(pixels) for _ in range(GRAPH_AFTER + 2))
    assert translate._graph.experimental_get_tracing_count() == 1
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_few_sizes_are_traced() -> None:
    translate = Translator(TRAINED, "AtoB")
    for height in range(8, 8 + MOST_GRAPHS + 2):
        for _ in range(GRAPH_AFTER + 1):
            translate(image(height, 8))
    assert translate._graph.experimental_get_tracing_count() <= MOST_GRAPHS
