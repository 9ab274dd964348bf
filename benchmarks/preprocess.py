"""Building and feeding side by side with peers, on the same images and cores: images per second, more is better.

    python -m benchmarks.preprocess [--torch-python /path/to/python/with/torch] [--json preprocess.json]

All contenders of a table are alive at once and take passes in turn, so that the ratios hold while the machine's speed drifts.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.images import write_images
from benchmarks.step import HERE, Contender
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet
from ringcycle.domains import TRAIN_SPLITS

LOAD_SIZE, CROP = 286, 256
SIZES = ((256, 256, 8000), (512, 384, 5000), (2048, 1536, 400))  # width, height and number of the source's images
OUT = {"ours": "shards", "pillow": "npy", "tf.data": "records"}


def measure(contenders: list[Contender], rounds: int) -> None:
    """Start all contenders, let them take `rounds` passes in turn, and end them."""
    for contender in contenders:
        contender.start()
    for _ in range(rounds):
        for contender in contenders:
            contender.step()
    for contender in contenders:
        assert contender.process.stdin is not None
        contender.process.stdin.close()
        contender.process.wait()


def show(title: str, contenders: list[Contender], images: int) -> dict[str, float]:
    """Print images/s of each, and how ours compares: the median over rounds of the ratio. Returns the rates of the fastest rounds."""
    print(f"\n{title}\n{'images/s':30}{'best':>9}{'median':>9}{'worst':>9}{'ours is':>12}")
    for contender in contenders:
        ratio = statistics.median(theirs / own for theirs, own in zip(contender.seconds, contenders[0].seconds, strict=True))
        rates = [images / seconds for seconds in sorted(contender.seconds)]
        print(f"{contender.name:30}{rates[0]:9,.0f}{statistics.median(rates):9,.0f}{rates[-1]:9,.0f}{ratio:11.2f}x", flush=True)
    return {contender.name: images / min(contender.seconds) for contender in contenders}


def build(work: Path, width: int, height: int, count: int, rounds: int, cores: int) -> dict[str, float]:
    """Ours, Pillow and tf.data on images of one size; the shards stay in `work`."""
    source = work / f"{width}x{height}"
    write_images(source, count // 2, width, height)
    sizes = ["--load-size", str(LOAD_SIZE), "--cores", str(cores)]
    contenders = [
        Contender(way, [sys.executable, "-m", "benchmarks.build_ways", way, str(source), str(work / OUT[way]), *sizes]) for way in OUT
    ]
    measure(contenders, rounds)
    return show(f"build: {count} JPEG files of {width}×{height} to {LOAD_SIZE}×{LOAD_SIZE}, {cores} cores", contenders, count)


def feed(work: Path, torch_python: str | None, batch: int, images: int, rounds: int, cores: int) -> dict[str, float]:
    """Ours with one actor and with one per core, tf.data and torch's DataLoader, on the shards in `work`."""
    sizes = ["--batch", str(batch), "--crop", str(CROP), "--images", str(images), "--cores", str(cores)]
    command = [sys.executable, "-m", "benchmarks.feed_ways"]
    shards = str(work / "shards")
    contenders = [
        Contender("ours, 1 actor", [*command, "ours", shards, *sizes]),
        Contender(f"ours, {cores} actors", [*command, "ours", shards, "--actors", str(cores), *sizes]),
        Contender("tf.data, TFRecords of pixels", [*command, "tf.data raw", shards, *sizes]),
        Contender("tf.data, TFRecords of JPEG", [*command, "tf.data jpeg", shards, *sizes]),
    ]
    if torch_python:
        contenders.append(Contender("torch DataLoader, pixels", [torch_python, str(HERE / "torch_loader.py"), str(work), *sizes]))
    measure(contenders, rounds)
    return show(f"feed: {CROP}×{CROP} crops in batches of {batch}, {cores} cores", contenders, images)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="interpreter that has torch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--feed-images", type=int, default=6000, help="images per pass")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for width, height, count in SIZES:
            results[f"build {width}x{height}"] = build(work, width, height, count, given.rounds, cores)
        _as_arrays(work)
        for batch in (1, 8):
            results[f"feed batch {batch}"] = feed(work, given.torch_python, batch, given.feed_images, given.rounds, cores)
        paced = ["ours 20/s", str(work / "shards"), "--batch", "1", "--crop", str(CROP), "--images", "200", "--cores", str(cores)]
        slow = Contender("20 images/s", [sys.executable, "-m", "benchmarks.feed_ways", *paced])
        measure([slow], given.rounds)
    share = statistics.median(slow.seconds) / cores
    print(f"\nfeeding 20 images/s takes {share:.2%} of {cores} cores")
    results["cores for 20 images/s"] = share
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


def _as_arrays(work: Path) -> None:
    """The images of the shards as .npy files, for torch."""
    manifest = Manifest.load(work / "shards")
    for name in TRAIN_SPLITS:
        images = ShardSet(work / "shards", manifest.splits[name])
        np.save(work / f"{name}.npy", np.stack([images.image(i) for i in range(len(images))]))


if __name__ == "__main__":
    main()
