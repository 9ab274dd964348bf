"""Weak scaling: one worker against 2, 4 and 8 that exchange gradients, each on one pinned core; and a model's prediction for 64 nodes.

    python -m benchmarks.scaling [--batch 1 2] [--json scaling.json]

Links: loopback and, as root, one of 1 Gbit/s between two network namespaces. The processes for a link and a batch are alive together and
alternate between one worker alone, all without exchange, and all with each all-reduce dtype, so that ratios hold while the machine's speed
drifts. The exchange's processor time is what all with it use beyond all without it; waiting is the rest of the longer step.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.alpha_beta import Worker, efficiency
from benchmarks.limited_link import ADDRESSES, available, limited_link
from cluster.calibration.scale_out import ELEMENT_BYTES, ExchangeCost, Fleet

HERE = Path(__file__).parent
SMALL_ROUNDS = 20
MAX_WORKERS = 8
ONE, ALL = slice(1), slice(None)
NODES, WORKERS_PER_NODE, SPEEDUP = 64, 2, 6 * 0.85  # six cores per worker, assumed to lose 15 % against six single ones
BATCHES = (1, 2, 4, 8)
Figures = dict[str, list[float]]


class Group:
    """Workers that run the units named on their standard input, each on its own core."""

    def __init__(self, addresses: Sequence[str], prefixes: Sequence[Sequence[str]], options: Sequence[str]) -> None:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < len(addresses):
            sys.exit(f"error: {len(addresses)} workers need as many cores, there are {len(cores)}")
        ports = free_ports(len(addresses))
        peers = [f"{address}:{port}" for address, port in zip(addresses, ports, strict=True)]
        self.workers = []
        for rank in range(len(peers)):
            task = {"cluster": {"worker": peers}, "task": {"type": "worker", "index": rank}}
            command = [*prefixes[rank], sys.executable, "-m", "benchmarks.scaling_worker", "--core", str(cores[rank]), *options]
            environment = {**os.environ, "TF_CONFIG": json.dumps(task)}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.workers.append(subprocess.Popen(command, cwd=HERE.parent, env=environment, text=True, **pipes))  # type: ignore[call-overload]

    def wait(self) -> list[int]:
        """Wait until all are ready. Returns the numbers of elements of the generators' and the discriminators' vectors."""
        answers = [worker.stdout.readline() for worker in self.workers]
        if not all(answers):
            sys.exit("a worker did not start")
        return list(json.loads(answers[0]))

    def run(self, what: str, ranks: slice = ALL) -> tuple[float, float]:
        """The seconds of the slowest worker, and the mean of their core-seconds."""
        answers = self.ask(what, ranks)
        return max(seconds for seconds, _ in answers), sum(used for _, used in answers) / len(answers)

    def ask(self, what: str, ranks: slice = ALL) -> list[Any]:
        """Each worker's answer."""
        for worker in self.workers[ranks]:
            print(what, file=worker.stdin, flush=True)
        answers = [worker.stdout.readline() for worker in self.workers[ranks]]
        if not all(answers):
            sys.exit(f"a worker exited instead of running: {what}")
        return [json.loads(answer) for answer in answers]

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers:
            worker.kill()
            worker.wait()


def free_ports(count: int) -> list[int]:
    """Ports that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def measure(group: Group, rounds: int) -> Figures:
    """[seconds, core-seconds] of each way of running, minima over the rounds."""
    found: dict[str, list[tuple[float, float]]] = {}
    ways = {"one": ("alone", ONE), "without": ("alone", ALL), **{dtype: (dtype, ALL) for dtype in ELEMENT_BYTES}}
    ways["discriminator"] = ("discriminator", ONE)
    for _ in range(rounds):
        for name, (what, ranks) in ways.items():
            found.setdefault(name, []).append(group.run(what, ranks))
    found["small"] = [group.run("small") for _ in range(SMALL_ROUNDS)]
    return {name: [min(column) for column in zip(*values, strict=True)] for name, values in found.items()}


def report(name: str, figures: Figures) -> list[str]:
    """The lines of one part of the table."""
    one, without = figures["one"], figures["without"]
    lines = [f"{name}: one {one[0]:.3f} s, all without exchange {without[0]:.3f} s"]
    for dtype in ELEMENT_BYTES:
        seconds, used = figures[dtype]
        processor = used - without[1]
        lines.append(
            f"  {dtype:9} {seconds:.3f} s, efficiency {one[0] / seconds:.3f}; exchange: {processor:.3f} s of processor, "
            f"{max(0.0, seconds - without[0] - processor):.3f} s waiting"
        )
    return lines


def extrapolate(batch: int, figures: Figures, sizes: Sequence[int]) -> list[str]:
    """The modelled efficiency of 64 nodes of 12 cores, from figures on loopback. sizes: elements of both exchanged vectors."""
    lines = [f"model: {NODES} nodes of {WORKERS_PER_NODE} workers of 6 cores"]
    for gigabits in (10, 100):
        for dtype, width in ELEMENT_BYTES.items():
            copied = max(0.0, figures[dtype][1] - figures["without"][1]) / (width * sum(sizes))
            compute, beside = figures["without"][1] / batch, figures["discriminator"][1] / batch
            worker = Worker(compute, beside, ExchangeCost(latency=figures["small"][0] / 2, per_byte=copied))
            fleet = Fleet(NODES, WORKERS_PER_NODE, link=gigabits * 1e9 / 8)
            values = [f"{b}: {efficiency(worker, fleet, SPEEDUP, b, width * sizes[0], width * sizes[1]):.2f}" for b in BATCHES]
            lines.append(f"  {gigabits:3} Gbit/s, {dtype:9} efficiency by batch {', '.join(values)}")
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", default="1gbit", help="of the limited link, in the syntax of tc")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    links = [("loopback", count) for count in (2, 4, MAX_WORKERS) if count <= max(2, cores)] + [(given.rate, 2)] * available()
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="ringcycle-scaling-") as cache:
        for batch in given.batch:
            numbers = {"size": given.size, "filters": given.filters, "blocks": given.blocks, "batch": batch}
            options = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
            for link, count in links:
                name = f"{link}, {count} workers, batch {batch}"
                with ExitStack() as stack:
                    prefixes = stack.enter_context(limited_link(given.rate)) if link != "loopback" else [[]] * count
                    addresses = ADDRESSES if link != "loopback" else ["127.0.0.1"] * count
                    group = Group(addresses, prefixes, [*options, "--cache", cache])
                    stack.callback(group.close)
                    sizes = group.wait()
                    results[name] = measure(group, given.rounds)
                print(*report(name, results[name]), sep="\n", flush=True)
                if given.json:
                    given.json.write_text(json.dumps(results, indent=1))
    last = given.batch[-1]
    print(*extrapolate(last, results[f"loopback, 2 workers, batch {last}"], sizes), sep="\n")


if __name__ == "__main__":
    main()
