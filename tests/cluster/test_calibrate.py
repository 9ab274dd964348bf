"""`python -m cluster.calibrate`: its messages and its file; and one run as a user would start it."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cluster.calibrate import fragment, main, of_source, prediction, table
from cluster.calibration.search import Candidate, Figures, Trial
from cluster.calibration.trial_group import with_settings
from cluster.config import Config
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from tests.cluster.launch import options
from tests.preprocess.small_shards import SIZES, make_shards
from tests.ray_nodes import ROOT, clean_environment

GIB = 2**30
CHOSEN = Trial(Candidate(2, 6, "auto", "float32", 4, "bfloat16"), Figures(2.0, 30.0, 3 * GIB, 5 * GIB))
FAILED = Trial(Candidate(1, 12, "plain", "float32", 4, "float32"), None, "exited with -9")


def test_the_table_holds_all_trials_and_marks_the_best() -> None:
    head, failed, chosen = table([FAILED, CHOSEN])
    assert head.split() == ["workers", "cores", "convolution", "precision", "batch", "allreduce", "s/step", "images/s", "GiB/worker"]
    assert failed.split() == ["1", "12", "plain", "float32", "4", "float32", "exited", "with", "-9"]
    assert chosen.split() == ["2", "6", "auto", "float32", "4", "bfloat16", "2.000", "4.000", "3.00", "best"]


def test_time_and_memory_of_a_training() -> None:
    config = load_config(["--train.epochs", "10"], {})
    # 10 epochs of 800 images in steps of 8: 1,000 of 2 s, and 30 s of compiling; the other worker is idle while one compiles.
    assert prediction(config, CHOSEN, 800) == [
        "a training of 1,000 steps of 8 images: 33:50",
        "memory: 3.00 GiB per worker between steps, 8.00 GiB on the node while one worker compiles",
    ]
    assert prediction(config, CHOSEN, None)[0] == "a training of 1,250 steps of 8 images (assuming 1,000 images per epoch): 42:10"
    assert prediction(load_config(["--train.steps", "100"], {}), CHOSEN, None)[0] == "a training of 100 steps of 8 images: 3:50"


def test_the_fragment_is_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "calibrated.toml"
    file.write_text(fragment(CHOSEN, 12, ["a table", "", "a line"], nodes=1, batch=4, accumulate=1))
    config = load_config(["--config", str(file)], {})
    assert (config.model.convolution, config.model.precision, config.train.batch) == ("auto", "float32", 4)
    assert (config.cluster.workers, config.cluster.cpus_per_worker, config.cluster.allreduce_dtype) == (2, 12, "bfloat16")
    file.write_text(fragment(CHOSEN, 12, [], nodes=8, batch=16, accumulate=4))
    config = load_config(["--config", str(file)], {})
    assert (config.train.batch, config.train.accumulate, config.cluster.workers) == (16, 4, 16)


def test_an_epoch_is_the_larger_domain(tmp_path: Path) -> None:
    for domain, count in (("trainA", 2), ("trainB", 3)):
        (tmp_path / domain).mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8)).save(tmp_path / domain / f"{number}.png")
    config = load_config(["--data.source", str(tmp_path)], {})
    assert of_source(config) == (ImageFormat(), 3)
    in_steps = load_config(["--data.source", str(tmp_path), "--train.steps", "5"], {})
    assert of_source(in_steps) == (ImageFormat(), None)
    assert of_source(Config()) == (ImageFormat(), None)


def test_finished_shards_give_the_format_and_the_number_of_images(tmp_path: Path) -> None:
    config = load_config(["--data.source", str(make_shards(tmp_path, "uint16")), "--data.crop_size", "64"], {})
    images, epoch = of_source(config)
    assert (images.bits, epoch) == (16, max(SIZES))


def test_a_candidate_overrides_the_configuration() -> None:
    config = with_settings(
        load_config(["--train.batch", "2", "--train.accumulate", "2"], {}), Candidate(3, 1, "plain", "float32", 3, "bfloat16")
    )
    assert (config.train.batch, config.train.accumulate, config.model.convolution, config.cluster.workers) == (3, 1, "plain", 3)


@pytest.mark.soak
def test_small_networks_as_a_user_calibrates_them(tmp_path: Path) -> None:
    sizes = {"data.load_size": 24, "data.crop_size": 24, "model.filters": 4, "model.blocks": 1, "model.discriminator_filters": 4}
    output = tmp_path / "best.toml"
    arguments = [
        "--output",
        str(output),
        "--nodes",
        "4",
        *options({**sizes, "train.steps": 100, "train.batch": 16, "cluster.compile_cache": tmp_path}),
    ]
    command = [sys.executable, "-m", "cluster.calibrate", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), timeout=900)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("  best\n") == 1
    assert "a training of 100 steps of" in done.stdout
    assert "on 4 nodes with 10 Gbit/s between them" in done.stdout
    config = load_config(["--config", str(output)], {})
    assert config.train.batch >= 16 * config.train.accumulate and config.cluster.workers in (4, 8)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model.filters", "0"],
        ["--data.source", "/nowhere"],
        ["--nothing"],
        ["--output", "/nowhere/best.toml"],
        ["--nodes", "0"],
        ["--gbits", "-1"],
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors.startswith("error: ") and errors.count("\n") == 1
