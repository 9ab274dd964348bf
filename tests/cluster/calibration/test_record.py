"""Measurements are found again for what they were measured for, and for nothing else."""

from pathlib import Path

import pytest

from cluster.calibration.record import recall, remember
from cluster.calibration.search import Candidate, Figures, Trial
from cluster.config import Config
from cluster.load_config import load_config
from cyclegan.config import ImageFormat

CANDIDATE = Candidate(2, 6, "auto", "float32", 1, "float32")
TRIAL = Trial(CANDIDATE, Figures(2.0, 30.0, 3 * 2**30, 5 * 2**30))
IMAGES = ImageFormat()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    remember(TRIAL, Config(), IMAGES, tmp_path / "calibrations")
    return tmp_path / "calibrations"


def test_a_measurement_is_found_again(folder: Path) -> None:
    measured = recall(Config(), IMAGES, CANDIDATE, folder)
    assert measured is not None and measured.figures == TRIAL.figures
    free = ["--train.steps", "10", "--train.learning_rate", "1e-3", "--train.seed", "5", "--run.name", "x", "--cluster.workers", "9"]
    assert recall(load_config(free, {}), IMAGES, CANDIDATE, folder) == measured


@pytest.mark.parametrize("option", ["model.blocks=6", "data.crop_size=128", "train.loss=wgangp", "train.pool_size=10", "train.ema=0"])
def test_other_settings_are_another_measurement(option: str, folder: Path) -> None:
    assert recall(load_config([f"--{option}"], {}), IMAGES, CANDIDATE, folder) is None


def test_other_images_and_candidates_are_another_measurement(folder: Path) -> None:
    assert recall(Config(), ImageFormat(bits=16), CANDIDATE, folder) is None
    assert recall(Config(), IMAGES, Candidate(1, 6, "auto", "float32", 1, "float32"), folder) is None


def test_a_failed_trial_and_a_damaged_file_are_none(folder: Path) -> None:
    other = Candidate(1, 12, "plain", "float32", 1, "float32")
    remember(Trial(other, None, "exited with -9"), Config(), IMAGES, folder)
    assert recall(Config(), IMAGES, other, folder) is None
    (file,) = folder.iterdir()
    file.write_text("{}")
    assert recall(Config(), IMAGES, CANDIDATE, folder) is None


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remember(TRIAL, Config(), IMAGES, tmp_path / "file")
    assert recall(Config(), IMAGES, CANDIDATE, tmp_path / "file") is None
