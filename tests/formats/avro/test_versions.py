"""Records of several schema ids in one column: what their columns are, and what each record holds in them."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.errors import SchemaNotPlanned, UnusableSchema
from loader.formats.arrow_types import from_arrow
from loader.formats.avro.spec import AvroSpec
from loader.formats.protocol import MOST_UNKNOWN_IDS
from loader.values.schemas import RegisteredSchema
from tests.formats.examples import Registry

from .decoding import decoder_of, record, registered, rows_of
from .plain_avro import Columns, comparable, encode, framed, held_by, parsed, read
from .schemas import Data, Draw

PERSON = {"type": "record", "name": "Person", "fields": [{"name": "name", "type": "string"}]}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def with_alias(schema: dict[str, Any], **aliases: str) -> dict[str, Any]:
    fields = [
        each | ({"aliases": [aliases[each["name"]]]} if each["name"] in aliases else {})
        for each in schema["fields"]
    ]
    return schema | {"fields": fields}


def with_default(schema: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    fields = [
        each | ({"default": defaults[each["name"]]} if each["name"] in defaults else {})
        for each in schema["fields"]
    ]
    return schema | {"fields": fields}


def column_text(*schemas: Any) -> str:
    numbered = tuple(registered(number, schema) for number, schema in enumerate(schemas, 1))
    return str(from_arrow(AvroSpec(numbered).column_type))


@pytest.mark.parametrize(
    ("versions", "column"),
    [
        ([record(a="int", old="int"), record(b="int", a="int")], "struct<b: int, a: int, old: int>"),
        ([record(a="int"), record(a="long")], "struct<a: long>"),
        ([record(a="long"), record(a="int")], "struct<a: long>"),
        ([record(a="double"), record(a="float")], "struct<a: double>"),
        ([record(a="long"), record(a="float")], "struct<a: float>"),
        ([record(a="int"), record(a=["null", "double"])], "struct<a: double>"),
        ([record(a="bytes"), record(a="string")], "struct<a: string>"),
        ([record(a="string"), record(a="bytes")], "struct<a: binary>"),
        ([record(a=ENUM), record(a="string")], "struct<a: string>"),
        ([record(a=MILLIS), record(a=MICROS)], "struct<a: timestamp>"),
        ([record(a="null"), record(a=["null", "int"])], "struct<a: int>"),
        ([record(a=["null", "int"]), record(a="null")], "struct<a: int>"),
        ([record(a="int"), with_alias(record(b="long"), b="a")], "struct<b: long>"),
        ([record(a="int", b="int"), with_alias(record(b="long"), b="a")], "struct<b: long, a: int>"),
        ([record(a={"type": "array", "items": record(x="int") | {"name": "X"}}),
          record(a={"type": "array", "items": record(y="int", x="long") | {"name": "X"}})],
         "struct<a: list<struct<y: int, x: long>>>"),
        ([record(a="string"), record(a=["null", "int", "string"])],
         "struct<a: struct<int: int, string: string>>"),
        ([record(a=["int", "string"]), record(a="string")], "struct<a: struct<string: string, int: int>>"),
        ([record(a=["int", "string"]), record(a=["string", "long"])],
         "struct<a: struct<string: string, long: long>>"),
        ([record(a=["int", PERSON]), record(a=[PERSON | {"name": "Man", "aliases": ["Person"]}, "int"])],
         "struct<a: struct<Man: struct<name: string>, int: int>>"),
        ([PERSON, [PERSON, record(a="int")]], "struct<Person: struct<name: string>, R: struct<a: int>>"),
    ],
    ids=str,
)  # fmt: skip
def test_the_columns_hold_every_version(versions: list[Any], column: str) -> None:
    assert column_text(*versions) == column


@pytest.mark.parametrize(
    ("versions", "problem"),
    [
        ([record(a="int"), record(a="string")], "schema id 1 .* 2, .*: a: was int and is string"),
        ([record(a="double"), record(a="long")], "a: was double and is long"),
        ([record(a="long"), record(a=MILLIS)], "a: was long and is timestamp"),
        ([record(a="int"), record(a=PERSON)], "a: was int and is struct<name: string>"),
        ([record(a={"type": "array", "items": PERSON}),
          record(a={"type": "array", "items": record(name="int") | {"name": "Person"}})],
         r"a\[\].name: was string and is int"),
        ([record(a="int"), record(a="int"), record(a="boolean")], "schema id 2 does not fit to schema id 3"),
    ],
    ids=str,
)  # fmt: skip
def test_versions_that_no_columns_hold_are_refused_by_field_and_id(versions: list[Any], problem: str) -> None:
    with pytest.raises(UnusableSchema, match=problem):
        column_text(*versions)


def test_records_of_several_ids_keep_their_order_and_have_what_the_newest_says_of_the_rest() -> None:
    first = record(id="int", name="string", gone="double")
    newest = with_alias(
        with_default(
            record(
                id="long",
                full_name="string",
                color=ENUM,
                tags={"type": "array", "items": "string"},
                scores={"type": "map", "values": "int"},
                person=PERSON,
                note=["null", "string"],
                raw="bytes",
                price={"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 1},
                at=MILLIS,
                ratio="float",
                either=["long", "string"],
                sure="boolean",
            ),
            color="B",
            tags=["x", "žluť"],
            scores={"k": 7},
            person={"name": "nobody"},
            raw="\x00\xff",
            price="\xff\x85",
            at=5,
            ratio=2,
            either=3,
            sure=True,
        ),
        full_name="name",
    )
    old = framed(1, encode(parsed(first), {"id": 1, "name": "Ann", "gone": 0.5}))
    value = {
        "id": 2**40,
        "full_name": "Bob",
        "color": "A",
        "tags": [],
        "scores": {},
        "person": {"name": "p"},
        "note": "n",
        "raw": b"r",
        "price": b"\x0a",
        "at": 0,
        "ratio": 1.5,
        "either": "text",
        "sure": False,
    }
    new = framed(2, encode(parsed(newest), value))
    decoded = decoder_of(first, newest).decode(pa.array([old, new, None, old, new], pa.binary()))

    of_old = {
        "id": 1,
        "full_name": "Ann",
        "color": "B",
        "tags": ["x", "žluť"],
        "scores": {"k": 7},
        "person": {"name": "nobody"},
        "note": None,
        "raw": b"\x00\xff",
        "price": -123,
        "at": 5000,
        "ratio": 2.0,
        "either": {"long": 3, "string": None},
        "sure": True,
        "gone": 0.5,
    }
    of_new = value | {"price": 10, "either": {"long": None, "string": "text"}, "gone": None}
    expected = [comparable(each) for each in (of_old, of_new, None, of_old, of_new)]
    assert held_by(decoded.column) == expected
    assert decoded.bad.rows.tolist() == []


def test_only_the_newest_versions_defaults_and_aliases_count() -> None:
    oldest = record(a="int", p=record(y="int") | {"name": "P"})
    older = record(a="int", p=with_default(record(y="int", x="int"), x=5) | {"name": "P"})
    newest = record(a="int")
    value = framed(1, encode(parsed(oldest), {"a": 1, "p": {"y": 2}}))

    assert rows_of(decoder_of(oldest, older, newest), [value]) == [{"a": 1, "p": {"y": 2, "x": None}}]


def test_lists_within_the_lists_of_one_schema_do_not_disturb_those_of_another() -> None:
    lists = {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": "long"}}}
    deep, flat = (
        record(a="int", deep=lists),
        record(flat={"type": "array", "items": ["null", "int"]}, a="int"),
    )
    values = [
        framed(1, encode(parsed(deep), {"a": 1, "deep": [[[1, 2], []], [], [[3]]]})),
        framed(2, encode(parsed(flat), {"a": 2, "flat": [1, None]})),
    ]

    assert (
        rows_of(decoder_of(deep, flat), values * 2)
        == [
            {"flat": None, "a": 1, "deep": [[[1, 2], []], [], [[3]]]},
            {"flat": [1, None], "a": 2, "deep": None},
        ]
        * 2
    )


def test_a_default_that_is_none_of_its_type_is_refused_where_a_record_would_have_it() -> None:
    newest = with_default(record(a="int", b="string"), b=None)

    assert column_text(newest) == "struct<a: int, b: string>"
    with pytest.raises(
        UnusableSchema, match="field b, which records of schema id 1 lack: the default null is"
    ):
        column_text(record(a="int"), newest)


WIDER = {"int": ["int", "long", "float", "double"], "long": ["long", "double"], "float": ["float", "double"],
         "string": ["string", "bytes"], "bytes": ["bytes"], "boolean": ["boolean"]}  # fmt: skip
DEFAULTS = {"int": 5, "long": -(2**40), "float": 1.5, "double": -0.25, "string": "ž", "boolean": True}


@st.composite
def two_versions(draw: Draw) -> tuple[Any, Any, Any]:
    """An older version, a newer one that reads it, and a value of the older."""
    older, newer = [], []
    for number in range(draw(st.integers(1, 6))):
        was = draw(st.sampled_from(sorted(WIDER)))
        becomes = draw(st.sampled_from(WIDER[was]))
        name = f"f{number}"
        what = draw(st.sampled_from(["kept", "kept", "renamed", "added", "optional", "gone"]))
        if what != "added":
            older.append({"name": name, "type": was})
        if what == "kept":
            newer.append({"name": name, "type": becomes})
        elif what == "renamed":
            newer.append({"name": f"new{number}", "type": becomes, "aliases": [name]})
        elif what == "optional":
            newer.append({"name": name, "type": ["null", becomes]})
        elif what == "added" and was in DEFAULTS:
            newer.append({"name": name, "type": was, "default": DEFAULTS[was]})
    order = list(draw(st.permutations(newer)))
    written = {"type": "record", "name": "R", "fields": older}
    data = Data(draw, written)
    datum = data.datum()
    for field in older:
        if field["type"] in ("int", "long"):  # a whole number that a float has not exactly is told elsewhere
            datum[field["name"]] %= 1 << 20
    return written, {"type": "record", "name": "R", "fields": order}, datum


@given(two_versions())
def test_an_older_record_is_resolved_as_by_fastavro(drawn: tuple[Any, Any, Any]) -> None:
    older, newer, datum = drawn
    octets = encode(parsed(older), datum)
    expected = {}
    if newer["fields"]:
        resolved, _ = read(parsed(older), octets, parsed(newer))
        expected = Columns(newer).held(resolved)
    read_by = {each["name"] for each in newer["fields"]} | {
        alias for each in newer["fields"] for alias in each.get("aliases", [])
    }
    only_older = {
        each["name"]: datum[each["name"]] for each in older["fields"] if each["name"] not in read_by
    }

    column = decoder_of(older, newer).decode(pa.array([framed(1, octets)], pa.binary())).column

    assert held_by(column) == [
        comparable(expected | only_older) if older["fields"] or newer["fields"] else True
    ]


def framed_of(schema_id: int, schema: Any, datum: Any) -> bytes:
    return framed(schema_id, encode(parsed(schema), datum))


def test_an_id_that_the_plan_did_not_know_is_asked_once_and_read_where_it_fits() -> None:
    planned, other = record(a="long", color=["null", ENUM]), record(color=ENUM, a="int")
    registry = Registry(registered(5, other))
    decoder = AvroSpec((registered(1, planned),)).decoder(registry)
    values = [framed_of(5, other, {"a": 3, "color": "B"}), framed_of(1, planned, {"a": 4, "color": "A"})]

    rows = [rows_of(decoder, values) for _ in range(2)]

    assert rows == [[{"a": 3, "color": "B"}, {"a": 4, "color": "A"}]] * 2
    assert registry.asked == [5]


@pytest.mark.parametrize(
    "other", [record(a="int", more="int"), record(a="string"), record(a="Nowhere")], ids=str
)
def test_a_schema_that_the_planned_columns_do_not_hold_fails_the_topic_to_run_again(other: Any) -> None:
    registry = Registry(registered(5, other))
    decoder = AvroSpec((registered(1, record(a="int")),)).decoder(registry)

    with pytest.raises(SchemaNotPlanned, match=r"schema id 5 was registered since.*Run again") as error:
        decoder.decode(pa.array([framed(5, b"\x02\x02")], pa.binary()))

    assert error.value.exit_status == 3


def test_an_id_that_the_registry_does_not_have_is_asked_once() -> None:
    registry = Registry()
    decoder = AvroSpec((registered(1, "int"),)).decoder(registry)

    for _ in range(2):
        bad = decoder.decode(pa.array([framed(7, b"\x02"), framed(1, b"\x02")], pa.binary())).bad
        assert bad.schema_ids.to_pylist() == [7]

    assert registry.asked == [7]


def test_an_id_without_a_schema_is_bad_and_noise_is_not_asked_for_ever() -> None:
    registry = Registry(RegisteredSchema(8, "PROTOBUF", ""))
    decoder = AvroSpec((registered(1, "int"),)).decoder(registry)
    noise = [framed(number, b"\x02") for number in range(10, 10 + 2 * MOST_UNKNOWN_IDS)]

    for _ in range(2):
        bad = decoder.decode(pa.array([framed(8, b""), *noise, framed(1, b"\x02")], pa.binary())).bad

    assert set(bad.error_classes.to_pylist()) == {"unknown-schema-id"}
    assert len(bad) == 1 + len(noise)
    assert bad.schema_ids.to_pylist() == [8, *range(10, 10 + 2 * MOST_UNKNOWN_IDS)]
    assert len(registry.asked) == len(set(registry.asked)) == MOST_UNKNOWN_IDS
