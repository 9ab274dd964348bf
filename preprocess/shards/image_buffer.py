"""Images back to back in memory that is reused: faulting in fresh pages costs more than the copies into them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

from preprocess.images.decoded_image import ImageArray

Bytes = npt.NDArray[np.uint8]


class ScratchMemory:
    """Memory that a process reuses for one shard after another; it grows when needed and never shrinks."""

    def __init__(self) -> None:
        self._pixels, self._file = np.empty(0, np.uint8), np.empty(0, np.uint8)

    def pixels(self, size: int) -> Bytes:
        """At least `size` bytes, which keep their content when the memory grows."""
        if size > self._pixels.size:
            grown = np.empty(max(size, 2 * self._pixels.size), np.uint8)
            grown[: self._pixels.size] = self._pixels
            self._pixels = grown
        return self._pixels

    def file(self, size: int) -> Bytes:
        """Exactly `size` bytes; their content is lost when the memory grows."""
        if size > self._file.size:
            self._file = np.empty(size, np.uint8)
        return self._file[:size]


class ImageBuffer(Sequence[ImageArray]):
    """Images [H, W, C] of one dtype and one C. A new buffer in the same memory overwrites the images of the previous one."""

    def __init__(self, memory: ScratchMemory | None = None) -> None:
        self.memory = memory or ScratchMemory()
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)
        self.channels = 0
        self._shapes: list[tuple[int, ...]] = []
        self._ends = [0]

    @classmethod
    def of(cls, images: Iterable[ImageArray]) -> Self:
        """A buffer with copies of these images. Raises ValueError as `append`."""
        buffer = cls()
        for image in images:
            buffer.append(image)
        return buffer

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

    def flat(self, which: slice) -> Bytes:
        """The bytes of the images start … stop - 1, without a copy."""
        return self.memory.pixels(0)[self._ends[which.start] : self._ends[which.stop]]

    def shapes(self, which: slice) -> list[tuple[int, ...]]:
        """The shapes of these images."""
        return self._shapes[which]

    def starts(self, which: slice) -> npt.NDArray[np.int64]:
        """Where each of these images begins in `flat`, and where the last one ends."""
        ends: npt.NDArray[np.int64] = np.array(self._ends[which.start : which.stop + 1], np.int64)
        ends -= ends[0]
        return ends

    def groups(self, most: int) -> Iterator[slice]:
        """Cut the images, in order, into groups of at most `most` bytes, but at least one image each."""
        start = size = 0
        for i, nbytes in enumerate(end - begin for begin, end in zip(self._ends, self._ends[1:], strict=False)):
            if i > start and size + nbytes > most:
                yield slice(start, i)
                start, size = i, 0
            size += nbytes
        yield slice(start, len(self))

    def __len__(self) -> int:
        return len(self._shapes)

    @overload
    def __getitem__(self, which: int) -> ImageArray: ...

    @overload
    def __getitem__(self, which: slice) -> list[ImageArray]: ...

    def __getitem__(self, which: int | slice) -> ImageArray | list[ImageArray]:
        if isinstance(which, slice):
            return [self[i] for i in range(*which.indices(len(self)))]
        shape = self._shapes[which]
        return self.flat(slice(which, which + 1)).view(self.dtype).reshape(shape)
