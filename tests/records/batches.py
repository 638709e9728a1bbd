"""Record batches made by hand, right or wrong in any field, and strategies that make many."""

import gzip
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cramjam
import google_crc32c
from hypothesis import strategies as st

from loader.values import AbortedTransaction, FetchedRecords, OffsetRange

from .plain_decoder import HEADER

Headers = tuple[tuple[bytes, bytes | None], ...]


def varint(number: int) -> bytes:
    """A zigzag varint of any size."""
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    octets = bytearray()
    while zigzag > 0x7F:
        octets.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*octets, zigzag])


def nullable(octets: bytes | None) -> bytes:
    return varint(-1) if octets is None else varint(len(octets)) + octets


@dataclass(frozen=True)
class Record:
    offset_delta: int
    key: bytes | None = None
    value: bytes | None = b"v"
    headers: Headers = ()
    timestamp_delta: int = 0

    def encode(self) -> bytes:
        body = b"".join(
            [
                b"\0",
                varint(self.timestamp_delta),
                varint(self.offset_delta),
                nullable(self.key),
                nullable(self.value),
                varint(len(self.headers)),
                *(nullable(key) + nullable(value) for key, value in self.headers),
            ]
        )
        return varint(len(body)) + body


def _xerial(octets: bytes) -> bytes:
    blocks = [bytes(cramjam.snappy.compress_raw(octets[i : i + 100])) for i in range(0, len(octets), 100)]
    framed = (struct.pack(">i", len(block)) + block for block in blocks)
    return b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"".join(framed)


def _lz4_of_java(octets: bytes) -> bytes:
    """One frame of independent blocks without checksums; a block that does not shrink is stored."""
    frame = b"\x04\x22\x4d\x18\x60\x40\x82"
    for i in range(0, len(octets), 500):
        block = octets[i : i + 500]
        small = bytes(cramjam.lz4.compress_block(block, store_size=False))
        if len(small) < len(block):
            frame += struct.pack("<I", len(small)) + small
        else:
            frame += struct.pack("<I", len(block) | 1 << 31) + block
    return frame + b"\0\0\0\0"


def _twice(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Two members or frames, one after the other."""
    return lambda octets: compress(octets[: len(octets) // 2]) + compress(octets[len(octets) // 2 :])


def _of_cramjam(codec: Any) -> Callable[[bytes], bytes]:
    return lambda octets: bytes(codec.compress(octets))


# name: (codec id, how); every shape a producer is known to write
CODECS: Mapping[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip.compress),
    "gzip in two members": (1, _twice(gzip.compress)),
    "snappy, raw": (2, lambda octets: bytes(cramjam.snappy.compress_raw(octets))),
    "snappy, xerial": (2, _xerial),
    "snappy, xerial twice": (2, _twice(_xerial)),
    "lz4 as Java writes it": (3, _lz4_of_java),
    "lz4 with checksums": (3, _of_cramjam(cramjam.lz4)),
    "lz4 in two frames": (3, _twice(_lz4_of_java)),
    "zstd": (4, _of_cramjam(cramjam.zstd)),
    "zstd in two frames": (4, _twice(_of_cramjam(cramjam.zstd))),
}


@dataclass(frozen=True)
class Batch:
    """A batch as its fields say; `section` and `record_count` replace what the records would give."""

    base_offset: int
    records: tuple[Record, ...] = (Record(0),)
    last_offset_delta: int | None = None
    codec: str = "none"
    leader_epoch: int = 7
    magic: int = 2
    base_timestamp: int = 1_700_000_000_000
    max_timestamp: int = 1_700_000_099_000
    has_append_time: bool = False
    is_transactional: bool = False
    is_control: bool = False
    producer_id: int = -1
    section: bytes | None = None
    record_count: int | None = None
    codec_id: int | None = None

    @property
    def last_offset(self) -> int:
        return self.base_offset + self._last_offset_delta

    @property
    def _last_offset_delta(self) -> int:
        if self.last_offset_delta is not None:
            return self.last_offset_delta
        return self.records[-1].offset_delta if self.records else 0

    def encode(self) -> bytes:
        codec_id, compress = CODECS[self.codec]
        plain = b"".join(record.encode() for record in self.records)
        section = self.section if self.section is not None else compress(plain) if plain else b""
        attributes = (
            (codec_id if self.codec_id is None else self.codec_id)
            | self.has_append_time << 3
            | self.is_transactional << 4
            | self.is_control << 5
        )
        header = HEADER.pack(
            self.base_offset,
            HEADER.size - 12 + len(section),
            self.leader_epoch,
            self.magic,
            0,
            attributes,
            self._last_offset_delta,
            self.base_timestamp,
            self.max_timestamp,
            self.producer_id,
            0,
            -1,
            len(self.records) if self.record_count is None else self.record_count,
        )
        return with_right_crc(header + section)


def with_right_crc(batch: bytes) -> bytes:
    """The batch with the CRC that its bytes have."""
    return batch[:17] + struct.pack(">I", google_crc32c.value(batch[21:])) + batch[21:]


def marker(base_offset: int, producer_id: int, *, commits: bool) -> Batch:
    """The control batch that ends a transaction."""
    record = Record(0, key=struct.pack(">hh", 0, commits), value=struct.pack(">hi", 0, 0))
    return Batch(base_offset, (record,), is_transactional=True, is_control=True, producer_id=producer_id)


def numbered(base_offset: int, count: int, **fields: Any) -> Batch:
    """A batch without gaps, whose values say their offsets."""
    records = tuple(Record(i, value=b"%d" % (base_offset + i)) for i in range(count))
    return Batch(base_offset, records, **fields)


def fetched(
    response: bytes, fetch_offset: int = 0, aborted: Sequence[tuple[int, int]] = (), visible_end: int = 2**62
) -> FetchedRecords:
    """What the broker's answer would be."""
    return FetchedRecords(
        topic="orders",
        partition=3,
        fetch_offset=fetch_offset,
        records=response,
        high_watermark=visible_end,
        last_stable_offset=visible_end,
        log_start_offset=0,
        node_id=1,
        aborted_transactions=tuple(AbortedTransaction(first, producer) for first, producer in aborted),
    )


def orders(start: int, end: int) -> OffsetRange:
    """A range of the partition that `fetched` answers for."""
    return OffsetRange("orders", 3, start, end)


@dataclass(frozen=True)
class Log:
    """Part of a log, and the transactions in it that were aborted."""

    batches: tuple[Batch, ...]
    aborted: tuple[tuple[int, int], ...] = ()

    def encode(self) -> bytes:
        return b"".join(batch.encode() for batch in self.batches)

    @property
    def start(self) -> int:
        return self.batches[0].base_offset

    @property
    def end(self) -> int:
        return self.batches[-1].last_offset + 1


payloads = st.none() | st.binary(max_size=40) | st.binary(min_size=60, max_size=300)
header_keys = st.text("aZ9-é☃𝄞", max_size=8).map(str.encode)
header_lists = st.just(()) | st.lists(st.tuples(header_keys, payloads), max_size=4).map(tuple)


@st.composite
def record_tuples(draw: st.DrawFn, with_gaps: bool = True) -> tuple[Record, ...]:
    """Records of one batch, some compacted away."""
    steps = draw(st.lists(st.integers(1, 5) if with_gaps else st.just(1), max_size=12))
    deltas = [sum(steps[: i + 1]) - 1 for i in range(len(steps))]
    return tuple(
        Record(delta, draw(payloads), draw(payloads), draw(header_lists), draw(st.integers(-(2**20), 2**40)))
        for delta in deltas
    )


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Batches in order, with gaps, every codec, and transactions of three producers that interleave."""
    offset = draw(st.integers(0, 1000))
    open_since: dict[int, int] = {}
    batches: list[Batch] = []
    aborted: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(1, 8))):
        offset += draw(st.integers(0, 3))
        producer_id = draw(st.integers(1, 3))
        if producer_id in open_since and draw(st.booleans()):
            commits = draw(st.booleans())
            batch = marker(offset, producer_id, commits=commits)
            first = open_since.pop(producer_id)
            if not commits:
                aborted.append((first, producer_id))
        else:
            records = draw(record_tuples())
            least = records[-1].offset_delta if records else 0
            batch = Batch(
                offset,
                records,
                last_offset_delta=least + draw(st.integers(0, 3)),
                codec=draw(st.sampled_from(sorted(CODECS))),
                base_timestamp=draw(st.sampled_from([-1, 0, 1_700_000_000_000])),
                has_append_time=draw(st.booleans()),
            )
            if draw(st.booleans()):
                batch = replace(batch, is_transactional=True, producer_id=producer_id)
                open_since.setdefault(producer_id, offset)
        batches.append(batch)
        offset = batch.last_offset + 1
    # What the log does not end was aborted behind its end; the response lists it all the same.
    aborted += [(first, producer) for producer, first in open_since.items() if draw(st.booleans())]
    return Log(tuple(batches), tuple(draw(st.permutations(aborted))))
