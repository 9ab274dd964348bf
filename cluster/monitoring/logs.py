"""Metrics and samples of a run, written in the background into its folder, or into a folder that is synced to its object store."""

import logging
from pathlib import Path

from cluster.config import Config
from cluster.monitoring.background import Background
from cluster.monitoring.object_store_sync import ObjectStoreSync
from cluster.monitoring.step_info import Hook, StepInfo, every
from cluster.monitoring.telemetry import MetricsLog, grid
from cluster.paths import LogPaths
from cyclegan.config import ImageFormat
from ringcycle.storage.location import Location, is_remote

log = logging.getLogger(__name__)


class Logs:
    """Runs on rank 0, which trains from `step`. A failing storage causes warnings and lost entries. Raises OSError."""

    def __init__(self, run: Location, step: int) -> None:
        self._sync = ObjectStoreSync(run) if is_remote(run) else None
        self._paths = LogPaths(self._sync.folder if self._sync else Path(run))
        if self._sync:
            self._sync.fetch(self._paths.metrics.name)
        self._log = MetricsLog(self._paths.metrics, self._paths.events, step)
        self._background = Background()

    def hooks(self, config: Config, images: ImageFormat) -> list[Hook]:
        """What writes metrics and samples when they are due."""
        losses = tolerant(metrics(self._log, config.global_batch), "metrics")
        grids = tolerant(samples(self._log, self._paths.samples, images), "samples")
        return [
            every(config.run.log_every, self._background.later(losses)),
            every(config.run.sample_every, self._background.later(grids)),
        ]

    def flush(self) -> None:
        """Wait until the storage has everything that was due so far. Raises OSError if an object store fails."""
        self._background.drain()
        if self._sync:
            self._sync.send()

    def close(self, seconds: float) -> None:
        """Write the rest, for at most `seconds`; what a failing storage does not accept by then is lost."""
        if not self._background.drain(seconds):
            log.warning("the storage hangs: the last metrics and samples are lost")
            return
        self._log.close()
        if self._sync:
            self._sync.close(seconds)


def metrics(log: MetricsLog, global_batch: int) -> Hook:
    """Writes losses, learning rate and speed into the log."""

    def write(info: StepInfo) -> None:
        log.scalars(
            info.step,
            {
                **info.losses,
                "learning_rate": info.rate,
                "images_per_second": 2 * global_batch / info.seconds,
                "wait_for_data": info.waited / info.seconds,
            },
        )

    return write


def samples(log: MetricsLog, folder: Path, images: ImageFormat) -> Hook:
    """Writes a grid of the step's own images, as a file and into the log."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(info: StepInfo) -> None:
        image = grid(info.real, info.fake.numpy(), info.cycled.numpy(), (images.channels_a, images.channels_b))
        image.save(folder / f"step-{info.step:08d}.png")
        log.image(info.step, "real, fake, cycled", image)

    return write


def tolerant(hook: Hook, what: str) -> Hook:
    """`hook`, except that failing storage does not stop the training: the first failure, and the first after a success, is logged."""
    failing = False

    def attempt(info: StepInfo) -> None:
        nonlocal failing
        try:
            hook(info)
            failing = False
        except OSError as error:
            if not failing:
                fact = f"{error.strerror or error}: {error.filename}"
                log.warning(f"{what} of step {info.step:,} are lost ({fact}); training continues")
            failing = True

    return attempt
