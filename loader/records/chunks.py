"""Batches decompressed into one piece of memory, as many as make a good Arrow batch."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from loader.records import checksums, codecs
from loader.records.codecs import DoesNotFit
from loader.records.layout import BatchHeader
from loader.records.limits import DecodeLimits
from loader.records.locate import ABORTED, CONTROL, DELIVERED, SMALLEST_RECORD_BYTES
from loader.records.problems import MalformedBatch
from loader.records.transactions import ABORT, AbortedProducers, read_marker


class Chunk:
    """Consecutive batches, checked and decompressed.

    payload    the bytes all of them lie in
    headers    one per batch
    batches    one per batch, as locate.BATCH
    row_count  how many records they hold that become rows, as their headers say
    """

    def __init__(self, records: NDArray[np.uint8], room: NDArray[np.uint8] | None) -> None:
        self.headers: list[BatchHeader] = []
        self.batches: list[tuple[int, ...]] = []
        self.row_count = 0
        self.byte_count = 0
        self._records = records
        self._room = room
        self.payload = records
        if room is not None:
            self.payload = room.view()
            self.payload.flags.writeable = False

    def add(self, header: BatchHeader, end_offset: int, aborted: AbortedProducers) -> None:
        """Check and decompress one more batch. Raises DoesNotFit when the room is too small for it."""
        checksums.check(self._records, header)
        if header.record_count < 0:
            raise MalformedBatch(f"the batch's record count is {header.record_count}")
        # A batch behind the end is only needed to prove that nothing lies before it.
        count = header.record_count if header.base_offset < end_offset else 0
        start, end = self._payload_of(header) if count else (0, 0)
        if count > (end - start) // SMALLEST_RECORD_BYTES:
            raise MalformedBatch(f"the batch's record count is {count}, with {end - start} bytes of records")
        fate = self._fate(header, start, end, aborted)
        if fate == DELIVERED:
            self.row_count += count
        self.byte_count += end - start
        self.headers.append(header)
        self.batches.append(
            (
                start,
                end,
                header.base_offset,
                header.last_offset_delta,
                header.base_timestamp,
                header.max_timestamp,
                header.has_append_time,
                count,
                fate,
            )
        )

    def _payload_of(self, header: BatchHeader) -> tuple[int, int]:
        if self._room is None:
            return header.records_start, header.end
        section = self._records[header.records_start : header.end]
        size = codecs.decompress(header.codec_id, section, self._room[self.byte_count :])
        return self.byte_count, self.byte_count + size

    def _fate(self, header: BatchHeader, start: int, end: int, aborted: AbortedProducers) -> int:
        aborted.advance(header.last_offset)
        if header.is_control:
            if header.producer_id in aborted and read_marker(self.payload, start, end) == ABORT:
                aborted.end(header.producer_id)
            return CONTROL
        if header.is_transactional and header.producer_id in aborted:
            return ABORTED
        return DELIVERED


def chunks(
    records: NDArray[np.uint8],
    headers: Sequence[BatchHeader],
    end_offset: int,
    aborted: AbortedProducers,
    limits: DecodeLimits,
) -> Iterator[Chunk]:
    """Put batches together until a limit is reached; a chunk is good until the next one is asked for."""
    is_compressed = any(header.codec_id != codecs.NONE for header in headers)
    # Twice the limit: the last batch of a chunk fits as well, unless it is larger than a chunk by itself.
    room = np.empty(2 * limits.chunk_bytes, np.uint8) if is_compressed else None
    chunk = Chunk(records, room)
    for header in headers:
        try:
            try:
                chunk.add(header, end_offset, aborted)
            except DoesNotFit:
                if chunk.headers:
                    yield chunk
                chunk = Chunk(records, np.empty(limits.batch_bytes, np.uint8))
                chunk.add(header, end_offset, aborted)
                yield chunk
                chunk = Chunk(records, room)
        except MalformedBatch as error:
            error.offset = header.base_offset
            raise
        if chunk.byte_count >= limits.chunk_bytes or chunk.row_count >= limits.chunk_rows:
            yield chunk
            chunk = Chunk(records, room)
    if chunk.headers:
        yield chunk
