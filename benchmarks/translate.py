"""Folders of images side by side: ours, ours one by one as before, and PyTorch's variants; then two actors of `cluster.translate` and one.

    python -m benchmarks.translate --torch-python /path/to/python/with/torch [--size 256 --images 16] [--json translate.json]
    python -m benchmarks.translate --actors

All contenders are alive at once and translate the folder in turn, so that ratios hold while the machine's speed drifts. From files to
files: decoding JPEG and writing PNG included, loading and compiling not. Besides seconds, processor time counts, which other work on
the machine disturbs less. PyTorch's variants get batches of 1 and of 8.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import ray

from benchmarks.images import write_images
from benchmarks.step import HERE, Contender
from cluster.translation.actor import TranslationActor
from cluster.translation.placement import spread
from cyclegan.config import ModelSpec
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.job_translator import IN_FLIGHT, TranslationSettings
from cyclegan.inference.scale import Scale
from cyclegan.inference.translation_plan import Size, Speed, plan_jobs, shapes_of
from ringcycle.ray_start import start_ray

WAYS = {
    "eager": [],
    "channels last": ["--channels-last"],
    "compiled": ["--compile"],
    "channels last, compiled": ["--channels-last", "--compile"],
    "channels last, compiled, frozen": ["--channels-last", "--freeze"],
}


@dataclass
class Folder(Contender):
    """A contender that translates a folder for each input line."""

    processor: list[float] = field(default_factory=list)

    def step(self) -> None:
        """Translate it; record seconds and processor seconds."""
        before = self._processor()
        super().step()
        self.processor.append(self._processor() - before)

    def _processor(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="interpreter that has torch")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="variants of PyTorch")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8], help="of PyTorch")
    parser.add_argument("--actors", action="store_true", help="two actors of cluster.translate against one, a core each")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringcycle-") as temporary:
        source, out = Path(temporary) / "source", Path(temporary) / "out"
        write_images(source, given.images, given.size, given.size)
        out.mkdir()
        found = actors(given, source / "trainA", out) if given.actors else folders(given, source / "trainA", out)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


def folders(given: argparse.Namespace, source: Path, out: Path) -> dict[str, list[float]]:
    """Seconds of each contender's rounds."""
    entered = contenders(given, source, out)
    for contender in entered:
        contender.start()
        contender.forget_peak()
    for number in range(given.rounds):
        for contender in entered:
            contender.step()
            print(f"round {number + 1}: {contender.name} {given.images / contender.seconds[-1]:.3f} images/s", file=sys.stderr, flush=True)
    ours, count = entered[0], given.images
    sizes = f"{given.size}×{given.size}, {given.filters} filters, {given.blocks} blocks, {count} images"
    print(f"{sizes}, {given.threads} threads, {given.rounds} rounds; images/s, and processor seconds per image")
    print(f"{'':50}{'minimum':>9}{'median':>9}{'maximum':>9}{'ratio':>7}{'processor':>11}{'ratio':>7}{'MiB':>8}")
    for contender in entered:
        speeds = sorted(count / seconds for seconds in contender.seconds)
        shown = f"{speeds[0]:9.3f}{statistics.median(speeds):9.3f}{speeds[-1]:9.3f}{ratio(contender.seconds, ours.seconds):7.2f}"
        processor = statistics.median(contender.processor) / count
        print(f"{contender.name:50}{shown}{processor:11.3f}{ratio(contender.processor, ours.processor):7.2f}{contender.peak():8,}")
    peers = [contender for contender in entered if contender.name.startswith("PyTorch")]
    for what, by in (("images/s", "seconds"), ("processor time", "processor")) if peers else ():
        best = min(peers, key=lambda peer: statistics.median(getattr(peer, by)))
        print(f"ours: {ratio(getattr(best, by), getattr(ours, by)):.2f} times as fast as the best of PyTorch ({best.name}), by {what}")
    return {contender.name: contender.seconds for contender in entered}


def contenders(given: argparse.Namespace, source: Path, out: Path) -> list[Folder]:
    """Ours first, then ours without XLA, then PyTorch's variants if an interpreter is given."""
    sizes = [str(word) for word in ("--filters", given.filters, "--blocks", given.blocks, "--threads", given.threads)]
    ours = [sys.executable, "-m", "benchmarks.our_translation", str(source), str(out), *sizes, "--size", str(given.size)]
    result = [Folder("ours", ours), Folder("ours, one by one", [*ours, "--eager"])]
    if given.torch_python:
        torch = [given.torch_python, str(HERE / "torch_translation.py"), str(source), str(out), *sizes]
        for way in given.ways:
            result += [Folder(f"PyTorch, {way}, batch {batch}", [*torch, *WAYS[way], "--batch", str(batch)]) for batch in given.batches]
    return result


def ratio(theirs: list[float], ours: list[float]) -> float:
    """Median of the ratios of pairs."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def actors(given: argparse.Namespace, source: Path, out: Path) -> dict[str, list[float]]:
    """Seconds of one actor and of two, on a core each, in turn."""
    start_ray()
    node = ray.get_runtime_context().get_node_id()
    model = ModelSpec(filters=given.filters, blocks=given.blocks)
    trained = GeneratorCheckpoint("none", 1, model, initial_weights(model))
    settings = ray.put(TranslationSettings(trained, "AtoB", Scale("native"), 64))
    files = [(file, out / f"{file.stem}.png") for file in sorted(source.iterdir())]
    jobs = plan_jobs([Size(given.size, given.size, 8)] * len(files), model, 1, Speed(compile_seconds=0, compile_seconds_per_block=0))
    kind = ray.remote(TranslationActor).options(num_cpus=1, max_concurrency=IN_FLIGHT + 1)
    both = [kind.remote(settings, shapes_of(jobs), seat) for seat in spread([(node, 2)], 2)]

    def run(some: list[Any]) -> float:
        begin, left, calls = time.perf_counter(), deque(jobs), dict[Any, Any]()
        free = some * IN_FLIGHT
        while left or calls:
            while left and free:
                job, actor = left.popleft(), free.pop(0)
                calls[actor.translate.remote([files[i] for i in job.images], job.shape)] = actor
            (done,), _ = ray.wait(list(calls))
            ray.get(done)
            free.append(calls.pop(done))
        return time.perf_counter() - begin

    ray.get([actor.translate.remote([files[i] for i in jobs[0].images], jobs[0].shape) for actor in both])
    speeds: dict[str, list[float]] = {"1 actor": [], "2 actors": []}
    for _ in range(given.rounds):
        speeds["1 actor"].append(len(files) / run(both[:1]))
        speeds["2 actors"].append(len(files) / run(both))
    for name, found in speeds.items():
        print(f"{name}: {min(found):.3f} / {statistics.median(found):.3f} / {max(found):.3f} images/s")
    print(f"two actors: {ratio(speeds['2 actors'], speeds['1 actor']):.2f} times the images/s of one")
    return speeds


def initial_weights(model: ModelSpec) -> npt.NDArray[np.float32]:
    """As a training begins. TensorFlow is imported here only."""
    from cyclegan.networks.flat_parameters import FlatParameters
    from cyclegan.networks.shapes import generator_shapes

    return FlatParameters(generator_shapes(model)).initial(0)


if __name__ == "__main__":
    main()
