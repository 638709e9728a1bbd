"""The slow reference: fastavro reads a value, and a walk along the schema says what its column holds.

fastavro is given schemas without logical types, and the walk makes them, since Python's own dates and
decimals hold less than Avro's.
"""

import io
import json
import struct
from typing import Any

import fastavro
import pyarrow as pa
from fastavro.types import Schema

TIMES_1000 = ("time-millis", "timestamp-millis", "local-timestamp-millis")


def stripped(schema: Any) -> Any:
    """The schema without logical types."""
    if isinstance(schema, list):
        return [stripped(each) for each in schema]
    if isinstance(schema, dict):
        keep = {
            key: value for key, value in schema.items() if key not in ("logicalType", "precision", "scale")
        }
        return {
            key: stripped(value) if key in ("type", "items", "values", "fields") else value
            for key, value in keep.items()
        }
    return schema


def parsed(schema: Any) -> Schema:
    """For fastavro."""
    return fastavro.parse_schema(stripped(schema))


def encode(schema: Schema, datum: Any) -> bytes:
    """Bare Avro."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, datum)
    return stream.getvalue()


def framed(schema_id: int, octets: bytes) -> bytes:
    """In Confluent's wire format."""
    return struct.pack(">bI", 0, schema_id) + octets


def read(schema: Schema, octets: bytes, reader: Schema | None = None) -> tuple[Any, int]:
    """What fastavro reads, and how many bytes it left."""
    stream = io.BytesIO(octets)
    datum = fastavro.schemaless_reader(stream, schema, reader, return_named_type=True)
    return datum, len(octets) - stream.tell()


class Beyond(Exception):
    """Avro has the value, and the column's type has not."""


class Columns:
    """Says what a column of one schema holds for what fastavro has read."""

    def __init__(self, schema: Any) -> None:
        self._named: dict[str, Any] = {}
        self._schema = schema
        self._find(schema)

    def _find(self, schema: Any) -> None:
        for each in schema if isinstance(schema, list) else [schema]:
            if isinstance(each, dict):
                if "name" in each:
                    self._named[each["name"]] = each
                for within in (each.get("items"), each.get("values")):
                    self._find(within)
                for field in each.get("fields", ()):
                    self._find(field["type"])

    def held(self, datum: Any) -> Any:
        """As `column.to_pylist()` has it, with times as numbers."""
        return self._held(self._schema, datum)

    def of(self, schema: Any, datum: Any) -> Any:
        """The same of a part of the schema."""
        return self._held(schema, datum)

    def _held(self, schema: Any, datum: Any) -> Any:
        if isinstance(schema, list):
            return self._union(schema, datum)
        if isinstance(schema, str):
            return self._held(self._named[schema], datum) if schema in self._named else datum
        kind, logical = schema["type"], schema.get("logicalType")
        if kind == "record":
            fields = [each for each in schema["fields"] if not self._is_null(each["type"])]
            return {each["name"]: self._held(each["type"], datum[each["name"]]) for each in fields} or True
        if kind == "array":
            return [self._held(schema["items"], each) for each in datum]
        if kind == "map":
            return {key: self._held(schema["values"], each) for key, each in datum.items()}
        if logical == "decimal":
            number = int.from_bytes(datum, "big", signed=True)
            if abs(number) >= 10 ** schema["precision"]:
                raise Beyond(schema)
            return number
        if logical in TIMES_1000:
            return self._microseconds(logical, datum * 1000)
        if logical == "time-micros":
            return self._microseconds(logical, datum)
        if logical in ("timestamp-nanos", "local-timestamp-nanos"):
            return datum // 1000
        return self._int(kind, datum)

    def _int(self, kind: str, datum: Any) -> Any:
        if kind == "int" and not -(2**31) <= datum < 2**31:
            raise Beyond(kind)
        return datum

    def _microseconds(self, logical: str, number: int) -> int:
        low, high = (0, 86_400_000_000) if logical.startswith("time-") else (-(2**63), 2**63)
        if not low <= number < high:
            raise Beyond(logical)
        return number

    def _is_null(self, schema: Any) -> bool:
        return schema in ("null", ["null"]) or schema == {"type": "null"}

    def _union(self, schema: list[Any], datum: Any) -> Any:
        if datum is None:
            return None
        branches = [each for each in schema if not self._is_null(each)]
        name, value = datum if isinstance(datum, tuple) else (None, datum)
        chosen = next(each for each in branches if self._is_of(each, name, value))
        held = self._held(chosen, value)
        if len(branches) == 1:
            return held
        return {self._name(each): held if each is chosen else None for each in branches}

    def _name(self, schema: Any) -> str:
        if isinstance(schema, str):
            return schema
        return str(schema.get("name", schema["type"])).rpartition(".")[2]

    def _is_of(self, schema: Any, name: str | None, value: Any) -> bool:
        if name is not None:
            return isinstance(schema, dict) and schema.get("name") == name
        if isinstance(schema, dict) and "name" in schema:
            return False
        kind = schema if isinstance(schema, str) else schema["type"]
        kinds = {
            bool: ["boolean"],
            int: ["int", "long"],
            float: ["float", "double"],
            str: ["string"],
            bytes: ["bytes"],
            list: ["array"],
            dict: ["map"],
        }
        return kind in kinds[type(value)]


def without_calendar(arrow_type: pa.DataType) -> pa.DataType:
    """The type with numbers for times and decimals' digits left as they are."""
    if pa.types.is_struct(arrow_type):
        return pa.struct([pa.field(each.name, without_calendar(each.type)) for each in arrow_type])
    if pa.types.is_map(arrow_type):
        return pa.map_(arrow_type.key_type, without_calendar(arrow_type.item_type))
    if pa.types.is_list(arrow_type):
        return pa.list_(pa.field("element", without_calendar(arrow_type.value_type)))
    if pa.types.is_date32(arrow_type):
        return pa.int32()
    return pa.int64() if pa.types.is_temporal(arrow_type) else arrow_type


def held_by(column: pa.Array) -> list[Any]:
    """What a column holds, comparable with `Columns.held`."""
    column.validate(full=True)
    return [
        comparable(each)
        for each in column.cast(without_calendar(column.type)).to_pylist(maps_as_pydicts="lossy")
    ]


def comparable(held: Any) -> Any:
    """Decimals as their digits, and floats by their bits: NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(held, dict):
        return {key: comparable(each) for key, each in held.items()}
    if isinstance(held, list):
        return [comparable(each) for each in held]
    if isinstance(held, float):
        return "NaN" if held != held else held.hex()
    if hasattr(held, "as_tuple"):
        sign, digits, _ = held.as_tuple()
        return int("".join(map(str, digits))) * (-1 if sign else 1)
    return held


def text(schema: Any) -> str:
    """As it is registered."""
    return json.dumps(schema)
