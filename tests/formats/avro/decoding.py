"""Values through the decoder, as tests need it."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from loader.formats.avro.decoder import AvroDecoder
from loader.formats.avro.spec import AvroSpec
from loader.formats.protocol import NoSchemas
from loader.values.schemas import RegisteredSchema

from .plain_avro import text

NO_SCHEMAS = NoSchemas()


def registered(schema_id: int, schema: Any) -> RegisteredSchema:
    """A schema, given as Python has its JSON."""
    return RegisteredSchema(schema_id, "AVRO", text(schema))


def record(**types: Any) -> dict[str, Any]:
    """A record with these fields."""
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": each} for name, each in types.items()],
    }


def decoder_of(*schemas: Any) -> AvroDecoder:
    """Of schemas with the ids 1, 2, …, without a registry."""
    numbered = tuple(registered(number, schema) for number, schema in enumerate(schemas, 1))
    return AvroSpec(numbered).decoder(NO_SCHEMAS)


def rows_of(decoder: AvroDecoder, values: Sequence[bytes | None]) -> list[Any]:
    """What a decoder makes of values, all of them good."""
    decoded = decoder.decode(pa.array(values, pa.binary()))
    decoded.column.validate(full=True)
    assert decoded.bad.error_texts.to_pylist() == []
    return list(decoded.column.to_pylist())
