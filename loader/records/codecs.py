"""The codecs of a batch's records section. None of them can make more bytes than the room it is given.

No size that a compressed frame states is trusted, and most frames state none: so the output has a fixed
room, and a frame that does not fit is an error, however large the thing it would become.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cramjam
import numpy as np
from numpy.typing import NDArray

from loader.records.problems import MalformedBatch

NONE = 0

# What snappy-java writes before its blocks, each of which has its size before it. Other producers write one
# raw block instead. Behind the magic are two int32: version, and the lowest version that can read it.
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16

# How a plain LZ4 frame begins, by the largest size of its blocks: magic, flags (version 1, blocks that need
# no other block), block size, a checksum of these two. Blocks follow, each behind its size; then a size of 0.
_LZ4_HEADER_BYTES = 7
_LZ4_PLAIN_FRAMES = {
    b"\x04\x22\x4d\x18" + rest: block_bytes
    for block_bytes, headers in (
        (64 << 10, (b"\x60\x40\x82", b"\x64\x40\xa7")),
        (256 << 10, (b"\x60\x50\xfb", b"\x64\x50\x08")),
        (1 << 20, (b"\x60\x60\x51", b"\x64\x60\x85")),
        (4 << 20, (b"\x60\x70\x73", b"\x64\x70\xb9")),
    )
    for rest in headers
}
_LZ4_HAS_CONTENT_CHECKSUM = 0x04  # among the flags: 4 bytes more at the end


class DoesNotFit(MalformedBatch):
    """The records cannot be decompressed into the room given: too large, or not of this codec at all."""


def decompress(codec_id: int, compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    """Decompress a records section into the front of `room`, and return how many bytes it filled."""
    codec = _CODECS.get(codec_id)
    if codec is None:
        raise MalformedBatch(f"the batch names codec {codec_id}, which is not defined")
    name, function = codec
    try:
        return function(compressed, room)
    except cramjam.DecompressionError as error:
        raise DoesNotFit(
            f"the batch's {compressed.size} bytes of {name} cannot be decompressed into {room.size} bytes:"
            f" {error}"
        ) from None


def _copy(compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    if compressed.size > room.size:
        raise cramjam.DecompressionError(f"they are {compressed.size} bytes")
    room[: compressed.size] = compressed
    return compressed.size


def _snappy(compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    if not _is_xerial(compressed):
        return _snappy_block(compressed, room)
    at = _XERIAL_HEADER_BYTES
    filled = 0
    while at < compressed.size:
        if _is_xerial(compressed[at:]):  # streams can be concatenated
            at += _XERIAL_HEADER_BYTES
            continue
        size = int.from_bytes(compressed[at : at + 4].tobytes(), "big")
        at += 4
        if size > compressed.size - at:
            raise cramjam.DecompressionError(f"a block of {size} bytes is cut short")
        filled += _snappy_block(compressed[at : at + size], room[filled:])
        at += size
    return filled


def _is_xerial(compressed: NDArray[np.uint8]) -> bool:
    return compressed[: len(_XERIAL_MAGIC)].tobytes() == _XERIAL_MAGIC


def _snappy_block(compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    return cramjam.snappy.decompress_raw_into(compressed.data, room.data)


def _gzip(compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    return cramjam.gzip.decompress_into(compressed.data, room.data)


def _lz4(compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    """Decompress LZ4 frames; a plain one, the usual, block by block, which is four times as fast.

    Its content checksum is not looked at. Java does not either, and the batch's CRC covers the same bytes.
    """
    header = compressed[:_LZ4_HEADER_BYTES].tobytes()
    block_bytes = _LZ4_PLAIN_FRAMES.get(header)
    if block_bytes is None:
        return cramjam.lz4.decompress_into(compressed.data, room.data)
    at = _LZ4_HEADER_BYTES
    end = compressed.size - (4 if header[4] & _LZ4_HAS_CONTENT_CHECKSUM else 0)
    filled = 0
    while at + 4 <= end:
        size = int.from_bytes(compressed[at : at + 4].tobytes(), "little")
        at += 4
        if size == 0 and at == end:
            return filled
        is_stored, size = size >> 31, size & 0x7FFFFFFF
        if not 0 < size <= min(block_bytes, end - at):
            break
        block, space = compressed[at : at + size], room[filled : filled + block_bytes]
        if is_stored:
            filled += _copy(block, space)
        else:
            filled += cramjam.lz4.decompress_block_into(block.data, space.data, output_len=space.size)
        at += size
    # Cut short, or more frames follow: the general reader knows what to make of it.
    return cramjam.lz4.decompress_into(compressed.data, room.data)


def _zstd(compressed: NDArray[np.uint8], room: NDArray[np.uint8]) -> int:
    return cramjam.zstd.decompress_into(compressed.data, room.data)


_CODECS: Mapping[int, tuple[str, Callable[[NDArray[np.uint8], NDArray[np.uint8]], int]]] = MappingProxyType(
    {
        NONE: ("uncompressed records", _copy),
        1: ("gzip", _gzip),
        2: ("snappy", _snappy),
        3: ("lz4", _lz4),
        4: ("zstd", _zstd),
    }
)
