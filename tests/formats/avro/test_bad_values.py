"""Values that are damaged or malicious: each has the outcome that docs/avro.md says; none crashes or hangs.

The last test runs the others again with every index in the kernels checked.
"""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.formats.avro.spec import AvroSpec
from loader.values.schemas import RegisteredSchema
from tests.formats.examples import Registry

from .decoding import NO_SCHEMAS, decoder_of, record, registered
from .plain_avro import Beyond, Columns, comparable, encode, framed, held_by, parsed, read
from .schemas import schemas_with_values

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs/avro.md").read_text(encoding="utf-8").partition("## Values that are bad")[2]
OUTCOMES = dict(re.findall(r"^\| (.+) \| ([\w-]+) \|$", TABLE, re.MULTILINE))
del OUTCOMES["case"]
ROW, READ = "a row whose columns are null", "read"


def zigzag(number: int) -> bytes:
    number = number << 1 if number >= 0 else ~number << 1 | 1
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


TWO_LISTS = {"type": "array", "items": {"type": "array", "items": "null"}}
TIME = {"type": "long", "logicalType": "time-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38}
SHORT_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 3}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
LONGS = {"type": "array", "items": "long"}
NULLS = {"type": "array", "items": "null"}
MAP = {"type": "map", "values": "int"}

CASES: dict[str, tuple[Any, bytes]] = {
    "nothing behind the schema id": ("int", b""),
    "ends within a number": ("long", b"\x80"),
    "ends within a text": ("string", zigzag(3) + b"ab"),
    "ends within a double": ("double", bytes(7)),
    "ends before the end of a list": (LONGS, zigzag(1) + zigzag(5)),
    "one byte behind the value": ("int", b"\0\0"),
    "a number of eleven bytes": ("long", b"\x80" * 10 + b"\0"),
    "a number of more than 64 bits": ("long", b"\xff" * 9 + b"\x02"),
    "a number longer than it need be": ("int", b"\x82\x80\x80\x80\x80\x80\0"),
    "an int of 33 bits": ("int", zigzag(2**31)),
    "a length below 0": ("string", zigzag(-1)),
    "a length of 2^62": ("bytes", zigzag(2**62)),
    "a boolean that is 2": ("boolean", b"\x02"),
    "branch of a union that there is not": (["null", "int"], zigzag(2)),
    "branch of a union below 0": (["null", "int", "string"], zigzag(-1)),
    "symbol of an enum that there is not": (ENUM, zigzag(2)),
    "symbol of an enum below 0": (ENUM, zigzag(-1)),
    "text that is no UTF-8": ("string", zigzag(2) + b"a\xff"),
    "text with a surrogate": ("string", zigzag(3) + b"\xed\xa0\x80"),
    "key of a map that is no UTF-8": (MAP, zigzag(1) + zigzag(1) + b"\x80" + zigzag(5) + b"\0"),
    "list with the bytes of its block told": (LONGS, zigzag(-2) + zigzag(2) + b"\x02\x04" + b"\0"),
    "list whose block tells more bytes than there are": (LONGS, zigzag(-1) + zigzag(9) + b"\x02\0"),
    "list whose block tells a length below 0": (LONGS, zigzag(-1) + zigzag(-1) + b"\x02\0"),
    "list of -2^63 elements": (LONGS, zigzag(-(2**63)) + zigzag(1) + b"\x02\0"),
    "list of 2^60 longs": (LONGS, zigzag(2**60) + b"\x02\x04\0"),
    "list of 100 nulls": (NULLS, zigzag(100) + b"\0"),
    "list of 2^60 nulls": (NULLS, zigzag(2**60) + b"\0"),
    "lists of 100 nulls, twice in a value": (TWO_LISTS, zigzag(2) + (zigzag(100) + b"\0") * 2 + b"\0"),
    "decimal of no bytes": (DECIMAL, zigzag(0)),
    "decimal of 20 bytes that is small": (DECIMAL, zigzag(20) + b"\xff" * 20),
    "decimal of 17 bytes that is not": (DECIMAL, zigzag(17) + b"\x01" + bytes(16)),
    "decimal with a digit too many": (SHORT_DECIMAL, zigzag(2) + (1000).to_bytes(2, "big")),
    "time of day below 0": (TIME, zigzag(-1)),
    "time of day from 24:00 on": (TIME, zigzag(86_400_000_000)),
    "timestamp-millis beyond 64 bits of microseconds": (
        {"type": "long", "logicalType": "timestamp-millis"},
        zigzag(-(2**63) // 1000),
    ),
    "NaN and infinity": (record(a="float", b="double"), b"\0\0\xc0\x7f" + bytes(6) + b"\xf0\xff"),
    "a map with a key twice": (MAP, zigzag(2) + (zigzag(1) + b"k" + zigzag(7)) * 2 + b"\0"),
}
HEADS: dict[str, bytes | None] = {
    "a tombstone (null)": None,
    "no bytes": b"",
    "fewer than 5 bytes": b"\0\0\0\0",
    "first byte is not 0": b"\x01\0\0\0\x01\x02",
    "schema id beyond 31 bits": b"\0\x80\0\0\x01\x02",
    "schema id that the registry does not have": framed(9, b"\x02"),
    "schema id of a JSON schema": framed(8, b"\x02"),
}
PROMOTED = {
    "long beyond 2^53 for a double column": ("long", "double", zigzag(2**53 + 1)),
    "int beyond 2^24 for a float column": ("int", "float", zigzag(2**24 + 1)),
}


def outcome(value: bytes | None, *schemas: Any) -> str:
    """What becomes of a value between two good ones, in the words of the table."""
    json_schema = RegisteredSchema(8, "JSON", "{}")
    numbered = tuple(registered(number, each) for number, each in enumerate(schemas, 1))
    decoder = AvroSpec((*numbered, registered(7, schemas[-1]))).decoder(Registry(json_schema))
    decoded = decoder.decode(pa.array([None, value, None], pa.binary()))
    decoded.column.validate(full=True)
    assert [row for row in (0, 2) if decoded.column[row].is_valid] == []
    if not len(decoded.bad):
        return READ if decoded.column[1].is_valid else ROW
    assert decoded.bad.rows.tolist() == [1]
    assert not decoded.column[1].is_valid
    assert re.search(r"\(byte \d+\)$", decoded.bad.error_texts[0].as_py())
    (word,) = decoded.bad.error_classes.to_pylist()
    assert decoded.bad.schema_ids[0].is_valid == (word != "no-schema-id")
    return str(word)


def test_every_case_of_the_table_is_tested() -> None:
    tabled = dict(re.findall(r"^\| (.+?) \| (.+) \|$", TABLE, re.MULTILINE))
    assert set(tabled) - {"case", "---"} == set(CASES) | set(HEADS) | set(PROMOTED)


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_value_has_the_outcome_that_the_table_says(case: str) -> None:
    schema, octets = CASES[case]

    assert outcome(framed(1, octets), schema) == OUTCOMES[case]


@pytest.mark.parametrize("case", HEADS)
def test_a_value_without_a_known_schema_has_the_outcome_that_the_table_says(case: str) -> None:
    assert outcome(HEADS[case], "int") == OUTCOMES.get(case, ROW)


@pytest.mark.parametrize("case", PROMOTED)
def test_a_number_that_its_column_has_not_exactly_has_the_outcome_that_the_table_says(case: str) -> None:
    older, newer, octets = PROMOTED[case]

    assert outcome(framed(1, octets), older, newer) == OUTCOMES[case]


def test_a_bad_value_is_told_with_its_place_its_byte_and_its_schema() -> None:
    schema = record(id="int", address=["null", record(name="string") | {"name": "Address"}])
    decoder = decoder_of("null", schema)
    wrong = framed(2, b"\x02\x02\x04a\xff")

    bad = decoder.decode(pa.array([framed(2, b"\x02\0"), wrong, b"x"], pa.binary())).bad

    assert bad.rows.tolist() == [1, 2]
    assert bad.error_classes.to_pylist() == ["not-utf-8", "no-schema-id"]
    assert bad.error_texts.to_pylist() == [
        "address.name: no UTF-8 (byte 9)",
        "does not begin with a zero byte and a schema id (byte 0)",
    ]
    assert bad.schema_ids.to_pylist() == [2, None]


def test_what_was_read_of_a_bad_value_is_in_no_column() -> None:
    schema = record(a=LONGS, b={"type": "map", "values": "string"}, c="int")
    good = {"a": [1, 2, 3], "b": {"k": "v"}, "c": 4}
    octets = encode(parsed(schema), good)
    values = [framed(1, each) for each in (octets, octets[:-1], octets + b"\0", octets)]

    decoded = decoder_of(schema).decode(pa.array(values, pa.binary()))

    assert held_by(decoded.column) == [good, None, None, good]
    assert decoded.column.field("a").flatten().to_pylist() == [1, 2, 3] * 2


def test_a_list_may_come_in_blocks() -> None:
    inner = zigzag(1) + b"\x02" + zigzag(-2) + zigzag(2) + b"\x04\x06" + zigzag(1) + b"\x08\0"
    octets = zigzag(1) + inner + zigzag(2) + b"\0" + inner + b"\0"
    decoder = decoder_of({"type": "array", "items": LONGS})

    decoded = decoder.decode(pa.array([framed(1, octets)], pa.binary()))

    assert held_by(decoded.column) == [[[1, 2, 3, 4], [], [1, 2, 3, 4]]]


@pytest.mark.parametrize("precision", [1, 18, 19, 20, 38])
def test_a_decimal_is_read_where_its_digits_are_no_more_than_its_types(precision: int) -> None:
    powers = [10**precision, 2**63, 2**64, 2**127, 2**128, 2**192]
    numbers = {sign * power + step for sign in (-1, 1) for power in powers for step in (-1, 0, 1)}
    cases = [
        (number, number.bit_length() // 8 + longer) for number in sorted(numbers) for longer in (1, 2, 9)
    ]
    schema = {"type": "bytes", "logicalType": "decimal", "precision": precision}
    values = [framed(1, zigzag(size) + number.to_bytes(size, "big", signed=True)) for number, size in cases]

    decoded = decoder_of(schema).decode(pa.array(values, pa.binary()))

    expected = [number if abs(number) < 10**precision else None for number, _ in cases]
    assert held_by(decoded.column) == expected
    assert set(decoded.bad.error_classes.to_pylist()) == {"out-of-range"}


def test_hostile_counts_take_no_memory() -> None:
    hostile = [framed(1, zigzag(2**60) + b"\0"), framed(2, zigzag(2**60) + bytes(8))] * 1000
    decoder = decoder_of(NULLS, LONGS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    bad = decoder.decode(pa.array(hostile, pa.binary())).bad

    assert bad.error_classes.to_pylist() == ["too-many-elements", "truncated"] * 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


@given(schemas_with_values())
@settings(max_examples=50)
def test_a_value_that_is_cut_anywhere_is_bad_or_read_as_by_fastavro(drawn: tuple[Any, list[Any]]) -> None:
    schema, data = drawn
    octets = encode(parsed(schema), data[0])

    assert_as_by_fastavro(schema, [octets[:end] for end in range(len(octets) + 1)])


@given(
    drawn=schemas_with_values(),
    flips=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 255)), min_size=20, max_size=60),
)
def test_a_damaged_value_is_bad_or_read_as_by_fastavro(
    drawn: tuple[Any, list[Any]], flips: list[tuple[int, int]]
) -> None:
    schema, data = drawn
    octets = encode(parsed(schema), data[0])
    damaged = []
    for place, mask in flips:
        if octets:
            changed = bytearray(octets)
            changed[place % len(octets)] ^= mask
            damaged.append(bytes(changed))

    assert_as_by_fastavro(schema, damaged)


STRICTER = {
    "bad-boolean",
    "bad-index",  # fastavro takes Python's index: -1 is the last branch
    "bad-length",  # and reads bytes of a length below 0 to the end
    "bad-number",
    "out-of-range",
    "too-many-elements",
    "truncated",  # it does not look at how many bytes a block says to have
}
"""What fastavro accepts and Avro does not, or no column holds."""


def assert_as_by_fastavro(schema: Any, values: list[bytes]) -> None:
    plain, columns = parsed(schema), Columns(schema)
    decoded = (
        AvroSpec((registered(1, schema),))
        .decoder(NO_SCHEMAS)
        .decode(pa.array([framed(1, each) for each in values], pa.binary()))
    )
    held = held_by(decoded.column)
    bad = dict(zip(decoded.bad.rows.tolist(), decoded.bad.error_classes.to_pylist(), strict=True))
    for row, octets in enumerate(values):
        if row in bad and bad[row] in STRICTER:
            continue  # a list of 2^60 nulls would keep fastavro for ever
        try:
            datum, left = read(plain, octets)
            expected = comparable(columns.held(datum))
        except (Beyond, EOFError, IndexError, ValueError, OverflowError, StopIteration, TypeError):
            assert row in bad, f"{schema} {octets!r} is refused by fastavro and read as {held[row]}"
            continue
        assert (row in bad) == (left > 0)
        assert row in bad or held[row] == expected


@pytest.mark.skipif("NUMBA_BOUNDSCHECK" in os.environ, reason="this is the run with every index checked")
def test_no_kernel_reads_or_writes_outside_of_its_arrays(tmp_path: Path) -> None:
    here = Path(__file__)
    checked = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", here, here.with_name("test_avro.py")],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert checked.returncode == 0, checked.stdout
