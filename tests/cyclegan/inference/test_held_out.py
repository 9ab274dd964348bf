"""Held-out images are translated there and back and measured: perfect translators, translators that cheat, and the numbers themselves."""

import json
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from cyclegan.evaluation.pixel_errors import mean_absolute_error
from cyclegan.inference.evaluation_report import as_json, describe
from cyclegan.inference.held_out import HeldOutImage, Translate, evaluate_images
from preprocess.images.decode import ImageArray
from preprocess.synthetic import render_a, render_b
from preprocess.synthetic_scene.scene import draw_scene

SIZE, IMAGES = 32, 12
SCENES = [draw_scene(0, i, SIZE) for i in range(2 * IMAGES)]
A = [render_a(scene) for scene in SCENES]
B = [render_b(scene) for scene in SCENES]


def images(truths: bool = True) -> dict[str, Collection[HeldOutImage]]:
    """Different scenes in A and B, as in an unpaired set."""
    return {
        "A": [HeldOutImage(a, b if truths else None) for a, b in zip(A[:IMAGES], B[:IMAGES], strict=True)],
        "B": [HeldOutImage(b, a if truths else None) for a, b in zip(A[IMAGES:], B[IMAGES:], strict=True)],
    }


def looked_up(given: Sequence[ImageArray], wanted: Sequence[ImageArray]) -> Translate:
    """Knows the translation of each image."""
    known = {image.tobytes(): result for image, result in zip(given, wanted, strict=True)}
    return lambda image: known.get(image.tobytes(), image)


PERFECT = {"AtoB": looked_up(A, B), "BtoA": looked_up(B, A)}
IDLE: dict[str, Translate] = {"AtoB": np.copy, "BtoA": np.copy}


def test_perfect_translations_have_no_error_and_beat_unchanged_images() -> None:
    perfect, idle = (evaluate_images(translate, images()).values for translate in (PERFECT, IDLE))
    for domain in "AB":
        assert perfect[f"truth_l1_{domain}"] == perfect[f"cycle_l1_{domain}"] == 0
        assert perfect[f"truth_ssim_{domain}"] == pytest.approx(1)
        assert f"truth_psnr_{domain}" not in perfect, "infinite"
        assert perfect[f"sliced_wasserstein_{domain}"] < idle[f"sliced_wasserstein_{domain}"]
        assert idle[f"truth_l1_{domain}"] == idle[f"unchanged_l1_{domain}"] == perfect[f"unchanged_l1_{domain}"] > 0
        assert idle[f"cycle_l1_{domain}"] == 0, "an idle generator is perfect by this"


def test_means_are_of_both_domains() -> None:
    result = evaluate_images(IDLE, images())
    for name in ("sliced_wasserstein", "truth_l1", "cycle_l1"):
        both = [result.values[f"{name}_{domain}"] for domain in "AB"]
        assert result.values[name] == pytest.approx(np.mean(both))
    wanted = np.mean([mean_absolute_error(b, a) for a, b in zip(A[:IMAGES], B[:IMAGES], strict=True)])
    assert result.values["truth_l1_B"] == pytest.approx(wanted)
    assert result.measures["truth_l1_B"].standard_error is not None
    assert "kid" not in result.values


def hides(image: ImageArray) -> ImageArray:
    """The negative in the high bits, the image in the lowest bit of each pixel: what a generator that cheats does."""
    return (255 - image) & 0xFE | image >> 7


def finds(image: ImageArray) -> ImageArray:
    return np.asarray((image & 1) * 255, np.uint8)


def test_information_hidden_in_faint_noise_does_not_survive_jpeg() -> None:
    random = np.random.default_rng(0)
    noise = [HeldOutImage(255 * random.integers(0, 2, (SIZE, SIZE, 3), np.uint8)) for _ in range(4)]
    values = evaluate_images({"AtoB": hides, "BtoA": finds}, {"A": noise, "B": images()["B"]}).values
    assert values["cycle_l1_A"] == 0
    assert values["cycle_jpeg_l1_A"] > 0.1
    honest = evaluate_images(PERFECT, images()).values
    assert honest["cycle_jpeg_l1_A"] < 0.5


def test_features_give_kid_and_fid() -> None:
    sizes = []

    def features(batch: Sequence[ImageArray]) -> npt.NDArray[np.float32]:
        sizes.append(len(batch))
        return np.stack([np.concatenate([image.mean((0, 1)), image.std((0, 1))]) for image in batch]).astype(np.float32)

    perfect, idle = (evaluate_images(translate, images(), features).values for translate in (PERFECT, IDLE))
    assert sizes == 8 * [IMAGES], "in batches of 16 at most"
    for name in ("kid", "fid", "kid_A", "fid_B"):
        assert perfect[name] < idle[name]


def test_nothing_is_measured_of_an_empty_set() -> None:
    result = evaluate_images(IDLE, {"A": [], "B": images()["B"]})
    assert result.images == (0, IMAGES)
    assert "sliced_wasserstein" not in result.measures


def test_report() -> None:
    result = evaluate_images(PERFECT, images(truths=False))
    lines = describe(result)
    assert lines[0].split("  ")[-1].strip() == "BtoA (12 images)"
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "sliced Wasserstein distance × 1000",
        "cycle error, L1",
        "cycle error, PSNR (dB)",
        "cycle error, SSIM",
        "cycle error through JPEG, L1",
        "cycle error through JPEG, PSNR (dB)",
        "cycle error through JPEG, SSIM",
    ]
    stored = json.loads(as_json(result))
    assert stored["images"] == {"A": IMAGES, "B": IMAGES}
    assert stored["measures"]["cycle_l1_A"] == {"value": 0.0, "standard_error": 0.0}
    assert "cycle_psnr_A" not in stored["measures"], "JSON has no infinity"
    assert len(result.examples["AtoB"]) == 4
