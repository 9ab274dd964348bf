"""The `model` and `train` sections, and the format of the images, which the shards determine."""

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ringcycle.options import read_numbers

Loss = Literal["lsgan", "vanilla", "hinge", "wgangp"]
Policy = Literal["linear", "step", "cosine"]
RateRule = Literal["sqrt", "linear", "none"]
AUGMENTATIONS = ("color", "translation", "cutout")


class ImageFormat(BaseModel):
    """Channels and bits of both domains' images, as their shards hold them: facts of the data, not settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels_a: int = Field(3, ge=1, le=64, description="channels of domain A's images")
    channels_b: int = Field(3, ge=1, le=64, description="channels of domain B's images")
    bits: Literal[8, 16] = Field(8, description="bits of a sample")

    @property
    def channels(self) -> int:
        """Channels of all images inside the twin: those of the domain with more."""
        return max(self.channels_a, self.channels_b)

    def channels_of(self, direction: str) -> tuple[int, int]:
        """Channels of a translation's input and of its output, for "AtoB" or "BtoA"."""
        return (self.channels_a, self.channels_b) if direction == "AtoB" else (self.channels_b, self.channels_a)


class ModelConfig(BaseModel):
    """Sizes of the four networks (paper, section 7.2) and how their convolutions are computed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generator: Literal["resnet", "unet", "unet_128", "unet_256"] = Field(
        "resnet", description="kind of generator; unet_128 and unet_256 halve the size 7 and 8 times, unet model.unet_depth times"
    )
    filters: int = Field(64, ge=4, le=512, description="channels after the first layer of a generator (c7s1-k)")
    blocks: int = Field(9, ge=1, le=32, description="residual blocks of a resnet: 6 for 128x128, 9 for 256x256")
    unet_depth: int = Field(7, ge=2, le=12, description="how often generator = unet halves the size; sides must be multiples of 2^depth")
    upsample: Literal["transposed", "resize"] = Field(
        "transposed", description="how a resnet doubles the size: transposed convolution, or resize and convolution (no checkerboard)"
    )
    discriminator: Literal["basic", "n_layers", "pixel"] = Field(
        "basic", description="kind of discriminator: basic (70x70 patches), n_layers (model.discriminator_layers), pixel (1x1)"
    )
    discriminator_filters: int = Field(64, ge=4, le=512, description="channels after the first layer of a discriminator (Ck)")
    discriminator_layers: int = Field(3, ge=1, le=8, description="layers of stride 2 of discriminator = n_layers; 3 is basic")
    norm: Literal["instance", "batch", "none"] = Field(
        "instance", description="norm after convolutions; batch takes each worker's own batch, and in translation the image alone"
    )
    spectral_norm: bool = Field(False, description="whether kernels of the discriminators are divided by their spectral norm")
    init: Literal["normal", "xavier", "kaiming", "orthogonal"] = Field("normal", description="distribution of initial kernels")
    init_gain: float = Field(0.02, gt=0, description="scale of initial kernels: deviation of normal, gain of xavier and orthogonal")
    convolution: Literal["auto", "plain"] = Field(
        "auto", description="algorithm of the convolutions: auto (the fastest known for the device) or plain (TensorFlow's own)"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="type of the operands of large matrix products; bfloat16 only for processors with bfloat16 instructions"
    )
    remat: bool = Field(False, description="whether generators recompute each part for its gradient: less memory, more time")

    @property
    def network_fields(self) -> tuple[str, ...]:
        """The fields that determine what the weights of these kinds of networks are; the kinds come before what they need."""
        generator = {"resnet": ("blocks", "upsample"), "unet": ("unet_depth",)}.get(self.generator, ())
        discriminator = ("discriminator_layers",) if self.discriminator == "n_layers" else ()
        return "generator", "filters", *generator, "norm", "discriminator", "discriminator_filters", *discriminator

    @property
    def halvings(self) -> int:
        """How often a generator halves the size."""
        return {"resnet": 2, "unet": self.unet_depth, "unet_128": 7, "unet_256": 8}[self.generator]

    @property
    def multiple(self) -> int:
        """Height and width of images are multiples of this."""
        return int(2**self.halvings)

    @property
    def smallest(self) -> int:
        """The least height and width of images: a resnet mirrors a pixel of a quarter of the side."""
        return 8 if self.generator == "resnet" else self.multiple

    @property
    def smallest_judged(self) -> int:
        """The least height and width of images that the discriminators classify."""
        return {"basic": 24, "n_layers": int(3 * 2**self.discriminator_layers), "pixel": 1}[self.discriminator]

    @model_validator(mode="after")
    def _resnet_options(self) -> Self:
        if self.generator != "resnet":
            for name, value in (("upsample", "transposed"), ("remat", False)):
                if getattr(self, name) != value:
                    raise ValueError(
                        f"model.{name} = {str(getattr(self, name)).lower()}, which model.generator = {self.generator} does not have: "
                        f"use model.{name} = {str(value).lower()}, or model.generator = resnet"
                    )
        return self

    @model_validator(mode="after")
    def _precision_fits(self) -> Self:
        if self.precision == "bfloat16" and self.convolution == "plain":
            raise ValueError(
                "model.precision = bfloat16, but model.convolution = plain computes in float32: "
                "use model.convolution = auto, or model.precision = float32"
            )
        return self


class ModelSpec(ModelConfig, ImageFormat):
    """All that determines the networks: the settings and the images' format."""

    @classmethod
    def of(cls, settings: ModelConfig, images: ImageFormat) -> Self:
        """The networks of `settings` for images of this format."""
        return cls(**settings.model_dump(), **images.model_dump())


class TrainConfig(BaseModel):
    """Length, optimiser, losses and seed of a training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: int = Field(1, ge=1, le=1024, description="images of each domain per worker and step")
    accumulate: int = Field(
        1,
        ge=1,
        le=1024,
        description="parts into which the generators split train.batch, computed in turn with the memory of one; must divide train.batch",
    )
    epochs: float = Field(200, gt=0, description="length in epochs of max(|A|, |B|) images; ignored unless train.steps is 0")
    steps: int = Field(0, ge=0, description="length in steps; 0: train.epochs decides")
    schedule: Policy = Field(
        "linear",
        description="learning rate: linear (constant, then falling linearly to 0), step (times 0.1 every train.decay_epochs), or cosine "
        "(falling to 0 along half a cosine)",
    )
    constant_fraction: float = Field(
        0.5, ge=0, le=1, description="fraction of the length at a constant rate, which then falls linearly to 0; for schedule = linear"
    )
    decay_epochs: float = Field(50, gt=0, description="epochs after each of which the rate is multiplied by 0.1; for schedule = step")
    warmup: float = Field(
        0, ge=0, description="beginning in which the rate rises linearly: a number of steps, or below 1 a fraction of the length; 0: none"
    )
    learning_rate: float = Field(2e-4, gt=0, description="Adam's rate at global batch 1; train.rate_rule scales it for larger ones")
    rate_rule: RateRule = Field(
        "sqrt", description="factor of the rate at a larger global batch: its square root (sqrt), the batch itself (linear), or 1 (none)"
    )
    discriminator_rate: float = Field(
        1.0, gt=0, description="rate of the discriminators, as a factor of the generators' (two time scales, arXiv 1706.08500)"
    )
    clip_norm: float = Field(
        0.0, ge=0, description="largest L2 norm of each network's gradient, which is scaled down to it (gradient clipping); 0: no limit"
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay of the first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's decay of the second moment")
    loss: Loss = Field(
        "lsgan",
        description="adversarial loss: lsgan (least squares), vanilla (cross-entropy), hinge, wgangp (Wasserstein, gradient penalty)",
    )
    lambda_cycle: float | tuple[float, float] = Field(
        10.0, title="X|[A,B]", description="weight of the cycle losses; [A, B]: of A to B to A (lambda_A), and of B to A to B (lambda_B)"
    )
    lambda_identity: float = Field(0.5, ge=0, description="weight of the identity losses, as a factor of lambda_cycle")
    lambda_pairs: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="weight of the pair losses, the L1 distance of generated images from the known partners in data.pairs; 0: none",
    )
    pool_size: int = Field(50, ge=0, description="generated images that the image pool keeps per row and domain; 0: no pool")
    dropout: float = Field(
        0, ge=0, lt=1, description="share of activations that generators drop while they train, in each residual block or inner level"
    )
    diffaugment: str = Field(
        "",
        description="augmentation of what the discriminators see, for small data sets: color, translation, cutout, separated by commas",
    )
    ema: float = Field(
        0.999, ge=0, lt=1, description="decay of the moving average of the generators' weights, which translates; 0: no average"
    )
    seeds: int = Field(
        1, ge=1, le=64, description="runs with train.seed, train.seed + 1, … that race for race.steps steps; the best one goes on"
    )
    seed: int = Field(0, ge=0, description="seed of initial values, order, crops, flips and pools")

    @field_validator("lambda_cycle", mode="before")
    @classmethod
    def _read_lambda_cycle(cls, value: object) -> object:
        """A number, or two."""
        given = read_numbers(value)
        if given is None or len(given) not in (1, 2) or not all(0 <= weight < math.inf for weight in given):
            raise ValueError(f"train.lambda_cycle = {value}: give a number of 0 or more, or two as [A, B]")
        return given[0] if len(set(given)) == 1 else tuple(given)

    @field_validator("diffaugment", mode="before")
    @classmethod
    def _known_augmentations(cls, value: object) -> object:
        words = value if isinstance(value, list | tuple) else [word.strip() for word in str(value).split(",") if word.strip()]
        unknown = [word for word in words if word not in AUGMENTATIONS]
        if unknown:
            raise ValueError(f"train.diffaugment = {value}: {unknown[0]} is none of {', '.join(AUGMENTATIONS)}: use these")
        return ",".join(kind for kind in AUGMENTATIONS if kind in words)

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Kinds of differentiable augmentation, in the order in which they are applied."""
        return tuple(kind for kind in self.diffaugment.split(",") if kind)

    @field_validator("warmup")
    @classmethod
    def _whole_steps(cls, warmup: float) -> float:
        if warmup > 1 and warmup % 1:
            raise ValueError(f"train.warmup = {warmup:g} is no number of steps: give a whole one, or a fraction of the length below 1")
        return warmup

    @property
    def lambda_a_b(self) -> tuple[float, float]:
        """Weights of the cycle losses of A → B → A and of B → A → B."""
        return self.lambda_cycle if isinstance(self.lambda_cycle, tuple) else (self.lambda_cycle, self.lambda_cycle)

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.batch % self.accumulate:
            valid = ", ".join(str(parts) for parts in range(1, self.batch + 1) if self.batch % parts == 0)
            raise ValueError(f"train.accumulate = {self.accumulate} does not divide train.batch = {self.batch}: use one of {valid}")
        return self
