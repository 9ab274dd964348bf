"""Where the time of a training step goes, by kind of work, from XLA's own trace of one worker.

    python -m benchmarks.step_profile [--size 256 --blocks 9] [--json profile.json]

The seconds of all kinds add up to the step: what runs at the same time shares it. In float32; exchanges between workers are
in `benchmarks.overlap`.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import our_step
from benchmarks.hlo_kinds import KINDS, dot_operations, kinds
from benchmarks.sizes import add_sizes
from benchmarks.span import Span
from benchmarks.step_trace import traced_operations
from benchmarks.time_shares import time_shares
from cyclegan.training.hlo_report import dump_options

IDLE = "between operations"


def main() -> None:
    """Trace and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_sizes(parser)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--steps", type=int, default=5, help="that are traced, each after one that is not")
    parser.add_argument("--upsample", choices=("transposed", "resize"), default="transposed")
    parser.add_argument("--convolution", choices=("auto", "plain"), default="auto")
    parser.add_argument("--json", type=Path)
    parser.set_defaults(generator="resnet", norm="instance", precision="float32", remat=False, graph=False)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringcycle-profile-") as folder:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {dump_options(Path(folder))}"
        run = our_step.warm_step(given)
        modules = _modules(Path(folder))
        kind_of = {name: kinds(module) for name, module in modules.items()}
        plain, rows = [], []
        for number in range(2, 2 + 2 * given.steps, 2):
            plain.append(run(number))
            rows.append(_seconds(traced_operations(partial(run, number)), kind_of))
    mean = {kind: sum(row[kind] for row in rows) / len(rows) for kind in (*KINDS, IDLE)}
    flops: Counter[str] = Counter()
    for name, module in modules.items():
        for dot, number in dot_operations(module).items():
            flops[kind_of[name][dot]] += number
    _print(mean, flops, median(plain))
    if given.json:
        given.json.write_text(json.dumps({"seconds": mean, "flop": flops, "untraced": plain}, indent=2) + "\n")


def _modules(folder: Path) -> dict[str, Any]:
    """The optimised programs by name."""
    from tensorflow.compiler.xla.service import hlo_pb2

    files = folder.glob("*_inference_*.cpu_after_optimizations.hlo.pb")
    found = [hlo_pb2.HloProto.FromString(file.read_bytes()).hlo_module for file in files]
    return {module.name: module for module in found}


def _seconds(operations: list[tuple[str, Span]], kind_of: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    """Seconds by kind, from the first operation's begin to the last one's end. kind_of: by program and operation."""
    named = [span._replace(name=kind) for program, span in operations if (kind := kind_of.get(program, {}).get(span.name))]
    shares = time_shares(named)
    whole = max(span.end for span in named) - min(span.begin for span in named)
    return {**dict.fromkeys(KINDS, 0.0), **shares, IDLE: whole - sum(shares.values())}


def _print(mean: Mapping[str, float], flops: Mapping[str, int], untraced: float) -> None:
    whole = sum(mean.values())
    print("| | ms | share | GFLOP/s of products |\n| --- | --- | --- | --- |")
    for kind, seconds in sorted(mean.items(), key=lambda entry: -entry[1]):
        rate = f"{flops[kind] / seconds / 1e9:.0f}" if flops.get(kind) and seconds else ""
        print(f"| {kind} | {1000 * seconds:.0f} | {seconds / whole:.1%} | {rate} |")
    print(f"| **a step** | {1000 * whole:.0f} | | |\n\nWithout a trace, a step takes {1000 * untraced:.0f} ms.")


if __name__ == "__main__":
    main()
