"""Does the memory of building and feeding stay flat? Peaks at N and at 10 N images, in MiB.

    python -m benchmarks.preprocess_memory [--images 500]

Only anonymous memory counts, which the kernel cannot reclaim. Mapped shards are file pages, which it drops when it needs room.
"""

import argparse
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import ray

from benchmarks.images import write_images
from preprocess.building.shard_folder import build
from preprocess.config import DataConfig
from preprocess.feed.feed import Feed
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.shards.manifest import Manifest
from preprocess.sources.layouts import Source
from ringcycle.ray_start import start_ray

MIB = 2**20


def anonymous(pid: int) -> int:
    """Bytes of a process's anonymous memory; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def peaks(act: Callable[[], object], name: str) -> tuple[float, float]:
    """Run `act`. Returns the peak anonymous memory of this process, and of any of its actors called `name`, in MiB."""
    done = threading.Event()
    highest = [0, 0]

    def watch() -> None:
        while not done.wait(0.05):
            highest[0] = max(highest[0], anonymous(os.getpid()))
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if child.name().startswith(f"ray::{name}"):
                        highest[1] = max(highest[1], anonymous(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        act()
    finally:
        done.set()
        watcher.join()
    return highest[0] / MIB, highest[1] / MIB


def read_all(shards: Path) -> None:
    """One epoch through a feed of one actor."""
    splits = Manifest.load(shards).splits
    plan = Plan((splits["trainA"].count, splits["trainB"].count), seed=0, crop_size=(256, 256), flip=True)
    with Feed(shards, plan, WorkerShare(rank=0, workers=1, batch=1), position=0, end=plan.epoch_length) as feed:
        deque(feed, maxlen=0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500, help="N, per domain")
    given = parser.parse_args()
    os.environ["RAY_ADDRESS"] = "local"
    start_ray()
    print(f"{'images':>9}{'build: driver':>16}{'actor':>8}{'feed: trainer':>16}{'actor':>8}")
    for count in (given.images, 10 * given.images):
        with tempfile.TemporaryDirectory() as folder:
            source, shards = Path(folder) / "source", Path(folder) / "shards"
            write_images(source, count, 128, 128)
            config = DataConfig(source=str(source), shard_mb=16)
            built = peaks(partial(build, Source(str(source)), shards, config), "Builder")
            fed = peaks(partial(read_all, shards), "FeedActor")
            print(f"{2 * count:9,}{built[0]:16.0f}{built[1]:8.0f}{fed[0]:16.0f}{fed[1]:8.0f}", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
