"""Loads the configuration from a TOML file, the environment and the command line; later ones win. Writes it as TOML."""

import argparse
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, SettingsConfigDict

from cluster.config import Config
from ringcycle.errors import UserError
from ringcycle.logs import add_log_level
from ringcycle.options import add_option, describe_error, suggestion
from ringcycle.storage.location import redacted

ENVIRONMENT_PREFIX = "RINGCYCLE_"
PRINT_CONFIG = "--print-config"
"""Option of the commands that start a training; see `as_toml`."""
_NOT_FIELDS = re.compile(  # the server's token; settings of tests; what Kubernetes sets for a service called ringcycle or ringcycle-NAME
    rf"{ENVIRONMENT_PREFIX}(SERVE_TOKEN|TEST_.*|(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))"
)


class _Loaded(Config, BaseSettings):
    """A `Config` whose fields come from several sources."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", enable_decoding=False)


class _Environment(EnvSettingsSource):
    """The fields that `environment` sets, each by RINGCYCLE_SECTION__FIELD. Raises UserError for any other name with this prefix."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours = {name: value for name, value in environment.items() if name.startswith(ENVIRONMENT_PREFIX)}
        self._environment = {name: value for name, value in ours.items() if not _NOT_FIELDS.fullmatch(name)}
        variables = {ENVIRONMENT_PREFIX + field.upper().replace(".", "__"): field for field in _fields()}
        for name, value in self._environment.items():
            if name not in variables and not _renamed(name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), value):
                fact = f"no such field{suggestion(name, variables)}"
                raise UserError(
                    f"{name} = {redacted(repr(value))}: {fact}; fields are set by {ENVIRONMENT_PREFIX}SECTION__FIELD, or unset it"
                )
        super().__init__(_Loaded)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environment.items()}


def parser(trains: bool = False) -> argparse.ArgumentParser:
    """The command line: `--config FILE`, and one `--section.field VALUE` for each field.

    trains: for a command that starts a training, which also takes `--print-config` and `--log-level`.
    """
    result = argparse.ArgumentParser(
        prog="python -m cluster.train",
        usage=f"%(prog)s [--config FILE] {f'[{PRINT_CONFIG}] [--log-level LEVEL] ' if trains else ''}[--section.field VALUE …]",
        description="Train a CycleGAN on a Ray cluster, or on this machine when there is none.",
        epilog=f"Each field can also be set by the environment, as {ENVIRONMENT_PREFIX}SECTION__FIELD.\n"
        "The command line wins over the environment, the environment over the file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    result.add_argument("--config", metavar="FILE", help="TOML file")
    if trains:
        result.add_argument(PRINT_CONFIG, action="store_true", help="print all fields as TOML, without credentials, and exit")
        add_log_level(result)
    for section, model in sections():
        group = result.add_argument_group(f"[{section}]", (model.__doc__ or "").splitlines()[0])
        for name, field in model.model_fields.items():
            add_option(group, f"--{section}.{name}", field)
    return result


def load_config(arguments: Sequence[str], environment: Mapping[str, str], trains: bool = False) -> Config:
    """Resolve the configuration. Raises UserError with one line: the field, its value, the fact, the cure. trains: see `parser`."""
    file, given = _from_command_line(arguments, trains)
    tree = _read_toml(file) if file else {}
    # The first source wins.
    sources = InitSettingsSource(_Loaded, given), _Environment(environment), InitSettingsSource(_Loaded, tree)
    try:
        return Config(**dict(_Loaded(_build_sources=(sources, {}))))
    except ValidationError as error:
        first = error.errors()[0]
        refused = _renamed(".".join(map(str, first["loc"])), first["input"])
        raise UserError(refused or describe_error(error, _fields())) from error


def log_level(arguments: Sequence[str]) -> int:
    """The level that `--log-level` gives, before anything else is read. Raises UserError."""
    option = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_log_level(option)
    try:
        return int(option.parse_known_args(list(arguments))[0].log_level)
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error


def as_toml(config: Config) -> str:
    """The resolved configuration as TOML that `load_config` reads back."""
    return tomli_w.dumps(config.model_dump())


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Name and model of each section."""
    for section, field in Config.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        yield section, field.annotation


def _fields() -> list[str]:
    return [f"{section}.{name}" for section, model in sections() for name in model.model_fields]


def _from_command_line(arguments: Sequence[str], trains: bool) -> tuple[str | None, dict[str, dict[str, str]]]:
    """The file, if any, and the values by section and field."""
    try:
        given, unknown = parser(trains).parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    if unknown:
        name, _, value = unknown[0].lstrip("-").partition("=")
        refused = _renamed(name, value or "".join(unknown[1:2]))
        others = ["config", PRINT_CONFIG.lstrip("-"), "log-level"] if trains else ["config"]
        fact = f"no such option{suggestion(name, [*others, *_fields()])}; --help lists all"
        raise UserError(refused or f"{unknown[0].split('=')[0]}: {fact}")
    values: dict[str, dict[str, str]] = {}
    for option, value in vars(given).items():
        section, _, name = option.partition(".")
        if name and value is not None:
            values.setdefault(section, {})[name] = value
    return given.config, values


def _read_toml(path: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"--config {path}: no such file; examples are in configs/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: cannot be read as text: {error}") from error
    except RecursionError as error:
        raise UserError(f"--config {path}: not valid TOML: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"--config {path}: not valid TOML: {error}") from error
    for section in Config.model_fields:
        if not isinstance(tree.get(section, {}), dict):
            fact = f"{section} = {redacted(repr(tree[section]))} is a value, but {section} is a section"
            raise UserError(f"--config {path}: {fact}: write [{section}]")
    return tree


_RENAMED = {
    "train.constant": "train.constant_fraction",
    "cluster.agree_every": "cluster.checksum_every",
    "cluster.wire": "cluster.allreduce_dtype",
}
_DERIVED = {"model.channels_a", "model.channels_b", "model.bits"}
_FORMS = {"auto": "model.convolution = auto", "plain": "model.convolution = plain", "bfloat16": "model.precision = bfloat16"}


def _renamed(field: str, value: object) -> str:
    """The line that refuses a field of version 0.1.0 and names its successor; empty for any other name."""
    if field in _RENAMED:
        return f"{field} is now {_RENAMED[field]}"
    if field in _DERIVED:
        return f"{field} is derived from the shards: remove it"
    if field == "model.form":
        return (
            f"model.form = {value} is now {_FORMS[str(value)]}"
            if str(value) in _FORMS
            else f"{field} is now model.convolution and model.precision"
        )
    return ""
