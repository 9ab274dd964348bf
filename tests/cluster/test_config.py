"""What the sections make of values, and what must hold between them."""

from pathlib import Path

import pytest

from cluster.config import Config
from cluster.config_summary import summary
from cluster.load_config import as_toml, load_config
from ringcycle.errors import UserError


def test_bfloat16_needs_the_fast_convolutions() -> None:
    assert load_config(["--model.precision", "bfloat16"], {}).model.convolution == "auto"
    with pytest.raises(UserError) as caught:
        load_config(["--model.precision", "bfloat16", "--model.convolution", "plain"], {})
    assert str(caught.value) == (
        "model.precision = bfloat16, but model.convolution = plain computes in float32: "
        "use model.convolution = auto, or model.precision = float32"
    )


@pytest.mark.parametrize(("given", "least", "most"), [("3", 3, 3), ("[2, 8]", 2, 8), ("[4,4]", 4, 4)])
def test_a_number_of_workers_or_a_span(given: str, least: int, most: int, tmp_path: Path) -> None:
    config = load_config(["--cluster.workers", given, "--train.batch", "3"], {})
    assert (config.cluster.least, config.cluster.most, config.global_batch) == (least, most, 3 * most)
    (tmp_path / "c.toml").write_text(as_toml(config))
    assert load_config(["--config", str(tmp_path / "c.toml")], {}) == config


@pytest.mark.parametrize(
    ("given", "weights"), [("7", (7, 7)), ("[7, 7]", (7, 7)), ("[10, 2.5]", (10, 2.5)), ("10,2.5", (10, 2.5)), ("[0,1]", (0, 1))]
)
def test_one_weight_of_the_cycle_losses_or_two(given: str, weights: tuple[float, float], tmp_path: Path) -> None:
    config = load_config(["--train.lambda_cycle", given], {})
    assert config.train.lambda_a_b == weights
    assert load_config([], {"RINGCYCLE_TRAIN__LAMBDA_CYCLE": given}) == config
    (tmp_path / "c.toml").write_text(as_toml(config))
    assert load_config(["--config", str(tmp_path / "c.toml")], {}) == config


@pytest.mark.parametrize(
    ("given", "size"), [("64", 64), ("64,96", (64, 96)), ("[64, 96]", (64, 96)), (" [64,96] ", (64, 96)), ("[64, 64]", 64), ("[64]", 64)]
)
def test_a_side_or_height_and_width(given: str, size: object, tmp_path: Path) -> None:
    (tmp_path / "given.toml").write_text(f"[data]\ncrop_size = {given if '[' in given or ',' not in given else f'[{given}]'}\n")
    for arguments, environment in (
        (["--data.crop_size", given], {}),
        ([], {"RINGCYCLE_DATA__CROP_SIZE": given}),
        (["--config", str(tmp_path / "given.toml")], {}),
    ):
        config = load_config(arguments, environment)
        assert config.data.crop_size == size
        (tmp_path / "c.toml").write_text(as_toml(config))
        assert load_config(["--config", str(tmp_path / "c.toml")], {}) == config
        assert Config.model_validate_json(config.model_dump_json()) == config
        assert f"data.crop_size={[64, 96] if isinstance(size, tuple) else 64}" in summary(config)[-1]


def test_strengths_of_the_colour_jitter(tmp_path: Path) -> None:
    for arguments, environment in ((["--data.jitter", ".2, 0.1,0,0.05"], {}), ([], {"RINGCYCLE_DATA__JITTER": "[0.2, 0.1, 0, 0.05]"})):
        config = load_config(arguments, environment)
        assert config.data.jitter == (0.2, 0.1, 0, 0.05)
        (tmp_path / "c.toml").write_text(as_toml(config))
        assert load_config(["--config", str(tmp_path / "c.toml")], {}) == config


def test_workers_that_divide_the_global_batch() -> None:
    assert load_config(["--cluster.workers", "[2, 8]"], {}).valid_workers == [8, 4, 2]
    assert load_config(["--cluster.workers", "[3, 6]", "--train.batch", "2"], {}).valid_workers == [6, 4, 3]


@pytest.mark.parametrize(
    ("most", "batch", "accumulate", "workers", "batch_of_each", "accumulate_of_each"),
    [
        (2, 1, 1, 2, 1, 1),
        (4, 1, 1, 1, 4, 4),
        (4, 4, 2, 2, 8, 4),
        (4, 4, 4, 1, 16, 16),
        (3, 4, 1, 2, 6, 2),  # parts of 4 do not divide 6: parts of 3
        (3, 4, 2, 2, 6, 3),
    ],
)
def test_fewer_workers_take_larger_batches_in_parts_of_the_same_size(
    most: int, batch: int, accumulate: int, workers: int, batch_of_each: int, accumulate_of_each: int
) -> None:
    given = {"cluster.workers": f"[1,{most}]", "train.batch": batch, "train.accumulate": accumulate}
    config = load_config([word for name, value in given.items() for word in (f"--{name}", str(value))], {})
    train = config.train_of(workers)
    assert (train.batch, train.accumulate) == (batch_of_each, accumulate_of_each)
    assert train.batch * workers == config.global_batch
    assert train.batch // train.accumulate <= batch // accumulate
    assert config.train_of(most) == config.train
