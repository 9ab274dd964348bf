"""The size at which an image is translated: networks know things at the size that training gave them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt

from preprocess.images.decoded_image import ImageArray
from preprocess.images.resize import Mode, prepared_size, resize
from preprocess.images.size import sides_of
from ringcycle.errors import UserError

SMALLEST, LARGEST = 8, 100_000  # pixels
Kind = Literal["trained", "native"]


class Preparation(BaseModel):
    """How training resized its images: part of the section `data`, under its names."""

    model_config = ConfigDict(frozen=True)

    preprocess: Mode
    load_size: PositiveInt | tuple[PositiveInt, PositiveInt]
    crop_size: PositiveInt | tuple[PositiveInt, PositiveInt]

    @classmethod
    def of(cls, config: Mapping[str, Mapping[str, Any]]) -> "Preparation | None":
        """As the configuration of a checkpoint names it; None if it does not."""
        data = config.get("data", {})
        return cls.model_validate(data) if data.keys() >= cls.model_fields.keys() else None

    @property
    def resizes(self) -> bool:
        """Whether images were resized at all."""
        return self.preprocess not in ("crop", "none")


@dataclass(frozen=True)
class Scale:
    """At which size to translate, and whether results get back the size of their image.

    shorter: pixels of the image's shorter side, or "trained", as training resized its images, or "native", as they are.
    """

    shorter: int | Kind = "trained"
    restore: bool = False

    def scaled(self, image: ImageArray, trained: Preparation | None) -> ImageArray:
        """The image [H, W, C] as the generator gets it. At the trained scale it may lose its proportions, as in training."""
        height, width, _ = image.shape
        return resize(image, *self.scaled_size(height, width, trained))

    def scaled_size(self, height: int, width: int, trained: Preparation | None) -> tuple[int, int]:
        """Height and width that `scaled` gives an image of height x width."""
        if isinstance(self.shorter, int):
            return in_proportion(height, width, self.shorter / min(height, width))
        if self.shorter == "native" or trained is None or not trained.resizes:
            return height, width
        return prepared_size(height, width, trained.preprocess, trained.load_size, trained.crop_size)

    def restored(self, result: ImageArray, height: int, width: int) -> ImageArray:
        """The translation of an image that was height x width: in its size if `restore`, else in its proportions."""
        return resize(result, *self.restored_size(result.shape[0], result.shape[1], height, width))

    def restored_size(self, result_height: int, result_width: int, height: int, width: int) -> tuple[int, int]:
        """Height and width that `restored` gives a result of result_height x result_width."""
        if self.restore:
            return height, width
        return in_proportion(height, width, max(result_height / height, result_width / width))

    def only_size(self, trained: Preparation | None) -> tuple[int, int] | None:
        """Height and width at which all images are translated, whatever their own; None if that depends on them."""
        if self.shorter == "trained" and trained is not None and trained.preprocess == "resize_and_crop":
            return sides_of(trained.load_size)
        return None

    def describe(self, trained: Preparation | None) -> str:
        """A phrase for the user."""
        if isinstance(self.shorter, int):
            return f"with {self.shorter:,} pixels on the shorter side"
        if self.shorter == "native":
            return "at native scale"
        if trained is None:
            return "at native scale, as the checkpoint names no other"
        if not trained.resizes:
            return "at native scale, as trained"
        height, width = sides_of(trained.load_size)
        return f"at the trained scale, {f'{width}x{height}' if trained.preprocess == 'resize_and_crop' else f'{width} pixels wide'}"


def read_scale(given: str, restore: bool = False, field: str = "--scale") -> Scale:
    """A scale as a user gives it. Raises UserError, which names the field."""
    if given in ("trained", "native"):
        return Scale("trained" if given == "trained" else "native", restore)
    if not (given.isdecimal() and SMALLEST <= int(given) <= LARGEST):
        raise UserError(
            f"{field} = {given}: give trained, native, or the pixels of the shorter side, a number from {SMALLEST} to {LARGEST:,}"
        )
    return Scale(int(given), restore)


def in_proportion(height: int, width: int, factor: float) -> tuple[int, int]:
    """Height and width multiplied by `factor`, at least 1."""
    return max(1, round(height * factor)), max(1, round(width * factor))
