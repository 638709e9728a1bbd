"""Which batches belong to aborted transactions (KIP-98).

The fetch response lists all aborted transactions that overlap it, so the state starts anew with each
response. A transaction is aborted from its first offset until its producer's abort marker; a commit marker
changes nothing, and the same producer's next transaction may be fine.
"""

from collections.abc import Iterable
from heapq import heapify, heappop

from loader.records.kernel import ReadOnlyBytes, kernel
from loader.records.varints import read_varint, read_varlong
from loader.values import AbortedTransaction

ABORT = 0
COMMIT = 1


class AbortedProducers:
    """The producers whose transaction is one that was aborted, while batches are walked in order."""

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        self._coming = [(each.first_offset, each.producer_id) for each in aborted]
        heapify(self._coming)
        self._producer_ids: set[int] = set()

    def advance(self, last_offset: int) -> None:
        """Go to the batch that ends with this offset."""
        while self._coming and self._coming[0][0] <= last_offset:
            self._producer_ids.add(heappop(self._coming)[1])

    def __contains__(self, producer_id: int) -> bool:
        return producer_id in self._producer_ids

    def end(self, producer_id: int) -> None:
        """Take note of a producer's abort marker."""
        self._producer_ids.discard(producer_id)


@kernel
def read_marker(payload: ReadOnlyBytes, start: int, end: int) -> int:
    """Read the type of a control batch's first record, which alone is the marker.

    payload  uint8[n]  in  decompressed batches
    start    int64     in  where the batch's records start
    end      int64     in  where they end

    Returns ABORT, COMMIT, another type that is no concern of a reader, or -1 when there is no such record.
    """
    length, at = read_varint(payload, start, end)
    _, at = read_varlong(payload, at + 1, min(at + length, end))
    _, at = read_varint(payload, at, end)
    key_size, at = read_varint(payload, at, end)
    if at < 0 or key_size < 4 or key_size > end - at:
        return -1
    version_bytes = 2
    return int(payload[at + version_bytes]) << 8 | int(payload[at + version_bytes + 1])
