"""Any configuration file, environment and command line give one clear line, or a configuration that reads back."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.config import Config
from cluster.load_config import as_toml, load_config
from ringcycle.errors import UserError
from tests.fuzz.damage import FUZZ, Damage, damages, one_line

FIELDS = [(section, name) for section, field in Config.model_fields.items() for name in field.annotation.model_fields]  # type: ignore[union-attr]
WORDS = st.text(max_size=20) | st.sampled_from(
    ["true", "nan", "inf", "-1", "1e999", "0x10", "[1, 4]", "[]", "{}", "1_000", " 2 ", "a:1", "auto"]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.integers(-2, 300) | st.floats()
PLAIN = WORDS | NUMBERS | st.booleans()


def check(arguments: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    try:
        config = load_config(arguments, environment)
    except UserError as error:
        one_line(error)
        return
    again = tmp_path / "again.toml"
    again.write_text(as_toml(config))
    assert load_config(["--config", str(again)], {}) == config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@FUZZ
@given(damage=damages())
def test_damaged_files(damage: Damage, file: Path) -> None:
    file.write_bytes(damage(as_toml(Config()).encode()))
    check(["--config", str(file)], {}, file.parent)


@FUZZ
@given(field=st.sampled_from(FIELDS), value=PLAIN | st.lists(PLAIN, max_size=3), by_file=st.booleans())
@example(field=("run", "checkpoint_minutes"), value=float("inf"), by_file=True)
@example(field=("data", "source"), value="images/\U0001f40e\x7f", by_file=False)
@example(field=("data", "source"), value="line\nbreak", by_file=False)
def test_any_value_of_any_field(field: tuple[str, str], value: Any, by_file: bool, file: Path) -> None:
    section, name = field
    if by_file:
        file.write_text(f"[{section}]\n{name} = {toml(value)}\n")
        check(["--config", str(file)], {}, file.parent)
    else:
        check([f"--{section}.{name}={value}"], {}, file.parent)
        check([f"--{section}.{name}", str(value)], {}, file.parent)
        check([], {f"RINGCYCLE_{section}__{name}".upper(): str(value)}, file.parent)


@FUZZ
@given(
    arguments=st.lists(st.sampled_from([f"--{section}.{name}" for section, name in FIELDS] + ["--", "-", "--config"]) | WORDS, max_size=4)
)
def test_any_command_line(arguments: list[str], file: Path) -> None:
    if not {"-h", "--help"} & {word for word in arguments if word.startswith("-")}:
        check(arguments, {}, file.parent)


def test_deep_nesting(file: Path) -> None:
    file.write_text(f"train = {'[' * 100_000}")
    check(["--config", str(file)], {}, file.parent)


def toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" if c in '"\\\x7f' or ord(c) < 32 else c for c in value) + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
