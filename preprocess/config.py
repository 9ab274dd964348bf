"""The `data` section: where the images are and how they become batches."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_serializer, field_validator, model_validator

from preprocess.images.decoded_image import MOST_CHANNELS
from preprocess.images.resize import Mode
from ringcycle.storage.location import redacted


def _joined(value: object) -> object:
    """A TOML array as text with commas."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


class DataConfig(BaseModel):
    """Images, shards and feed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("", repr=False, description="folder with trainA, trainB and perhaps testA, testB, or a folder of finished shards")
    source_a: str = Field("", repr=False, description="folder of domain A's images, instead of data.source; requires data.source_b")
    source_b: str = Field("", repr=False, description="folder of domain B's images")
    class_a: str = Field(
        "", description="folder in data.source, or value of `domain` in data.source_list, that is domain A; requires data.class_b"
    )
    class_b: str = Field("", description="folder or value that is domain B")
    source_list: str = Field(
        "", repr=False, description="CSV or Parquet file with the columns path, domain and optionally split, instead of data.source"
    )
    list_roots: Annotated[str, BeforeValidator(_joined)] = Field(
        "",
        repr=False,
        description="folders or URIs, separated by commas, where data.source_list may name files besides its own folder or bucket",
    )
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="share of the images held out for testing, if the source has no test split of its own"
    )
    shards: str = Field("", repr=False, description="folder in which shards are kept by fingerprint; empty: `shards` below run.storage")
    cache: str = Field("", description="folder on each node that caches shards from an object store; empty: below ~/.cache/ringcycle")
    cache_gb: float = Field(20, gt=0, description="GiB that data.cache may take")
    preprocess: Mode = Field(
        "resize_and_crop",
        description="resize_and_crop (to load_size x load_size), scale_width_and_crop (to load_size wide), crop (no resizing); scale_width "
        "and none do not crop, so all images must come out crop_size x crop_size",
    )
    load_size: int = Field(286, ge=24, le=4096, description="size in pixels to which images are resized before cropping")
    crop_size: int = Field(
        256, ge=24, le=4096, description="side of the square crop that the networks see, in pixels; a multiple of 4, 24 or more"
    )
    channels_a: str = Field(
        "auto", description="channels of domain A's images: 1 grey, 3 colour, 4 with alpha, or a number of bands; auto: as in the files"
    )
    channels_b: str = Field("auto", description="channels of domain B's images")
    bits: Annotated[Literal["auto", "8", "16"], BeforeValidator(str)] = Field(
        "auto", description="bits per sample; auto: 16 if at least half of a domain's images have 16"
    )
    flip: bool = Field(True, description="mirror half of the crops left to right")
    threads: int = Field(1, ge=1, le=64, description="decoding threads of each build actor, and the CPUs that it requests from Ray")
    build_actors: int = Field(0, ge=0, description="build actors on all nodes together; 0: one for every data.threads CPUs of the cluster")
    max_rejected: float = Field(0.01, ge=0, le=1, description="share of broken images above which the build stops")
    max_file_mb: float = Field(64, gt=0, description="MiB above which a file is rejected unread")
    max_megapixels: float = Field(64, gt=0, le=4000, description="megapixels above which an image is rejected before it is decoded")
    shard_mb: float = Field(64, gt=0, le=1024, description="MiB of pixels per shard")
    feed_actors: int = Field(1, ge=1, le=16, description="feed actors per worker, on its node or on data.feed_nodes")
    feed_nodes: str = Field(
        "", description="Ray resource of the nodes that run feed actors, such as the CPU nodes of a GPU cluster; empty: each worker's node"
    )
    read_ahead_mb: float = Field(32, gt=0, description="MiB of batches read ahead per worker; at least two chunks of batches")

    @field_validator("channels_a", "channels_b", mode="before")
    @classmethod
    def _channels(cls, value: object, info: ValidationInfo) -> str:
        text = str(value)
        if text != "auto" and not (text.isdecimal() and 1 <= int(text) <= MOST_CHANNELS):
            raise ValueError(f"data.{info.field_name} = {text} is not a number from 1 to {MOST_CHANNELS}: use one, or auto")
        return text

    @field_serializer("source", "source_a", "source_b", "source_list", "list_roots", "shards")
    def _without_credentials(self, location: str) -> str:
        """Credentials of an object store are never printed or stored."""
        return redacted(location)

    @model_validator(mode="after")
    def _one_source(self) -> "DataConfig":
        ways = [name for name in ("source", "source_a", "source_list") if getattr(self, name)]
        if len(ways) > 1:
            first, second = (f'data.{name} = "{redacted(getattr(self, name))}"' for name in ways[:2])
            raise ValueError(f"{first}, but also {second}: set only one of them")
        for one, other in (("source_a", "source_b"), ("source_b", "source_a"), ("class_a", "class_b"), ("class_b", "class_a")):
            if getattr(self, one) and not getattr(self, other):
                raise ValueError(f'data.{one} = "{redacted(getattr(self, one))}", but data.{other} is empty: set both')
        if self.class_a and self.source_a:
            raise ValueError(f'data.class_a = "{self.class_a}", but data.source_a is set too: use data.source with classes')
        if self.class_a and self.class_a == self.class_b:
            raise ValueError(f'data.class_a = "{self.class_a}" and so is data.class_b: name two different classes')
        if self.shards.startswith("hdfs://"):
            raise ValueError(
                f'data.shards = "{redacted(self.shards)}": shards cannot be written to HDFS: name a folder, or an s3:// or gs:// URI'
            )
        return self

    @model_validator(mode="after")
    def _sizes(self) -> "DataConfig":
        if self.crop_size % 4:
            nearest = round(self.crop_size / 4) * 4
            raise ValueError(f"data.crop_size = {self.crop_size} is not a multiple of 4, which two stride-2 layers need: use {nearest}")
        if self.preprocess == "scale_width" and self.crop_size != self.load_size:
            raise ValueError(
                f"data.preprocess = scale_width makes images of data.load_size = {self.load_size} and does not crop them to "
                f"data.crop_size = {self.crop_size}: make them equal, or use scale_width_and_crop"
            )
        if self.preprocess in ("resize_and_crop", "scale_width_and_crop") and self.crop_size > self.load_size:
            raise ValueError(
                f"data.crop_size = {self.crop_size} is larger than data.load_size = {self.load_size}: "
                f"use a load_size of {self.crop_size} or more"
            )
        return self
