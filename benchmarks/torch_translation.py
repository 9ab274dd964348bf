"""The PyTorch side of `benchmarks.translate`: a folder of images through the reference's generator, on demand.

Needs torch, NumPy and Pillow. Files are decoded and written by threads beside the computation, as ours are, which the reference does not
do. Prints `ready` after a warm-up, then the seconds for the folder for each line on standard input.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch._inductor.config
from PIL import Image
from torch_peer import generator


def read(path: Path) -> torch.Tensor:
    """Decode to [3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
    return pixels.permute(2, 0, 1) / 127.5 - 1


def write(image: torch.Tensor, path: Path) -> None:
    """Write a result [3, H, W] in [-1, 1] as PNG."""
    pixels = ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    Image.fromarray(pixels.contiguous().numpy()).save(path)


def main() -> None:
    """Warm up, then translate the folder for each line on standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("source", "out"):
        parser.add_argument(name, type=Path)
    for name in ("filters", "blocks", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("channels-last", "compile", "freeze"):
        parser.add_argument(f"--{name}", action="store_true")
    given = parser.parse_args()
    layout = torch.channels_last if given.channels_last else torch.contiguous_format
    torch._inductor.config.freezing = given.freeze  # weights become constants, packed for its convolutions
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    net = generator(given.filters, given.blocks).eval().to(memory_format=layout)
    if given.compile or given.freeze:
        net = torch.compile(net)
    files = sorted(given.source.iterdir())
    pool = ThreadPoolExecutor(4)

    def run() -> float:
        begin = time.perf_counter()
        reading = [pool.submit(read, file) for file in files]
        writing = []
        for first in range(0, len(files), given.batch):
            names = files[first : first + given.batch]
            batch = torch.stack([future.result() for future in reading[first : first + given.batch]]).to(memory_format=layout)
            writing += [pool.submit(write, y, given.out / f"{name.stem}.png") for y, name in zip(net(batch), names, strict=True)]
        for future in writing:
            future.result()
        return time.perf_counter() - begin

    with torch.inference_mode():
        run()
        print("ready", flush=True)
        for _ in sys.stdin:
            print(run(), flush=True)


if __name__ == "__main__":
    main()
