"""From the command to the first step: seconds of each part, with programs to compile (cold) and in the cache (warm).

    python -m benchmarks.start [--workers 1] [--rounds 3] [--before CHECKOUT] [--section.field VALUE …]

Trains `cluster/demo.toml` for a few steps on a terminal of its own and notes when each phase appears there. With --before, the commit
that is checked out there takes turns with this one, and the last column is its time over this one's. Further options are those of
`cluster.train`.
"""

import argparse
import os
import pty
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
CONFIG = HERE / "cluster/demo.toml"
STEPS = 5
MARKS = {
    "imports and configuration": r"starting Ray",
    "Ray": r"looking for shards|images \d+x",
    "shards and checks": r"starting workers",
    "group of workers": r"compiling",
    "programs": r"ready at step",
    "first step": r"(?<!ready at )step [1-9]",
    "end": r"goodput",
}
"""What ends each part of a start, as it appears on the screen."""
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="warm starts of each contender (default: %(default)s)")
    parser.add_argument("--before", type=Path, help="a checkout of another commit, which takes turns")
    given, others = parser.parse_known_args()
    if given.rounds < 1:
        parser.error("--rounds: give 1 or more")
    checkouts = [HERE, *([given.before.absolute()] if given.before else [])]
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--cluster.workers={given.workers}", f"--train.steps={STEPS}", "--evaluate.every=0", "--run.log_every=1", *others]
        cold: list[list[dict[str, float]]] = [[] for _ in checkouts]
        warm: list[list[dict[str, float]]] = [[] for _ in checkouts]
        _start(HERE, Path(folder) / "drawn", "shards", options)
        for number in range(given.rounds + 1):
            for place, (checkout, first, later) in enumerate(zip(checkouts, cold, warm, strict=True)):
                storage = Path(folder) / str(place)
                storage.mkdir(exist_ok=True)
                for shared in ("synthetic", "shards"):
                    if not (storage / shared).exists():
                        (storage / shared).symlink_to(Path(folder) / "drawn" / shared)
                (later if number else first).append(_start(checkout, storage, f"run-{number}", options))
    for name, found in (("cold", cold), ("warm", warm)):
        print(f"\n{name}, {given.workers} worker{'s' * (given.workers > 1)}, seconds (median of {len(found[0])})")
        medians = [{part: statistics.median(start[part] for start in starts) for part in starts[0]} for starts in found]
        for part in medians[0]:
            print(f"{part:28}" + "".join(f"{seconds[part]:9.1f}" for seconds in medians) + _ratio([seconds[part] for seconds in medians]))


def _start(checkout: Path, storage: Path, name: str, options: list[str]) -> dict[str, float]:
    """Seconds of each part of one start."""
    cache = storage / "programs"
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = {"run.storage": storage, "run.name": name, "cluster.compile_cache": cache}
    arguments = [f"--{field}={value}" for field, value in names.items()]
    command = [sys.executable, "-m", "cluster.train", "--config", str(CONFIG), *arguments, *options]
    print(f"{checkout.name}: {name}", file=sys.stderr, flush=True)
    began = time.monotonic()
    process, screen = pty.fork()
    if not process:
        try:
            os.chdir(checkout)
            os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": str(checkout), "RAY_ADDRESS": "local", "COLUMNS": "200"})
        finally:
            os._exit(127)
    seen, text = dict[str, float](), b""
    while chunk := _read(screen):
        text += chunk
        shown = ESCAPES.sub(b"", text).decode(errors="replace")
        for part, mark in MARKS.items():
            if part not in seen and re.search(mark, shown):
                seen[part] = time.monotonic() - began
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) or list(seen) != list(MARKS):
        sys.exit(ESCAPES.sub(b"", text).decode(errors="replace"))
    times = [0.0, *seen.values()]
    parts = {part: after - before for part, before, after in zip(seen, times, times[1:], strict=False)}
    return {**parts, "until the first step": seen["first step"]}


def _read(screen: int) -> bytes:
    """What appeared; nothing once the process has ended, which Linux reports as an error."""
    try:
        return os.read(screen, 2**16)
    except OSError:
        return b""


def _ratio(seconds: list[float]) -> str:
    return f"{seconds[1] / seconds[0]:9.2f}" if len(seconds) > 1 else ""


if __name__ == "__main__":
    main()
