"""A table only ever grows: what was a column stays one, and every row of every age fits into it."""

import functools
import itertools

import pyarrow as pa
import pytest

from loader.errors import SchemaChanged
from loader.formats.arrow_types import to_arrow
from loader.formats.evolution import merged
from loader.values.column_types import StructType, parse_type


def schema(columns: str) -> pa.Schema:
    struct = parse_type(f"struct<{columns}>")
    assert isinstance(struct, StructType)
    return pa.schema(list(to_arrow(struct)))


@pytest.mark.parametrize(
    ("known", "incoming", "expected"),
    [
        ("a: int", "a: int, b: string", "a: int, b: string"),
        ("a: int", "b: string, a: int", "a: int, b: string"),
        ("a: int, b: string", "a: int", "a: int, b: string"),
        ("a: int, b: string", "c: date", "a: int, b: string, c: date"),
        ("s: struct<a: int>", "s: struct<b: date, a: int>", "s: struct<a: int, b: date>"),
        ("s: struct<a: int, b: date>", "s: struct<b: date>", "s: struct<a: int, b: date>"),
        ("l: list<struct<a: int>>", "l: list<struct<b: int>>", "l: list<struct<a: int, b: int>>"),
        (
            "m: map<string, struct<a: int>>",
            "m: map<string, struct<b: int>>",
            "m: map<string, struct<a: int, b: int>>",
        ),
        ("a: int", "a: long", "a: long"),
        ("a: long", "a: int", "a: long"),
        ("a: float", "a: double", "a: double"),
        ("a: double", "a: float", "a: double"),
        ("s: struct<l: list<int>>", "s: struct<l: list<long>>", "s: struct<l: list<long>>"),
        ("m: map<int, float>", "m: map<long, double>", "m: map<long, double>"),
        ("a: int, kafka: struct<key: binary>", "a: int, b: int, kafka: struct<key: binary>", None),
    ],
)
def test_columns_are_added_and_widen_at_every_depth(known: str, incoming: str, expected: str | None) -> None:
    expected = expected or "a: int, b: int, kafka: struct<key: binary>"

    assert merged(schema(known), schema(incoming), "orders") == schema(expected)


def test_the_first_rows_of_a_topic_make_its_columns() -> None:
    assert merged(None, schema("a: int, s: struct<b: long>"), "orders") == schema(
        "a: int, s: struct<b: long>"
    )


def test_every_column_may_be_null_whatever_the_schema_of_the_records_says() -> None:
    strict = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False),
            pa.field("l", pa.list_(pa.field("item", pa.int32(), nullable=False)), nullable=False),
        ]
    )

    found = merged(None, strict, "orders")

    assert found == schema("a: int, l: list<int>")
    assert found.field("l").type.value_field.name == "element"
    assert found.field("l").nullable


TYPES = ["boolean", "int", "float", "string", "binary", "date", "time", "timestamp", "timestamp_ntz"]
TYPES += ["decimal(10, 2)", "decimal(10, 3)", "decimal(12, 2)", "list<int>", "map<string, int>"]
TYPES += ["struct<b: int>"]


@pytest.mark.parametrize(
    ("known", "incoming"),
    [*itertools.permutations(TYPES, 2), ("long", "double"), ("int", "double"), ("long", "timestamp")],
)
def test_any_other_change_of_a_type_is_refused_by_field_topic_types_and_schema_ids(
    known: str, incoming: str
) -> None:
    with pytest.raises(SchemaChanged) as refused:
        merged(schema(f"id: long, a: {known}"), schema(f"id: long, a: {incoming}"), "orders", [7, 9])

    assert str(refused.value).startswith(
        f"orders: column a (schema id 7, 9): was {known} and is {incoming}, "
    )
    assert refused.value.exit_status == 4


@pytest.mark.parametrize(
    ("path", "around"),
    [
        ("a.b", "struct<b: {}>"),
        ("a.element", "list<{}>"),
        ("a.key", "map<{}, int>"),
        ("a.value", "map<string, {}>"),
        ("a.element.b", "list<struct<c: date, b: {}>>"),
    ],
)
def test_a_change_within_a_column_is_refused_by_its_path(path: str, around: str) -> None:
    before, after = (schema(f"a: {around.format(each)}") for each in ("string", "int"))

    with pytest.raises(SchemaChanged, match=rf"^orders: column {path}: was string and is int, "):
        merged(before, after, "orders")


@pytest.mark.parametrize(
    ("known", "incoming", "path"),
    [
        ("id: int", "ID: int", "ID"),
        ("ID: int", "id: int", "id"),
        (None, "id: int, Id: int", "Id"),
        ("a: int", "s: struct<x: int, X: int>", "s.X"),
        ("s: struct<x: int>", "s: struct<X: int>", "s.X"),
        (None, "l: list<struct<x: int, X: long>>", "l.element.X"),
    ],
)
def test_names_that_differ_only_by_case_are_refused(known: str | None, incoming: str, path: str) -> None:
    with pytest.raises(SchemaChanged, match=f"column {path}: there is"):
        merged(schema(known) if known else None, schema(incoming), "orders")


@pytest.mark.parametrize(
    ("column_type", "problem"),
    [
        (pa.struct([]), "a struct has at least one field"),
        (functools.reduce(lambda within, _: pa.list_(within), range(32), pa.int32()), "32 deep"),
        (pa.int8(), "int8"),
    ],
)
def test_columns_that_the_ledger_could_not_tell_of_are_refused(
    column_type: pa.DataType, problem: str
) -> None:
    with pytest.raises(SchemaChanged, match=problem):
        merged(None, pa.schema([("a", column_type)]), "orders")


def test_joining_is_stable_once_both_are_in() -> None:
    first, second = schema("a: int, s: struct<x: float>"), schema("b: date, s: struct<y: int, x: double>")

    table = merged(first, second, "orders")

    assert table == schema("a: int, s: struct<x: double, y: int>, b: date")
    assert merged(table, first, "orders") == merged(table, second, "orders") == table
