"""How far the whole batches of a response reach: what the next fetch must know before any is decoded."""

from typing import NamedTuple

import numpy as np

from loader.records import layout
from loader.records.compilation import ensure_compiled


class Extent(NamedTuple):
    """The whole batches of a response.

    next_offset  the last one's last offset + 1, None when there is no whole batch
    is_sound     False when what follows them cannot be a batch; decoding says what is wrong with it
    """

    next_offset: int | None
    is_sound: bool


def measure(records: bytes | memoryview) -> Extent:
    """The extent of a response's record bytes."""
    ensure_compiled()
    octets = layout.as_octets(records)
    starts = np.empty(octets.size // layout.HEADER_BYTES, np.int64)
    problem, count, _ = layout.find_batches(octets, starts)
    if not count:
        return Extent(None, not problem)
    last = octets[starts[count - 1] :][: layout.HEADER_BYTES].view(layout.HEADER)[0]
    return Extent(int(last["base_offset"]) + int(last["last_offset_delta"]) + 1, not problem)
