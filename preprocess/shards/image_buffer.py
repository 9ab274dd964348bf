"""Images one behind the other in memory that is used again: fresh pages cost more than the copies into them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]


class Memory:
    """Bytes that stay with a process, for one shard after another."""

    def __init__(self) -> None:
        self._pixels, self._file = np.empty(0, np.uint8), np.empty(0, np.uint8)

    def pixels(self, size: int) -> Bytes:
        """At least `size` bytes, with what is in them already."""
        if size > self._pixels.size:
            grown = np.empty(max(size, 2 * self._pixels.size), np.uint8)
            grown[: self._pixels.size] = self._pixels
            self._pixels = grown
        return self._pixels

    def file(self, size: int) -> Bytes:
        """Exactly `size` bytes."""
        if size > self._file.size:
            self._file = np.empty(size, np.uint8)
        return self._file[:size]


class ImageBuffer(Sequence[ImageArray]):
    """Images [H, W, C] of one dtype and one C. Those of an older one in the same memory are lost."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.channels = 0
        self._shapes: list[tuple[int, ...]] = []
        self._ends = [0]

    @classmethod
    def of(cls, images: Iterable[ImageArray]) -> Self:
        """Copies of these."""
        joined = cls()
        for image in images:
            joined.append(image)
        return joined

    def append(self, image: ImageArray) -> None:
        """Add a copy. Raises ValueError if its dtype or number of channels differs from the others'."""
        if not self._shapes:
            self.dtype, self.channels = image.dtype, image.shape[2]
        if (image.dtype, image.shape[2]) != (self.dtype, self.channels):
            raise ValueError("images of one shard differ in dtype or channels")
        start, end = self._ends[-1], self._ends[-1] + image.nbytes
        target = self.memory.pixels(end)[start:end].view(self.dtype).reshape(image.shape)
        np.copyto(target, image)
        self._shapes.append(image.shape)
        self._ends.append(end)

    def flat(self, rows: slice) -> Bytes:
        """The bytes of images start … stop - 1, without a copy."""
        return self.memory.pixels(0)[self._ends[rows.start] : self._ends[rows.stop]]

    def shapes(self, rows: slice) -> list[tuple[int, ...]]:
        """Their shapes."""
        return self._shapes[rows]

    def starts(self, rows: slice) -> npt.NDArray[np.int64]:
        """Where each of them begins in `flat`, and where the last one ends."""
        ends: npt.NDArray[np.int64] = np.array(self._ends[rows.start : rows.stop + 1], np.int64)
        ends -= ends[0]
        return ends

    def groups(self, most: int) -> Iterator[slice]:
        """Cut the images, in order, into groups of at most `most` bytes, at least one image each."""
        start = size = 0
        for row, nbytes in enumerate(end - begin for begin, end in zip(self._ends, self._ends[1:], strict=False)):
            if row > start and size + nbytes > most:
                yield slice(start, row)
                start, size = row, 0
            size += nbytes
        yield slice(start, len(self))

    def __len__(self) -> int:
        return len(self._shapes)

    @overload
    def __getitem__(self, row: int) -> ImageArray: ...

    @overload
    def __getitem__(self, row: slice) -> list[ImageArray]: ...

    def __getitem__(self, row: int | slice) -> ImageArray | list[ImageArray]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        shape = self._shapes[row]
        return self.flat(slice(row, row + 1)).view(self.dtype).reshape(shape)
