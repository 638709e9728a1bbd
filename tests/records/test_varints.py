"""Varints of the kernels, held to the plain decoder on right and on arbitrary bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.records.compilation import ensure_compiled
from loader.records.layout import as_octets
from loader.records.varints import read_varint, read_varlong

from .batches import varint
from .plain_decoder import Cursor, PlainError

ensure_compiled()


def read_plainly(octets: bytes, most_bits: int) -> tuple[int, int]:
    cursor = Cursor(octets)
    try:
        return cursor.varint(most_bits), cursor.at
    except PlainError:
        return 0, -1


@given(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=3))
def test_an_int32_is_read_back_with_the_place_behind_it(number: int, more: bytes) -> None:
    octets = varint(number) + more

    assert read_varint(as_octets(octets), 0, len(octets)) == (number, len(varint(number)))


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3))
def test_an_int64_is_read_back_with_the_place_behind_it(number: int, more: bytes) -> None:
    octets = varint(number) + more

    assert read_varlong(as_octets(octets), 0, len(octets)) == (number, len(varint(number)))


@given(st.lists(st.sampled_from([0x00, 0x01, 0x0F, 0x10, 0x7F, 0x80, 0x81, 0xFF]), max_size=12).map(bytes))
def test_any_bytes_are_read_or_refused_as_by_the_plain_decoder(octets: bytes) -> None:
    assert read_varint(as_octets(octets), 0, len(octets)) == read_plainly(octets, 32)
    assert read_varlong(as_octets(octets), 0, len(octets)) == read_plainly(octets, 64)


@pytest.mark.parametrize(
    ("octets", "is_int32", "is_int64"),
    [
        (b"\xff\xff\xff\xff\x0f", True, True),
        (b"\xff\xff\xff\xff\x1f", False, True),  # 33 bits
        (b"\x80\x80\x80\x80\x80\x00", False, True),  # longer than an int32 may be written
        (b"\xff" * 9 + b"\x01", False, True),
        (b"\xff" * 9 + b"\x02", False, False),  # 65 bits
        (b"\x80" * 10 + b"\x00", False, False),
    ],
)
def test_a_varint_too_long_or_too_large_for_its_field_is_refused(
    octets: bytes, is_int32: bool, is_int64: bool
) -> None:
    assert (read_varint(as_octets(octets), 0, len(octets))[1] > 0) == is_int32
    assert (read_varlong(as_octets(octets), 0, len(octets))[1] > 0) == is_int64


@pytest.mark.parametrize("read", [read_varint, read_varlong])
def test_reading_stops_at_the_end_and_from_a_failed_read(read: Callable[..., tuple[int, int]]) -> None:
    octets = as_octets(b"\x80\x01")

    assert read(octets, 0, 1) == (0, -1)
    assert read(octets, 2, 2) == (0, -1)
    assert read(octets, -1, 2) == (0, -1)
