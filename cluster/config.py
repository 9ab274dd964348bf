"""The whole configuration: sections of every room, composed; loaded from TOML, environment and command line, later ones winning."""

import argparse
import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator
from pydantic.fields import FieldInfo

from cyclegan.config import ModelConfig, TrainConfig
from preprocess.config import DataConfig
from ringcycle.errors import UserError
from ringcycle.storage.location import redacted

ENVIRONMENT_PREFIX = "RINGCYCLE_"
MOST_WORKERS = 4096


class RunConfig(BaseModel):
    """The `run` section: name, storage, and what happens every so often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run; the same name again resumes it")
    storage: str = Field(
        "runs",
        description="folder of runs, seen by all nodes, or a place at s3:// or gs://; checkpoints, metrics and images go to STORAGE/NAME",
    )
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    checkpoint_minutes: float = Field(10.0, gt=0, description="minutes after which a checkpoint is due in any case")
    keep: int = Field(3, ge=1, description="newest checkpoints to keep")
    keep_every: int = Field(0, ge=0, description="steps; the first checkpoint of each such span is kept for good; 0: none")
    keep_best: bool = Field(True, description="whether to keep the checkpoint with the lowest smoothed cycle loss too")
    sample_every: int = Field(500, ge=1, description="steps between image grids (real, fake, cycled)")
    log_every: int = Field(10, ge=1, description="steps between entries in metrics.jsonl and the event files")

    @field_validator("storage")
    @classmethod
    def _atomic(cls, storage: str) -> str:
        if storage.startswith("hdfs://"):
            raise ValueError(
                f'run.storage = "{redacted(storage)}": HDFS shows files before they are whole: name a folder, or a place at s3:// or gs://'
            )
        return storage

    @field_serializer("storage")
    def _without_keys(self, place: str) -> str:
        """What is printed and stored never holds the keys of an object store."""
        return redacted(place)


class ClusterConfig(BaseModel):
    """The `cluster` section: workers, devices and patience."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int | tuple[int, int] = Field(
        0,
        description="processes of the training group; 0: one for each NUMA node, or GPU, of the nodes that are there at the start; "
        "[MIN, MAX]: as many as there is room for, of those that divide the global batch",
    )
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="what a worker computes on; auto: gpu if Ray has one for each worker")
    allreduce_dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="type of gradients between workers; bfloat16 halves the bytes and keeps 8 bits of precision"
    )
    cpus_per_worker: int = Field(0, ge=0, description="CPUs that a worker asks Ray for; 0: as many as the nodes have for each")
    start_timeout: float = Field(120.0, gt=0, description="seconds to wait for enough CPUs or GPUs in a cluster that we joined")
    peer_timeout: float = Field(60.0, gt=0, description="seconds after which a silent or stuck worker counts as lost")
    node_timeout: float = Field(
        300.0, gt=0, description="seconds to wait for lost nodes before going on with fewer workers, or stopping if that is impossible"
    )
    max_restarts: int = Field(100, ge=0, description="restarts of the group after failures, in one launch")
    checksum_every: int = Field(
        100, ge=1, description="steps between comparisons of the workers' weights by checksum; also compared at each checkpoint"
    )
    compile_cache: str = Field(
        "", description="folder of compiled programs on each node; empty: a folder of this user below the temporary folder"
    )

    @field_validator("workers", mode="before")
    @classmethod
    def _read_workers(cls, value: object) -> object:
        """A number, or [MIN, MAX], which from the environment and the command line comes as text."""
        try:
            given = json.loads(value) if isinstance(value, str) else value
            least, most = given if isinstance(given, list | tuple) else (given, given)
        except ValueError:
            least = most = None
        if not (type(least) is int and type(most) is int and (0 == least == most or 1 <= least <= most <= MOST_WORKERS)):
            raise ValueError(f"cluster.workers = {value}: give a number from 1 to {MOST_WORKERS}, or [MIN, MAX] with MIN not above MAX")
        return most if least == most else (least, most)

    @property
    def least(self) -> int:
        """The fewest workers that may train."""
        return self.workers[0] if isinstance(self.workers, tuple) else max(1, self.workers)

    @property
    def most(self) -> int:
        """The workers of a whole group; the global batch is theirs, however many train."""
        return self.workers[1] if isinstance(self.workers, tuple) else max(1, self.workers)


class Config(BaseModel):
    """All of it, as written into the run and each checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    run: RunConfig = RunConfig()
    cluster: ClusterConfig = ClusterConfig()

    @property
    def global_batch(self) -> int:
        """Images of each domain in a step: `train.batch` for each worker of a whole group."""
        return self.train.batch * self.cluster.most

    @property
    def valid_workers(self) -> list[int]:
        """The numbers of workers that keep the global batch, the largest first."""
        return [n for n in range(self.cluster.most, self.cluster.least - 1, -1) if self.global_batch % (n * self.train.accumulate) == 0]


def parser() -> argparse.ArgumentParser:
    """The command line: `--config FILE` and one `--section.field VALUE` for each field."""
    result = argparse.ArgumentParser(
        prog="python -m cluster.train",
        usage="%(prog)s [--config FILE] [--section.field VALUE …]",
        description="Train a CycleGAN on a Ray cluster, or on this machine when there is none.",
        epilog=f"Each field can also be set by the environment, as {ENVIRONMENT_PREFIX}SECTION__FIELD.\n"
        "The command line wins over the environment, the environment over the file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    result.add_argument("--config", metavar="FILE", help="TOML file")
    for section, model in _sections():
        group = result.add_argument_group(f"[{section}]", (model.__doc__ or "").splitlines()[0])
        for name, field in model.model_fields.items():
            default = (
                ""
                if field.default == ""
                else f" (default: {str(field.default).lower() if isinstance(field.default, bool) else field.default})"
            )
            group.add_argument(f"--{section}.{name}", metavar=_kind(field), help=f"{field.description}{default}".replace("%", "%%"))
    return result


def load_config(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Resolve the configuration. Raises UserError in one line: which field, its value, the fact, the cure."""
    try:
        given, unknown = parser().parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    if unknown:
        raise UserError(f"{unknown[0].split('=')[0]}: no such option{_suggestion(unknown[0].lstrip('-').split('=')[0])}; --help lists all")
    tree = _read_toml(given.config) if given.config else {}
    for field, value in {**_from_environment(environment), **_from_command_line(given)}.items():
        section, name = field.split(".")
        if not isinstance(tree.setdefault(section, {}), dict):
            fact = f"{section} = {redacted(repr(tree[section]))} is a value, but {section} is a section"
            raise UserError(f"{given.config}: {fact}: write [{section}]")
        tree[section][name] = value
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise UserError(_describe(error)) from error


def as_toml(config: Config) -> str:
    """The resolved configuration as TOML that `load_config` reads back."""
    lines: list[str] = []
    for section, _ in _sections():
        lines += [f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in getattr(config, section).model_dump().items()), ""]
    return "\n".join(lines)


def one_line(config: Config) -> list[str]:
    """The resolved configuration, a line for each section."""
    return [
        f"[{section}] " + " ".join(f"{name}={_toml(value)}" for name, value in getattr(config, section).model_dump().items())
        for section, _ in _sections()
    ]


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for section, field in Config.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        yield section, field.annotation


def _fields() -> list[str]:
    return [f"{section}.{name}" for section, model in _sections() for name in model.model_fields]


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"{ENVIRONMENT_PREFIX}{field.replace('.', '__').upper()}": field for field in _fields()}
    return {field: environment[name] for name, field in names.items() if name in environment}


def _from_command_line(given: argparse.Namespace) -> dict[str, str]:
    return {name: value for name, value in vars(given).items() if "." in name and value is not None}


def _read_toml(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise UserError(f"--config {path}: no such file; examples are in configs/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: cannot be read as text: {error}") from error
    except RecursionError as error:
        raise UserError(f"--config {path}: not valid TOML: nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"--config {path}: not valid TOML: {error}") from error


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{field} = {redacted(repr(first['input']))}: no such field{_suggestion(field)}; --help lists all"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    hint = first["msg"][0].lower() + first["msg"][1:]
    return f"{field} = {redacted(first['input'])}: {hint}"


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, ["config", *_fields()], 1)
    return f", did you mean {close[0]}?" if close else ""


def _kind(field: FieldInfo) -> str:
    return _KINDS.get(field.annotation) or "|".join(map(str, get_args(field.annotation)))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)  # JSON has no inf
    # A JSON string is a TOML basic string, but that TOML wants DEL escaped and knows no surrogates.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


_KINDS: dict[Any, str] = {int: "N", float: "X", bool: "true|false", str: "TEXT", int | tuple[int, int]: "N|[MIN,MAX]"}
