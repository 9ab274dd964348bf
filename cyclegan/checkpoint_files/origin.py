"""Where the weights of a checkpoint come from if no training of ours made them: the section `conversion` of its config."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from ringcycle.domains import DIRECTIONS

SECTION = "conversion"


class Origin(BaseModel):
    """source: what was converted. initial: names of networks (G_AB, D_A, …) that were not there, and have initial values."""

    model_config = ConfigDict(frozen=True)

    source: str
    initial: tuple[str, ...] = ()

    @property
    def untrained(self) -> tuple[str, ...]:
        """The directions whose generator has initial values."""
        return tuple(direction for direction in DIRECTIONS if f"G_{direction.replace('to', '')}" in self.initial)

    @classmethod
    def of(cls, config: Mapping[str, Mapping[str, Any]]) -> "Origin | None":
        """As a checkpoint's config names it; None for a checkpoint of a training. Raises ValidationError."""
        return cls.model_validate(config[SECTION]) if SECTION in config else None
