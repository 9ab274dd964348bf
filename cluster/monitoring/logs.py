"""Metrics and samples of a run, written behind the training: into its folder, or a mirror's if it lies in an object store."""

from collections.abc import Callable
from pathlib import Path

from cluster.config import Config
from cluster.monitoring.background import Background
from cluster.monitoring.object_store_sync import ObjectStoreSync
from cluster.monitoring.telemetry import MetricsLog
from cluster.paths import LogPaths
from cluster.worker.hooks import Hook, every, metrics, samples, tolerant
from ringcycle.storage.location import Location, is_remote


class Logs:
    """Of rank 0, which goes on at `step`. say: takes a line for the user when the storage fails. Raises OSError."""

    def __init__(self, run: Location, step: int, say: Callable[[str], object]) -> None:
        self._say = say
        self._mirror = ObjectStoreSync(run, say) if is_remote(run) else None
        self._paths = LogPaths(self._mirror.folder if self._mirror else Path(run))
        if self._mirror:
            self._mirror.fetch(self._paths.metrics.name)
        self._log = MetricsLog(self._paths.metrics, self._paths.events, step)
        self._background = Background(say)

    def hooks(self, config: Config) -> list[Hook]:
        """What writes metrics and samples when they are due."""
        losses = tolerant(metrics(self._log, config.global_batch), "metrics", self._say)
        images = tolerant(samples(self._log, self._paths.samples, config.model), "samples", self._say)
        return [
            every(config.run.log_every, self._background.later(losses)),
            every(config.run.sample_every, self._background.later(images)),
        ]

    def flush(self) -> None:
        """Wait until the storage has all that was due before. Raises OSError if an object store fails."""
        self._background.drain()
        if self._mirror:
            self._mirror.send()

    def close(self, seconds: float) -> None:
        """Write the rest, for at most so long; what a failing storage does not take is lost."""
        if not self._background.drain(seconds):
            self._say("the storage hangs: the last metrics and samples are lost")
            return
        self._log.close()
        if self._mirror:
            self._mirror.close(seconds)
