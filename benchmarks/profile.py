"""Where the time of a training step goes, by kind of work, from XLA's own trace of one worker.

    python -m benchmarks.profile [--size 256 --blocks 9] [--json profile.json]

The seconds of all kinds add up to the step: what runs at the same time shares it. In float32; exchanges between workers are
in `benchmarks.overlap`.
"""

import argparse
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks import our_step
from benchmarks.hlo_kinds import KINDS, dot_operations, kinds
from benchmarks.span import Span
from benchmarks.step_trace import traced_operations
from benchmarks.time_shares import time_shares
from cyclegan.training.hlo_report import dump_options

IDLE = "between operations"


def main() -> None:
    """Trace and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(psutil.Process().cpu_affinity() or []) or os.cpu_count())
    parser.add_argument("--steps", type=int, default=5, help="that are traced, each after one that is not")
    parser.add_argument("--upsample", choices=("transposed", "resize"), default="transposed")
    parser.add_argument("--convolution", choices=("auto", "plain"), default="auto")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(
        namespace=argparse.Namespace(generator="resnet", norm="instance", precision="float32", remat=False, graph=False)
    )
    with tempfile.TemporaryDirectory(prefix="ringcycle-profile-") as folder:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {dump_options(Path(folder))}"
        run = our_step.warm_step(given)
        modules = _modules(Path(folder))
        plain, rows = [], []
        for number in range(2, 2 + 2 * given.steps, 2):
            plain.append(run(number))
            rows.append(_seconds(traced_operations(lambda number=number: run(number)), modules))
    mean = {kind: sum(row[kind] for row in rows) / len(rows) for kind in (*KINDS, IDLE)}
    flops = _operations_by_kind(modules)
    _print(mean, flops, median(plain))
    if given.json:
        given.json.write_text(json.dumps({"seconds": mean, "flop": flops, "untraced": plain}, indent=2) + "\n")


def _modules(folder: Path) -> dict[str, Any]:
    """The optimised programs by name."""
    from tensorflow.compiler.xla.service import hlo_pb2

    files = folder.glob("*_inference_*.cpu_after_optimizations.hlo.pb")
    found = [hlo_pb2.HloProto.FromString(file.read_bytes()).hlo_module for file in files]
    return {module.name: module for module in found}


def _seconds(operations: list[tuple[str, Span]], modules: dict[str, Any]) -> dict[str, float]:
    """Seconds by kind, from the first operation's begin to the last one's end."""
    by_module = {name: kinds(module) for name, module in modules.items()}
    named = [Span(span.begin, span.end, kind) for module, span in operations if (kind := by_module.get(module, {}).get(span.name))]
    shares = time_shares(named)
    whole = max(span.end for span in named) - min(span.begin for span in named)
    return {**dict.fromkeys(KINDS, 0.0), **shares, IDLE: whole - sum(shares.values())}


def _operations_by_kind(modules: dict[str, Any]) -> dict[str, float]:
    """Floating-point operations of the matrix products of a step, by kind."""
    total: Counter[str] = Counter()
    for module in modules.values():
        kind = kinds(module)
        for name, number in dot_operations(module).items():
            total[kind[name]] += int(number)
    return dict(total)


def _print(mean: dict[str, float], flops: dict[str, float], untraced: float) -> None:
    whole = sum(mean.values())
    print("| | ms | share | GFLOP/s of products |\n| --- | --- | --- | --- |")
    for kind, seconds in sorted(mean.items(), key=lambda entry: -entry[1]):
        rate = f"{flops[kind] / seconds / 1e9:.0f}" if flops.get(kind) and seconds else ""
        print(f"| {kind} | {1000 * seconds:.0f} | {seconds / whole:.1%} | {rate} |")
    print(f"| **a step** | {1000 * whole:.0f} | | |\n\nWithout a trace, a step takes {1000 * untraced:.0f} ms.")


if __name__ == "__main__":
    main()
