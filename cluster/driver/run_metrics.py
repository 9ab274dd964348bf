"""What Prometheus can ask about a training. Ray's agent on the driver's node exports it, with `ray_` before each name."""

import time
from collections.abc import Callable

from ray.util.metrics import Gauge

from cluster.monitoring.status import RunStatus

GAUGES = {
    "ringcycle_step": "steps finished",
    "ringcycle_steps": "step at which the training ends",
    "ringcycle_images_per_second": "images of both domains that steps take in per second",
    "ringcycle_data_wait_ratio": "share of the time that steps wait for images",
    "ringcycle_loss": "loss of the newest step, by name",
    "ringcycle_workers": "workers that are ready",
    "ringcycle_restarts": "restarts of the workers in this launch",
    "ringcycle_checkpoint_step": "step of the newest checkpoint",
    "ringcycle_checkpoint_timestamp_seconds": "Unix time at which this launch saved its newest checkpoint, at first that of its beginning",
}
"""Names, and what they mean. All have the label `run`, losses also `loss`."""


class RunMetrics:
    """The gauges of one run. clock: Unix time in seconds."""

    def __init__(self, run: str, clock: Callable[[], float] = time.time) -> None:
        self._run, self._clock = {"run": run}, clock
        self._gauges = {
            name: Gauge(name, text, tag_keys=("run", "loss") if name == "ringcycle_loss" else ("run",)) for name, text in GAUGES.items()
        }
        self._checkpoint: int | None = None
        self._set("restarts", 0)
        self._set("checkpoint_timestamp_seconds", clock())

    def update(self, status: RunStatus) -> None:
        """Export what the board shows. Until a restarted group trains again, its last progress stays."""
        self._set("workers", len(status.workers))
        self._set("restarts", status.attempt - 1)
        progress = status.progress
        if progress is None:
            return
        self._set("step", progress.step)
        self._set("steps", progress.steps)
        self._set("images_per_second", progress.images_per_second)
        self._set("data_wait_ratio", progress.wait)
        for loss, value in progress.losses.items():
            self._set("loss", value, loss=loss)
        self._set("checkpoint_step", progress.checkpoint)
        if progress.checkpoint != self._checkpoint:
            if self._checkpoint is not None:
                self._set("checkpoint_timestamp_seconds", self._clock())
            self._checkpoint = progress.checkpoint

    def _set(self, name: str, value: float, **labels: str) -> None:
        self._gauges[f"ringcycle_{name}"].set(value, tags={**self._run, **labels})
