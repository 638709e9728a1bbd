"""The kernels against the plain decoder: any columns, good texts, bad texts, and texts that were harmed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.values.column_types import StructType

from .decoding import kernel_outcomes, plain_outcome, type_of
from .examples import encoded, object_texts, schemas


def assert_as_by_plain_decoder(values: list[bytes | None], columns: StructType, unknown_fields: str) -> None:
    """Good and bad are the same values, and the good ones have the same rows, to the last bit of a double."""
    found = kernel_outcomes(values, columns, unknown_fields)

    for value, by_kernel in zip(values, found, strict=True):
        by_plain = plain_outcome(value, columns, unknown_fields)
        if "good" in (by_kernel[0], by_plain[0]):
            assert repr(by_kernel) == repr(by_plain), value


@st.composite
def columns_and_records(draw: st.DrawFn) -> tuple[StructType, list[bytes | None]]:
    columns = draw(schemas)
    records: Any = st.lists(object_texts(columns).map(encoded), min_size=1, max_size=5)
    return columns, draw(records)


@settings(max_examples=150)
@given(columns_and_records(), st.sampled_from(["rest", "drop", "fail"]))
def test_any_record_of_any_columns_is_decoded_as_by_python(
    example: tuple[StructType, list[bytes | None]], unknown_fields: str
) -> None:
    columns, records = example

    assert_as_by_plain_decoder(records, columns, unknown_fields)


ALL_TYPES = type_of(
    "id: long, n: int, f: float, d: double, ok: boolean, s: string, b: binary, day: date, t: time,"
    " ms: timestamp(ms), at: timestamp, ntz: timestamp_ntz, m: decimal(10, 2), l: list<long>,"
    " k: map<string, double>, o: struct<a: long, b: list<struct<c: string>>>"
)
WHOLE = (
    '{"id":-12,"n":2147483647,"f":1.5,"d":-0.1e-5,"ok":true,"s":"a\\"b\\u00e9\\ud83d\\ude00 é日😀",'
    '"b":"aGk=","day":"2024-02-29","t":"23:59:59.5","ms":1700000000000,"at":"2026-11-22T10:00:00+01:00",'
    '"ntz":"2026-11-22T10:00","m":"12.50","l":[1,null,22],"k":{"x":0.5,"y":null},'
    '"o":{"a":null,"b":[{"c":"d","e":{"f":[{}]}}]},"more":[true,null,{"x":-1.5e+3}]}'
).encode()
harms = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "drop", "insert"]),
        st.integers(0, len(WHOLE)),
        st.integers(0, 255) | st.sampled_from(list(b'{}[]:,"\\ -+.eE0159tfnu')),
    ),
    min_size=1,
    max_size=2,
)


def harmed(octets: bytes, how: str, place: int, octet: int) -> bytes:
    before, behind = octets[:place], octets[place:]
    match how:
        case "flip":
            return before + bytes(byte ^ (1 << octet % 8) for byte in behind[:1]) + behind[1:]
        case "set":
            return before + bytes([octet]) + behind[1:]
        case "cut":
            return before
        case "drop":
            return before + behind[1:]
    return before + bytes([octet]) + behind


def test_the_whole_record_is_good() -> None:
    assert kernel_outcomes([WHOLE], ALL_TYPES)[0][0] == "good"
    assert_as_by_plain_decoder([WHOLE], ALL_TYPES, "rest")


@pytest.mark.parametrize("size", range(0, len(WHOLE), 7))
def test_no_part_of_a_record_is_a_record(size: int) -> None:
    assert kernel_outcomes([WHOLE[:size]], ALL_TYPES)[0][0] != "good"


@settings(max_examples=300)
@given(st.lists(harms, min_size=1, max_size=8))
def test_a_harmed_record_is_decoded_or_refused_as_by_python(
    harms_of_each: list[list[tuple[str, int, int]]],
) -> None:
    records: list[bytes | None] = []
    for harms_of_one in harms_of_each:
        record = WHOLE
        for how, place, octet in harms_of_one:
            record = harmed(record, how, min(place, len(record)), octet)
        records.append(record)

    assert_as_by_plain_decoder(records, ALL_TYPES, "rest")


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_any_bytes_within_a_text_are_decoded_or_refused_as_by_python(first: bytes, second: bytes) -> None:
    records: list[bytes | None] = [
        b'{"s":"' + first + b'"}',
        b'{"s":"' + b"x" * 9 + first + second + b'","' + second + b'":1}',
        first,
    ]

    assert_as_by_plain_decoder(records, ALL_TYPES, "rest")
