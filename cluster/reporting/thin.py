"""Long curves with fewer points: what a chart of some hundred pixels can show of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]


def thin(columns: Sequence[Column], spans: int) -> npt.NDArray[np.intp]:
    """Rows to keep of columns of one length: the first, the last, and of each of `spans` equal parts the extremes of each column.

    At most 2 × len(columns) × spans + 2 rows, in order. Values that are not finite count only where a part has nothing else.
    """
    rows = len(columns[0]) if columns else 0
    if rows <= 2 * len(columns) * spans + 2:
        return np.arange(rows)
    kept = {0, rows - 1}
    for start, end in zip(*_edges(rows, spans), strict=True):
        for column in columns:
            part = column[start:end]
            known = np.isfinite(part)
            if not known.any():
                kept.add(int(start))
                continue
            kept.add(int(start + np.where(known, part, np.inf).argmin()))
            kept.add(int(start + np.where(known, part, -np.inf).argmax()))
    return np.array(sorted(kept), np.intp)


def smooth(column: Column, window: int) -> Column:
    """The centred mean over `window` rows, fewer at the ends and where values are not finite; NaN where none is."""
    known = np.isfinite(column)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, column, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    rows = np.arange(len(column))
    start, end = np.maximum(rows - window // 2, 0), np.minimum(rows + window // 2 + 1, len(column))
    count = counts[end] - counts[start]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, (sums[end] - sums[start]) / count, np.nan)


def stride(count: int, most: int) -> list[int]:
    """Which of `count` things to show: at most `most`, evenly, the last one included. As the count grows, few choices change."""
    step = 1
    while -(-count // step) > most - 1 and step < count:
        step *= 2
    chosen = list(range(0, count, step))
    return chosen if count == 0 or chosen[-1] == count - 1 else [*chosen, count - 1]


def _edges(rows: int, spans: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    edges = np.linspace(0, rows, spans + 1).astype(np.int64)
    return edges[:-1], edges[1:]
