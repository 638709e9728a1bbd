"""Raw rows, and a format that needs no bytes: it finds the fields of a value where the test left them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from loader.formats.protocol import DecodedValues, SchemaSource
from loader.formats.string import no_bad_values
from loader.records.schema import RAW_SCHEMA
from loader.registry.protoc import compile_schema
from loader.values.schemas import RegisteredSchema


class Registry:
    """A source of these schemas; notes which ids it was asked for, and how often it was closed."""

    def __init__(self, *schemas: RegisteredSchema) -> None:
        self._schemas = {each.schema_id: each for each in schemas}
        self.asked: list[int] = []
        self.closed_count = 0

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        self.asked.append(schema_id)
        return self._schemas.get(schema_id)

    def descriptor_set(self, schema: RegisteredSchema) -> bytes:
        return compile_schema(schema)

    def close(self) -> None:
        self.closed_count += 1


@dataclass(frozen=True)
class Fields:
    """Values are JSON objects of `column_type`; moments and dates are numbers in it, as Arrow has them."""

    column_type: pa.DataType
    format_name: str = "fields"

    def decoder(self, schemas: SchemaSource) -> "Fields":
        del schemas
        return self

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        found = [None if value is None else json.loads(value) for value in values.to_pylist()]
        return DecodedValues(pa.array(found, self.column_type), no_bad_values())


def raw_rows(
    values: Sequence[Any], times: Sequence[datetime | None] | None = None, *, first: int = 0
) -> pa.RecordBatch:
    """Records of orders-0 with these values, bytes or the fields of one, from offset `first` on."""
    count = len(values)
    columns = {
        "key": [None] * count,
        "value": [value if value is None or isinstance(value, bytes) else _object(value) for value in values],
        "topic": ["orders"] * count,
        "partition": [0] * count,
        "offset": list(range(first, first + count)),
        "timestamp": [None] * count if times is None else list(times),
        "timestampType": [0] * count,
        "headers": [None] * count,
    }
    return pa.RecordBatch.from_pydict(columns, schema=RAW_SCHEMA)


def _object(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, default=_number).encode()


def _number(value: object) -> int:
    if isinstance(value, datetime):
        return int(pa.scalar(value.replace(tzinfo=None), pa.timestamp("us")).value)
    assert isinstance(value, date)
    return int(pa.scalar(value, pa.date32()).value)
