"""Each row of the table in docs/protobuf.md: what becomes of a value."""

import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loader.formats.protobuf.columns import CompiledSchema
from loader.formats.protobuf.problems import PROBLEMS
from loader.formats.protobuf.spec import ProtobufSpec
from loader.registry.protoc import compile_schema
from loader.values.schemas import RegisteredSchema
from tests.formats.examples import Registry

from .schemas import tagged, varint

PAGE = (Path(__file__).parents[3] / "docs" / "protobuf.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("| case | outcome |\n|---|---|\n")[2].partition("\n\n")[0]
DOCUMENTED = dict(line.strip("| ").split(" | ") for line in TABLE.splitlines())

ORDER = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
message Order {
  message Line { string sku = 1; int32 count = 2; }
  enum State { NEW = 0; PAID = 1; }
  int32 id = 1;
  string name = 2;
  repeated int32 numbers = 3;
  repeated double reals = 4;
  Line line = 5;
  map<string, int32> scores = 6;
  oneof choice { string text = 7; Line other = 8; }
  google.protobuf.Timestamp at = 9;
  google.protobuf.Duration took = 10;
  State state = 11;
  bool paid = 12;
  double real = 13;
  uint64 big = 14;
  fixed32 word = 15;
}
message Refund { int32 id = 1; }
"""
OLD = """
syntax = "proto2";
message Order {
  enum State { NEW = 3; PAID = 7; }
  required int32 id = 1;
  optional string name = 2 [default = "nobody"];
  optional State state = 11;
}
"""
WIDE = f"""
syntax = "proto3";
message Wide {{
  message Row {{ {" ".join(f"int32 c{i} = {i + 1};" for i in range(100))} }}
  repeated Row rows = 1;
}}
"""
EMPTY = {
    "id": 0,
    "name": "",
    "numbers": [],
    "reals": [],
    "line": None,
    "scores": [],
    "text": None,
    "other": None,
    "at": None,
    "took": None,
    "state": "NEW",
    "paid": False,
    "real": 0.0,
    "big": Decimal(0),
    "word": 0,
}


AVRO = RegisteredSchema(9, "AVRO", '"int"')


def compiled(schema_id: int, text: str) -> CompiledSchema:
    return CompiledSchema(schema_id, compile_schema(RegisteredSchema(schema_id, "PROTOBUF", text)))


@pytest.fixture(scope="module")
def specs() -> dict[int, ProtobufSpec]:
    return {each: ProtobufSpec((compiled(each, text),)) for each, text in ((7, ORDER), (8, OLD), (6, WIDE))}


def group(number: int, within: bytes = b"") -> bytes:
    return tagged(number, 3, within) + tagged(number, 4, b"")


def nested(depth: int) -> bytes:
    return tagged(50, 3, b"") * depth + tagged(50, 4, b"") * depth


HEAD = b"\0\0\0\0\7"
ORDER_HEAD, OLD_HEAD = HEAD + b"\0", b"\0\0\0\0\x08\0"
SURROGATE = b"\xed\xa0\x80"

# The value, and the columns that differ from EMPTY where it is read.
CASES: dict[str, tuple[bytes | None, dict[str, Any]]] = {
    "a tombstone (null)": (None, {}),
    "no bytes": (b"", {}),
    "fewer than 5 bytes": (HEAD[:4], {}),
    "first byte is not 0": (b"\1" + ORDER_HEAD[1:], {}),
    "schema id beyond 31 bits": (b"\0\x80\0\0\7\0", {}),
    "nothing behind the schema id": (HEAD, {}),
    "indexes that are cut off": (HEAD + b"\4\0", {}),
    "more indexes than bytes": (HEAD + varint(2**40) + b"\0", {}),
    "a count of indexes below 0": (HEAD + b"\1\0", {}),
    "schema id that the registry does not have": (b"\0\0\0\0\x0a\0", {}),
    "schema id of an Avro schema": (b"\0\0\0\0\x09\0", {}),
    "indexes of the second message": (HEAD + b"\2\2", {}),
    "indexes of a message within the first": (HEAD + b"\4\0\0", {}),
    "an index that no message has": (HEAD + b"\2\4", {}),
    "an index below 0": (HEAD + b"\2\1", {}),
    "indexes [0] spelled out": (HEAD + b"\2\0" + tagged(1, 0, b"\5"), {"id": 5}),
    "an empty message": (ORDER_HEAD, {}),
    "ends within a tag": (ORDER_HEAD + b"\x88", {}),
    "ends within a varint": (ORDER_HEAD + b"\x08\x80", {}),
    "ends within a fixed32": (ORDER_HEAD + tagged(15, 5, b"123"), {}),
    "ends within a fixed64": (ORDER_HEAD + tagged(13, 1, b"1234567"), {}),
    "a text longer than the message": (ORDER_HEAD + b"\x12\2a", {}),
    "a message longer than the one around it": (ORDER_HEAD + tagged(5, 2, b"\x0a\2a") + b"\x08\1", {}),
    "a length of 2^63": (ORDER_HEAD + b"\x12" + varint(2**63), {}),
    "a length of six bytes": (ORDER_HEAD + b"\x12\x81\x80\x80\x80\x80\0a", {}),
    "a varint of ten bytes": (ORDER_HEAD + tagged(1, 0, varint(-1)), {"id": -1}),
    "a varint of ten bytes with more than 64 bits": (
        ORDER_HEAD + b"\x08" + b"\xff" * 9 + b"\x7f",
        {"id": -1},
    ),
    "a varint of eleven bytes": (ORDER_HEAD + b"\x08" + b"\x80" * 10 + b"\0", {}),
    "a varint longer than it need be": (ORDER_HEAD + b"\x08\x85\x80\0", {"id": 5}),
    "a tag of six bytes": (ORDER_HEAD + b"\x88\x80\x80\x80\x80\0\5", {}),
    "a tag beyond 32 bits": (ORDER_HEAD + b"\x88\x80\x80\x80\x10\5", {}),
    "field number 0": (ORDER_HEAD + b"\0\5", {}),
    "wire type 6": (ORDER_HEAD + b"\x0e\5", {}),
    "wire type 7": (ORDER_HEAD + b"\x0f\5", {}),
    "an unknown field of each type": (
        ORDER_HEAD
        + b"".join(
            tagged(99, wire, value)
            for wire, value in ((0, b"\x80\1"), (1, b"12345678"), (2, b"abc"), (5, b"1234"))
        )
        + group(99)
        + tagged(1, 0, b"\5"),
        {"id": 5},
    ),
    "an unknown group within a group": (ORDER_HEAD + group(99, group(98, tagged(1, 0, b"\5"))), {}),
    "a group that does not end": (ORDER_HEAD + tagged(99, 3, b""), {}),
    "a group that ends as another": (ORDER_HEAD + tagged(99, 3, b"") + tagged(98, 4, b""), {}),
    "the end of a group that did not begin": (ORDER_HEAD + tagged(99, 4, b""), {}),
    "100 groups within each other": (ORDER_HEAD + nested(100), {}),
    "101 groups within each other": (ORDER_HEAD + nested(101), {}),
    "a known field of another type on the wire": (
        ORDER_HEAD + tagged(1, 5, b"1234") + tagged(2, 0, b"\5") + tagged(5, 3, b"") + tagged(5, 4, b""),
        {},
    ),
    "a list of numbers, packed and not": (
        ORDER_HEAD + tagged(3, 2, b"\1\2") + tagged(3, 0, b"\3") + tagged(3, 2, b"") + tagged(3, 2, b"\4"),
        {"numbers": [1, 2, 3, 4]},
    ),
    "packed numbers cut off within one": (ORDER_HEAD + tagged(3, 2, b"\1\x80"), {}),
    "packed doubles of seven bytes": (ORDER_HEAD + tagged(4, 2, b"1234567"), {}),
    "an int32 of more than 32 bits": (ORDER_HEAD + tagged(1, 0, varint(2**32 + 5)), {"id": 5}),
    "a bool that is 2": (ORDER_HEAD + tagged(12, 0, b"\2"), {"paid": True}),
    "a number of an enum without a name": (ORDER_HEAD + tagged(11, 0, varint(-9)), {"state": "-9"}),
    "a text that is no UTF-8": (ORDER_HEAD + tagged(2, 2, b"a\xff"), {}),
    "a text that is no UTF-8 and a good one later": (
        ORDER_HEAD + tagged(2, 2, b"a\xff") + tagged(2, 2, b"a"),
        {},
    ),
    "a text with a surrogate": (ORDER_HEAD + tagged(2, 2, SURROGATE), {}),
    "key of a map that is no UTF-8": (ORDER_HEAD + tagged(6, 2, tagged(1, 2, b"\xff")), {}),
    "an entry of a map without key and value": (ORDER_HEAD + tagged(6, 2, b""), {"scores": [("", 0)]}),
    "a map with a key twice": (
        ORDER_HEAD
        + b"".join(
            tagged(6, 2, tagged(1, 2, key) + tagged(2, 0, value))
            for key, value in ((b"a", b"\1"), (b"b", b"\2"), (b"a", b"\3"))
        ),
        {"scores": [("b", 2), ("a", 3)]},
    ),
    "a field of a oneof, then another one": (
        ORDER_HEAD + tagged(7, 2, b"a") + tagged(8, 2, tagged(2, 0, b"\5")),
        {"other": {"sku": "", "count": 5}},
    ),
    "a message in two pieces": (
        ORDER_HEAD
        + tagged(5, 2, tagged(1, 2, b"a"))
        + tagged(1, 0, b"\5")
        + tagged(5, 2, tagged(2, 0, b"\5")),
        {"id": 5, "line": {"sku": "a", "count": 5}},
    ),
    "a Timestamp of the year 10000": (ORDER_HEAD + tagged(9, 2, tagged(1, 0, varint(253402300800))), {}),
    "a Timestamp with nanoseconds below 0": (ORDER_HEAD + tagged(9, 2, tagged(2, 0, varint(-1))), {}),
    "a Duration with two signs": (
        ORDER_HEAD + tagged(10, 2, tagged(1, 0, b"\1") + tagged(2, 0, varint(-1))),
        {},
    ),
    "NaN and infinity": (
        ORDER_HEAD + tagged(4, 2, struct.pack("<dd", float("inf"), float("-inf"))),
        {"reals": [float("inf"), float("-inf")]},
    ),
    "a message of proto2 without a required field": (OLD_HEAD + tagged(2, 2, b"a"), {}),
    "a text of proto2 that is no UTF-8": (OLD_HEAD + tagged(1, 0, b"\5") + tagged(2, 2, b"\xff"), {}),
    "a number of an enum of proto2 without a name": (
        OLD_HEAD + tagged(1, 0, b"\5") + tagged(11, 0, b"\4"),
        {"id": 5, "name": None, "state": "4"},
    ),
    "400,000 empty messages of 100 columns in a list": (b"\0\0\0\0\6\0" + b"\x0a\0" * 400_000, {}),
}


def test_the_table_and_the_cases_are_the_same() -> None:
    assert list(DOCUMENTED) == list(CASES)


def test_every_class_of_mistakes_is_in_the_table() -> None:
    assert {problem.error_class for problem in PROBLEMS.values()} == {
        outcome for outcome in DOCUMENTED.values() if " " not in outcome and outcome != "read"
    }


@pytest.mark.parametrize("case", CASES)
def test_a_value_becomes_what_the_page_says(case: str, specs: dict[int, ProtobufSpec]) -> None:
    value, columns = CASES[case]
    schema_id = value[4] if value and len(value) > 4 and value[4] in specs else 7
    good = ORDER_HEAD if schema_id == 7 else b"\0\0\0\0\x08\0\x08\1" if schema_id == 8 else b"\0\0\0\0\6\0"

    decoded = specs[schema_id].decoder(Registry(AVRO)).decode(pa.array([good, value, good], pa.binary()))

    decoded.column.validate(full=True)
    before, row, after = decoded.column.to_pylist()
    outcome = decoded.bad.error_classes[0].as_py() if len(decoded.bad) else "read"
    assert DOCUMENTED[case] == ("a row whose columns are null" if value is None else outcome)
    assert decoded.bad.rows.tolist() == ([1] if outcome != "read" else [])
    assert row == (
        None if value is None or outcome != "read" else ({**EMPTY, **columns} if schema_id == 7 else columns)
    )
    assert before == after
    assert before is not None


def test_a_mistake_is_told_by_its_field_its_byte_and_its_schema(specs: dict[int, ProtobufSpec]) -> None:
    value = ORDER_HEAD + tagged(1, 0, b"\5") + tagged(5, 2, tagged(1, 2, b"\xff"))

    bad = specs[7].decoder(Registry(AVRO)).decode(pa.array([value, HEAD + b"\2\2"], pa.binary())).bad

    assert bad.error_texts.to_pylist() == [
        "line.sku: is no UTF-8 (byte 10)",
        "is a Refund, and the columns are those of Order (byte 5)",
    ]
    assert bad.schema_ids.to_pylist() == [7, 7]


def test_a_large_map_keeps_the_last_of_each_key(specs: dict[int, ProtobufSpec]) -> None:
    entries = [(f"k{number % 3000}", number) for number in range(10_000)]
    value = ORDER_HEAD + b"".join(
        tagged(6, 2, tagged(1, 2, key.encode()) + tagged(2, 0, varint(number))) for key, number in entries
    )

    decoded = specs[7].decoder(Registry(AVRO)).decode(pa.array([value, ORDER_HEAD], pa.binary()))

    scores = decoded.column[0].as_py()["scores"]
    assert len(scores) == 3000
    assert dict(scores) == dict(entries)
    assert decoded.column[1].as_py() == EMPTY
