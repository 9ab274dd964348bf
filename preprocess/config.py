"""The `data` section: where the pictures are and how they become batches."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DataConfig(BaseModel):
    """Pictures, shards and feed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("", description="folder with trainA, trainB, testA, testB, or a folder of finished shards")
    shards: str = Field("", description="folder that keeps shards by fingerprint; empty: `shards` below run.storage")
    load_size: int = Field(286, ge=24, le=4096, description="pixels a side to which pictures are resized before cropping")
    crop_size: int = Field(
        256, ge=24, le=4096, description="pixels a side of the square crop that the networks see; a multiple of 4, 24 or more"
    )
    flip: bool = Field(True, description="mirror half of the crops left to right")
    threads: int = Field(1, ge=1, le=64, description="decoding threads of one build actor, also the CPUs that it asks Ray for")
    build_actors: int = Field(0, ge=0, description="build actors over all nodes; 0: one for every `threads` CPUs of the cluster")
    max_rejected: float = Field(0.01, ge=0, le=1, description="share of broken pictures above which the build stops")
    shard_mb: float = Field(64, gt=0, le=1024, description="MiB of pixels in one shard file")
    feed_actors: int = Field(1, ge=1, le=16, description="feed actors of one worker, on its node")
    read_ahead_mb: float = Field(32, gt=0, description="MiB of ready batches that one worker holds ahead, at least two blocks")

    @model_validator(mode="after")
    def _sizes(self) -> "DataConfig":
        if self.crop_size % 4:
            nearest = round(self.crop_size / 4) * 4
            raise ValueError(f"data.crop_size = {self.crop_size} is not a multiple of 4, which two stride-2 layers need: use {nearest}")
        if self.crop_size > self.load_size:
            raise ValueError(
                f"data.crop_size = {self.crop_size} is larger than data.load_size = {self.load_size}: "
                f"use a load_size of {self.crop_size} or more"
            )
        return self
