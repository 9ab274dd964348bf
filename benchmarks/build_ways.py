"""Ways to turn a source into stored images of one size, one process each.

Prints `ready`, then, for each input line, the seconds of a pass, which begins with JPEG files and ends with all pixels on disk.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from preprocess.building.shard_folder import build
from preprocess.config import DataConfig
from preprocess.sources.layouts import Source
from ringcycle.ray_start import start_ray


def ours(source: Path, out: Path, load_size: int, cores: int) -> Callable[[], None]:
    """`preprocess.build` with an actor per core: decode, check, resize as Pillow does, write shards with checksums, sync."""
    # By default Ray's workers yield (niceness 15) to whatever else this machine does; the peers would not.
    os.environ.update(RAY_ADDRESS="local", RAY_worker_niceness="0")
    start_ray(num_cpus=cores)
    config = DataConfig(source=str(source), load_size=load_size, crop_size=24, build_actors=cores)

    def run() -> None:
        shutil.rmtree(out, ignore_errors=True)
        build(Source(str(source)), out, config)

    return run


def pillow(source: Path, out: Path, load_size: int) -> Callable[[], None]:
    """A loop in one process: decode and resize as the reference does, save each image to a file."""

    def run() -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for number, path in enumerate(_paths(source)):
            pixels = np.asarray(Image.open(path).convert("RGB").resize((load_size, load_size), Image.Resampling.BICUBIC))
            np.save(out / f"{number}.npy", pixels)

    return run


def tf_data(source: Path, out: Path, load_size: int, cores: int) -> Callable[[], None]:
    """tf.data on all cores: decode_jpeg, resize as TensorFlow does by default (bilinear, no antialiasing), save TFRecords."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)

    def image(path: tf.Tensor) -> tf.Tensor:
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.io.serialize_tensor(tf.cast(tf.image.resize(pixels, (load_size, load_size)), tf.uint8))

    def run() -> None:
        paths = tf.data.Dataset.from_tensor_slices([str(path) for path in _paths(source)])
        with tf.io.TFRecordWriter(str(out)) as file:
            for record in paths.map(image, num_parallel_calls=cores).prefetch(16):
                file.write(record.numpy())

    return run


def main() -> None:
    """One pass per input line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=("ours", "pillow", "tf.data"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--load-size", type=int, required=True)
    parser.add_argument("--cores", type=int, required=True)
    given = parser.parse_args()
    if given.way == "ours":
        run = ours(given.source, given.out, given.load_size, given.cores)
    elif given.way == "pillow":
        run = pillow(given.source, given.out, given.load_size)
    else:
        run = tf_data(given.source, given.out, given.load_size, given.cores)
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        run()
        print(time.perf_counter() - begin, flush=True)


def _paths(source: Path) -> Iterator[Path]:
    return (path for split in ("trainA", "trainB") for path in sorted((source / split).iterdir()))


if __name__ == "__main__":
    main()
