"""What a replica is started with."""

from dataclasses import dataclass

from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.scale import Scale
from ringcycle.domains import DIRECTIONS


@dataclass(frozen=True)
class ServiceSettings:
    """The generators, at which size they translate, and the limits of an upload.

    bytes: of the image file. megapixels: of the image in it, and of its result. token: the digest of the one that requests must carry, as
    `access.digest` makes it.
    """

    trained: GeneratorCheckpoint
    scale: Scale
    bytes: int
    megapixels: float
    token: str = ""

    @property
    def directions(self) -> list[str]:
        """Those that have a trained generator."""
        return [direction for direction in DIRECTIONS if direction not in self.trained.untrained]
