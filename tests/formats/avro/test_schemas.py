"""Schemas as they are written: what each type is as a column, and what no column can be."""

import pickle
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from loader.errors import UnusableSchema
from loader.formats.arrow_types import from_arrow
from loader.formats.avro.spec import AvroSpec
from loader.values.schemas import RegisteredSchema, SchemaReference

from .decoding import NO_SCHEMAS, decoder_of, record, registered, rows_of
from .plain_avro import encode, framed, text


def column_text(schema: Any) -> str:
    return str(from_arrow(AvroSpec((registered(1, schema),)).column_type))


def long(logical: str) -> dict[str, str]:
    return {"type": "long", "logicalType": logical}


FIXED = {"type": "fixed", "name": "F", "size": 16}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
ENUM = {"type": "enum", "name": "shop.Color", "symbols": ["RED", "BLUE"]}
EMPTY = {"type": "record", "name": "Empty", "fields": []}


@pytest.mark.parametrize(
    ("schema", "column"),
    [
        (record(a="boolean", b="int", c="long"), "struct<a: boolean, b: int, c: long>"),
        (record(a="float", b="double"), "struct<a: float, b: double>"),
        (
            record(a="bytes", b="string", c=ENUM, d=FIXED),
            "struct<a: binary, b: string, c: string, d: binary>",
        ),
        (record(a={"type": "int", "logicalType": "date"}, b=MONEY), "struct<a: date, b: decimal(9, 2)>"),
        (
            record(a={"type": "int", "logicalType": "time-millis"}, b=long("time-micros")),
            "struct<a: time, b: time>",
        ),
        *((long(f"timestamp-{unit}"), "timestamp") for unit in ("millis", "micros", "nanos")),
        *((long(f"local-timestamp-{unit}"), "timestamp_ntz") for unit in ("millis", "micros", "nanos")),
        ({"type": "string", "logicalType": "uuid"}, "string"),
        (FIXED | {"logicalType": "uuid"}, "binary"),
        (FIXED | {"logicalType": "duration", "size": 12}, "binary"),
        (FIXED | {"logicalType": "decimal", "precision": 38}, "decimal(38, 0)"),
        (MONEY | {"precision": 39}, "binary"),
        (MONEY | {"scale": 10}, "binary"),
        ({"type": "string", "logicalType": "date"}, "string"),
        (long("of-tomorrow"), "long"),
        ({"type": {"type": "array", "items": {"type": "map", "values": "int"}}}, "list<map<string, int>>"),
        (["null", "long"], "long"),
        (["string"], "string"),
        (["null", "string", "long", ENUM], "struct<string: string, long: long, Color: string>"),
        (["int", {"type": "array", "items": ["null", "int"]}], "struct<int: int, array: list<int>>"),
        ([EMPTY | {"name": "a.X"}, EMPTY | {"name": "b.x"}], "struct<`a.X`: boolean, `b.x`: boolean>"),
        (["null", record(a="int")], "struct<a: int>"),
        (record(a="null", b="int", c=["null"]), "struct<b: int>"),
        (record(a=EMPTY, b={"type": "array", "items": "null"}), "struct<a: boolean, b: list<boolean>>"),
        ("null", "boolean"),
        (EMPTY, "boolean"),
    ],
    ids=str,
)
def test_a_schema_is_a_column_of_its_type(schema: Any, column: str) -> None:
    assert column_text(schema) == column


def test_a_primitive_may_be_registered_without_quotes() -> None:
    assert str(AvroSpec((RegisteredSchema(1, "AVRO", " string\n"),)).column_type) == "string"


def test_named_types_are_found_by_namespace_and_by_reference() -> None:
    address = {
        "type": "record",
        "name": "Address",
        "namespace": "shop",
        "fields": [{"name": "zip", "type": "int"}],
    }
    inner = record(far="other.Code", near="Code", same="shop.Address") | {"name": "shop.Order"}
    inner["fields"].insert(0, {"name": "code", "type": {"type": "enum", "name": "Code", "symbols": ["A"]}})
    other = {"type": "fixed", "name": "other.Code", "size": 1}
    references = (SchemaReference("shop.Address", text(address)), SchemaReference("other.Code", text(other)))

    spec = AvroSpec((RegisteredSchema(1, "AVRO", text(inner), references),))

    column = "struct<code: string, far: binary, near: string, same: struct<zip: int>>"
    assert str(from_arrow(spec.column_type)) == column
    value = framed(1, b"\0" + b"x" + b"\0" + b"\x0a")
    assert rows_of(spec.decoder(NO_SCHEMAS), [value]) == [
        {"code": "A", "far": b"x", "near": "A", "same": {"zip": 5}}
    ]


DEEP: Any = "int"
for _ in range(40):
    DEEP = {"type": "array", "items": DEEP}
TREE = record(left=["null", "R"])
WIDE: list[Any] = [record(a="int") | {"name": "W0"}]
for number in range(1, 14):
    WIDE.append(record(a=WIDE[-1], b=f"W{number - 1}") | {"name": f"W{number}"})


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (TREE, "schema id 1, field left: the type R holds itself, and Parquet has no columns for such types"),
        (record(a={"type": "array", "items": TREE | {"name": "T", "fields": [{"name": "up", "type": "R"}]}}),
         "field a.up: the type R holds itself"),
        (record(a="Nowhere"), "field a: the type Nowhere is defined nowhere before"),
        (record(a={"type": "array"}), 'field a: {"type": "array"} is no Avro type'),
        (record(a=7), "field a: 7 is no Avro type"),
        ({"type": "record", "name": "R"}, "the record R has no list of fields"),
        ({"type": "record", "name": "R", "fields": ["a"]}, '"a" is no field with name and type'),
        ({"type": "record", "fields": []}, "a type record has no name"),
        ({"type": "enum", "name": "E", "symbols": "A"}, "the enum E has no list of symbols"),
        ({"type": "fixed", "name": "F"}, "the fixed F has no size"),
        ({"type": "record", "name": "R", "fields": record(a="int")["fields"] * 2}, "names a field twice"),
        (DEEP, "schema id 1: types lie more than 32 deep"),
        (WIDE[-1], "schema id 1: has more than 5000 columns"),
    ],
    ids=lambda each: each[:40] if isinstance(each, str) else "",
)  # fmt: skip
def test_a_schema_that_has_no_columns_is_refused_by_name(schema: Any, problem: str) -> None:
    with pytest.raises(UnusableSchema, match=re.escape(problem)):
        AvroSpec((registered(1, schema),))


@pytest.mark.parametrize("written", ["{", "", '{"type": ' * 5000], ids=["half", "empty", "deep"])
def test_a_text_that_is_no_schema_is_refused(written: str) -> None:
    with pytest.raises(UnusableSchema, match="the schema file: "):
        AvroSpec(reader=written)


def test_a_spec_has_schemas_or_one_schema_for_all() -> None:
    with pytest.raises(ValueError, match="not both, not neither"):
        AvroSpec()
    with pytest.raises(ValueError, match="not both, not neither"):
        AvroSpec((registered(1, "int"),), '"int"')


def test_bare_values_are_read_by_the_schema_of_a_file() -> None:
    spec = AvroSpec(reader=text(record(a="int", b="string")))

    assert spec.format_name == "avro"
    assert rows_of(spec.decoder(NO_SCHEMAS), [b"\x02\x02x", None, b"\x03\0"]) == [
        {"a": 1, "b": "x"},
        None,
        {"a": -2, "b": ""},
    ]


def test_a_spec_goes_to_another_process() -> None:
    spec = AvroSpec((registered(1, record(a="int")),))

    copy = pickle.loads(pickle.dumps(spec))  # noqa: S301  our own bytes

    assert copy == spec
    assert rows_of(copy.decoder(NO_SCHEMAS), [framed(1, b"\x02")]) == [{"a": 1}]


def test_logical_types_hold_what_fastavro_wrote_of_pythons_values() -> None:
    schema = record(
        day={"type": "int", "logicalType": "date"},
        early={"type": "int", "logicalType": "time-millis"},
        late=long("time-micros"),
        millis=long("timestamp-millis"),
        micros=long("timestamp-micros"),
        local=long("local-timestamp-micros"),
        price=MONEY,
        uuid={"type": "string", "logicalType": "uuid"},
        total=FIXED | {"logicalType": "decimal", "precision": 38, "scale": 30},
    )
    written = {
        "day": date(1582, 10, 15),
        "early": time(0, 0, 0, 1000),
        "late": time(23, 59, 59, 999_999),
        "millis": datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC),
        "micros": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
        "local": datetime(1, 1, 1),
        "price": Decimal("-1234567.89"),
        "uuid": "6f1f6a5c-5a0f-4c0e-9d7e-0d6b8f1c2a3b",
        "total": Decimal("-12345678.901234567890123456789012345678"),
    }

    octets = encode(fastavro.parse_schema(schema), written)

    assert rows_of(decoder_of(schema), [framed(1, octets)]) == [written]


def test_nanoseconds_are_cut_off_towards_the_past() -> None:
    schema = record(a=long("timestamp-nanos"))
    values = [encode(fastavro.parse_schema(record(a="long")), {"a": number}) for number in (1999, -1, -1000)]

    rows = rows_of(decoder_of(schema), [framed(1, each) for each in values])

    assert [row["a"].microsecond for row in rows] == [1, 999_999, 999_999]
