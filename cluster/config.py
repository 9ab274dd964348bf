"""The configuration: the sections of all packages, loaded from a TOML file, the environment and the command line; later ones win."""

import argparse
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, SettingsConfigDict

from cyclegan.config import ModelConfig, TrainConfig
from preprocess.config import DataConfig
from preprocess.images.size import shown, sides_of, size_of
from ringcycle.errors import UserError
from ringcycle.options import add_option, describe_error, suggestion
from ringcycle.storage.location import redacted

ENVIRONMENT_PREFIX = "RINGCYCLE_"
_NOT_FIELDS = re.compile(  # what Kubernetes sets in each pod for a service called ringcycle or ringcycle-NAME; settings of the tests
    rf"{ENVIRONMENT_PREFIX}(TEST_.*|(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?))"
)
MOST_WORKERS = 4096
BestMetric = Literal["auto", "sliced_wasserstein", "kid", "fid", "truth_l1", "cycle_loss", "none"]
SYNTHETIC = "synthetic"
"""As data.source: the embedded data set, drawn into a folder of this name below the storage."""


class RunConfig(BaseModel):
    """The run: its name, its storage, and what happens at intervals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run; a run of the same name is resumed")
    storage: str = Field(
        "runs",
        description="folder of runs that all nodes share, or an s3:// or gs:// location; checkpoints, logs and images go to STORAGE/NAME",
    )
    start_from: str = Field(
        "", description="run, or checkpoint, whose weights a new run begins with (folder, s3:// or gs://); empty: drawn from train.seed"
    )
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")
    checkpoint_minutes: float = Field(10.0, gt=0, description="minutes after which a checkpoint is due regardless of steps")
    keep: int = Field(3, ge=1, description="number of newest checkpoints to keep")
    keep_every: int = Field(0, ge=0, description="steps per span of which the first checkpoint is kept forever; 0: none")
    keep_best: BestMetric = Field(
        "auto",
        description="also keep the checkpoint that is best by this measure of held-out images, or by the smoothed cycle_loss; auto: kid if "
        "there are Inception weights, otherwise sliced_wasserstein, and cycle_loss without held-out images",
    )
    sample_every: int = Field(500, ge=1, description="steps between image grids (real, fake, cycled)")
    log_every: int = Field(10, ge=1, description="steps between records in metrics.jsonl and the event files")

    @field_validator("keep_best", mode="before")
    @classmethod
    def _yes_or_no(cls, value: object) -> object:
        """true and false, as earlier versions stored them."""
        return {"true": "auto", "false": "none"}.get(str(value).lower(), value)

    @field_validator("storage")
    @classmethod
    def _atomic(cls, storage: str) -> str:
        if storage.startswith("hdfs://"):
            raise ValueError(
                f'run.storage = "{redacted(storage)}": HDFS shows incomplete files: name a folder, or an s3:// or gs:// location'
            )
        return storage

    @field_serializer("storage", "start_from")
    def _without_keys(self, location: str) -> str:
        """The keys of an object store are never printed or stored."""
        return redacted(location)


class EvaluateConfig(BaseModel):
    """The judgement of checkpoints by held-out images (testA, testB) while training goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: int = Field(2000, ge=0, description="steps between evaluations of the newest checkpoint; 0: never")
    images: int = Field(64, ge=2, le=10_000, description="held-out images of each domain, always the same ones")
    weights: str = Field(
        "", description="file of Inception weights that all nodes see, for KID and FID (python -m cyclegan.evaluate --help); empty: neither"
    )


class RaceConfig(BaseModel):
    """The race of `train.seeds` short runs, of which the best goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(1000, ge=1, description="steps of each run of the race, with the learning rates of the complete run")


class ClusterConfig(BaseModel):
    """Workers, devices and timeouts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int | tuple[int, int] = Field(
        0,
        title="N|[MIN,MAX]",
        description="processes of the training group; 0: one per NUMA node, or per GPU, of the nodes present at the start; "
        "[MIN, MAX]: the largest number that fits and divides the global batch",
    )
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="device of the workers; auto: gpu if Ray has one for each worker")
    allreduce_dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="type in which gradients are all-reduced; bfloat16 halves the traffic and keeps 8 bits of precision"
    )
    cpus_per_worker: int = Field(0, ge=0, description="CPUs that each worker requests from Ray; 0: an equal share of the nodes' CPUs")
    start_timeout: float = Field(120.0, gt=0, description="seconds to wait for enough CPUs or GPUs when joining a cluster")
    peer_timeout: float = Field(60.0, gt=0, description="seconds without a heartbeat or a step after which a worker counts as lost")
    node_timeout: float = Field(
        300.0, gt=0, description="seconds to wait for lost nodes before continuing with fewer workers, or stopping if that is impossible"
    )
    max_restarts: int = Field(100, ge=0, description="restarts of the group after failures, per launch")
    checksum_every: int = Field(
        100, ge=1, description="steps between comparisons of the workers' weights by checksum; also compared at each checkpoint"
    )
    compile_cache: str = Field(
        "", description="folder for compiled programs on each node, writable by this user only; empty: below ~/.cache/ringcycle"
    )

    @field_validator("workers", mode="before")
    @classmethod
    def _read_workers(cls, value: object) -> object:
        """A number or [MIN, MAX]; text if it comes from the environment or the command line."""
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
        """The workers of a full group; it determines the global batch, however many train."""
        return self.workers[1] if isinstance(self.workers, tuple) else max(1, self.workers)


class Config(BaseModel):
    """All sections, as stored with the run and in each checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    run: RunConfig = RunConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    race: RaceConfig = RaceConfig()
    cluster: ClusterConfig = ClusterConfig()

    @model_validator(mode="after")
    def _networks_fit(self) -> "Config":
        crop, sides, model = shown(self.data.crop_size), sides_of(self.data.crop_size), self.model
        if any(side % model.multiple for side in sides):
            upper = shown(size_of(*(-(-side // model.multiple) * model.multiple for side in sides)))
            raise ValueError(
                f"data.crop_size = {crop} is not a multiple of {model.multiple}, but model.generator = {model.generator} halves it "
                f"{model.halvings} times: use {upper}, or a generator of fewer levels"
            )
        if self.train.dropout and model.remat:
            raise ValueError(
                f"train.dropout = {self.train.dropout:g}, but model.remat = true would compute its masks again: use only one of them"
            )
        if min(sides) < model.smallest_judged:
            raise ValueError(
                f"data.crop_size = {crop} is too small for model.discriminator_layers = {model.discriminator_layers}, which need "
                f"{model.smallest_judged}: use larger crops or fewer layers"
            )
        return self

    @model_validator(mode="after")
    def _pairs_are_used(self) -> "Config":
        pairs, weight = redacted(self.data.pairs), self.train.lambda_pairs
        if pairs and not weight:
            raise ValueError(f'data.pairs = "{pairs}", but train.lambda_pairs = 0 ignores them: set it, for example to 10')
        if weight and not pairs:
            raise ValueError(f"train.lambda_pairs = {weight:g}, but data.pairs is empty: name a list of pairs, or set it to 0")
        return self

    @property
    def global_batch(self) -> int:
        """Images of each domain in a step: `train.batch` for each worker of a full group."""
        return self.train.batch * self.cluster.most

    @property
    def valid_workers(self) -> list[int]:
        """The numbers of workers that divide the global batch, largest first."""
        return [n for n in range(self.cluster.most, self.cluster.least - 1, -1) if self.global_batch % (n * self.train.accumulate) == 0]

    def train_of(self, workers: int) -> TrainConfig:
        """`train` as each of `workers` workers has it: its share of the global batch, in parts no larger than those of a full group.

        Fewer workers thus need no more memory each, as the generators' temporaries grow with the part.
        """
        batch, part = self.global_batch // workers, self.train.batch // self.train.accumulate
        largest = next(size for size in range(part, 0, -1) if batch % size == 0)
        return self.train.model_copy(update={"batch": batch, "accumulate": batch // largest})

    def with_workers(self, workers: int) -> "Config":
        """The same configuration with a number for `cluster.workers`."""
        return self.model_copy(update={"cluster": self.cluster.model_copy(update={"workers": workers})})


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
            add_option(group, f"--{section}.{name}", field)
    return result


def load_config(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """Resolve the configuration. Raises UserError with one line: the field, its value, the fact, the cure."""
    file, given = _from_command_line(arguments)
    tree = _read_toml(file) if file else {}
    # The first source wins.
    sources = InitSettingsSource(_Loaded, given), _Environment(environment), InitSettingsSource(_Loaded, tree)
    try:
        return Config(**dict(_Loaded(_build_sources=(sources, {}))))
    except ValidationError as error:
        first = error.errors()[0]
        refused = _renamed(".".join(map(str, first["loc"])), first["input"])
        raise UserError(refused or describe_error(error, _fields())) from error


def as_toml(config: Config) -> str:
    """The resolved configuration as TOML that `load_config` reads back."""
    return tomli_w.dumps(config.model_dump())


def one_line(config: Config) -> list[str]:
    """The resolved configuration, a line for each section."""
    return [
        f"[{section}] " + " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
        for section, fields in config.model_dump().items()
    ]


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for section, field in Config.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        yield section, field.annotation


def _fields() -> list[str]:
    return [f"{section}.{name}" for section, model in _sections() for name in model.model_fields]


def _from_command_line(arguments: Sequence[str]) -> tuple[str | None, dict[str, dict[str, str]]]:
    """The file, if any, and the values by section and field."""
    try:
        given, unknown = parser().parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    if unknown:
        name, _, value = unknown[0].lstrip("-").partition("=")
        refused = _renamed(name, value or "".join(unknown[1:2]))
        fact = f"no such option{suggestion(name, ['config', *_fields()])}; --help lists all"
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
