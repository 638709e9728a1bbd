"""Damaged and malicious batches: refused by name, or read as the plain decoder reads them; never a crash.

The last test runs the others again with every index in the kernels checked.
"""

import os
import resource
import struct
import subprocess
import sys
from pathlib import Path

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.errors import CorruptBatch, UnsupportedMessageFormat
from loader.records.decoder import DecodedRecords, decode
from loader.records.limits import DecodeLimits

from .batches import Batch, Log, Record, fetched, logs, numbered, orders, with_right_crc
from .plain_decoder import HEADER, PlainError
from .plain_decoder import decode as decode_plainly

BATCH = Batch(
    10,
    (
        Record(0, b"key", b"value", ((b"h", b"1"),)),
        Record(1, None, None),
        Record(2, b"", b"", ((b"h", None),)),
    ),
)
CRC_COVERS_FROM = 21


def decode_all(response: bytes, start: int, end: int) -> list[DecodedRecords]:
    limits = DecodeLimits(batch_bytes=1 << 20)
    return list(decode(fetched(response, start), orders(start, end), start, "read_committed", limits=limits))


def offsets(parts: list[DecodedRecords]) -> list[int]:
    return [offset for part in parts for offset in part.rows["offset"].to_pylist()]


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_any_flipped_bit_that_the_crc_covers_is_caught_and_named() -> None:
    response = BATCH.encode()

    for bit in range(CRC_COVERS_FROM * 8, len(response) * 8):
        with pytest.raises(CorruptBatch, match="orders-3 at offset 10, read from broker 1"):
            decode_all(flipped(response, bit), 10, 13)


def test_any_flipped_bit_of_the_crc_itself_is_caught() -> None:
    response = BATCH.encode()

    for bit in range(17 * 8, CRC_COVERS_FROM * 8):
        with pytest.raises(CorruptBatch, match="CRC"):
            decode_all(flipped(response, bit), 10, 13)


def test_a_flipped_bit_before_the_crc_never_moves_loses_or_doubles_an_offset() -> None:
    batches = [numbered(start, 10).encode() for start in (0, 10, 20)]

    for bit in range(17 * 8):
        response = batches[0] + flipped(batches[1], bit) + batches[2]
        try:
            parts = decode_all(response, 0, 30)
        except (CorruptBatch, UnsupportedMessageFormat):
            continue
        # Else the leader epoch, which moves nothing; or a length that reaches over the end, which is a cut
        # batch: the next fetch begins with it.
        assert offsets(parts) == list(range(30 if 12 * 8 <= bit < 16 * 8 else 10))
        assert parts[-1].next_offset == len(offsets(parts))


def test_a_damaged_length_is_blamed_on_its_batch_and_not_on_what_then_looks_like_one() -> None:
    batch = bytearray(numbered(0, 10).encode())
    batch[8:12] = (len(batch) - 12 - 40).to_bytes(4, "big")

    with pytest.raises(CorruptBatch, match=r"orders-3 at offset 0, .* CRC"):
        decode_all(bytes(batch) + numbered(10, 10).encode(), 0, 20)


@pytest.mark.parametrize(
    "batch",
    [
        Batch(0, record_count=-1),
        Batch(0, record_count=-(2**31)),
        Batch(0, record_count=2),
        Batch(0, record_count=2**31 - 1),
        Batch(0, section=b"", record_count=1),
        Batch(0, section=b"\0" * 6, record_count=1),
        Batch(0, (Record(0), Record(0))),
        Batch(0, (Record(1), Record(0)), last_offset_delta=1),
        Batch(0, (Record(5),), last_offset_delta=4),
        Batch(0, (Record(-1), Record(1))),
        Batch(0, codec_id=5),
        Batch(0, section=b"not compressed", codec_id=1),
        Batch(0, section=b"not compressed", codec_id=2),
        Batch(0, section=b"not compressed", codec_id=3),
        Batch(0, section=b"not compressed", codec_id=4),
        Batch(0, section=Record(0).encode() + b"\0"),
        Batch(0, section=Record(0, value=b"v" * 20).encode()[:-2]),
        Batch(0, section=b"\x10\0\0\0\1\1\0\0\0"),  # two bytes too many within the record
        Batch(0, section=b"\x16\0\0\0\1\1\xfe\xff\xff\xff\x0f"),  # 2^31 - 1 headers
    ],
    ids=str,
)
def test_a_wrong_batch_with_a_right_crc_is_refused(batch: Batch) -> None:
    with pytest.raises(CorruptBatch, match="orders-3 at offset 0, read from broker 1: "):
        decode_all(batch.encode(), 0, 10)


@pytest.mark.parametrize("count", [-1, -(2**31), 2, 2**31 - 1])
def test_a_record_count_is_judged_before_any_record_is_read(count: int) -> None:
    with pytest.raises(CorruptBatch, match=f"the batch's record count is {count}"):
        decode_all(Batch(0, record_count=count).encode(), 0, 10)


@given(
    log=logs(),
    flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=3),
    where=st.sampled_from(["anywhere", "in a header"]),
)
def test_damage_under_a_right_crc_is_refused_or_read_as_by_the_plain_decoder(
    log: Log, flips: list[tuple[int, int]], where: str
) -> None:
    response = b""
    for number, batch in enumerate(log.batches):
        octets = bytearray(batch.encode())
        for place, octet in flips:
            if place % len(log.batches) == number:
                reach = len(octets) if where == "anywhere" else HEADER.size
                octets[CRC_COVERS_FROM + place % (reach - CRC_COVERS_FROM)] = octet
        response += with_right_crc(bytes(octets))
    try:
        parts = decode_all(response, log.start, log.end)
    except CorruptBatch:
        return

    try:
        expected = decode_plainly(response, log.start, log.end)
    except (PlainError, OSError, EOFError, ValueError, cramjam.DecompressionError) as error:
        raise AssertionError("the plain decoder refuses it") from error
    assert offsets(parts) == [row.offset for row in expected.rows]
    assert [value for part in parts for value in part.rows["value"].to_pylist()] == [
        row.value for row in expected.rows
    ]


@given(octets=st.binary(max_size=400), is_framed=st.booleans())
def test_arbitrary_bytes_give_rows_or_an_error_of_ours(octets: bytes, is_framed: bool) -> None:
    if is_framed:
        size = struct.pack(">i", len(octets))
        octets = with_right_crc(bytes(8) + size + b"\0\0\0\0\2" + bytes(4) + octets[: len(octets) - 9])
    try:
        parts = decode_all(octets, 0, 100)
    except (CorruptBatch, UnsupportedMessageFormat):
        return
    assert all(part.counts.explained_count <= 100 for part in parts)


def test_a_bomb_is_refused_within_bounded_memory() -> None:
    megabyte = bytes(cramjam.zstd.compress(bytes(1 << 20)))
    bomb = Batch(0, section=megabyte * 500, codec_id=4, record_count=1).encode()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(CorruptBatch, match="of zstd cannot be decompressed into 1048576 bytes"):
        decode_all(bomb, 0, 1)

    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 150 * 1024  # 500 MiB would it be


def test_a_batch_of_many_tiny_records_comes_in_parts() -> None:
    count = 100_000
    section = b"".join(Record(i, value=None).encode() for i in range(count))
    batch = Batch(0, section=section, record_count=count, last_offset_delta=count - 1).encode()

    parts = list(
        decode(fetched(batch), orders(0, count), 0, "read_committed", limits=DecodeLimits(chunk_rows=1000))
    )

    assert {part.rows.num_rows for part in parts} == {1000}
    assert offsets(parts) == list(range(count))


def test_records_with_many_headers_come_in_parts() -> None:
    headers = ((b"a", b"1"), (b"b", b"2"), (b"c", None))
    records = tuple(Record(i, headers=headers) for i in range(6))
    limits = DecodeLimits(chunk_rows=4)

    parts = list(
        decode(fetched(Batch(0, records).encode()), orders(0, 6), 0, "read_committed", limits=limits)
    )

    assert [part.rows.num_rows for part in parts] == [2, 2, 2]


def test_a_record_with_100_000_headers_is_read() -> None:
    headers = tuple((b"key-%d" % i, b"%d" % i) for i in range(100_000))

    (part,) = decode_all(Batch(0, (Record(0, headers=headers),)).encode() + numbered(1, 1).encode(), 0, 2)

    assert len(part.rows["headers"][0]) == 100_000
    assert part.rows["headers"][0][99_999].as_py() == {"key": "key-99999", "value": b"99999"}
    assert part.rows["headers"][1].as_py() is None


@pytest.mark.skipif("NUMBA_BOUNDSCHECK" in os.environ, reason="this is the run with every index checked")
def test_no_kernel_reads_or_writes_outside_of_its_arrays(tmp_path: Path) -> None:
    here = Path(__file__)
    checked = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", here, here.with_name("test_kernels.py")],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=here.parents[2],
    )

    assert checked.returncode == 0, checked.stdout
