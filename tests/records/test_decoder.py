"""The whole decoding, held to the plain decoder, and its promises one by one."""

import datetime
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder

from loader.errors import CorruptBatch, UnsupportedMessageFormat
from loader.records.decoder import DecodedRecords, Isolation, decode
from loader.records.limits import DecodeLimits
from loader.records.schema import RAW_SCHEMA
from loader.values import FetchedRecords, RangeCounts

from .batches import CODECS, Batch, Log, Record, fetched, logs, marker, numbered, orders
from .plain_decoder import Row
from .plain_decoder import decode as decode_plainly

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
COMMITTED: Isolation = "read_committed"


def as_row(row: Row) -> dict[str, Any]:
    """A record of the plain decoder as its Arrow row should read."""
    timestamp = None if row.timestamp_ms == -1 else EPOCH + datetime.timedelta(milliseconds=row.timestamp_ms)
    headers = [{"key": key.decode(), "value": value} for key, value in row.headers]
    return {
        "key": row.key,
        "value": row.value,
        "topic": "orders",
        "partition": 3,
        "offset": row.offset,
        "timestamp": timestamp,
        "timestampType": row.timestamp_type,
        "headers": headers or None,
    }


def rows_of(parts: Iterable[DecodedRecords]) -> list[dict[str, Any]]:
    return [row for part in parts for row in part.rows.to_pylist()]


def offsets_of(parts: Iterable[DecodedRecords]) -> list[int]:
    return [offset for part in parts for offset in part.rows["offset"].to_pylist()]


def decode_all(response: FetchedRecords, start: int, end: int, **more: Any) -> list[DecodedRecords]:
    return list(decode(response, orders(start, end), start, COMMITTED, **more))


@st.composite
def reads(draw: st.DrawFn) -> tuple[Log, int, int]:
    """A log, and a range of it: any start within its first batch or before, any end."""
    log = draw(logs())
    start = draw(st.integers(max(0, log.start - 2), log.batches[0].last_offset))
    return log, start, draw(st.integers(start, log.end + 2))


@given(
    read=reads(), chunk_bytes=st.sampled_from([1, 200, 1 << 20]), chunk_rows=st.sampled_from([1, 3, 1 << 18])
)
def test_rows_and_counts_are_those_of_the_plain_decoder(
    read: tuple[Log, int, int], chunk_bytes: int, chunk_rows: int
) -> None:
    log, start, end = read
    expected = decode_plainly(log.encode(), start, end, log.aborted)

    limits = DecodeLimits(chunk_bytes=chunk_bytes, chunk_rows=chunk_rows, batch_bytes=1 << 16)
    parts = decode_all(fetched(log.encode(), start, log.aborted), start, end, limits=limits)

    assert rows_of(parts) == [as_row(row) for row in expected.rows]
    assert RangeCounts.total(part.counts for part in parts) == RangeCounts(
        row_count=len(expected.rows),
        aborted_count=expected.aborted_count,
        control_count=expected.control_count,
        compacted_count=expected.compacted_count,
    )
    assert (parts[-1].next_offset if parts else start) == expected.next_offset


@given(read=reads(), chunk_rows=st.sampled_from([1, 1 << 18]))
def test_each_part_explains_each_of_its_offsets_and_is_sound_arrow(
    read: tuple[Log, int, int], chunk_rows: int
) -> None:
    log, start, end = read
    position = start

    for part in decode_all(
        fetched(log.encode(), start, log.aborted), start, end, limits=DecodeLimits(chunk_rows=chunk_rows)
    ):
        part.rows.validate(full=True)
        assert part.rows.schema.equals(RAW_SCHEMA, check_metadata=True)
        assert part.counts.explained_count == part.next_offset - position > 0
        assert part.counts.row_count == part.rows.num_rows <= chunk_rows
        position = part.next_offset


@given(log=logs(), cut=st.integers(0, 10_000))
def test_a_response_cut_anywhere_gives_its_whole_batches(log: Log, cut: int) -> None:
    response = log.encode()[:cut]
    expected = decode_plainly(response, log.start, log.end, log.aborted)

    parts = decode_all(fetched(response, log.start, log.aborted), log.start, log.end)

    assert rows_of(parts) == [as_row(row) for row in expected.rows]
    assert (parts[-1].next_offset if parts else log.start) == expected.next_offset


@pytest.mark.parametrize("codec", CODECS)
def test_a_range_begins_and_ends_in_mid_batch(codec: str) -> None:
    response = numbered(100, 50, codec=codec).encode()

    (part,) = decode_all(fetched(response, 120), 120, 130)

    assert part.rows["offset"].to_pylist() == list(range(120, 130))
    assert part.rows["value"].to_pylist() == [b"%d" % offset for offset in range(120, 130)]
    assert (part.next_offset, part.counts) == (130, RangeCounts(row_count=10))


def test_a_cut_batch_alone_gives_nothing() -> None:
    response = numbered(0, 10).encode()[:-1]

    assert decode_all(fetched(response), 0, 10) == []


def test_an_empty_response_gives_nothing() -> None:
    assert decode_all(fetched(b""), 0, 10) == []


def test_a_writable_response_is_decoded_and_left_as_it_is() -> None:
    response = bytearray(numbered(0, 10).encode())

    parts = decode_all(fetched(memoryview(response)), 0, 10)  # type: ignore[arg-type]

    assert offsets_of(parts) == list(range(10))
    assert response == numbered(0, 10).encode()


def test_offsets_before_the_first_batch_between_batches_and_to_a_last_offset_are_compacted() -> None:
    records = (Record(0), Record(3))
    response = Batch(102, records, last_offset_delta=5).encode() + numbered(110, 1).encode()

    parts = decode_all(fetched(response, 100), 100, 111)

    assert offsets_of(parts) == [102, 105, 110]
    assert RangeCounts.total(part.counts for part in parts) == RangeCounts(row_count=3, compacted_count=8)


def test_a_batch_behind_the_end_proves_that_nothing_is_before_it() -> None:
    response = numbered(100, 5, leader_epoch=1).encode() + numbered(120, 5, leader_epoch=2).encode()

    parts = decode_all(fetched(response, 100), 100, 110)

    assert offsets_of(parts) == list(range(100, 105))
    assert RangeCounts.total(part.counts for part in parts) == RangeCounts(row_count=5, compacted_count=5)
    assert (
        parts[-1].leader_epoch == 2
    )  # epoch 1 may end at 105: the next run would take that for a divergence


def test_a_batch_that_compaction_emptied_is_explained_by_its_header() -> None:
    response = Batch(10, (), last_offset_delta=4, base_timestamp=-1).encode()

    (part,) = decode_all(fetched(response, 10), 10, 15)

    assert (part.rows.num_rows, part.counts, part.next_offset) == (0, RangeCounts(compacted_count=5), 15)


def test_aborted_records_and_markers_are_counted_and_no_rows() -> None:
    aborted = numbered(0, 3, is_transactional=True, producer_id=9)
    response = aborted.encode() + marker(3, 9, commits=False).encode() + numbered(4, 2).encode()

    (part,) = decode_all(fetched(response, aborted=[(0, 9)]), 0, 6)

    assert part.rows["offset"].to_pylist() == [4, 5]
    assert part.counts == RangeCounts(row_count=2, aborted_count=3, control_count=1)


def test_read_uncommitted_keeps_aborted_records_and_drops_markers() -> None:
    aborted = numbered(0, 3, is_transactional=True, producer_id=9)
    response = aborted.encode() + marker(3, 9, commits=False).encode()

    (part,) = decode(fetched(response, aborted=[(0, 9)]), orders(0, 4), 0, "read_uncommitted")

    assert part.rows["offset"].to_pylist() == [0, 1, 2]
    assert part.counts == RangeCounts(row_count=3, control_count=1)


def test_null_and_empty_are_told_apart_everywhere() -> None:
    records = (
        Record(0, key=None, value=None),
        Record(1, key=b"", value=b"", headers=((b"", None), (b"h", b""))),
    )

    (part,) = decode_all(fetched(Batch(0, records).encode()), 0, 2)

    assert part.rows["key"].to_pylist() == [None, b""]
    assert part.rows["value"].to_pylist() == [None, b""]
    assert part.rows["headers"].to_pylist() == [
        None,
        [{"key": "", "value": None}, {"key": "h", "value": b""}],
    ]


def test_under_log_append_time_every_record_has_the_max_timestamp_of_its_batch() -> None:
    batch = numbered(0, 3, has_append_time=True, max_timestamp=5_000)

    (part,) = decode_all(fetched(batch.encode()), 0, 3)

    assert part.rows["timestamp"].cast(pa.int64()).to_pylist() == [5_000_000] * 3
    assert part.rows["timestampType"].to_pylist() == [1, 1, 1]


def test_no_timestamp_is_null_and_so_is_one_beyond_microseconds_which_is_counted() -> None:
    records = (Record(0), Record(1, timestamp_delta=1), Record(2, timestamp_delta=2**62))

    (part,) = decode_all(fetched(Batch(0, records, base_timestamp=-1).encode()), 0, 3)

    assert part.rows["timestamp"].to_pylist() == [None, EPOCH, None]
    assert part.unreadable_timestamps == 1


def test_a_header_key_that_is_not_utf_8_is_repaired_and_counted() -> None:
    records = (
        Record(0, headers=((b"good", b"1"), (b"b\xffd", b"2"))),
        Record(1, headers=((b"\xed\xa0\x80", None),)),
    )

    (part,) = decode_all(fetched(Batch(0, records).encode()), 0, 2)

    keys = [[header["key"] for header in headers] for headers in part.rows["headers"].to_pylist()]
    assert keys == [["good", "b\ufffdd"], ["\ufffd"]]
    assert part.repaired_header_keys == 2


def test_the_leader_epoch_is_of_the_last_batch_and_bytes_are_of_all() -> None:
    first, second = numbered(0, 2, leader_epoch=4).encode(), numbered(2, 2, leader_epoch=5).encode()

    (part,) = decode_all(fetched(first + second), 0, 4)

    assert (part.leader_epoch, part.fetched_bytes) == (5, len(first) + len(second))


def test_parts_of_one_batch_count_its_bytes_once() -> None:
    response = numbered(0, 10, codec="zstd").encode()

    parts = decode_all(fetched(response), 0, 10, limits=DecodeLimits(chunk_rows=3))

    assert [part.next_offset for part in parts] == [3, 6, 9, 10]
    assert sum(part.fetched_bytes for part in parts) == len(response)


def test_a_batch_larger_than_a_chunk_is_decoded_alone() -> None:
    values = (b"small", b"x" * 5_000_000, b"small")
    batches = [Batch(i, (Record(0, value=value),), codec="zstd") for i, value in enumerate(values)]
    response = b"".join(batch.encode() for batch in batches)

    parts = decode_all(fetched(response), 0, 3, limits=DecodeLimits(chunk_bytes=1000))

    assert [value for part in parts for value in part.rows["value"].to_pylist()] == list(values)


def test_messages_of_format_1_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedMessageFormat, match="orders-3 at offset 17: message format 1"):
        decode_all(fetched(Batch(17, magic=1).encode(), 17), 17, 18)


def test_a_batch_that_starts_before_the_end_of_the_last_is_refused() -> None:
    response = numbered(0, 10).encode() + numbered(9, 5).encode()

    with pytest.raises(CorruptBatch, match="orders-3 at offset 9"):
        decode_all(fetched(response), 0, 20)


def test_a_batch_below_the_offset_asked_for_is_refused() -> None:
    with pytest.raises(CorruptBatch, match="ends at 4, but 5 was asked for"):
        decode_all(fetched(numbered(0, 5).encode(), 5), 5, 10)


def test_a_batch_beyond_the_last_stable_offset_is_never_delivered() -> None:
    response = numbered(0, 5).encode()

    with pytest.raises(CorruptBatch, match="the last stable offset is 3"):
        decode_all(fetched(response, visible_end=3), 0, 3)


def test_a_position_outside_of_the_range_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="position 11 is outside of"):
        next(iter(decode(fetched(b""), orders(0, 10), 11, COMMITTED)))


@pytest.mark.parametrize("codec_id", [0, 1])
def test_batches_of_kafka_python_are_read(codec_id: int) -> None:
    builder = DefaultRecordBatchBuilder(2, codec_id, False, -1, -1, -1, 1 << 20)
    records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
        (b"key", b"value", [("h", b"1"), ("h", b"2")]),
        (None, b"value", []),
        (b"key", None, []),
    ]
    for i, (key, value, headers) in enumerate(records):
        builder.append(i, 1_000 * i, key, value, headers)

    (part,) = decode_all(fetched(bytes(builder.build())), 0, 3)

    assert part.rows["key"].to_pylist() == [b"key", None, b"key"]
    assert part.rows["value"].to_pylist() == [b"value", b"value", None]
    assert part.rows["timestamp"].cast(pa.int64()).to_pylist() == [0, 1_000_000, 2_000_000]
    assert part.rows["headers"].to_pylist()[0] == [{"key": "h", "value": b"1"}, {"key": "h", "value": b"2"}]
