"""A job reads image files and writes result files; broken images are skipped and cost the others nothing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan.inference import job_translator
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.job_translator import JobTranslator, Skipped, TranslationSettings, Written
from cyclegan.inference.scale import Scale
from cyclegan.inference.translation_plan import Shape
from cyclegan.inference.translator import Translator
from preprocess.images.decode import decode
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, weights

TRAINED = GeneratorCheckpoint("step-00000010", 10, MODEL, weights())


def settings(scale: Scale | None = None) -> TranslationSettings:
    return TranslationSettings(TRAINED, "AtoB", scale or Scale("native"), 64)


def save(path: Path, height: int = 16, width: int = 16) -> Path:
    Image.fromarray(np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


def broken(path: Path) -> Path:
    path.write_bytes(b"no image")
    return path


@pytest.mark.usefixtures("own_compile_cache")
def test_a_broken_image_does_not_lose_its_batch(tmp_path: Path) -> None:
    images = [save(tmp_path / "a.png"), broken(tmp_path / "b.png"), save(tmp_path / "c.png", 15, 14), save(tmp_path / "d.png", 9, 30)]
    files = [(image, tmp_path / "out" / image.name) for image in images]
    shape = Shape(4, 16, 16, 8)
    results = JobTranslator(settings(), [shape])(files, shape)
    assert [type(result) for result in results] == [Written, Skipped, Written, Written]
    assert results[1] == Skipped("unknown image format")
    assert not files[1][1].exists()
    for (image, path), result in zip(files, results, strict=True):
        if isinstance(result, Written):
            assert (path.stat().st_size, path.stat().st_mtime_ns) == result
            assert np.abs(decode(path).astype(int) - Translator(TRAINED, "AtoB")(decode(image))).max() <= 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png", "d.png"]


def test_images_are_scaled_and_results_restored(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png", 20, 50)
    JobTranslator(settings(Scale(12)), [])([(image, tmp_path / "b.png")], None)
    JobTranslator(settings(Scale(12, restore=True)), [])([(image, tmp_path / "c.png")], None)
    assert decode(tmp_path / "b.png").shape == (12, 30, 3)
    assert decode(tmp_path / "c.png").shape == (20, 50, 3)


def test_several_threads_share_one_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_translator, "LARGE_FILE", 300)  # of a few images, which are then decoded one at a time
    images = [save(tmp_path / f"{i}.png", 8 + i % 3, 8 + i % 4) for i in range(24)]
    translate = JobTranslator(settings(), [])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda image: translate([(image, tmp_path / "out" / image.name)], None), images))
    assert all(isinstance(result, Written) for results in done for result in results)
    for image in images:
        np.testing.assert_array_equal(decode(tmp_path / "out" / image.name), Translator(TRAINED, "AtoB")(decode(image)))


def test_a_result_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    image = save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"OUTPUT: .*/a.png/b.png cannot be written \(Not a directory\)|File exists"):
        JobTranslator(settings(), [])([(image, image / "b.png")], None)
