"""Which offsets of one range have been seen, and which of them more than once: one bit for each.

A range of 1,000,000,000 offsets takes 125 MB, however many of them are seen, and in whatever order.
"""

import numpy as np
from numpy.typing import NDArray

WINDOW = 1 << 20
"""Offsets that are looked at together, so that what is needed besides the bits is bounded."""


class SeenOffsets:
    """The offsets [start_offset, end_offset) of one partition, each marked as it is seen."""

    def __init__(self, start_offset: int, end_offset: int) -> None:
        if not 0 <= start_offset <= end_offset:
            raise ValueError(f"[{start_offset}, {end_offset}) is not a range: needs 0 <= start <= end")
        self._start_offset = start_offset
        self._count = end_offset - start_offset
        self._bits = np.zeros((self._count + 7) // 8, np.uint8)
        self._distinct_count = 0

    @property
    def distinct_count(self) -> int:
        """How many different offsets were marked."""
        return self._distinct_count

    def mark(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Mark offsets, in any order; returns those that were marked before, or come once more.

        Raises ValueError for an offset outside of the range; some may be marked then.
        """
        windows = [offsets[first : first + WINDOW] for first in range(0, len(offsets), WINDOW)]
        return np.concatenate([np.empty(0, np.int64), *map(self._mark_window, windows)])

    def _mark_window(self, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        places = np.sort(offsets - self._start_offset, kind="stable")  # which costs little where they rise
        if places[0] < 0 or places[-1] >= self._count:
            raise ValueError(f"offsets {offsets.min()} to {offsets.max()} are not all of the range")
        octets = places >> 3
        masks = np.left_shift(np.uint8(1), (places & 7).astype(np.uint8))
        is_again = (self._bits[octets] & masks) != 0
        is_again[1:] |= places[1:] == places[:-1]
        firsts = np.flatnonzero(np.diff(octets, prepend=-1))
        self._bits[octets[firsts]] |= np.bitwise_or.reduceat(masks, firsts)
        self._distinct_count += len(places) - int(np.count_nonzero(is_again))
        again: NDArray[np.int64] = places[is_again] + self._start_offset
        return again

    def unseen(self, most: int) -> list[tuple[int, int]]:
        """The first stretches of offsets not marked, at most so many: (start, end), end exclusive."""
        stretches: list[tuple[int, int]] = []
        begun: int | None = None
        for first in range(0, self._count, WINDOW):
            count = min(WINDOW, self._count - first)
            octets = self._bits[first // 8 : (first + count + 7) // 8]
            bits = np.unpackbits(octets, count=count, bitorder="little")
            edges = np.flatnonzero(np.diff(bits, prepend=np.uint8(begun is None)))
            for edge in edges[: 2 * most].tolist():
                place = self._start_offset + first + edge
                if begun is None:
                    begun = place
                    continue
                stretches.append((begun, place))
                begun = None
                if len(stretches) == most:
                    return stretches
        if begun is not None:
            stretches.append((begun, self._start_offset + self._count))
        return stretches
