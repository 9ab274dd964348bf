"""What does augmentation cost a feed actor? Milliseconds of the processor per crop, by what is done to it.

    python -m benchmarks.augmentation [--size 286 --crop 256 --rounds 7]

A reader in this process takes chunks of crops from shards, as a feed actor does; ways alternate. Processor time hardly depends on what
else runs on the machine.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.images import photo
from preprocess.feed.plan import Plan, WorkerShare
from preprocess.feed.reader import Reader
from preprocess.images.colour_jitter import JitterStrengths
from preprocess.images.decoded_image import DecodedImage, ImageArray, to_channels, to_depth
from preprocess.shards.manifest import FORMAT, Manifest, Split
from preprocess.shards.shard_set import write_shard
from ringcycle.domains import TRAIN_SPLITS

IMAGES, CHUNK = 16, 16  # per domain; steps of a chunk
FORMATS = {"8 bits, colour": (3, 8), "16 bits, colour": (3, 16), "8 bits, grey": (1, 8)}
JITTERS = {
    "brightness": JitterStrengths(brightness=0.2),
    "contrast": JitterStrengths(contrast=0.2),
    "saturation": JitterStrengths(saturation=0.2),
    "hue": JitterStrengths(hue=0.05),
    "all of jitter": JitterStrengths(0.2, 0.2, 0.2, 0.05),
}


def write_shards(folder: Path, size: int, channels: int, bits: int) -> None:
    """Photo-like images of `size` x `size` pixels in both domains."""
    images: list[ImageArray] = [to_depth(to_channels(DecodedImage(photo(i, size, size), 3), channels), bits) for i in range(IMAGES)]
    splits = {}
    for split in TRAIN_SPLITS:
        file = write_shard(folder / f"{split}.arrow", [str(i) for i in range(IMAGES)], images)
        splits[split] = Split(count=IMAGES, shards=[file], smallest=(size, size), largest=(size, size))
    Manifest(
        format=FORMAT,
        fingerprint="",
        source="",
        preprocess="resize_and_crop",
        load_size=size,
        crop_size=None,
        dtype="uint8" if bits == 8 else "uint16",
        channels=(channels, channels),
        splits=splits,
        rejected=[],
        duplicates=[],
        near_constant=[],
    ).save(folder)


def plans(crop: int, coloured: bool) -> dict[str, Plan]:
    """What is done to the crops, by name."""
    base = Plan((IMAGES, IMAGES), seed=0, crop_size=(crop, crop), flip=True)
    jitters = {name: jitter for name, jitter in JITTERS.items() if coloured or not (jitter.saturation or jitter.hue)}
    turned = {"flip": base, "flip_vertical": replace(base, flip_vertical=True), "rotate": replace(base, rotate=True)}
    return {"nothing": replace(base, flip=False), **turned, **{name: replace(base, jitter=jitter) for name, jitter in jitters.items()}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=286, help="sides of the stored images")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    share = WorkerShare(rank=0, workers=1, batch=1)
    for title, (channels, bits) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            write_shards(Path(folder), given.size, channels, bits)
            ways = {name: Reader(Path(folder), plan, share) for name, plan in plans(given.crop, channels == 3).items()}
            spent: dict[str, list[float]] = {name: [] for name in ways}
            for reader in ways.values():
                reader.read(0, CHUNK)
            for number in range(given.rounds):
                for name, reader in ways.items():
                    begin = time.process_time()
                    reader.read(number * CHUNK, CHUNK)
                    spent[name].append((time.process_time() - begin) / (2 * CHUNK))
        print(f"\n{title}, {given.crop}×{given.crop}, ms of the processor per crop\n{'':16}{'minimum':>9}{'median':>9}")
        for name, times in spent.items():
            print(f"{name:16}{1e3 * min(times):9.3f}{1e3 * statistics.median(times):9.3f}")


if __name__ == "__main__":
    main()
