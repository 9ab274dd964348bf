"""Trainings on the embedded data, measured against its ground truth: what `rate_rules` and `rates` have in common."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "cluster/demo.toml"
FAULTS = {
    "inverted": re.compile(r"inverts light and dark"),
    "flat": re.compile(r"paints one even tone"),
    "dropped updates": re.compile(r"has no effect"),
    "rolled back": re.compile(r"rolling back to"),
}
"""What a training's lines tell, in words for the table."""


@dataclass(frozen=True)
class Outcome:
    """A finished or failed training. errors: mean absolute error of A→B and B→A over that of the unchanged image; none if it failed."""

    errors: tuple[float, ...]
    faults: tuple[str, ...]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of both benchmarks."""
    parser.add_argument("--images", type=int, default=4000, help="images of each domain that each training sees (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each setting (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="keep runs and results there, and take finished ones from there (default: a temporary one)"
    )


@contextmanager
def folder_of(given: argparse.Namespace) -> Iterator[Path]:
    """The folder that the user wants, or a temporary one."""
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        yield given.folder.absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def outcomes(folder: Path, name: str, settings: Mapping[str, object], others: Sequence[str], seeds: int) -> list[Outcome]:
    """Train `demo.toml` with one worker and these settings, once with each seed. others: further options of `cluster.train`."""
    return [_outcome(folder, f"{name}-seed-{seed}", {**settings, "train.seed": seed}, others) for seed in range(seeds)]


def cell(found: Sequence[Outcome]) -> str:
    """Median errors of both directions, their range, and what went wrong in how many trainings."""
    trained = [outcome.errors for outcome in found if outcome.errors]
    parts = [f"{statistics.median(way):.2f} ({min(way):.2f}–{max(way):.2f})" for way in zip(*trained, strict=True)]
    count = {fault: sum(fault in outcome.faults for outcome in found) for fault in (*FAULTS, "failed")}
    faults = [f"{number} {fault}" for fault, number in count.items() if number]
    return ", ".join([" / ".join(parts) or "–", *faults])


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """As Markdown, as RESULTS.md has it."""
    for line in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(line)} |", flush=True)


def _outcome(folder: Path, name: str, settings: Mapping[str, object], others: Sequence[str]) -> Outcome:
    kept, asked = folder / f"{name}.json", {**settings, "others": list(others)}
    if kept.is_file():
        found = json.loads(kept.read_text())
        if found["settings"] != asked:
            sys.exit(f"{kept} is of a training with other settings: give another --folder")
        return Outcome(tuple(found["errors"]), tuple(found["faults"]))
    print(f"training {name}", file=sys.stderr, flush=True)
    options = {"run.storage": folder, "run.name": name, "cluster.workers": 1, "evaluate.every": 0, "run.sample_every": 10**6, **settings}
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    code, lines = _run("cluster.train", "--config", str(CONFIG), *words, *others)
    faults = [fault for fault, pattern in FAULTS.items() if pattern.search(lines)]
    errors = _errors(folder, name) if code == 0 else ()
    outcome = Outcome(errors, (*faults, *([] if errors else ["failed"])))
    kept.write_text(json.dumps({**asdict(outcome), "settings": asked}))
    return outcome


def _errors(folder: Path, name: str) -> tuple[float, ...]:
    numbers = folder / f"{name}.measures.json"
    code, lines = _run("cyclegan.evaluate", "--checkpoint", str(folder / name), "--json", str(numbers), str(folder / "synthetic"))
    if code:
        sys.exit(lines)
    measures = json.loads(numbers.read_text())["measures"]
    return tuple(measures[f"truth_l1_{domain}"]["value"] / measures[f"unchanged_l1_{domain}"]["value"] for domain in "BA")


def _run(module: str, *arguments: str) -> tuple[int, str]:
    """Exit code, and all that it printed. A mistake in the options ends this process too."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "RAY_ADDRESS": "local"},
    )
    if done.returncode == 2:
        sys.exit(done.stdout)
    return done.returncode, done.stdout
