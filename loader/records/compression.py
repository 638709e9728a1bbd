"""Compressing the records section of a batch, in the shapes that Kafka's Java client writes and brokers read.

The reverse of `codecs`. Brokers decompress what a producer sends to check it, so a shape of a codec that
only some readers know would be refused, or would stop a consumer later.
"""

import gzip
import struct
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import cramjam

_SNAPPY_BLOCK_BYTES = 32 << 10
_XERIAL_HEADER = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)

# Version 1, blocks that need no other block, of up to 64 KiB, no checksums: Java refuses blocks that need
# the one before.
_LZ4_BLOCK_BYTES = 64 << 10
_LZ4_HEADER = b"\x04\x22\x4d\x18\x60\x40\x82"
_LZ4_STORED = 1 << 31
_LZ4_END = b"\0\0\0\0"


def _blocks(records: bytes, size: int) -> Iterator[bytes]:
    return (records[at : at + size] for at in range(0, len(records), size))


def _snappy(records: bytes) -> bytes:
    pieces = [_XERIAL_HEADER]
    for block in _blocks(records, _SNAPPY_BLOCK_BYTES):
        small = bytes(cramjam.snappy.compress_raw(block))
        pieces += (struct.pack(">i", len(small)), small)
    return b"".join(pieces)


def _lz4(records: bytes) -> bytes:
    pieces = [_LZ4_HEADER]
    for block in _blocks(records, _LZ4_BLOCK_BYTES):
        small = bytes(cramjam.lz4.compress_block(block, store_size=False))
        if len(small) < len(block):
            pieces += (struct.pack("<I", len(small)), small)
        else:
            pieces += (struct.pack("<I", len(block) | _LZ4_STORED), block)
    return b"".join([*pieces, _LZ4_END])


def _gzip(records: bytes) -> bytes:
    return gzip.compress(records, compresslevel=6, mtime=0)


def _zstd(records: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(records, level=3))


CODEC_IDS: Mapping[str, int] = MappingProxyType({"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4})
"""As a batch's attributes spell them."""

_COMPRESS: Mapping[int, Callable[[bytes], bytes]] = MappingProxyType(
    {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
)


def compress(codec_id: int, records: bytes) -> bytes:
    """Compress a records section by one of CODEC_IDS; may be longer than it was. 0 returns it as it is."""
    return _COMPRESS[codec_id](records) if codec_id else records
