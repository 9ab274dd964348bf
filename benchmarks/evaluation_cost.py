"""How much do evaluations of held-out images slow the steps beside which they run? One training, one worker on some of the cores.

    python -m benchmarks.evaluation_cost [--cores 1] [--steps 600] [--every 150] [--json evaluation_cost.json] [--section.field VALUE …]

Each evaluation begins when a checkpoint is due, and ends before the next one: steps beside an evaluation and steps without one alternate.
Compares the medians of their durations, which the training records itself. Further options are those of `cluster.train`.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

WARM_UP = 20  # steps after the start that do not count
TOOK = re.compile(r"held-out images at step .* took (\d+):(\d\d)$")
Window = tuple[float, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1, help="CPUs of the worker; the others are spare")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=150, help="steps between evaluations")
    parser.add_argument("--json", type=Path)
    given, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        windows = train(Path(folder), given, others)
        steps = durations(Path(folder) / "runs/run/events")
    beside = [seconds for at, seconds in steps if any(begin <= at <= end for begin, end in windows)]
    alone = [seconds for at, seconds in steps if not any(begin - 1 <= at <= end + 1 for begin, end in windows)]
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"{len(windows)} evaluations of {', '.join(f'{end - begin:.0f}' for begin, end in windows)} s")
    print(f"{'steps':24}{'number':>8}{'minimum':>9}{'median':>9}{'maximum':>9}")
    for name, found in (("without an evaluation", alone), ("beside an evaluation", beside)):
        print(f"{name:24}{len(found):8}{min(found):9.4f}{statistics.median(found):9.4f}{max(found):9.4f}")
    print(f"ratio of medians {ratio:.3f}")
    if given.json:
        given.json.write_text(json.dumps({"beside": beside, "alone": alone, "windows": windows, "ratio": ratio}))


def train(folder: Path, given: argparse.Namespace, others: list[str]) -> list[Window]:
    """Train on the embedded images; returns when evaluations ran, in seconds of the wall clock, to the second."""
    options = {
        "run.storage": folder / "runs",
        "run.name": "run",
        "cluster.workers": 1,
        "cluster.cpus_per_worker": given.cores,
        "train.steps": given.steps,
        "run.checkpoint_every": given.every,
        "evaluate.every": given.every,
        "run.log_every": 1,
        "run.sample_every": 10**6,
    }
    command = [sys.executable, "-m", "cluster.train", "--data.source", "synthetic"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))] + others
    windows: list[Window] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "RAY_ADDRESS": "local"}) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := TOOK.search(line):
                windows.append((time.time() - 60 * int(found[1]) - int(found[2]), time.time()))
    if process.returncode:
        sys.exit(process.returncode)
    return windows


def durations(events: Path) -> list[tuple[float, float]]:
    """Time at the end, and seconds, of each step."""
    accumulator = EventAccumulator(str(events), size_guidance={"scalars": 0}).Reload()
    return [(event.wall_time, 2 / event.value) for event in accumulator.Scalars("images_per_second")[WARM_UP:]]


if __name__ == "__main__":
    main()
