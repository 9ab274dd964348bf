import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from cluster.paths import SAMPLES
from cluster.reporting.sample_images import SIDES, Sample, SampleFolder, shares
from tests.cluster.reporting.made_run import write_samples

EACH = 20_000


def decoded(sample: Sample) -> Image.Image:
    kind, _, data = sample.uri.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_few_of_many_the_last_included(tmp_path: Path) -> None:
    write_samples(tmp_path, range(100, 10_100, 100))
    found = SampleFolder(tmp_path).read(24, EACH, 1)
    assert found.keys() == {"held-out", "step"}
    for samples in found.values():
        steps = [sample.step for sample in samples]
        assert steps == sorted(steps) and 12 <= len(steps) <= 24
        assert (steps[0], steps[-1]) == (100, 10_000)
    assert decoded(found["step"][0]).size == (96, 64) == (found["step"][0].width, found["step"][0].height)


def test_large_ones_become_smaller(tmp_path: Path) -> None:
    (tmp_path / SAMPLES).mkdir()
    noise(1500, 2000).save(tmp_path / SAMPLES / "held-out-00000001.png")
    (sample,) = SampleFolder(tmp_path).read(24, EACH, 1)["held-out"]
    image = decoded(sample)
    assert len(sample.uri) < 1.4 * EACH
    assert image.width < 1500 and abs(image.width / image.height - 0.75) < 0.02


def test_of_a_large_batch_the_first_rows_of_both_directions(tmp_path: Path) -> None:
    (tmp_path / SAMPLES).mkdir()
    batch, side = 16, 128
    rows = np.arange(2 * batch).repeat(side)[:, None, None] * np.ones((1, 3 * side, 3)) * 8
    Image.fromarray(rows.astype(np.uint8)).save(tmp_path / SAMPLES / "step-00000001.png")
    (sample,) = SampleFolder(tmp_path).read(24, 100_000, batch)["step"]
    image = decoded(sample)
    assert image.size == (3 * side, 2 * 6 * side) and image.height <= SIDES[1]
    levels = np.asarray(image.convert("L"))[side // 2 :: side, 10]
    assert np.abs(levels - 8.0 * np.array([*range(6), *range(batch, batch + 6)])).max() <= 3


def test_what_is_no_image_is_left_out(tmp_path: Path) -> None:
    write_samples(tmp_path, [10])
    (tmp_path / SAMPLES / "step-00000020.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / SAMPLES / "notes.txt").write_text("mine")
    assert [sample.step for sample in SampleFolder(tmp_path).read(24, EACH, 1)["step"]] == [10]
    assert SampleFolder(tmp_path / "none").read(24, EACH, 1) == {}


def test_a_file_is_encoded_again_only_if_it_changed(tmp_path: Path) -> None:
    write_samples(tmp_path, [10, 20])
    folder = SampleFolder(tmp_path)
    first = folder.read(24, EACH, 1)["step"]
    noise(96, 64).save(tmp_path / SAMPLES / "step-00000020.png")
    second = folder.read(24, EACH, 1)["step"]
    assert second[0] is first[0] and second[1].uri != first[1].uri


def test_runs_share_the_bytes() -> None:
    for runs in range(1, 9):
        most, each = shares(runs)
        assert most >= 3 and runs * 2 * most * each <= 5_000_000
