"""The header of a v2 record batch, and how batches lie in a fetch response.

Kafka's documentation, "Record Batch": the CRC covers everything from the attributes on. Base offset,
length, leader epoch and magic are outside of it, so that a broker can set them without computing it
again; order and bounds are all that can be checked of them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loader.records import problems
from loader.records.kernel import Int64s, ReadOnlyBytes, kernel

HEADER = np.dtype(
    [
        ("base_offset", ">i8"),
        ("batch_length", ">i4"),
        ("leader_epoch", ">i4"),
        ("magic", "i1"),
        ("crc", ">u4"),
        ("attributes", ">i2"),
        ("last_offset_delta", ">i4"),
        ("base_timestamp", ">i8"),
        ("max_timestamp", ">i8"),
        ("producer_id", ">i8"),
        ("producer_epoch", ">i2"),
        ("base_sequence", ">i4"),
        ("record_count", ">i4"),
    ]
)
HEADER_BYTES = 61
LENGTH_ENDS_AT = 12  # batch_length counts the bytes behind itself
MAGIC_AT = 16
CRC_COVERS_FROM = 21

MAX_INT64 = 2**63 - 1
MAX_INT32 = 2**31 - 1


class BatchHeader(NamedTuple):
    """One batch of a fetch response: where it lies, and its header's fields."""

    start: int
    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def end(self) -> int:
        """Where the next batch starts."""
        return self.start + LENGTH_ENDS_AT + self.batch_length

    @property
    def records_start(self) -> int:
        """Where the records section starts, compressed or not."""
        return self.start + HEADER_BYTES

    @property
    def last_offset(self) -> int:
        """The last offset the batch was written with; compaction may have removed its record."""
        return self.base_offset + self.last_offset_delta

    @property
    def codec_id(self) -> int:
        """Which codec compressed the records section; 0 none."""
        return self.attributes & 0x07

    @property
    def has_append_time(self) -> bool:
        """Whether the broker set the timestamps: then max_timestamp is that of every record."""
        return self.attributes & 0x08 != 0

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return self.attributes & 0x10 != 0

    @property
    def is_control(self) -> bool:
        """Whether the batch holds a transaction's marker and no records of a producer."""
        return self.attributes & 0x20 != 0


class BatchScan(NamedTuple):
    """The whole batches of a response; if what follows is wrong, the code, and offset and magic there."""

    headers: list[BatchHeader]
    problem: int
    problem_offset: int
    problem_magic: int


@kernel
def read_int64(records: ReadOnlyBytes, at: int) -> int:
    """Read 8 bytes, big-endian; the caller has checked that they are there."""
    value = 0
    for i in range(8):
        value = value << 8 | records[at + i]
    return value


@kernel
def read_int32(records: ReadOnlyBytes, at: int) -> int:
    """Read 4 bytes, big-endian; the caller has checked that they are there."""
    value = 0
    for i in range(4):
        value = value << 8 | records[at + i]
    return value - ((value & 0x80000000) << 1)


@kernel
def find_batches(records: ReadOnlyBytes, starts: Int64s) -> tuple[int, int, int]:
    """Find the whole batches of a fetch response, by the fields outside of the CRC.

    records  uint8[n]  in   batches back to back, the last perhaps cut short
    starts   int64[m]  out  where each whole batch starts; m is at least n // 61

    Returns (OK, how many batches, where they end), or (what is wrong, how many are right, where the
    wrong one starts).
    """
    at = 0
    count = 0
    next_offset = 0
    while records.shape[0] - at > MAGIC_AT:
        magic = records[at + MAGIC_AT]
        if magic < 2:
            return problems.OLD_FORMAT, count, at
        if magic > 2:
            return problems.UNKNOWN_FORMAT, count, at
        length = read_int32(records, at + 8)
        if length < HEADER_BYTES - LENGTH_ENDS_AT:
            return problems.BAD_BATCH_LENGTH, count, at
        if length > records.shape[0] - at - LENGTH_ENDS_AT:
            break
        base_offset = read_int64(records, at)
        last_offset_delta = read_int32(records, at + 23)
        if last_offset_delta < 0 or not 0 <= base_offset < MAX_INT64 - MAX_INT32:
            return problems.BAD_BATCH_OFFSET, count, at
        if base_offset < next_offset:
            return problems.BATCH_OUT_OF_ORDER, count, at
        starts[count] = at
        count += 1
        next_offset = base_offset + last_offset_delta + 1
        at += LENGTH_ENDS_AT + length
    return problems.OK, count, at


def as_octets(records: bytes | memoryview) -> NDArray[np.uint8]:
    """The bytes as the array that kernels read, copying none."""
    octets = np.frombuffer(records, np.uint8)
    octets.flags.writeable = False
    return octets


def scan(records: NDArray[np.uint8]) -> BatchScan:
    """Read the headers of all whole batches in a response."""
    starts = np.empty(records.size // HEADER_BYTES, np.int64)
    problem, count, at = find_batches(records, starts)
    starts = starts[:count]
    headers = records[starts[:, None] + np.arange(HEADER_BYTES)].view(HEADER)[:, 0]
    fields = zip(starts.tolist(), headers.tolist(), strict=True)
    found = [BatchHeader(start, *header) for start, header in fields]
    if problem == problems.OK:
        return BatchScan(found, problem, -1, -1)
    return BatchScan(found, problem, read_int64(records, at), int(records[at + MAGIC_AT]))
