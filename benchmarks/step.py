"""One full step of all four networks side by side: ours, ours with TensorFlow's own convolutions, and PyTorch's variants.

    python -m benchmarks.step --torch-python /path/to/python/with/torch [--size 128 --blocks 6] [--precision bfloat16] [--json step.json]

All contenders are alive at once and take steps in turn, so that the ratios hold while the machine's speed drifts. Times are seconds;
memory is the peak resident size after the warm-up, in MiB. The share of the peak is the time that direct convolution would need at the
speed of a matrix product, divided by the time taken; with fewer operations it may exceed 100 %. With --precision bfloat16, PyTorch
computes in bfloat16, and ours both in bfloat16 and in float32.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.operations import PRODUCT, step_operations
from benchmarks.sizes import add_sizes

HERE = Path(__file__).parent
WAYS = {"eager": [], "channels-last": ["--channels-last"], "compiled": ["--compile"], "both": ["--channels-last", "--compile"]}


@dataclass
class Contender:
    """A process that takes one step for each input line."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it and wait for the end of its warm-up."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=HERE.parent
        )
        if self._answer() != "ready":
            sys.exit(f"{self.name} did not start: {' '.join(self.command)}")

    def step(self) -> None:
        """Take one step and record its time."""
        assert self.process.stdin is not None
        print(file=self.process.stdin, flush=True)
        self.seconds.append(float(self._answer()))

    def forget_peak(self) -> None:
        """Measure the peak of memory from now on, leaving out compiling."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The peak resident size since then, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def contenders(given: argparse.Namespace) -> list[Contender]:
    """Ours first, then PyTorch's variants if an interpreter is given."""
    sizes = ["--size", given.size, "--filters", given.filters, "--blocks", given.blocks, "--batch", given.batch, "--threads", given.threads]
    sizes += ["--generator", given.generator, "--norm", given.norm, "--upsample", given.upsample]
    sizes = [str(word) for word in sizes]
    ours = [sys.executable, "-m", "benchmarks.our_step", *sizes]
    own = {
        "ours": [],
        "ours, bfloat16": ["--precision", "bfloat16"],
        "ours, plain convolutions": ["--convolution", "plain"],
        "ours, plain, without XLA": ["--convolution", "plain", "--graph"],
        **({"ours, model.remat": ["--remat"], "ours, resize": ["--upsample", "resize"]} if given.generator == "resnet" else {}),
    }
    chosen = {"ours", *(["ours, bfloat16"] if given.precision == "bfloat16" else []), *(own if given.own_ways else [])}
    result = [Contender(name, [*ours, *options]) for name, options in own.items() if name in chosen]
    if given.torch_python:
        torch = [given.torch_python, str(HERE / "torch_peer.py"), *sizes, *(["--bfloat16"] if given.precision == "bfloat16" else [])]
        result += [Contender(f"PyTorch {given.precision}, {name}", [*torch, *WAYS[name]]) for name in given.ways]
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="interpreter that has torch")
    add_sizes(parser)
    parser.add_argument("--generator", choices=("resnet", "unet_128", "unet_256"), default="resnet")
    parser.add_argument("--norm", choices=("instance", "batch", "none"), default="instance")
    parser.add_argument("--upsample", choices=("transposed", "resize"), default="transposed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="variants of PyTorch; all of them may need too much memory"
    )
    parser.add_argument("--own-ways", action="store_true", help="all variants of ours: bfloat16, model.remat, resize, plain, without XLA")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    entered = contenders(given)
    product = Contender("matrix product", [sys.executable, "-m", "benchmarks.matrix_product", "--threads", str(given.threads)])
    for contender in (*entered, product):
        contender.start()
    for contender in entered:
        contender.forget_peak()
    for _ in range(given.rounds):
        for contender in (*entered, product):
            contender.step()
    peak = PRODUCT / min(product.seconds)
    needed = step_operations(given.size, given.filters, given.blocks, given.batch, given.generator)
    ours = entered[0]
    kind = f"{given.blocks} blocks" if given.generator == "resnet" else given.generator
    sizes = f"{given.size}×{given.size}, {given.filters} filters, {kind}, {given.norm} norm, {given.upsample}, batch {given.batch}"
    print(f"{sizes}, {given.threads} threads, {given.rounds} rounds")
    print(f"{'':34}{'minimum':>9}{'median':>9}{'maximum':>9}{'ratio to ours':>16}{'memory':>9}{'of peak':>9}")
    for contender in entered:
        ratio = statistics.median(theirs / own for theirs, own in zip(contender.seconds, ours.seconds, strict=True))
        least, middle, longest = min(contender.seconds), statistics.median(contender.seconds), max(contender.seconds)
        share = needed / least / peak
        print(f"{contender.name:34}{least:9.3f}{middle:9.3f}{longest:9.3f}{ratio:16.2f}{contender.peak():9,}{share:9.0%}")
    print(f"{needed / 1e9:.0f} GFLOP per step by direct convolution; one matrix product: {peak / 1e9:.0f} GFLOP/s")
    peers = [contender for contender in entered if contender.name.startswith("PyTorch")]
    if peers:
        best = min(peers, key=lambda peer: statistics.median(peer.seconds))
        for own in (contender for contender in entered if contender not in peers):
            ratio = statistics.median(theirs / mine for theirs, mine in zip(best.seconds, own.seconds, strict=True))
            print(f"{own.name}: {ratio:.2f} times as fast as the best of PyTorch ({best.name})")
    if given.json:
        given.json.write_text(json.dumps({contender.name: contender.seconds for contender in entered}, indent=1))


if __name__ == "__main__":
    main()
