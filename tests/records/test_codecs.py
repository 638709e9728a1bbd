"""Codecs: every shape a producer writes, and none can make more bytes than the room it is given."""

import contextlib
import gzip
import struct
from collections.abc import Callable

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.records.codecs import DoesNotFit, decompress
from loader.records.layout import as_octets
from loader.records.problems import MalformedBatch

from .batches import CODECS

TEXT = b"".join(b'{"id": %d, "name": "customer-%d"}' % (i, i * 7919 % 1000) for i in range(100))


def decompressed(codec: str, compressed: bytes, room_bytes: int) -> bytes:
    room = np.zeros(room_bytes, np.uint8)
    size = decompress(CODECS[codec][0], as_octets(compressed), room)
    return room[:size].tobytes()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("octets", [TEXT, b"x", bytes(100_000)], ids=["text", "one byte", "zeros"])
def test_every_shape_a_producer_writes_is_read(codec: str, octets: bytes) -> None:
    compressed = CODECS[codec][1](octets)

    assert decompressed(codec, compressed, len(octets)) == octets
    assert decompressed(codec, compressed, len(octets) + 1000) == octets


def test_the_content_checksum_of_an_lz4_frame_is_not_looked_at_as_in_java() -> None:
    java = CODECS["lz4 as Java writes it"][1](TEXT)
    go = java.replace(b"\x60\x40\x82", b"\x64\x40\xa7", 1) + b"none"

    assert decompressed("lz4 as Java writes it", go, len(TEXT)) == TEXT


def test_an_lz4_block_larger_than_its_frame_says_is_refused() -> None:
    octets = bytes(100_000)
    block = bytes(cramjam.lz4.compress_block(octets, store_size=False))
    frame = b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(block)) + block + bytes(4)

    with pytest.raises(MalformedBatch):
        decompressed("lz4 as Java writes it", frame, len(octets))


@pytest.mark.parametrize("codec", CODECS)
def test_a_room_one_byte_too_small_is_an_error_that_names_both_sizes(codec: str) -> None:
    compressed = CODECS[codec][1](TEXT)

    with pytest.raises(DoesNotFit, match=rf"{len(compressed)} bytes .* {len(TEXT) - 1} bytes"):
        decompressed(codec, compressed, len(TEXT) - 1)


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "none"])
@pytest.mark.parametrize("cut", [1, 5, 9, 40])
def test_compressed_bytes_that_are_cut_short_are_an_error_or_fewer_bytes(codec: str, cut: int) -> None:
    compressed = CODECS[codec][1](TEXT)[:-cut]

    try:
        octets = decompressed(codec, compressed, len(TEXT))
    except MalformedBatch:
        return
    assert len(octets) < len(TEXT) or cut == 1  # xerial has no end mark: the record count will tell


@pytest.mark.parametrize("codec_id", [5, 6, 7])
def test_a_codec_that_is_not_defined_is_named(codec_id: int) -> None:
    with pytest.raises(MalformedBatch, match=f"codec {codec_id}, which is not defined"):
        decompress(codec_id, as_octets(b"1234"), np.zeros(10, np.uint8))


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "none"])
@given(octets=st.binary(max_size=60), keep=st.integers(0, 40))
def test_arbitrary_bytes_never_crash_a_codec(codec: str, octets: bytes, keep: int) -> None:
    compressed = CODECS[codec][1](TEXT)[:keep] + octets

    with contextlib.suppress(MalformedBatch):
        assert len(decompressed(codec, compressed, 5000)) <= 5000


def _repeated(compress: Callable[[bytes], bytes]) -> bytes:
    return compress(bytes(1 << 20)) * 300


BOMBS = {
    1: _repeated(gzip.compress),
    2: struct.pack("B", 0xFF) * 4 + b"\x0f" + b"\xfe\x01\x00" * 100,  # says 4 GiB
    3: _repeated(lambda octets: bytes(cramjam.lz4.compress(octets))),
    4: _repeated(lambda octets: bytes(cramjam.zstd.compress(octets))),
}


@pytest.mark.parametrize("codec_id", BOMBS)
def test_a_bomb_fills_the_room_and_no_more(codec_id: int) -> None:
    room = np.zeros(10_000, np.uint8)

    with pytest.raises(DoesNotFit):
        decompress(codec_id, as_octets(BOMBS[codec_id]), room[:5000])

    assert not room[5000:].any()
