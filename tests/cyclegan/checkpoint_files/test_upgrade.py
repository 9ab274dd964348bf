"""Checkpoints that version 0.1.0 wrote, in format 3."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cluster.checkpoint import main as list_checkpoints
from cluster.checkpointing.resume import check_resumable, load_state
from cluster.config import Config
from cyclegan.checkpoint_files.damage import DamagedCheckpoint
from cyclegan.checkpoint_files.folders import find_newest, verify
from cyclegan.checkpoint_files.index import read_index
from cyclegan.checkpoint_files.names import INDEX
from cyclegan.checkpoint_files.parts import read_arrays
from cyclegan.checkpoint_files.upgrade import config_of_3
from cyclegan.config import ImageFormat, ModelSpec
from cyclegan.inference.generator_checkpoint import read_generators
from cyclegan.training.state import make_state
from cyclegan.translate import main as translate

OLD = Path(__file__).parents[2] / "fixtures" / "run-format-3" / "checkpoints" / "step-00000006"


def test_the_index_is_one_of_today() -> None:
    index = verify(OLD)
    assert (index.format, index.step, index.images) == (4, 6, ImageFormat())
    config = Config.model_validate(index.config)
    resolved = config.model_dump()
    assert resolved["run"].pop("keep_best") == "auto" and index.config["run"].pop("keep_best") is True
    assert all(resolved[section].items() >= fields.items() for section, fields in index.config.items())
    assert (config.train.constant_fraction, config.cluster.checksum_every, config.cluster.allreduce_dtype) == (0.5, 100, "float32")
    assert (config.model.convolution, config.model.precision) == ("auto", "float32")


def test_a_run_resumes_from_it() -> None:
    index = read_index(OLD)
    check_resumable(index, OLD, Config.model_validate(index.config), index.fingerprint)
    _, arrays = load_state(OLD, np.arange(1))
    assert arrays["pool.images"].shape == (2, 1, 2, 24, 24, 3)
    assert arrays["pool.filled"].all()


def test_its_arrays_are_those_of_a_state_of_today() -> None:
    config = Config.model_validate(read_index(OLD).config)
    train = config.train.model_copy(update={"ema": 0.0})  # it is older than the average
    state = make_state(ModelSpec.of(config.model, ImageFormat()), train, (config.data.crop_size,) * 2)
    assert find_newest(OLD.parent) == OLD
    index, arrays = load_state(OLD, np.arange(1))
    current = state.views(shared=True)
    assert {name: (arrays[name].shape, arrays[name].dtype) for name in current} == {
        name: (array.shape, array.dtype) for name, array in current.items()
    }
    state.assign(arrays)
    assert index.step == state.generators.updates.numpy() == state.discriminators.updates.numpy() == 6
    np.testing.assert_array_equal(read_generators(OLD.parents[1]).weights, state.generators.weights.numpy())


def test_its_generators_translate_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 28, 3), np.uint8)).save(tmp_path / "a.png")
    assert list_checkpoints(["list", str(OLD.parents[1])]) == 0
    assert translate(["--checkpoint", str(OLD.parents[1]), "--direction", "BtoA", str(tmp_path / "a.png"), str(tmp_path / "b.png")]) == 0
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (39, 28)  # trained at 28x28
        assert np.asarray(image).std() > 1, "not one colour"
    assert f"1 translated, 0 skipped (BtoA, step 6 of {OLD}, at the trained scale, 28x28)" in capsys.readouterr().out


def test_arrays_go_by_their_names_of_today() -> None:
    part = read_index(OLD).parts[0]
    every = read_arrays(OLD, part)
    assert "pool.images" in every and "pool.pictures" not in every
    (one,) = read_arrays(OLD, part, ("pool.images",)).values()
    np.testing.assert_array_equal(one, every["pool.images"])


@pytest.mark.parametrize(
    ("keys", "value"), [(("step",), 7), (("config", "model", "channels_a"), 1), (("config", "train", "constant"), 0.4)]
)
def test_the_seal_covers_what_was_written(keys: tuple[str, ...], value: object, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    shutil.copytree(OLD, folder)
    content = json.loads((folder / INDEX).read_text())
    *outer, last = keys
    section: Any = content
    for key in outer:
        section = section[key]
    section[last] = value
    (folder / INDEX).write_text(json.dumps(content))
    with pytest.raises(DamagedCheckpoint, match="checksum differs"):
        read_index(folder)


@pytest.mark.parametrize("version", [2, 5])
def test_other_formats_are_refused(version: int, tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    (tmp_path / INDEX).write_text(json.dumps({**json.loads((OLD / INDEX).read_text()), "format": version}))
    with pytest.raises(DamagedCheckpoint, match=f"format {version}, this version reads 3 to 4"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("form", "settings"), [("auto", ("auto", "float32")), ("plain", ("plain", "float32")), ("bfloat16", ("auto", "bfloat16"))]
)
def test_the_form_of_convolutions_becomes_two_settings(form: str, settings: tuple[str, str]) -> None:
    model = config_of_3({"model": {"filters": 4, "form": form, "bits": 16}})["model"]
    assert model == {"filters": 4, "convolution": settings[0], "precision": settings[1]}


def test_sections_may_be_missing() -> None:
    assert config_of_3({}) == {}
