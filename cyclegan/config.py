"""The `model` and `train` sections: the networks and how they learn."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ModelConfig(BaseModel):
    """Sizes of the four networks (paper, section 7.2) and the form of their convolutions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels_a: int = Field(3, ge=1, le=64, description="channels of domain A's images; a training takes those of its shards")
    channels_b: int = Field(3, ge=1, le=64, description="channels of domain B's images; a training takes those of its shards")
    bits: Literal[8, 16] = Field(8, description="bits of a sample; a training takes those of its shards")
    filters: int = Field(64, ge=4, le=512, description="channels after the first layer of a generator (c7s1-k)")
    blocks: int = Field(9, ge=1, le=32, description="residual blocks of a generator: 6 for 128x128, 9 for 256x256")
    discriminator_filters: int = Field(64, ge=4, le=512, description="channels after the first layer of a discriminator (Ck)")
    form: Literal["auto", "plain", "bfloat16"] = Field(
        "auto",
        description="form of the convolutions: auto (fastest known for the device), bfloat16 (that, with products in bfloat16; only for "
        "processors that have it) or plain (TensorFlow's own)",
    )
    remat: bool = Field(False, description="whether generators compute each part again for its gradient: less memory, more time")

    @property
    def channels(self) -> int:
        """Channels of all images inside the twin: those of the domain with more."""
        return max(self.channels_a, self.channels_b)

    def channels_of(self, direction: str) -> tuple[int, int]:
        """Channels of what a translation takes and of what it makes, for "AtoB" or "BtoA"."""
        return (self.channels_a, self.channels_b) if direction == "AtoB" else (self.channels_b, self.channels_a)


class TrainConfig(BaseModel):
    """Length, optimiser, losses and seed of a training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: int = Field(1, ge=1, le=1024, description="images of each domain per worker and step")
    accumulate: int = Field(
        1, ge=1, le=1024, description="parts of train.batch that generators compute one after the other, in the memory of one; divides it"
    )
    epochs: float = Field(200, gt=0, description="length in epochs of max(|A|, |B|) images, used when train.steps is 0")
    steps: int = Field(0, ge=0, description="length in steps; 0: train.epochs counts")
    constant: float = Field(0.5, ge=0, le=1, description="share of the length with constant rate; it falls linearly to 0 after that")
    learning_rate: float = Field(2e-4, gt=0, description="Adam's rate at global batch 1; times sqrt(global batch) above that")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay of the first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's decay of the second moment")
    lambda_cycle: float = Field(10.0, ge=0, description="weight of the cycle loss")
    lambda_identity: float = Field(0.5, ge=0, description="weight of the identity loss, as a factor of lambda_cycle")
    pool_size: int = Field(50, ge=0, description="generated images that the image pool keeps per row and domain; 0: no pool")
    seed: int = Field(0, ge=0, description="seed of initial values, order, crops, flips and pools")

    @model_validator(mode="after")
    def _parts(self) -> "TrainConfig":
        if self.batch % self.accumulate:
            valid = ", ".join(str(parts) for parts in range(1, self.batch + 1) if self.batch % parts == 0)
            raise ValueError(f"train.accumulate = {self.accumulate} does not divide train.batch = {self.batch}: use one of {valid}")
        return self
