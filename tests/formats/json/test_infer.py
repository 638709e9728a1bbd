"""Columns that a sample of JSON suggests, and what is told of each field."""

import json
from typing import Any

import pytest

from loader.formats.json.infer import InferredField, infer_fields
from loader.formats.json.sampling import look_at


def inferred(values: list[Any]) -> InferredField:
    """The field `x` of records that each have one of the values."""
    return infer_fields(look_at(json.dumps({"x": value}).encode() for value in values))["x"]


@pytest.mark.parametrize(
    ("values", "column_type"),
    [
        ([True, None, False], "boolean"),
        ([1, 2], "long"),
        ([2**31, -(2**63)], "long"),
        ([1, 2**63], "decimal(38, 0)"),
        ([10**38], None),
        ([1.0, 2.0], "double"),
        ([1, 2.5], "double"),
        (["a", ""], "string"),
        (["2026-11-22T10:00:00Z", "2026-11-22 10:00+01:00"], "timestamp(iso)"),
        (["2026-11-22T10:00:00", "2026-11-22T10:00:00.5"], "timestamp_ntz"),
        (["2026-11-22T10:00:00.123456789Z"], "string"),
        (["2026-11-22T10:00:00Z", "2026-11-22T10:00:00"], "string"),
        (["2026-11-22", "2024-02-29"], "date"),
        (["2026-11-22", "2026-02-30"], "string"),
        (["10:30:00", "10:30:00.25"], "time"),
        (["10:30"], "string"),
        ([None, None], "string"),
        ([[1, 2], []], "list<long>"),
        ([[]], "list<string>"),
        ([[1, "a"]], None),
        ([[{"a": 1}, {"b": "c"}]], "list<struct<a: long, b: string>>"),
        ([{"a": 1}, {"a": 2, "b c": None}], "struct<a: long, `b c`: string>"),
        ([{}], "map<string, string>"),
        ([{f"key {n}": n} for n in range(20)], "map<string, long>"),
        ([{f"key {n}": {"a": n}} for n in range(20)], "map<string, struct<a: long>>"),
        (
            [{f"key {n}": n for n in range(20)}],
            "struct<" + ", ".join(f"`key {n}`: long" for n in range(20)) + ">",
        ),
        ([{f"key {n}": n if n % 2 else "a"} for n in range(20)], None),
        ([1, "a"], None),
        ([1] * 99 + ["a"], "long"),
        ([1] * 98 + ["a"] * 2, None),
    ],
)
def test_a_field_gets_the_type_of_its_values(values: list[Any], column_type: str | None) -> None:
    found = inferred(values).column_type

    assert (None if found is None else str(found)) == column_type


def test_it_is_counted_how_often_a_field_was_missing_null_or_of_another_type() -> None:
    values = [*[{"x": 1}] * 200, {"x": None}, {"x": None}, {"x": "a"}, {}, {}, {}]

    field = infer_fields(look_at(json.dumps(each).encode() for each in values))["x"]

    assert (str(field.column_type), field.seen_in) == ("long", 206)
    assert (field.missing_count, field.null_count, field.other_counts) == (3, 2, {"text": 1})


def test_fields_within_are_counted_as_well() -> None:
    field = inferred([{"a": 1, "b": [1, None]}, {"a": None}])

    counts = {part.path: (part.seen_in, part.missing_count, part.null_count) for part in field.all_parts()}
    assert counts == {"x.a": (2, 0, 1), "x.b": (2, 1, 0), "x.b[]": (2, 0, 1)}


@pytest.mark.parametrize(
    ("name", "number", "unit"),
    [
        ("created_at", 1_700_000_000, "s"),
        ("ts_ms", 1_700_000_000_000, "ms"),
        ("eventTime", 1_700_000_000_000_000, "us"),
    ],
)
def test_an_integer_that_may_be_a_time_stays_one_with_a_hint(name: str, number: int, unit: str) -> None:
    field = infer_fields(look_at([json.dumps({name: number}).encode()]))[name]

    assert str(field.column_type) == "long"
    (hint,) = field.hints
    assert f'"timestamp({unit})"' in hint
    assert "2023-11-14 22:13:20" in hint


@pytest.mark.parametrize(
    ("name", "number"), [("count", 1_700_000_000), ("created_at", 12), ("format", 1_700_000_000)]
)
def test_other_integers_have_no_hint(name: str, number: int) -> None:
    assert infer_fields(look_at([json.dumps({name: number}).encode()]))[name].hints == ()


def test_money_is_a_double_with_the_decimal_that_would_be_exact() -> None:
    field = inferred([12.5, 3, 7.25])

    assert str(field.column_type) == "double"
    assert field.hints == ('has at most 2 decimals: "decimal(18, 2)" would be exact',)


def test_what_is_no_object_is_counted_and_changes_no_type() -> None:
    values = [
        b'{"x": 1}',
        None,
        b"",
        b"[1]",
        b'{"x": NaN}',
        b'{"x": "\\ud800"}',
        b"\xff",
        b'{"x": 1',
        b'{"x":2}',
    ]

    sample = look_at(values)

    assert (sample.objects.count, sample.null_count, sample.other_count) == (2, 1, 6)
    assert str(infer_fields(sample)["x"].column_type) == "long"


def test_of_fields_within_that_differ_only_by_case_the_second_is_left_out() -> None:
    field = inferred([{"id": 1, "ID": 2, "": 3}])

    assert str(field.column_type) == "struct<id: long>"
    assert len(field.hints) == 2
