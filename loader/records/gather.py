"""Filling Arrow's buffers: the one copy of a record's bytes, and the bits that say what is not null."""

from loader.records.copying import copy_bytes
from loader.records.kernel import Bytes, Int32s, Int64s, ReadOnlyBytes, Spans, kernel

# In microseconds an int64 holds 292,000 years either way of 1970; in milliseconds a thousand times as many.
LARGEST_TIMESTAMP_MS = (2**63 - 1) // 1000


@kernel
def gather_bytes(payload: ReadOnlyBytes, spans: Spans, offsets: Int32s, data: Bytes, validity: Bytes) -> int:
    """Copy scattered fields into one Arrow binary column.

    payload   uint8[n]             in      decompressed batches
    spans     int32[r, 2]          in      where each field starts in payload, and its bytes; -1 when null
    offsets   int32[r + 1]         out     where each field starts in data
    data      uint8[d]             out     the fields, back to back; d is the sum of their bytes
    validity  uint8[(r + 7) // 8]  in/out  all 0 before; a bit per field, lowest first, 1 when not null

    Returns how many are null.
    """
    null_count = 0
    end = 0
    offsets[0] = 0
    for i in range(spans.shape[0]):
        start = spans[i, 0]
        size = spans[i, 1]
        if size < 0:
            null_count += 1
        else:
            validity[i >> 3] |= 1 << (i & 7)
            copy_bytes(data, end, payload, start, size)
            end += size
        offsets[i + 1] = end
    return null_count


@kernel
def mark_lists(offsets: Int32s, validity: Bytes) -> int:
    """Mark the lists that are not empty, since a record without headers has null headers.

    offsets   int32[r + 1]         in      where each list starts
    validity  uint8[(r + 7) // 8]  in/out  all 0 before; a bit per list, 1 when it has an element

    Returns how many are null.
    """
    null_count = 0
    for i in range(offsets.shape[0] - 1):
        if offsets[i] == offsets[i + 1]:
            null_count += 1
        else:
            validity[i >> 3] |= 1 << (i & 7)
    return null_count


@kernel
def to_microseconds(timestamps: Int64s, validity: Bytes) -> tuple[int, int]:
    """Make Kafka's timestamps Arrow's, in place.

    timestamps  int64[r]             in/out  milliseconds, -1 for none; then microseconds, 0 for null
    validity    uint8[(r + 7) // 8]  in/out  all 0 before; a bit per timestamp, 1 when there is one

    Returns (how many are null, how many of these because microseconds cannot hold them).
    """
    null_count = 0
    beyond_count = 0
    for i in range(timestamps.shape[0]):
        milliseconds = timestamps[i]
        is_beyond = not -LARGEST_TIMESTAMP_MS <= milliseconds <= LARGEST_TIMESTAMP_MS
        if milliseconds == -1 or is_beyond:
            null_count += 1
            beyond_count += is_beyond
            timestamps[i] = 0
        else:
            timestamps[i] = milliseconds * 1000
            validity[i >> 3] |= 1 << (i & 7)
    return null_count, beyond_count
