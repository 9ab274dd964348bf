"""Folders of runs as a training leaves them: real files, made by code. Numbers are drawn, images are stripes."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from cluster.load_config import as_toml, load_config
from cluster.paths import CONFIG, EVALUATIONS, GOODPUT, METRICS, SAMPLES
from cluster.reporting.launches import AttemptEntry, LaunchEntry, WorkerEntry, write_launches
from tests.cyclegan.made_checkpoint import write_checkpoint

BEGAN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
WORKERS = [WorkerEntry(rank=rank, host="10.0.0.1", device="AMD EPYC 9354", cores=2, programs=4, hits=4) for rank in range(2)]


def make_run(
    folder: Path, steps: int = 2000, every: int = 10, seed: int = 0, images: Sequence[int] = (500, 1000, 1500), options: Sequence[str] = ()
) -> Path:
    """Everything a run of this version has: metrics, evaluations with standard errors, grids, a checkpoint, launches with a restart."""
    folder.mkdir(parents=True)
    config = load_config(["--train.steps", str(steps), "--run.name", "made", "--data.source", "images", *options], {})
    (folder / CONFIG).write_text(as_toml(config))
    write_metrics(folder, steps, every, seed)
    random = np.random.default_rng(seed)
    write_evaluations(folder, {step: 90 - 20 * i + float(random.normal(0, 5)) for i, step in enumerate(images)})
    write_samples(folder, images)
    write_checkpoint(folder, step=steps)
    write_launches(folder, launches(steps))
    recovery = {"cause": "worker 1 died", "seconds": 27.5, "repeated_steps": 40, "parts": {}}
    goodput = {"total": 4000.0, "useful": 3600.0, "repeated_steps": 40, "attempts": 2, "lost": {}, "recoveries": [recovery]}
    (folder / GOODPUT).write_text(json.dumps(goodput))
    return folder


def write_metrics(folder: Path, steps: int, every: int = 10, seed: int = 0) -> None:
    random, lines = np.random.default_rng(seed), []
    for step in range(every, steps + 1, every):
        noise = random.lognormal(0, 0.3, 10)
        fall = 0.3 + np.exp(-3 * step / steps)
        losses = {
            "G_AB": 0.4,
            "G_BA": 0.45,
            "cycle_B": 4.0 * fall,
            "cycle_A": 3.5 * fall,
            "identity_A": 2.0 * fall,
            "identity_B": 2.2 * fall,
        }
        values = {**losses, "D_B": 0.2, "D_A": 0.22, "images_per_second": 12.0}
        noisy = {name: value * float(factor) for (name, value), factor in zip(values.items(), noise, strict=False)}
        rate = 2e-4 * min(1.0, 2 - 2 * step / steps)
        lines.append(json.dumps({"step": step, **noisy, "learning_rate": rate, "wait_for_data": float(random.beta(1, 60))}))
    (folder / METRICS).write_text("".join(line + "\n" for line in lines))


def write_evaluations(folder: Path, kid: Mapping[int, float]) -> None:
    lines = []
    for step, value in kid.items():
        values = {f"kid{suffix}": value / 1000 * factor for suffix, factor in (("", 1.0), ("_A", 1.2), ("_B", 0.8))}
        others = {f"sliced_wasserstein{suffix}": value for suffix in ("", "_A", "_B")}
        cycle = {"cycle_l1": 0.08, "cycle_l1_A": 0.07, "cycle_l1_B": 0.09, "cycle_psnr_A": 21.0, "cycle_psnr_B": 20.0}
        errors = {**{f"kid{suffix}": 0.004 for suffix in ("", "_A", "_B")}, "cycle_l1": 0.002, "cycle_l1_A": 0.003}
        lines.append(json.dumps({"step": step, "images": [64, 60], **values, **others, **cycle, "standard_errors": errors}))
    (folder / EVALUATIONS).write_text("".join(line + "\n" for line in lines))


def write_samples(folder: Path, steps: Sequence[int], size: int = 32, batch: int = 1) -> None:
    """Grids of 3 columns and 2 × batch rows, as `telemetry.grid` makes them."""
    (folder / SAMPLES).mkdir(exist_ok=True)
    for i, step in enumerate(steps):
        pixels = np.zeros((2, batch, size, 3, size, 3), np.uint8)
        pixels[0, :, :, :, ::4, 0] = pixels[1, :, ::4, :, :, 2] = 255
        pixels[:, :, :, 1, :, 1] = 255 * (i + 1) // len(steps)
        Image.fromarray(pixels.reshape(2 * batch * size, 3 * size, 3)).save(folder / SAMPLES / f"step-{step:08d}.png")
        Image.new("RGB", (400, 120), (20, 40 + i, 120)).save(folder / SAMPLES / f"held-out-{step:08d}.png")


def launches(steps: int) -> list[LaunchEntry]:
    """One that was stopped after a lost worker, and one that finished."""

    def attempt(number: int, minutes: tuple[float, float], reached: int, cause: str, resumed: int = 0) -> AttemptEntry:
        began, until = (BEGAN + timedelta(minutes=at) for at in minutes)
        entered = {"compiling": 8.0, "restoring": 30.0, "training": 31.0, "stepped": 33.0}
        lasted = 60 * (minutes[1] - minutes[0])
        return AttemptEntry(
            number=number,
            began=began,
            until=until,
            entered=entered,
            resumed_step=resumed,
            reached_step=reached,
            trained_seconds=lasted - 33,
            cause=cause,
            workers=WORKERS,
        )

    third, half = steps // 3, steps // 2
    first = [attempt(1, (0, 20), third, "worker 1 died"), attempt(2, (21, 34), half, "stopped", third - 40)]
    second = [attempt(1, (90, 130), steps, "finished", half)]
    return [
        LaunchEntry(began=BEGAN, until=BEGAN + timedelta(minutes=35), steps=steps, outcome="stopped", attempts=first),
        LaunchEntry(
            began=BEGAN + timedelta(minutes=90), until=BEGAN + timedelta(minutes=131), steps=steps, outcome="finished", attempts=second
        ),
    ]
