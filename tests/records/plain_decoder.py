"""A decoder of record batches in plain Python, written from Kafka's documentation of the format.

It shares nothing with loader.records: what the kernels give is held to what this gives on the same bytes.
Slow and obvious on purpose. It explains offsets another way, too: by remembering what each one was.
"""

import gzip
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import cramjam
import google_crc32c


class PlainError(Exception):
    """The bytes are not a record batch."""


class Header(NamedTuple):
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
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta


class Row(NamedTuple):
    key: bytes | None
    value: bytes | None
    offset: int
    timestamp_ms: int
    timestamp_type: int
    headers: list[tuple[bytes, bytes | None]]


@dataclass
class Decoded:
    rows: list[Row] = field(default_factory=list)
    next_offset: int = 0
    aborted_count: int = 0
    control_count: int = 0
    compacted_count: int = 0


HEADER = struct.Struct(">qiibIhiqqqhii")


def decode(
    response: bytes,
    position: int,
    end_offset: int,
    aborted_transactions: Iterable[tuple[int, int]] = (),
) -> Decoded:
    """What a reader at `position` gets up to `end_offset`. Transactions are (first offset, producer id)."""
    decoded = Decoded(next_offset=position)
    fates: dict[int, str] = {}
    aborted = sorted(aborted_transactions)
    aborting: set[int] = set()
    for header, section in whole_batches(response):
        if decoded.next_offset >= end_offset:
            break
        fate = "row"
        records = list(read_records(header, section)) if header.base_offset < end_offset else []
        while aborted and aborted[0][0] <= header.last_offset:
            aborting.add(aborted.pop(0)[1])
        if header.attributes & 0x20:
            fate = "control"
            if records and struct.unpack(">hh", (records[0].key or b"\xff" * 4)[:4])[1] == 0:
                aborting.discard(header.producer_id)
        elif header.attributes & 0x10 and header.producer_id in aborting:
            fate = "aborted"
        for record in records:
            if position <= record.offset < end_offset:
                fates[record.offset] = fate
                if fate == "row":
                    decoded.rows.append(record)
        decoded.next_offset = max(decoded.next_offset, min(header.last_offset + 1, end_offset))
    for offset in range(position, decoded.next_offset):
        match fates.get(offset):
            case "aborted":
                decoded.aborted_count += 1
            case "control":
                decoded.control_count += 1
            case None:
                decoded.compacted_count += 1
    return decoded


def whole_batches(response: bytes) -> Iterator[tuple[Header, bytes]]:
    """The header of each whole batch, and its records section, decompressed."""
    at = 0
    next_offset = 0
    while len(response) - at >= 17:
        (size,) = struct.unpack_from(">i", response, at + 8)
        if response[at + 16] != 2:
            raise PlainError("magic")
        if size < HEADER.size - 12:
            raise PlainError("batch length")
        if len(response) - at < 12 + size:
            return
        header = Header(*HEADER.unpack_from(response, at))
        if header.base_offset < next_offset or header.last_offset_delta < 0:
            raise PlainError("batch offset")
        if google_crc32c.value(response[at + 21 : at + 12 + size]) != header.crc:
            raise PlainError("crc")
        if header.record_count < 0:
            raise PlainError("record count")
        section = response[at + HEADER.size : at + 12 + size]
        yield header, decompress(header.attributes & 7, section) if header.record_count else b""
        next_offset = header.last_offset + 1
        at += 12 + size


def decompress(codec: int, section: bytes) -> bytes:
    match codec:
        case 0:
            return section
        case 1:
            return gzip.decompress(section)
        case 2:
            return decompress_snappy(section)
        case 3:
            return bytes(cramjam.lz4.decompress(section))
        case 4:
            return bytes(cramjam.zstd.decompress(section))
    raise PlainError("codec")


def decompress_snappy(section: bytes) -> bytes:
    magic = b"\x82SNAPPY\x00"
    if not section.startswith(magic):
        return bytes(cramjam.snappy.decompress_raw(section))
    at, blocks = 0, []
    while at < len(section):
        if section.startswith(magic, at):
            at += 16
            continue
        (size,) = struct.unpack_from(">i", section, at)
        blocks.append(bytes(cramjam.snappy.decompress_raw(section[at + 4 : at + 4 + size])))
        at += 4 + size
    return b"".join(blocks)


class Cursor:
    """A place in bytes, moved by reading, never over its end."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self.octets) - self.at:
            raise PlainError("size")
        self.at += size
        return self.octets[self.at - size : self.at]

    def varint(self, most_bits: int = 32) -> int:
        zigzag = 0
        for i in range((most_bits + 6) // 7):
            (octet,) = self.take(1)
            zigzag |= (octet & 0x7F) << 7 * i
            if octet < 0x80:
                if zigzag >> most_bits:
                    break
                return zigzag >> 1 if zigzag % 2 == 0 else -(zigzag >> 1) - 1
        raise PlainError("varint")

    def nullable(self) -> bytes | None:
        size = self.varint()
        return self.take(size) if size >= 0 else None


def read_records(header: Header, section: bytes) -> Iterator[Row]:
    """The records of one batch, whatever their fate."""
    cursor = Cursor(section)
    last_delta = -1
    for _ in range(header.record_count):
        body = Cursor(cursor.take(cursor.varint()))
        body.take(1)
        timestamp_delta = body.varint(64)
        offset_delta = body.varint()
        key, value = body.nullable(), body.nullable()
        headers = []
        for _ in range(_natural(body.varint())):
            header_key = body.nullable()
            if header_key is None:
                raise PlainError("header key")
            headers.append((header_key, body.nullable()))
        if body.at != len(body.octets) or not last_delta < offset_delta <= header.last_offset_delta:
            raise PlainError("record")
        last_delta = offset_delta
        timestamp = header.base_timestamp + timestamp_delta
        timestamp = (timestamp + 2**63) % 2**64 - 2**63  # as a long of Java
        if header.attributes & 0x08:
            timestamp = header.max_timestamp
        timestamp_type = header.attributes >> 3 & 1
        yield Row(key, value, header.base_offset + offset_delta, timestamp, timestamp_type, headers)
    if header.record_count and cursor.at != len(section):
        raise PlainError("bytes left")


def _natural(number: int) -> int:
    if number < 0:
        raise PlainError("count")
    return number
