"""Columns, and JSON texts for them: mostly good, in all the spellings that JSON has, and some bad."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

names = st.sampled_from(
    ["a", "b", "id", "name", "name2", "city_of_birth", "eighteen_letters_", "é", "日本", 'quo"te', "\\", "\t"]
)
scalars: st.SearchStrategy[ColumnType] = st.one_of(
    st.sampled_from([Primitive(name) for name in ("boolean", "int", "long", "float", "double", "string")]),
    st.sampled_from([Primitive(name) for name in ("binary", "date", "time", "timestamp_ntz")]),
    st.sampled_from([TimestampType(encoding) for encoding in ("s", "ms", "us", "iso", None)]),
    st.sampled_from([DecimalType(5, 2), DecimalType(18, 0), DecimalType(20, 4), DecimalType(38, 38)]),
)


def structs(fields: st.SearchStrategy[ColumnType]) -> st.SearchStrategy[StructType]:
    return st.dictionaries(names, fields, min_size=1, max_size=5).map(
        lambda chosen: StructType(tuple(chosen.items()))
    )


column_types: st.SearchStrategy[ColumnType] = st.recursive(
    scalars,
    lambda parts: st.one_of(
        parts.map(ListType), parts.map(lambda part: MapType(Primitive("string"), part)), structs(parts)
    ),
    max_leaves=6,
)
schemas = structs(column_types)

digits = st.text("0123456789", min_size=1, max_size=25)
number_texts = st.one_of(
    st.integers(-200, 200).map(str),
    st.integers(-(2**63) - 2, 2**63 + 2).map(str),
    st.sampled_from([2**31, -(2**31), 2**31 - 1, -(2**31) - 1, 2**63, 2**63 - 1, -(2**63), -(2**63) - 1]).map(
        str
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-1000, 1000, places=2).map(str),
    st.builds(
        lambda sign, whole, fraction, power: f"{sign}{int(whole)}{fraction}{power}",
        st.sampled_from(["", "-"]),
        digits,
        st.just("") | digits.map(lambda text: "." + text),
        st.just("") | st.integers(-330, 330).map(lambda power: f"e{power:+}"),
    ),
    st.sampled_from(["-0", "1e2", "1.0", "0e99999999999", "1e-999999999999", "1E+400", "0.000"]),
    st.sampled_from(["01", "+1", "1.", ".5", "-", "1e", "NaN", "Infinity", "--1", "0x1"]),
)
times = st.sampled_from(
    ["2026-11-22", "2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", "0000-01-01", "1969-12-31"]
)
clocks = st.sampled_from(
    ["10:30:00", "23:59:59.999999", "00:00:00.1", "10:30", "24:00:00", "1:2:3", "09:08:07.1234567"]
)
zones = st.sampled_from(["", "Z", "z", "+01:00", "-0930", "+05", "+24:00", "+1", " Z", "+01:60"])
spelled = st.one_of(
    times,
    clocks,
    st.builds(
        lambda day, sep, clock, zone: day + sep + clock + zone, times, st.sampled_from("T tx"), clocks, zones
    ),
    st.sampled_from(["", "aGk=", "aGk", "aGl=", "AAAA", "////", "a-_=", "====", "QQ=="]),
    number_texts,
)
blanks = st.sampled_from(["", "", "", " ", "\n\t", "\r "])
text_values = st.one_of(
    st.text(max_size=12),
    spelled,
    st.sampled_from(["\0", "\ud800", "\udc00\ud800", "\U0010ffff", "long " * 20]),
)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=3), parts, max_size=3),
    max_leaves=4,
).map(json.dumps)


def as_text(text: str, escaping: bool) -> str:
    encoded = json.dumps(text, ensure_ascii=escaping)
    return encoded.replace("/", "\\/") if escaping else encoded


texts = st.builds(as_text, text_values, st.booleans())


@st.composite
def object_texts(draw: st.DrawFn, columns: StructType) -> str:
    fields = draw(st.permutations(columns.fields))[: draw(st.integers(0, len(columns.fields)))]
    members = [(name, draw(value_texts(each))) for name, each in fields]
    if draw(st.integers(0, 3)) == 0:
        members.insert(
            draw(st.integers(0, len(members))), (draw(names | st.text(max_size=4)), draw(any_json))
        )
    return joined(
        draw, [as_text(name, draw(st.booleans())) + draw(blanks) + ":" + text for name, text in members], "{}"
    )


@st.composite
def value_texts(draw: st.DrawFn, column_type: ColumnType) -> str:
    """A JSON text for one value, with blanks around it."""
    return draw(blanks) + draw(bare_texts(column_type)) + draw(blanks)


def bare_texts(column_type: ColumnType) -> st.SearchStrategy[str]:
    return st.one_of(*[good_texts(column_type)] * 12, st.just("null"), any_json, number_texts, texts)


@st.composite
def good_texts(draw: st.DrawFn, column_type: ColumnType) -> str:
    match column_type:
        case StructType():
            return draw(object_texts(column_type))
        case ListType(element):
            return joined(draw, draw(st.lists(value_texts(element), max_size=3)), "[]")
        case MapType(_, item):
            members = draw(st.lists(st.tuples(st.text(max_size=3), value_texts(item)), max_size=3))
            return joined(
                draw, [as_text(key, draw(st.booleans())) + ":" + text for key, text in members], "{}"
            )
        case DecimalType(precision, scale):
            largest = 10**precision - 1
            number = str(Decimal(draw(st.integers(-largest, largest))).scaleb(-scale)).lower()
            return draw(st.sampled_from([number, f'"{number}"']))
        case TimestampType("s" | "ms" | "us"):
            return str(draw(st.integers(-(10**10), 10**12)))
        case TimestampType():
            return draw(st.sampled_from(['"2026-11-22T10:00:00Z"', '"1969-12-31 23:59:59.5+01:00"']))
        case Primitive("boolean"):
            return draw(st.sampled_from(["true", "false"]))
        case Primitive("int" | "long"):
            return str(draw(st.integers(-(2**31), 2**31 - 1)))
        case Primitive("float" | "double"):
            return draw(st.floats(-1e6, 1e6, width=32).map(repr) | st.integers(-1000, 1000).map(str))
        case Primitive("string"):
            return draw(texts)
        case _:
            good: Any = {"binary": "aGk=", "date": "2024-02-29", "time": "23:59:59.999999"}
            return f'"{good.get(str(column_type), "2026-11-22T10:00:00.25")}"'


def joined(draw: st.DrawFn, members: list[str], ends: str) -> str:
    return ends[0] + ",".join(draw(blanks) + member + draw(blanks) for member in members) + ends[1]


def encoded(text: str) -> bytes:
    """As UTF-8; half of a surrogate pair as the three bytes that are none."""
    return text.encode("utf-8", "surrogatepass")
