"""Mean and variance of each channel over pixels that arrive piece by piece."""

import numpy as np
import numpy.typing as npt

PIECE = 2**17  # numbers that are converted to float64 at once, so that they stay in a core's cache


class ChannelMoments:
    """Exact to rounding in float64, however large the mean is against the deviation.

    Pieces are merged by their means and sums of squared deviations (Chan, Golub and LeVeque, "Algorithms for Computing the Sample
    Variance", 1983); differences of sums of squares would cancel.
    """

    def __init__(self, channels: int) -> None:
        self.mean = np.zeros(channels)
        self._pixels = 0
        self._squares = np.zeros(channels)

    @property
    def variance(self) -> npt.NDArray[np.float64]:
        """Of the population: divided by the number of pixels."""
        return self._squares / self._pixels

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Take in pixels [..., C], contiguous."""
        channels = len(self.mean)
        pixels = values.reshape(-1, channels)
        step = max(1, PIECE // channels)
        for start in range(0, len(pixels), step):
            self._merge(pixels[start : start + step].astype(np.float64))

    def _merge(self, piece: npt.NDArray[np.float64]) -> None:
        count = len(piece)
        mean = piece.mean(0)
        piece -= mean
        difference = mean - self.mean
        total = self._pixels + count
        self._squares += np.einsum("nc,nc->c", piece, piece) + difference**2 * (self._pixels * count / total)
        self.mean += difference * (count / total)
        self._pixels = total
