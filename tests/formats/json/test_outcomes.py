"""Each row of the tables in docs/json.md: what becomes of a record."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loader.formats.json.faults import NO_ROOM, PROBLEMS
from loader.formats.json.spec import JsonSpec
from loader.formats.protocol import NoSchemas

from .decoding import decoder_of, kernel_outcomes, plain_outcome, type_of

PAGE = (Path(__file__).parents[3] / "docs" / "json.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
OUTCOMES = [row for row in ROWS if len(row) == 3 and row[0].startswith("`")]
UNKNOWN_FIELDS = [row for row in ROWS if len(row) == 4 and row[0] in ("`rest`", "`drop`", "`fail`")]
CLASSES = [row[0].strip("`") for row in ROWS if len(row) == 2 and row[0].startswith("`")]


def test_the_page_has_the_tables() -> None:
    assert len(OUTCOMES) > 150
    assert len(UNKNOWN_FIELDS) == 12


def test_the_page_names_every_class_of_mistakes() -> None:
    assert sorted(CLASSES) == sorted({problem.error_class for problem in PROBLEMS.values()})
    assert sorted(PROBLEMS) == list(range(1, NO_ROOM))


def octets_of(cell: str) -> bytes:
    if cell == "(nothing)":
        return b""
    text = cell.removeprefix("`").removesuffix("`").encode()
    return re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text)


def shown(value: Any) -> str:
    if value is None:
        return "null"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def decoded_outcome(record: bytes, columns: str, unknown_fields: str = "rest") -> tuple[str, Any]:
    decoded = decoder_of(type_of(columns), unknown_fields).decode(pa.array([record], pa.binary()))
    if not len(decoded.bad):
        return "good", decoded.column[0].as_py()
    assert decoded.column.null_count == 1
    path, colon, _ = decoded.bad.error_texts[0].as_py().partition(": ")
    return f"**bad**: {decoded.bad.error_classes[0]}" + (f" at {path}" if colon else ""), None


@pytest.mark.parametrize(("column_type", "record", "outcome"), OUTCOMES)
def test_a_record_becomes_what_the_page_says(column_type: str, record: str, outcome: str) -> None:
    columns = "x: " + column_type.strip("`")

    found, row = decoded_outcome(octets_of(record), columns)

    if outcome.startswith("**bad**: not-json"):  # the page leaves out in which field the text breaks
        found = found.partition(" at ")[0]
    assert (f"`{shown(row['x'])}`" if found == "good" else found) == outcome
    by_plain = plain_outcome(octets_of(record), type_of(columns))
    assert (by_plain[0] == "good") == (found == "good")


@pytest.mark.parametrize(("unknown_fields", "columns", "record", "outcome"), UNKNOWN_FIELDS)
def test_unknown_fields_become_what_the_page_says(
    unknown_fields: str, columns: str, record: str, outcome: str
) -> None:
    found, row = decoded_outcome(octets_of(record), columns.strip("`"), unknown_fields.strip("`"))

    if found == "good":
        rest = row.get("_rest", "no `_rest`")
        found = rest if rest == "no `_rest`" else f"`_rest` is {'null' if rest is None else f'`{rest}`'}"
    assert found == outcome


@pytest.mark.parametrize(
    ("columns", "record", "text"),
    [
        ("price: double", b'{"id": 7, "price": "1"}', "price: is a text, not double (byte 19)"),
        (
            "a: struct<b: list<int>>",
            b'{"a":{"b":[2147483648]}}',
            "a.b[]: is beyond the range of int (byte 11)",
        ),
        ("a: long", b'{"a": 1', "ends before its JSON does (byte 7)"),
        ("a: long", b"", "there is no JSON in it (byte 0)"),
        ("a: list<long>", b'{"a": {}}', "a: is an object, not list<long> (byte 6)"),
        ("a: map<string, long>", b'{"a": true}', "a: is a boolean, not map<string, long> (byte 6)"),
        ("a: long", b'{"b":1, "a": 1,  "a":2}', "a: stands there twice (byte 19)"),
        ("a: string", b'\xef\xbb\xbf{"a": "\xff"}', "a: no UTF-8 continues like this (byte 10)"),
    ],
)
def test_a_message_names_the_field_what_was_found_and_the_byte(
    columns: str, record: bytes, text: str
) -> None:
    bad = decoder_of(type_of(columns), "rest").decode(pa.array([b"{}", record], pa.binary())).bad

    assert bad.rows.tolist() == [1]
    assert bad.error_texts.to_pylist() == [text]
    assert bad.schema_ids.to_pylist() == [None]


def test_a_tombstone_is_null_and_not_bad() -> None:
    assert kernel_outcomes([None, b'{"a":1}', None], type_of("a: long")) == [
        ("good", None),
        ("good", {"a": 1, "_rest": None}),
        ("good", None),
    ]


def test_no_values_are_no_rows() -> None:
    decoded = JsonSpec(type_of("a: long")).decoder(NoSchemas()).decode(pa.array([], pa.binary()))

    assert (len(decoded.column), len(decoded.bad)) == (0, 0)
