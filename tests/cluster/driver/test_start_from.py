"""The checkpoint that a new run starts from is found, and refused in one line if its networks differ."""

from pathlib import Path

import pytest

from cluster.config import Config
from cluster.driver.start_from import start_weights
from cluster.load_config import load_config
from cyclegan.config import ImageFormat
from ringcycle.errors import UserError
from tests.cyclegan.made_checkpoint import MODEL, write_checkpoint

SIZES = ["--model.filters", "4", "--model.blocks", "1", "--model.discriminator_filters", "4"]


def config(start: Path | str, *arguments: str) -> Config:
    return load_config([*SIZES, "--run.start_from", str(start), *arguments], {})


def test_the_newest_of_a_run_or_the_checkpoint_itself(tmp_path: Path) -> None:
    first, newest = write_checkpoint(tmp_path, 1), write_checkpoint(tmp_path, 2)
    assert start_weights(config(tmp_path), ImageFormat()) == newest
    assert start_weights(config(first), ImageFormat()) == first
    assert start_weights(load_config(SIZES, {}), ImageFormat()) is None
    assert start_weights(config(first, "--data.crop_size", "128", "--train.lambda_cycle", "5"), ImageFormat()) == first


@pytest.mark.parametrize(
    ("arguments", "images", "fact"),
    [
        (["--model.blocks", "2"], {}, "was trained with blocks = 1, but model.blocks = 2: set model.blocks = 1, or give another one"),
        (["--model.filters", "8"], {}, "was trained with filters = 4, but model.filters = 8: set model.filters = 4"),
        (["--model.upsample", "resize"], {}, "was trained with upsample = transposed, but model.upsample = resize: set"),
        (["--model.norm", "batch"], {}, "was trained with norm = instance, but model.norm = batch: set model.norm = instance"),
        ([], {"channels_b": 1}, "was trained with channels_b = 3, but the images have 1: give images as it was trained on"),
    ],
)
def test_other_sizes_are_refused(arguments: list[str], images: dict[str, int], fact: str, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, model=MODEL)
    with pytest.raises(UserError) as error:
        start_weights(config(tmp_path, *arguments), ImageFormat(**images))
    assert str(error.value).startswith(f"run.start_from = {folder} {fact}")


def test_fields_that_do_not_matter_to_the_kind_may_differ(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, model=MODEL)
    assert start_weights(config(folder, "--model.unet_depth", "3", "--model.discriminator_layers", "5"), ImageFormat()) == folder


def test_what_is_not_there_matters_to_a_new_run_only(tmp_path: Path) -> None:
    gone = config(tmp_path / "gone")
    with pytest.raises(
        UserError, match=r"^run\.start_from = .*gone does not exist: give the folder of a run, or of one of its checkpoints$"
    ):
        start_weights(gone, ImageFormat())
    assert start_weights(gone, ImageFormat(), needed=False) is None
