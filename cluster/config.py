"""The configuration: the sections of all packages as one tree, and what must hold between them."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from cyclegan.config import ModelConfig, TrainConfig
from preprocess.config import DataConfig
from preprocess.images.size import shown, sides_of, size_of
from ringcycle.storage.location import redacted

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
    tracker: Literal["none", "mlflow", "wandb"] = Field(
        "none", description="also send scalars, image grids and the configuration to an MLflow server or to Weights & Biases"
    )

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
        if min(sides) < model.smallest_judged:
            raise ValueError(
                f"data.crop_size = {crop} is too small for model.discriminator_layers = {model.discriminator_layers}, which need "
                f"{model.smallest_judged}: use larger crops or fewer layers"
            )
        return self

    @model_validator(mode="after")
    def _dropout_fits(self) -> "Config":
        if self.train.dropout and self.model.remat:
            raise ValueError(
                f"train.dropout = {self.train.dropout:g}, but model.remat = true would compute its masks again: use only one of them"
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
