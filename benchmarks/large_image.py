"""An image that is too large for memory: how long do its strips take, in what memory, on how much disk? Do they equal the whole?

    python -m benchmarks.large_image [--width 8000 --height 6000 --filters 32 --blocks 9 --memory 2GiB] [--whole]

The image is read from a PNG file and its translation written to one, as by `cyclegan.translate`; weights are initial ones. --whole
then computes it at once too, where memory suffices, and compares, in 16 bits.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cyclegan.import_tensorflow import tensorflow_environment

os.environ |= tensorflow_environment(3)
import numpy as np
from PIL import Image

from benchmarks.images import photo
from cyclegan.config import ModelSpec
from cyclegan.inference.files import write_image
from cyclegan.inference.generator_checkpoint import GeneratorCheckpoint
from cyclegan.inference.translator import Translator
from cyclegan.networks.flat_parameters import FlatParameters
from cyclegan.networks.shapes import generator_shapes
from preprocess.images.decode import ImageArray, decode
from ringcycle.options import byte_size

MIB = 2**20


class DiskMeter:
    """Counts strips, and remembers the most bytes in this process's nameless files."""

    most = 0

    @contextmanager
    def __call__(self, total: int, _name: str) -> Iterator[Callable[[], None]]:
        """See `cyclegan.inference.progress.Meter`."""
        print(f"{total} strips", flush=True)
        yield self._look

    def _look(self) -> None:
        descriptors = Path("/proc/self/fd")
        names = [name for name in os.listdir(descriptors) if os.path.lexists(descriptors / name)]  # one was of the listing itself
        nameless = [name for name in names if os.readlink(descriptors / name).endswith("(deleted)")]
        self.most = max(self.most, sum(os.fstat(int(name)).st_blocks * 512 for name in nameless))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("--width", 8000), ("--height", 6000), ("--filters", 32), ("--blocks", 9)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    spec = ModelSpec(filters=given.filters, blocks=given.blocks, bits=16 if given.whole else 8)
    trained = GeneratorCheckpoint("initial", 0, spec, FlatParameters(generator_shapes(spec)).initial(0))
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        Image.fromarray(photo(0, given.width, given.height)).save(image, compress_level=1)
        disk = DiskMeter()
        strips = translated(image, trained, byte_size("--memory", given.memory), disk)
        print(f"files of at most {disk.most / MIB:,.0f} MiB", flush=True)
        if given.whole:
            whole = translated(image, trained, 2**60, disk)
            print(f"largest difference {np.abs(strips.astype(int) - whole).max():,} of 65,535, standard deviation {np.std(whole):,.0f}")


def translated(image: Path, trained: GeneratorCheckpoint, memory: int, disk: DiskMeter) -> ImageArray:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start, processor = time.perf_counter(), time.process_time()
    result = Translator(trained, "AtoB", memory, disk)(decode(image))
    middle = time.perf_counter()
    with image.with_name("result.png").open("wb") as file:
        write_image(result, ".png", file)
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print(
        f"{middle - start:.1f} s (processor {time.process_time() - processor:.1f} s), written in {time.perf_counter() - middle:.1f} s; "
        f"peak memory {int(status['VmHWM'].split()[0]) / 1024:,.0f} MiB, of at most {memory / MIB:,.0f}",
        flush=True,
    )
    return result


if __name__ == "__main__":
    main()
