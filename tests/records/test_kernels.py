"""The kernels that locate and gather, each held to a plain loop on the same bytes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.records import columns, gather, locate, problems
from loader.records.compilation import ensure_compiled
from loader.records.layout import as_octets
from loader.records.transactions import ABORT, COMMIT, read_marker

from .batches import Batch, Record, marker, nullable, payloads, record_tuples, varint
from .plain_decoder import Header, PlainError, Row, read_records

ensure_compiled()


def section_of(batch: Batch) -> bytes:
    return b"".join(record.encode() for record in batch.records)


def locate_all(batch: Batch, section: bytes, record_count: int) -> tuple[int, list[Row]]:
    """All records of a batch by the kernel, headers by the other kernel; on an error as many as it read."""
    octets = as_octets(section)
    place = (0, len(section), batch.base_offset, batch.last_offset - batch.base_offset)
    table = np.array(
        [(*place, batch.base_timestamp, batch.max_timestamp, batch.has_append_time, record_count, 0)],
        locate.BATCH,
    )
    progress = np.zeros(1, locate.PROGRESS)
    progress["next_offset"] = batch.base_offset
    room = max(record_count, 1)
    offsets, timestamps = np.empty((2, room), np.int64)
    types = np.empty(room, np.int32)
    keys, values = np.empty((2, room, 2), np.int32)
    headers = np.empty((room, 3), np.int32)
    problem = locate.locate_records(
        octets, table, 2**62, progress, offsets, timestamps, types, keys, values, headers, 2**40
    )
    rows = int(progress["row_count"][0])
    header_count = int(progress["header_count"][0])
    assert header_count <= len(section)  # nothing larger may be allocated for them
    list_offsets = np.empty(rows + 1, np.int32)
    header_keys, header_values = np.empty((2, header_count, 2), np.int32)
    sizes = np.empty(2, np.int64)
    if problem == problems.OK:
        problem, _ = locate.locate_headers(
            octets, headers[:rows], list_offsets, header_keys, header_values, sizes
        )
    if problem != problems.OK:
        return problem, []

    def field(span: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> bytes | None:
        start, size = span.tolist()
        assert 0 <= start <= start + max(size, 0) <= len(section)
        return section[start : start + size] if size >= 0 else None

    return problem, [
        Row(
            field(keys[i]),
            field(values[i]),
            int(offsets[i]),
            int(timestamps[i]),
            int(types[i]),
            [
                (field(header_keys[j]) or b"", field(header_values[j]))
                for j in range(list_offsets[i], list_offsets[i + 1])
            ],
        )
        for i in range(rows)
    ]


def read_plainly(batch: Batch, section: bytes, record_count: int) -> list[Row]:
    header = Header(
        base_offset=batch.base_offset,
        batch_length=0,
        leader_epoch=0,
        magic=2,
        crc=0,
        attributes=batch.has_append_time << 3,
        last_offset_delta=batch.last_offset - batch.base_offset,
        base_timestamp=batch.base_timestamp,
        max_timestamp=batch.max_timestamp,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        record_count=record_count,
    )
    return list(read_records(header, section))


@given(records=record_tuples(), has_append_time=st.booleans())
def test_records_are_located_where_the_plain_decoder_reads_them(
    records: tuple[Record, ...], has_append_time: bool
) -> None:
    batch = Batch(1000, records, has_append_time=has_append_time)

    located = locate_all(batch, section_of(batch), len(records))

    assert located == (problems.OK, read_plainly(batch, section_of(batch), len(records)))


@given(
    records=record_tuples(),
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    count_error=st.sampled_from([0, 0, 0, 1, -1, 50]),
)
def test_damaged_records_are_refused_where_the_plain_decoder_refuses_them(
    records: tuple[Record, ...], flips: list[tuple[int, int]], count_error: int
) -> None:
    batch = Batch(1000, records)
    section = bytearray(section_of(batch))
    for place, octet in flips:
        if section:
            section[place % len(section)] = octet
    count = max(len(records) + count_error, 1)  # nothing of a batch that says 0 is read
    try:
        expected = read_plainly(batch, bytes(section), count)
    except PlainError:
        expected = None

    problem, rows = locate_all(batch, bytes(section), count)

    if expected is None:
        assert problem != problems.OK
    else:
        assert (problem, rows) == (problems.OK, expected)


@given(st.lists(payloads, max_size=40), st.integers(0, 7))
def test_fields_are_gathered_into_a_binary_column(fields: list[bytes | None], space: int) -> None:
    payload, spans = b"", []
    for field in fields:
        payload += b"?" * space
        spans.append((len(payload), -1 if field is None else len(field)))
        payload += field or b""
    sizes = sum(max(size, 0) for _, size in spans)

    column = columns.binary(as_octets(payload), np.array(spans, np.int32).reshape(-1, 2), sizes)

    column.validate(full=True)
    assert column.to_pylist() == fields
    assert column.null_count == fields.count(None)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_lists_without_elements_are_null(sizes: list[int]) -> None:
    offsets = np.cumsum([0, *sizes]).astype(np.int32)
    validity = np.zeros((len(sizes) + 7) // 8, np.uint8)

    nulls = gather.mark_lists(offsets, validity)

    assert nulls == sizes.count(0)
    bits = np.unpackbits(validity, bitorder="little")[: len(sizes)]
    assert bits.tolist() == [size > 0 for size in sizes]


LARGEST = gather.LARGEST_TIMESTAMP_MS


@given(st.lists(st.sampled_from([-1, 0, 1, -2, LARGEST, LARGEST + 1, -LARGEST - 1, -(2**63), 2**63 - 1])))
def test_timestamps_are_microseconds_or_null(milliseconds: list[int]) -> None:
    expected = [None if ms == -1 or abs(ms) > LARGEST else ms * 1000 for ms in milliseconds]

    column, beyond = columns.timestamps(np.array(milliseconds, np.int64))

    assert column.cast(pa.int64()).to_pylist() == expected
    assert beyond == sum(abs(ms) > LARGEST for ms in milliseconds)


def test_only_the_first_record_of_a_control_batch_is_the_marker() -> None:
    commit, abort = marker(0, 1, commits=True).records[0], marker(0, 1, commits=False).records[0]
    section = commit.encode() + Record(1, key=abort.key).encode()

    assert read_marker(as_octets(section), 0, len(section)) == COMMIT
    assert read_marker(as_octets(abort.encode()), 0, len(abort.encode())) == ABORT


@pytest.mark.parametrize("key", [None, b"", b"\0\0\0"])
def test_a_control_record_without_a_whole_key_is_no_marker(key: bytes | None) -> None:
    section = Record(0, key=key, value=b"").encode()

    assert read_marker(as_octets(section), 0, len(section)) == -1


@given(st.binary(max_size=30))
def test_any_bytes_are_a_marker_or_none(octets: bytes) -> None:
    assert read_marker(as_octets(octets), 0, len(octets)) in range(-1, 1 << 16)


def test_a_header_without_a_key_is_refused() -> None:
    header = nullable(None) + nullable(b"value")
    body = b"\0" + varint(0) + varint(0) + nullable(None) + nullable(None) + varint(1) + header
    section = varint(len(body)) + body

    assert locate_all(Batch(0), section, 1)[0] == problems.BAD_HEADERS


def test_a_header_count_above_the_bytes_left_is_refused_before_room_is_made_for_it() -> None:
    body = b"\0" + varint(0) + varint(0) + nullable(None) + nullable(None) + varint(2**31 - 1) + b"\0\1"

    assert locate_all(Batch(0), varint(len(body)) + body, 1)[0] == problems.BAD_HEADERS
