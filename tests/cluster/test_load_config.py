"""Sources of the configuration, and mistakes in them."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.config import Config
from cluster.load_config import as_toml, load_config, log_level, parser
from ringcycle.errors import UserError
from ringcycle.storage.location import redacted

ROOT = Path(__file__).parents[2]
CONFIGS = [ROOT / "cluster/demo.toml", *sorted((ROOT / "configs").glob("*.toml"))]


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[train]\nbatch = 2\nseed = 2\nsteps = 2\n")
    config = load_config(
        ["--config", str(file), "--train.batch", "4"], {"RINGCYCLE_TRAIN__BATCH": "3", "RINGCYCLE_TRAIN__SEED": "3", "OTHER": "x"}
    )
    assert (config.train.batch, config.train.seed, config.train.steps) == (4, 3, 2)


def test_resolved_toml_reads_back(tmp_path: Path) -> None:
    config = load_config(["--run.name", "a", "--data.source", 'with "quotes" and \\ and ü', "--data.flip", "false"], {})
    file = tmp_path / "resolved.toml"
    file.write_text(as_toml(config))
    assert load_config(["--config", str(file)], {}) == config


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f.stem)
def test_shipped_configs_are_valid(file: Path) -> None:
    assert load_config(["--config", str(file)], {}) != Config()


def test_help_shows_every_field() -> None:
    text = parser().format_help()
    for section, field in Config.model_fields.items():
        for name in field.annotation.model_fields:  # type: ignore[union-attr]
            assert f"--{section}.{name} " in text
    assert "images of each domain per worker and step (default: 1)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("arguments", "toml", "error"),
    [
        (["--train.btach", "3"], "", "--train.btach: no such option, did you mean train.batch?; --help lists all"),
        (["--train.batch"], "", "argument --train.batch: expected one argument"),
        (["--train.batch", "0"], "", "train.batch = 0: input should be greater than or equal to 1"),
        (["--train.batch", "3", "--train.accumulate", "2"], "", "train.accumulate = 2 does not divide train.batch = 3: use one of 1, 3"),
        *(
            (
                ["--cluster.workers", given],
                "",
                f"cluster.workers = {given}: give a number from 1 to 4096, or [MIN, MAX] with MIN not above MAX",
            )
            for given in ("-1", "two", "[4, 2]", "[1, 2, 3]", "[1.5, 2]", "5000")
        ),
        *(
            (["--train.lambda_cycle", given], "", f"train.lambda_cycle = {given}: give a number of 0 or more, or two as [A, B]")
            for given in ("-1", "ten", "[]", "[10, -1]", "[1, 2, 3]", "inf", "true", '["1", "2"]')
        ),
        (["--train.loss", "lsgna"], "", "train.loss = lsgna: input should be 'lsgan', 'vanilla', 'hinge' or 'wgangp'"),
        (["--train.schedule", "plateau"], "", "train.schedule = plateau: input should be 'linear', 'step' or 'cosine'"),
        (["--train.rate_rule", "square"], "", "train.rate_rule = square: input should be 'sqrt', 'linear' or 'none'"),
        *(
            (
                ["--train.warmup", given],
                "",
                f"train.warmup = {given} is no number of steps: give a whole one, or a fraction of the length below 1",
            )
            for given in ("1.5", "inf")
        ),
        (["--train.warmup", "-1"], "", "train.warmup = -1: input should be greater than or equal to 0"),
        (["--train.clip_norm", "-1"], "", "train.clip_norm = -1: input should be greater than or equal to 0"),
        (["--train.discriminator_rate", "0"], "", "train.discriminator_rate = 0: input should be greater than 0"),
        (
            ["--data.pairs", "s3://KEY:SECRET@bucket/pairs.csv"],
            "",
            'data.pairs = "s3://***@bucket/pairs.csv", but train.lambda_pairs = 0 ignores them: set it, for example to 10',
        ),
        (
            ["--train.lambda_pairs", "10"],
            "",
            "train.lambda_pairs = 10, but data.pairs is empty: name a list of pairs, or set it to 0",
        ),
        (["--train.lambda_pairs", "inf"], "", "train.lambda_pairs = inf: input should be a finite number"),
        (["--cluster.device", "tpu"], "", "cluster.device = tpu: input should be 'auto', 'cpu' or 'gpu'"),
        (["--data.crop_size", "30"], "", "data.crop_size = 30 is not a multiple of 4, which two stride-2 layers need: use 32"),
        (
            ["--data.crop_size", "[256, 320]", "--data.load_size", "320", "--model.generator", "unet_128"],
            "",
            "data.crop_size = [256, 320] is not a multiple of 128, but model.generator = unet_128 halves it 7 times: use [256, 384], or",
        ),
        (
            ["--data.crop_size", "64", "--model.discriminator", "n_layers", "--model.discriminator_layers", "5"],
            "",
            "data.crop_size = 64 is too small for model.discriminator_layers = 5, which need 96: use larger crops or fewer layers",
        ),
        (
            ["--model.generator", "unet_256", "--model.remat", "true"],
            "",
            "model.remat = true, which model.generator = unet_256 does not have: use model.remat = false, or model.generator = resnet",
        ),
        (["--train.dropout", "0.5", "--model.remat", "true"], "", "train.dropout = 0.5, but model.remat = true would compute its masks"),
        (["--train.diffaugment", "colour"], "", "train.diffaugment = colour: colour is none of color, translation, cutout: use these"),
        (
            ["--data.crop_size", "64", "--data.load_size", "32"],
            "",
            "data.crop_size = 64 is larger than data.load_size = 32: use a load_size of 64 or more",
        ),
        ([], "[train]\nbtach = 3\n", "train.btach = 3: no such field, did you mean train.batch?; --help lists all"),
        ([], "[trian]\n", "trian = {}: no such field"),
        ([], '[data]\nsuorce = "s3://KEY:SECRET@bucket"\n', "data.suorce = 's3://***@bucket': no such field, did you mean data.source?"),
        ([], 'data = "s3://KEY:SECRET@bucket"\n', "data = 's3://***@bucket' is a value, but data is a section: write [data]"),
        *(
            (
                [f"--data.{field}={given}"],
                "",
                f"data.{field} = {redacted(given)}: give a number from 24 to 4096, or two as [HEIGHT, WIDTH]",
            )
            for field in ("crop_size", "load_size")
            for given in (
                "[64, 64, 64]",
                "1,2,3",
                "",
                "[]",
                "[64",
                "20",
                "-64",
                "8192",
                "64.5",
                "[[64, 64]]",
                "big",
                "s3://KEY:SECRET@bucket",
            )
        ),
        (
            [],
            '[data]\ncrop_size = ["64", "64"]\n',
            "data.crop_size = ['64', '64']: give a number from 24 to 4096, or two as [HEIGHT, WIDTH]",
        ),
        (
            ["--data.crop_size", "64,90"],
            "",
            "data.crop_size = [64, 90] is not a multiple of 4, which two stride-2 layers need: use [64, 88]",
        ),
        *(
            (
                ["--data.crop_size", crop, "--data.load_size", load],
                "",
                f"data.crop_size = {crop} is larger than data.load_size = {load}: use a load_size of {least} or more",
            )
            for crop, load, least in (
                ("[64, 96]", "80", "[80, 96]"),
                ("[64, 96]", "[60, 100]", "[64, 100]"),
                ("[64, 96]", "[100, 60]", "[100, 96]"),
                ("96", "[90, 100]", "[96, 100]"),
            )
        ),
        (
            ["--data.preprocess", "scale_width_and_crop", "--data.crop_size", "[96, 64]", "--data.load_size", "60"],
            "",
            "data.crop_size = [96, 64] is larger than data.load_size = 60: use a load_size of 64 or more",
        ),
        (
            ["--data.preprocess", "scale_width_and_crop", "--data.load_size", "[300, 400]"],
            "",
            "data.load_size = [300, 400], but data.preprocess = scale_width_and_crop keeps proportions: give the width alone, 400",
        ),
        (
            ["--data.preprocess", "scale_width", "--data.crop_size", "[96, 64]", "--data.load_size", "96"],
            "",
            "data.preprocess = scale_width makes images of data.load_size = 96 and does not crop them to data.crop_size = [96, 64]: "
            "make them equally wide, or use scale_width_and_crop",
        ),
        (
            ["--data.rotate", "true", "--data.crop_size", "[64, 96]"],
            "",
            "data.rotate = true, but crops of data.crop_size = [64, 96] are not square and cannot be turned: "
            "use a square crop, or data.rotate = false",
        ),
        *(
            (
                [f"--data.jitter={given}"],
                "",
                f"data.jitter = {given}: give [BRIGHTNESS, CONTRAST, SATURATION, HUE], each from 0 to 1, HUE to 0.5, "
                "such as [0.2, 0.2, 0.2, 0.05]",
            )
            for given in ("0.2", "[0.1, 0.1]", "0.2,0.2,0.2,0.6", "1.1,0,0,0", "-1,0,0,0", "nan,0,0,0", "some")
        ),
        ([], "train = 3\n", "train = 3 is a value, but train is a section: write [train]"),
        ([], "[train\n", "not valid TOML"),
        (["--train.batch", "2"], "train = 3\n", "train = 3 is a value, but train is a section: write [train]"),
    ],
)
def test_mistakes_cost_one_line(arguments: list[str], toml: str, error: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(toml)
    with pytest.raises(UserError) as caught:
        load_config(["--config", str(file), *arguments], {})
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


RENAMED = [
    ("train.constant", "0.5", "train.constant is now train.constant_fraction"),
    ("cluster.agree_every", "9", "cluster.agree_every is now cluster.checksum_every"),
    ("cluster.wire", "bfloat16", "cluster.wire is now cluster.allreduce_dtype"),
    ("model.form", "auto", "model.form = auto is now model.convolution = auto"),
    ("model.form", "plain", "model.form = plain is now model.convolution = plain"),
    ("model.form", "bfloat16", "model.form = bfloat16 is now model.precision = bfloat16"),
    ("model.form", "fast", "model.form is now model.convolution and model.precision"),
    *((f"model.{name}", "1", f"model.{name} is derived from the shards: remove it") for name in ("channels_a", "channels_b", "bits")),
]


@pytest.mark.parametrize(("field", "value", "line"), RENAMED)
def test_an_old_name_is_refused_with_the_new_one(field: str, value: str, line: str, tmp_path: Path) -> None:
    section, name = field.split(".")
    file = tmp_path / "c.toml"
    file.write_text(f'[{section}]\n{name} = "{value}"\n')
    ways: list[tuple[list[str], dict[str, str]]] = [
        ([f"--{field}", value], {}),
        ([f"--{field}={value}"], {}),
        (["--config", str(file)], {}),
        ([], {f"RINGCYCLE_{section}__{name}".upper(): value}),
    ]
    for arguments, environment in ways:
        with pytest.raises(UserError) as caught:
            load_config(arguments, environment)
        assert str(caught.value) == line


def test_the_config_of_an_old_run_is_refused_by_its_first_old_name() -> None:
    with pytest.raises(UserError, match=r"^model\.channels_a is derived from the shards: remove it$"):
        load_config(["--config", str(ROOT / "tests/fixtures/run-format-3/config.toml")], {})


def test_an_unknown_field_in_the_environment() -> None:
    for name, suggested in [
        ("RINGCYCLE_TRAIN__BTACH", ", did you mean RINGCYCLE_TRAIN__BATCH?"),
        ("RINGCYCLE_TRAIN_BATCH", ", did you mean RINGCYCLE_TRAIN__BATCH?"),
        ("RINGCYCLE_DATA_SOURCE", ", did you mean RINGCYCLE_DATA__SOURCE?"),
        ("RINGCYCLE_Train__Batch", ""),
        ("RINGCYCLE_FOO__BAR", ""),
        ("RINGCYCLE_", ""),
    ]:
        with pytest.raises(UserError) as caught:
            load_config([], {name: "3"})
        start, end = f"{name} = '3': no such field{suggested}", "; fields are set by RINGCYCLE_SECTION__FIELD, or unset it"
        assert str(caught.value).startswith(start if suggested else f"{name} = '3': no such field")
        assert str(caught.value).endswith(end)
    assert load_config([], {"RINGCYCLE_TEST_DATA": "3", "ringcycle_train__batch": "3"}) == Config()


def test_a_key_in_an_unknown_variable_is_not_shown() -> None:
    with pytest.raises(UserError) as caught:
        load_config([], {"RINGCYCLE_RUN_STORAGE": "s3://KEY:SECRET@bucket/runs"})
    assert "did you mean RINGCYCLE_RUN__STORAGE?" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_what_kubernetes_sets_for_services_is_no_field() -> None:
    of_one = {"SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "80", "SERVICE_PORT_HTTP": "80", "PORT": "tcp://10.0.0.1:80"}
    of_port = {"PORT_80_TCP": "tcp://10.0.0.1:80", "PORT_80_TCP_PROTO": "tcp", "PORT_80_TCP_PORT": "80", "PORT_80_TCP_ADDR": "10.0.0.1"}
    services = {f"RINGCYCLE_{who}{name}": value for who in ("", "HEAD_", "TRAIN_") for name, value in {**of_one, **of_port}.items()}
    assert load_config([], {**services, "RINGCYCLE_TRAIN__BATCH": "3"}).train.batch == 3


def test_the_token_of_the_server_is_no_field() -> None:
    assert load_config([], {"RINGCYCLE_SERVE_TOKEN": "correct-horse-battery-staple"}).train.batch == load_config([], {}).train.batch


def test_toml_is_utf_8_in_any_locale(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes('[data]\nsource = "Zürich"\n'.encode())
    program = f"from cluster.load_config import load_config; print(ascii(load_config(['--config', {str(file)!r}], {{}}).data.source))"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "'Z\\xfcrich'\n"


def test_missing_config_file() -> None:
    with pytest.raises(UserError, match=r"--config nowhere.toml: no such file; examples are in configs/"):
        load_config(["--config", "nowhere.toml"], {})


def test_only_commands_that_train_print_the_configuration() -> None:
    with pytest.raises(UserError, match=r"--print-config: no such option"):
        load_config(["--print-config"], {})
    with pytest.raises(UserError, match=r"did you mean print-config\?"):
        load_config(["--print-confg"], {}, trains=True)


def test_the_log_level_is_read_before_anything_else() -> None:
    assert log_level([]) == logging.INFO
    assert log_level(["--run.name", "x", "--log-level", "debug", "--no-such"]) == logging.DEBUG
    assert load_config(["--log-level", "debug"], {}, trains=True) == Config()
    for words in (["--log-level", "loud"], ["--log-level=DEBUG"]):
        with pytest.raises(UserError, match=r"argument --log-level: \w+ is none of debug, info, warning"):
            log_level(words)
    with pytest.raises(UserError, match=r"--log-level: expected one argument"):
        log_level(["--log-level"])
    with pytest.raises(UserError, match=r"--log-level: no such option"):
        load_config(["--log-level", "debug"], {})
