"""The `data` section: where the images are and how they become batches."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_serializer, field_validator, model_validator

from preprocess.images.colour_jitter import JitterStrengths
from preprocess.images.decoded_image import MOST_CHANNELS
from preprocess.images.resize import SCALES_WIDTH, Mode
from preprocess.images.size import Size, shown, sides_of, size_of
from ringcycle.options import read_numbers
from ringcycle.storage.location import redacted

LEAST_SIDE, MOST_SIDE = 24, 4096  # pixels
MOST_JITTER = JitterStrengths(1, 1, 1, 0.5)


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
    pairs: str = Field(
        "",
        repr=False,
        description="CSV or Parquet file with the columns a and b: images of A and B, named as in the manifest, that are known pairs; "
        "requires train.lambda_pairs",
    )
    test_fraction: float = Field(
        0.1, ge=0, lt=1, description="share of the images held out for testing, if the source has no test split of its own"
    )
    shards: str = Field("", repr=False, description="folder in which shards are kept by fingerprint; empty: `shards` below run.storage")
    cache: str = Field("", description="folder on each node that caches shards from an object store; empty: below ~/.cache/ringcycle")
    cache_gb: float = Field(20, gt=0, description="GiB that data.cache may take")
    preprocess: Mode = Field(
        "resize_and_crop",
        description="resize_and_crop (to load_size), scale_width_and_crop (to a width of load_size), crop (no resizing); scale_width "
        "and none do not crop, so all images must come out in crop_size",
    )
    load_size: Size = Field(
        286,
        title="N|[H,W]",
        description="size in pixels to which images are resized before cropping: the side of a square, or [HEIGHT, WIDTH]; "
        "the width where data.preprocess scales widths",
    )
    crop_size: Size = Field(
        256,
        title="N|[H,W]",
        description="crop that the networks see, in pixels: the side of a square, or [HEIGHT, WIDTH]; multiples of 4, 24 or more",
    )
    channels_a: str = Field(
        "auto", description="channels of domain A's images: 1 grey, 3 colour, 4 with alpha, or a number of bands; auto: as in the files"
    )
    channels_b: str = Field("auto", description="channels of domain B's images")
    bits: Annotated[Literal["auto", "8", "16"], BeforeValidator(str)] = Field(
        "auto", description="bits per sample; auto: 16 if at least half of a domain's images have 16"
    )
    flip: bool = Field(True, description="mirror half of the crops left to right")
    flip_vertical: bool = Field(False, description="mirror half of the crops top to bottom")
    rotate: bool = Field(False, description="turn the crops by 0 to 3 quarter turns, each as often; only square crops")
    jitter: tuple[float, float, float, float] = Field(
        (0.0, 0.0, 0.0, 0.0),
        title="[B,C,S,H]",
        description="colour jitter of the crops, strengths of [brightness, contrast, saturation, hue] as in torchvision's ColorJitter: "
        "factors from 1 - X to 1 + X with X up to 1, a hue shifted by up to X of the colour circle with X up to 0.5; 0: off",
    )
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

    @field_validator("load_size", "crop_size", mode="before")
    @classmethod
    def _size(cls, value: object, info: ValidationInfo) -> object:
        numbers = read_numbers(value) or []
        sides = [number for number in numbers if isinstance(number, int) and LEAST_SIDE <= number <= MOST_SIDE]
        if len(numbers) not in (1, 2) or len(sides) < len(numbers):
            raise ValueError(
                f"data.{info.field_name} = {redacted(value)}: give a number from {LEAST_SIDE} to {MOST_SIDE}, or two as [HEIGHT, WIDTH]"
            )
        return size_of(sides[0], sides[-1])

    @field_validator("jitter", mode="before")
    @classmethod
    def _jitter(cls, value: object) -> object:
        numbers = read_numbers(value) or []
        if len(numbers) != 4 or not all(0 <= number <= most for number, most in zip(numbers, MOST_JITTER, strict=True)):
            raise ValueError(
                f"data.jitter = {redacted(value)}: give [BRIGHTNESS, CONTRAST, SATURATION, HUE], each from 0 to 1, HUE to 0.5, "
                "such as [0.2, 0.2, 0.2, 0.05]"
            )
        return numbers

    @field_serializer("source", "source_a", "source_b", "source_list", "list_roots", "pairs", "shards")
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
        crop, load, mode = sides_of(self.crop_size), sides_of(self.load_size), self.preprocess
        if any(side % 4 for side in crop):
            nearest = size_of(*(round(side / 4) * 4 for side in crop))
            raise ValueError(
                f"data.crop_size = {shown(self.crop_size)} is not a multiple of 4, which two stride-2 layers need: use {shown(nearest)}"
            )
        if mode in SCALES_WIDTH and not isinstance(self.load_size, int):
            raise ValueError(
                f"data.load_size = {shown(self.load_size)}, but data.preprocess = {mode} keeps proportions: give the width alone, {load[1]}"
            )
        if mode == "scale_width" and crop[1] != load[1]:
            raise ValueError(
                f"data.preprocess = scale_width makes images of data.load_size = {shown(self.load_size)} and does not crop them to "
                f"data.crop_size = {shown(self.crop_size)}: make them equally wide, or use scale_width_and_crop"
            )
        if self.rotate and crop[0] != crop[1]:
            raise ValueError(
                f"data.rotate = true, but crops of data.crop_size = {shown(self.crop_size)} are not square and cannot be turned: "
                "use a square crop, or data.rotate = false"
            )
        least = {"resize_and_crop": size_of(max(crop[0], load[0]), max(crop[1], load[1])), "scale_width_and_crop": max(crop[1], load[1])}
        if mode in least and least[mode] != self.load_size:
            raise ValueError(
                f"data.crop_size = {shown(self.crop_size)} is larger than data.load_size = {shown(self.load_size)}: "
                f"use a load_size of {shown(least[mode])} or more"
            )
        return self
