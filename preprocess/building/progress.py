"""How far a build is, as running totals: reporting costs the same however many shards there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from preprocess.building.pool import Done
from preprocess.building.units import Unit


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is. done and total count images; `new` of those done were decoded by this build, in `seconds`."""

    done: int
    total: int
    new: int
    rejected: int
    seconds: float

    def describe(self) -> str:
        """Images done, images rejected, images/s and time left, in one line."""
        speed = self.new / self.seconds if self.seconds else 0.0
        left = f"{(self.total - self.done) / speed:.0f} s left" if speed else "starting"
        return f"preprocessing {self.done:,}/{self.total:,} images, {self.rejected:,} rejected, {speed:.0f} images/s, {left}"


Progress = Callable[[BuildProgress], None]


class Tally:
    """Running totals over the finished units of a build."""

    def __init__(self, units: list[Unit]) -> None:
        self._total = sum(len(unit.files) for unit in units)
        self._done = self.new = self.rejected = 0
        self._nodes: set[str] = set()
        self._shared_cpus = False

    def add(self, result: Done) -> None:
        """Count a finished unit."""
        images = len(result.unit.files)
        self._done += images
        self.new += images if result.fresh else 0
        self.rejected += len(result.built.rejected)
        self._nodes.add(result.node)
        self._shared_cpus |= result.shared_cpus

    def progress(self, seconds: float) -> BuildProgress:
        """How far the build is after `seconds`."""
        return BuildProgress(self._done, self._total, self.new, self.rejected, seconds)

    def log(self, seconds: float) -> dict[str, object]:
        """A summary of the build, for the file beside the manifest."""
        return {
            "seconds": round(seconds, 3),
            "images": self.new,
            "images_per_second": round(self.new / seconds, 1),
            "nodes": sorted(self._nodes),
            "shared_cpus": self._shared_cpus,
        }


def logged_speed(log: Mapping[str, Any]) -> float:
    """Images per second of a finished build, from its `Tally.log`; version 0.1.0 named the field pictures_per_second."""
    return float(log["images_per_second"] if "images_per_second" in log else log["pictures_per_second"])
