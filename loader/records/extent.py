"""How far the whole batches of a response reach: what the next fetch must know before any is decoded."""

from typing import NamedTuple

import numpy as np

from loader.records import layout
from loader.records.compilation import ensure_compiled


class Extent(NamedTuple):
    """The whole batches of a response.

    first_offset  the first one's base offset, None when there is no whole batch
    next_offset   the last one's last offset + 1, likewise
    end           how many bytes they take
    is_sound      False when what follows them cannot be a batch; decoding says what is wrong with it
    """

    first_offset: int | None
    next_offset: int | None
    end: int
    is_sound: bool


def measure(records: bytes | memoryview) -> Extent:
    """The extent of a response's record bytes."""
    ensure_compiled()
    octets = layout.as_octets(records)
    starts = np.empty(octets.size // layout.HEADER_BYTES, np.int64)
    problem, count, end = layout.find_batches(octets, starts)
    if not count:
        return Extent(None, None, 0, not problem)
    first, last = (
        octets[start:][: layout.HEADER_BYTES].view(layout.HEADER)[0] for start in starts[[0, count - 1]]
    )
    next_offset = int(last["base_offset"]) + int(last["last_offset_delta"]) + 1
    return Extent(int(first["base_offset"]), next_offset, end, not problem)
