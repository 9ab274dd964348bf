"""How much do regular checkpoints slow a training? The real step of `configs/faces.toml`, one worker, side by side.

    python -m benchmarks.checkpointing [--every 20 --rounds 7] [--folder ON_THE_DISK_TO_MEASURE] [--json checkpointing.json]

Phases of `--every` steps with and without a checkpoint alternate in one process; a checkpoint is requested at the beginning of its
phase and must be published before the phase ends, so that the phase includes its entire cost. Times are seconds.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

from cluster.checkpointing.checkpointer import CheckpointedRun, Checkpointer, GroupMember
from cluster.load_config import load_config
from cluster.worker.strategy import set_threads
from cyclegan.config import ImageFormat, ModelSpec
from cyclegan.training.image_pool import pool_draws
from cyclegan.training.passes import make_passes
from cyclegan.training.state import make_state
from cyclegan.training.step import make_step
from preprocess.images.size import sides_of

CONFIG = Path(__file__).parents[1] / "configs" / "faces.toml"


@dataclass(frozen=True)
class Phase:
    """Seconds of a phase. processor: of all threads. blocked: of the training thread in `save`. published: until all was on disk."""

    seconds: float
    processor: float
    blocked: float = 0.0
    published: float = 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=20, help="steps per phase")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of phases")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where checkpoints go (default: the temporary folder)")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        plain, saving, size = measure(Path(folder), given.every, given.rounds, given.threads)
    pairs = list(zip(saving, plain, strict=True))
    print(
        f"128×128, ResNet-6, batch 1, {given.threads} threads, {given.rounds} × {given.every} steps each, checkpoint of {size / 1e6:.0f} MB"
    )
    print(f"{'':12}{'minimum':>9}{'median':>9}{'maximum':>9}")
    for name, phases in (("without", plain), ("with", saving)):
        steps = [phase.seconds / given.every for phase in phases]
        print(f"{name:12}{min(steps):9.4f}{statistics.median(steps):9.4f}{max(steps):9.4f}  seconds per step")
    slower = statistics.median(one.seconds / other.seconds for one, other in pairs) - 1
    busier = statistics.median(one.processor / other.processor for one, other in pairs) - 1
    of_minima = min(phase.seconds for phase in saving) / min(phase.seconds for phase in plain) - 1
    print(f"slower by {slower:.2%} (median of pairs), {of_minima:.2%} (of the minima); processor time {busier:+.2%}")
    blocked, published = (statistics.median(getattr(phase, name) for phase in saving) for name in ("blocked", "published"))
    print(f"the step waits {blocked:.3f} s for the copy; published after {published:.2f} s")
    if given.json:
        content = {"without": [asdict(p) for p in plain], "with": [asdict(p) for p in saving], "bytes": size, "slower": slower}
        given.json.write_text(json.dumps(content, indent=1))


def measure(folder: Path, every: int, rounds: int, threads: int) -> tuple[list[Phase], list[Phase], int]:
    """Phases without and with checkpoints below `folder`, and the bytes of one checkpoint."""
    set_threads(threads)
    config = load_config(["--config", str(CONFIG), "--run.keep", "1"], {})
    images = ImageFormat()
    model = ModelSpec.of(config.model, images)
    state = make_state(model, config.train, sides_of(config.data.crop_size))
    step = make_step(make_passes(state, model, config.train))
    state.assign_initial(config.train.seed)
    rows = np.arange(config.train.batch)
    shape = (2, config.train.batch, *sides_of(config.data.crop_size), 3)
    real = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    checkpointer = Checkpointer(CheckpointedRun(folder, config, images, fingerprint=""), GroupMember(0, 1, "benchmark"), patience=60.0)
    position = 0

    def run_step() -> None:
        nonlocal position
        draws = tf.constant(pool_draws(0, position, rows, len(rows), config.train.pool_size))
        step(real, draws, tf.zeros(2), tf.constant(2e-4))[0].numpy()
        position += len(rows)

    def phase(saves: bool) -> Phase:
        begin, processor, blocked, published = time.perf_counter(), time.process_time(), 0.0, 0.0
        for number in range(every):
            if saves and number == 0:
                checkpointer.save(state, rows, position, position, None)
                blocked = time.perf_counter() - begin
            run_step()
            if saves and not published and not checkpointer.busy:
                published = time.perf_counter() - begin
        if fault := checkpointer.close(60.0):
            raise SystemExit(fault)
        seconds = time.perf_counter() - begin
        return Phase(seconds, time.process_time() - processor, blocked, published or seconds)

    for _ in range(3):
        run_step()
    plain: list[Phase] = []
    saving: list[Phase] = []
    for number in range(rounds):
        for saves in (False, True) if number % 2 else (True, False):
            (saving if saves else plain).append(phase(saves))
    size = sum(file.stat().st_size for file in folder.glob("step-*/*"))
    return plain, saving, size


if __name__ == "__main__":
    main()
