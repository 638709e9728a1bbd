"""Columns of older and narrower schemas, in the type of the table that holds them all."""

from typing import Any

import pyarrow as pa
import pytest

from loader.formats.arrow_types import to_arrow
from loader.formats.conform import conformed
from loader.values.column_types import parse_type

NARROW = "struct<a: int, l: list<struct<x: int>>, m: map<string, struct<f: float>>, s: struct<q: string>>"
WIDE = (
    "struct<new: list<int>, a: long, l: list<struct<y: string, x: long>>,"
    " m: map<string, struct<f: double, g: int>>, s: struct<p: int, q: string>>"
)
ROWS: list[Any] = [
    {"a": 1, "l": [{"x": 1}, {"x": 2}, None], "m": [("k", {"f": 1.5}), ("n", None)], "s": {"q": "t"}},
    None,
    {"a": None, "l": None, "m": None, "s": None},
    {"a": -(2**31), "l": [], "m": [], "s": {"q": None}},
    {"a": 2**31 - 1, "l": [{"x": None}], "m": [("z", {"f": None})], "s": {"q": ""}},
]


def as_wide(row: Any) -> Any:
    if row is None:
        return None
    return {
        "new": None,
        "a": row["a"],
        "l": None
        if row["l"] is None
        else [None if each is None else {"y": None, "x": each["x"]} for each in row["l"]],
        "m": None
        if row["m"] is None
        else [(key, None if each is None else {"f": each["f"], "g": None}) for key, each in row["m"]],
        "s": None if row["s"] is None else {"p": None, "q": row["s"]["q"]},
    }


@pytest.mark.parametrize(("first", "count"), [(0, 5), (1, 4), (2, 2), (4, 1), (0, 0)])
def test_values_stay_and_what_is_new_is_null(first: int, count: int) -> None:
    narrow = pa.array(ROWS, to_arrow(parse_type(NARROW))).slice(first, count)

    wide = conformed(narrow, to_arrow(parse_type(WIDE)))

    wide.validate(full=True)
    assert wide.type == to_arrow(parse_type(WIDE))
    assert wide.to_pylist() == [as_wide(row) for row in ROWS[first : first + count]]


def test_a_column_that_fits_is_left_alone() -> None:
    column = pa.array(ROWS, to_arrow(parse_type(NARROW)))

    assert conformed(column, column.type) is column
