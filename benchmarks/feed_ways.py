"""Ways to feed one trainer, one process each: prints `ready`, then, for each input line, the seconds of a pass of `--images` crops.

All read the same stored images of both domains in random order, crop and mirror them at random, and end with a batch in the
trainer's memory; ours includes the copy that TensorFlow makes. "ours 20/s" takes 20 crops per second and prints processor seconds
per second: those of the trainer and the actors, beyond what the same processes use while nothing is read.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from preprocess.feed.feed import Feed, FeedSettings
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.images.size import sides_of
from preprocess.shards.manifest import Manifest
from preprocess.shards.shard_set import ShardSet
from ringcycle.domains import TRAIN_SPLITS
from ringcycle.ray_start import start_ray

AHEAD = 16  # batches that tf.data prepares ahead; more changes nothing
SHUFFLE = 64  # records in tf.data's shuffle buffer: it holds them all in memory


def ours(shards: Path, batch: int, crop: int, actors: int, cores: int) -> Feed:
    """The feed of one worker, with `actors` actors."""
    # By default Ray's workers yield (niceness 15) to whatever else this machine does; the peers would not.
    os.environ.update(RAY_ADDRESS="local", RAY_worker_niceness="0")
    start_ray(num_cpus=cores)
    manifest = Manifest.load(shards)
    plan = Plan((manifest.splits["trainA"].count, manifest.splits["trainB"].count), seed=0, crop_size=(crop, crop), flip=True)
    return Feed(shards, plan, WorkerShare(rank=0, workers=1, batch=batch), position=0, end=None, settings=FeedSettings(actors=actors))


def tf_data(shards: Path, batch: int, crop: int, cores: int, jpeg: bool) -> Iterator[Any]:
    """tf.data reading TFRecords of raw pixels, or of JPEG at quality 95, as in most tutorials."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)
    stored = sides_of(Manifest.load(shards).load_size)

    def domain(name: str) -> Any:
        path = shards.parent / f"{name}-{'jpeg' if jpeg else 'raw'}.tfrecord"
        images = ShardSet(shards, Manifest.load(shards).splits[name])
        with tf.io.TFRecordWriter(str(path)) as file:
            for i in range(len(images)):
                pixels = images.image(i)
                file.write(tf.io.encode_jpeg(pixels, quality=95).numpy() if jpeg else pixels.tobytes())

        def image(record: Any) -> Any:
            pixels = tf.io.decode_jpeg(record, channels=3) if jpeg else tf.reshape(tf.io.decode_raw(record, tf.uint8), (*stored, 3))
            return tf.image.random_flip_left_right(tf.image.random_crop(pixels, (crop, crop, 3)))

        return tf.data.TFRecordDataset(str(path)).repeat().shuffle(SHUFFLE).map(image, num_parallel_calls=cores, deterministic=False)

    both = tf.data.Dataset.zip(tuple(domain(name) for name in TRAIN_SPLITS)).batch(batch, drop_remainder=True)
    options = tf.data.Options()
    options.threading.private_threadpool_size = cores
    return iter(both.prefetch(AHEAD).with_options(options))


def paced(feed: Feed, per_second: float, batch: int, images: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Processor seconds per second that trainer and actors use for `per_second` crops, beyond those when idle."""
    processes = [psutil.Process(), *(psutil.Process(pid) for pid in feed.pids())]

    def used(seconds: float, take: int) -> float:
        before = sum(sum(process.cpu_times()[:2]) for process in processes)
        begin = clock()
        for step in range(take):
            time.sleep(max(0.0, begin + step * seconds / take - clock()))
            np.copy(next(feed))
        time.sleep(max(0.0, begin + seconds - clock()))
        return (sum(sum(process.cpu_times()[:2]) for process in processes) - before) / (clock() - begin)

    seconds = images / per_second
    idle = used(seconds, 0)
    return used(seconds, images // (2 * batch)) - idle


def main() -> None:
    """One pass per input line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("ours", "ours 20/s", "tf.data raw", "tf.data jpeg"))
    parser.add_argument("shards", type=Path)
    parser.add_argument("--actors", type=int, default=1)
    for name in ("batch", "crop", "images", "cores"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    if given.way.startswith("ours"):
        feed = ours(given.shards, given.batch, given.crop, given.actors, given.cores)
        take: Callable[[], Any] = lambda: np.copy(next(feed))  # noqa: E731
    else:
        batches = tf_data(given.shards, given.batch, given.crop, given.cores, jpeg=given.way.endswith("jpeg"))
        take = lambda: next(batches)  # noqa: E731
    take()
    print("ready", flush=True)
    for _ in sys.stdin:
        if given.way == "ours 20/s":
            print(paced(feed, 20, given.batch, given.images), flush=True)
            continue
        begin = time.perf_counter()
        for _ in range(given.images // (2 * given.batch)):
            take()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
