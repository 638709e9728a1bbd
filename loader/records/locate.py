"""Finding records and headers in decompressed batches: where each field lies, copying none."""

from typing import Annotated, Any

import numba
import numpy as np
from numpy.typing import NDArray

from loader.records import problems
from loader.records.kernel import Int32s, Int64s, ReadOnlyBytes, Spans, kernel
from loader.records.varints import read_varint, read_varlong

SMALLEST_RECORD_BYTES = 7  # one each: length, attributes, both deltas, null key, null value, no headers
SMALLEST_HEADER_BYTES = 2  # empty key, null value

DELIVERED = 0
ABORTED = 1
CONTROL = 2

# A batch, as the kernels need it. Its payload is [start, end) of the bytes it is read from, decompressed;
# record_count is checked against them. fate is DELIVERED, ABORTED or CONTROL.
BATCH = np.dtype(
    [
        ("start", "i8"),
        ("end", "i8"),
        ("base_offset", "i8"),
        ("last_offset_delta", "i8"),
        ("base_timestamp", "i8"),
        ("max_timestamp", "i8"),
        ("has_append_time", "i8"),
        ("record_count", "i8"),
        ("fate", "i8"),
    ]
)
Batches = Annotated[NDArray[Any], numba.from_dtype(BATCH)[::1]]

# How far reading came, so that it can go on where the room for rows ended: the batch, how many of its
# records are read, where the next one starts, the last one's offset delta, and the next offset that is not
# explained yet. Then what was found since the caller set it to 0: each offset counts once, where it is seen.
PROGRESS = np.dtype(
    [
        ("batch", "i8"),
        ("record", "i8"),
        ("at", "i8"),
        ("offset_delta", "i8"),
        ("next_offset", "i8"),
        ("row_count", "i8"),
        ("aborted_count", "i8"),
        ("control_count", "i8"),
        ("compacted_count", "i8"),
        ("header_count", "i8"),
        ("key_bytes", "i8"),
        ("value_bytes", "i8"),
    ]
)
PROGRESS_NAMES: tuple[str, ...] = PROGRESS.names or ()
COUNT_NAMES = PROGRESS_NAMES[5:]
Progress = Annotated[NDArray[Any], numba.from_dtype(PROGRESS)[::1]]


@kernel
def read_field(payload: ReadOnlyBytes, at: int, end: int) -> tuple[int, int, int]:
    """Read a length and skip as many bytes.

    payload  uint8[n]  in  the bytes
    at       int64     in  where the length starts; -1 when an earlier read failed
    end      int64     in  where the bytes must have ended

    Returns (where the bytes start, how many, where the next field starts). A null field has a negative
    length, which is made -1. (0, -1, -1) when it does not fit.
    """
    size, start = read_varint(payload, at, end)
    if start < 0 or size > end - start:
        return 0, -1, -1
    if size < 0:
        return start, -1, start
    return start, size, start + size


@kernel
def locate_records(
    payload: ReadOnlyBytes,
    batches: Batches,
    end_offset: int,
    progress: Progress,
    offsets: Int64s,
    timestamps_ms: Int64s,
    timestamp_types: Int32s,
    key_spans: Spans,
    value_spans: Spans,
    header_spans: Spans,
    header_room: int,
) -> int:
    """Find each record that becomes a row, and explain each offset that does not.

    payload          uint8[n]     in      decompressed batches
    batches          BATCH[b]     in      where each one lies, in the order of their offsets
    end_offset       int64        in      offsets from here on are not wanted
    progress         PROGRESS[1]  in/out  where to begin; then where it stopped and what it counted
    offsets          int64[r]     out     absolute offset of each row
    timestamps_ms    int64[r]     out     -1 for none
    timestamp_types  int32[r]     out     0 CreateTime, 1 LogAppendTime
    key_spans        int32[r, 2]  out     where the key starts in payload and its bytes; -1 bytes when null
    value_spans      int32[r, 2]  out     likewise
    header_spans     int32[r, 3]  out     where the headers start, where they must end, how many there are
    header_room      int64        in      stop before the next row once this many headers were found

    Stops before a row that finds no room, else behind the last batch. Returns OK or what is wrong with
    the record that progress stands at.
    """
    here = progress[0]
    room = offsets.shape[0]
    row = 0
    while here.batch < batches.shape[0]:
        batch = batches[here.batch]
        next_offset = here.next_offset
        at = here.at
        if here.record == 0:
            at = batch.start
            here.offset_delta = -1
        while here.record < batch.record_count:
            if batch.fate == DELIVERED and (row == room or here.header_count >= header_room):
                here.at = at
                here.next_offset = next_offset
                return problems.OK
            length, body = read_varint(payload, at, batch.end)
            if body < 0 or length < 1 or length > batch.end - body:
                return problems.BAD_RECORD_LENGTH
            end = body + length
            timestamp_delta, at = read_varlong(payload, body + 1, end)  # the attributes are unused
            offset_delta, at = read_varint(payload, at, end)
            key_start, key_size, at = read_field(payload, at, end)
            value_start, value_size, at = read_field(payload, at, end)
            header_count, at = read_varint(payload, at, end)
            if at < 0:
                return problems.BAD_RECORD_FIELD
            if header_count < 0 or header_count > (end - at) // SMALLEST_HEADER_BYTES:
                return problems.BAD_HEADERS
            if header_count == 0 and at != end:
                return problems.BAD_RECORD_FIELD
            if offset_delta <= here.offset_delta or offset_delta > batch.last_offset_delta:
                return problems.BAD_RECORD_OFFSET
            here.offset_delta = offset_delta
            here.record += 1
            offset = batch.base_offset + offset_delta
            if offset >= end_offset:
                break
            if offset >= next_offset:  # else the batch began below the start
                here.compacted_count += offset - next_offset
                next_offset = offset + 1
                if batch.fate == ABORTED:
                    here.aborted_count += 1
                elif batch.fate == CONTROL:
                    here.control_count += 1
                else:
                    offsets[row] = offset
                    timestamps_ms[row] = batch.base_timestamp + timestamp_delta
                    timestamp_types[row] = 0
                    if batch.has_append_time:
                        timestamps_ms[row] = batch.max_timestamp
                        timestamp_types[row] = 1
                    key_spans[row, 0] = key_start
                    key_spans[row, 1] = key_size
                    value_spans[row, 0] = value_start
                    value_spans[row, 1] = value_size
                    header_spans[row, 0] = at
                    header_spans[row, 1] = end
                    header_spans[row, 2] = header_count
                    here.key_bytes += max(key_size, 0)
                    here.value_bytes += max(value_size, 0)
                    here.header_count += header_count
                    here.row_count += 1
                    row += 1
            at = end
        else:
            if at != batch.end:
                return problems.BYTES_LEFT
        behind = min(batch.base_offset + batch.last_offset_delta + 1, end_offset)
        if behind > next_offset:
            here.compacted_count += behind - next_offset
            next_offset = behind
        here.next_offset = next_offset
        here.batch += 1
        here.record = 0
    return problems.OK


@kernel
def locate_headers(
    payload: ReadOnlyBytes,
    header_spans: Spans,
    list_offsets: Int32s,
    key_spans: Spans,
    value_spans: Spans,
    sizes: Int64s,
) -> tuple[int, int]:
    """Find the key and value of each header of each row.

    payload       uint8[n]      in   decompressed batches
    header_spans  int32[r, 3]   in   per row, as locate_records found them
    list_offsets  int32[r + 1]  out  where each row's headers start in key_spans and value_spans
    key_spans     int32[h, 2]   out  where the key starts in payload and its bytes; h is the sum of counts
    value_spans   int32[h, 2]   out  likewise; -1 bytes when null
    sizes         int64[2]      out  bytes of all keys, bytes of all values

    Returns (OK, r), or (what is wrong, in which row).
    """
    header = 0
    sizes[:] = 0
    list_offsets[0] = 0
    for row in range(header_spans.shape[0]):
        at = header_spans[row, 0]
        end = header_spans[row, 1]
        for _ in range(header_spans[row, 2]):
            key_start, key_size, at = read_field(payload, at, end)
            value_start, value_size, at = read_field(payload, at, end)
            if at < 0 or key_size < 0:  # a header's key is never null
                return problems.BAD_HEADERS, row
            key_spans[header, 0] = key_start
            key_spans[header, 1] = key_size
            value_spans[header, 0] = value_start
            value_spans[header, 1] = value_size
            sizes[0] += key_size
            sizes[1] += max(value_size, 0)
            header += 1
        if at != end:
            return problems.BAD_HEADERS, row
        list_offsets[row + 1] = header
    return problems.OK, header_spans.shape[0]
