"""Finding batches, held to the plain decoder, and to the batches that kafka-python builds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder

from loader.records import layout, problems
from loader.records.compilation import ensure_compiled
from loader.records.extent import Extent, measure

from .batches import Batch, Log, logs, numbered
from .plain_decoder import PlainError, whole_batches

ensure_compiled()


@settings(max_examples=30)
@given(log=logs(), cut=st.integers(0, 3000))
def test_headers_are_those_of_the_plain_decoder(log: Log, cut: int) -> None:
    response = log.encode()[:cut]

    scan = layout.scan(layout.as_octets(response))

    assert scan.problem == problems.OK
    assert [tuple(header)[1:] for header in scan.headers] == [
        tuple(header) for header, _ in whole_batches(response)
    ]


@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_bytes_are_batches_for_both_decoders_or_for_none(octets: bytes, is_new: bool) -> None:
    if is_new:
        octets = octets[:8] + b"\0\0\0\x31" + octets[12:16] + b"\2" + octets[17:]
    try:
        expected = len(list(whole_batches(octets)))
    except PlainError:
        return  # also by what only a decoder of the whole can tell, as the CRC

    assert len(layout.scan(layout.as_octets(octets)).headers) == expected


def test_flags_and_places_of_a_header() -> None:
    first = numbered(5, 3, codec="gzip", has_append_time=True).encode()
    second = numbered(9, 2, is_transactional=True, is_control=True).encode()

    one, two = layout.scan(layout.as_octets(first + second)).headers

    assert (one.codec_id, one.has_append_time, one.is_transactional, one.is_control) == (
        1,
        True,
        False,
        False,
    )
    assert (two.codec_id, two.has_append_time, two.is_transactional, two.is_control) == (0, False, True, True)
    assert (one.start, one.records_start, one.end, one.last_offset) == (0, 61, len(first), 7)
    assert (two.start, two.end) == (len(first), len(first) + len(second))


def test_a_header_of_kafka_python_is_read() -> None:
    builder = DefaultRecordBatchBuilder(2, 1, True, 77, 3, 42, 1 << 20)
    for i in range(5):
        builder.append(i, 1_000 + i, b"key", b"value", [])

    (header,) = layout.scan(layout.as_octets(bytes(builder.build()))).headers

    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (77, 3, 42)
    assert (header.base_timestamp, header.max_timestamp, header.record_count) == (1_000, 1_004, 5)
    assert (header.codec_id, header.is_transactional, header.last_offset_delta) == (1, True, 4)


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        (Batch(10, magic=0), problems.OLD_FORMAT),
        (Batch(10, magic=1), problems.OLD_FORMAT),
        (Batch(10, magic=3), problems.UNKNOWN_FORMAT),
        (Batch(10, last_offset_delta=-1), problems.BAD_BATCH_OFFSET),
        (Batch(-1), problems.BAD_BATCH_OFFSET),
        (Batch(2**63 - 2), problems.BAD_BATCH_OFFSET),
        (Batch(4), problems.BATCH_OUT_OF_ORDER),
    ],
    ids=str,
)
def test_a_wrong_batch_is_named_behind_the_right_ones(batch: Batch, problem: int) -> None:
    response = numbered(0, 5).encode() + batch.encode()

    scan = layout.scan(layout.as_octets(response))

    assert (len(scan.headers), scan.problem, scan.problem_offset) == (1, problem, batch.base_offset)
    assert scan.problem_magic == batch.magic


def test_a_batch_length_below_that_of_a_header_is_refused() -> None:
    response = bytearray(Batch(0).encode())
    response[8:12] = (48).to_bytes(4, "big")

    assert layout.scan(layout.as_octets(bytes(response))).problem == problems.BAD_BATCH_LENGTH


@settings(max_examples=30)
@given(log=logs(), cut=st.integers(0, 3000))
def test_the_extent_ends_with_the_last_whole_batch(log: Log, cut: int) -> None:
    response = log.encode()[:cut]
    headers = [header for header, _ in whole_batches(response)]
    size = sum(12 + header.batch_length for header in headers)

    assert measure(response) == (
        Extent(headers[0].base_offset, headers[-1].last_offset + 1, size, True)
        if headers
        else Extent(None, None, 0, True)
    )


def test_the_extent_of_a_response_with_a_wrong_batch_is_not_sound() -> None:
    right = numbered(0, 5).encode()

    assert measure(right + Batch(4).encode()) == Extent(0, 5, len(right), False)
    assert measure(Batch(0, magic=1).encode()) == Extent(None, None, 0, False)
