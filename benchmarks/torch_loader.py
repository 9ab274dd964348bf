"""torch's DataLoader, with the protocol of `benchmarks.feed_ways`; needs torch and NumPy only.

Images are two memory-mapped .npy files [count, size, size, 3], so that nothing is decoded; one process per core reads, crops, mirrors
and collates, as in the reference's unaligned data set.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler


class Unaligned(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Image i of domain A with a random one of domain B."""

    def __init__(self, folder: Path, crop: int) -> None:
        self.domains = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("trainA", "trainB")]
        self.crop = crop

    def __len__(self) -> int:
        return len(self.domains[0])

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = self.domains
        return self._cut(a[i]), self._cut(b[int(torch.randint(len(b), ()))])

    def _cut(self, image: np.ndarray) -> torch.Tensor:
        top, left, flip = (int(torch.randint(n, ())) for n in (image.shape[0] - self.crop + 1, image.shape[1] - self.crop + 1, 2))
        square = torch.from_numpy(np.array(image[top : top + self.crop, left : left + self.crop]))
        return square.flip(1) if flip else square


def main() -> None:
    """One pass per input line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("batch", "crop", "images", "cores"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = Unaligned(given.folder, given.crop)
    endless = RandomSampler(data, replacement=True, num_samples=10**9)
    batches = iter(DataLoader(data, given.batch, sampler=endless, num_workers=given.cores, prefetch_factor=4))
    next(batches)
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        for _ in range(given.images // (2 * given.batch)):
            next(batches)
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
