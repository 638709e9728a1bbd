"""Avro values of one topic: which schemas they may be written in, and the columns of all of them."""

from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from loader.formats.arrow_types import to_arrow
from loader.formats.avro.columns import columns_of
from loader.formats.avro.decoder import AvroDecoder
from loader.formats.avro.instructions import Pool
from loader.formats.avro.program import program_of
from loader.formats.avro.schema import parse_schema
from loader.formats.avro.slots import Slot, column_type_of, slot_of
from loader.formats.protocol import SchemaSource
from loader.values.schemas import RegisteredSchema

AVRO = "AVRO"
BARE_ID = -1
"""Of the schema of values that carry no id."""


@dataclass(frozen=True, slots=True)
class AvroSpec:
    """Keys or values in Confluent's wire format: a zero byte, a schema id, then Avro; or bare Avro.

    schemas  all known versions of the subject, oldest first
    reader   without schemas: the text of the one schema that all values are written in, with no id before

    Raises UnusableSchema for a schema that is none, or has no columns, and for versions that no columns hold
    all of.
    """

    schemas: tuple[RegisteredSchema, ...] = ()
    reader: str | None = None

    def __post_init__(self) -> None:
        if bool(self.schemas) == (self.reader is not None):
            raise ValueError("values have schema ids, or one schema for all: not both, not neither")
        _columns(self)

    @property
    def format_name(self) -> str:
        """As in the job file."""
        return "avro"

    @property
    def column_type(self) -> pa.DataType:
        """A struct of the record's fields; what is no record gives the type of its one column."""
        return to_arrow(column_type_of(_columns(self)))

    def decoder(self, schemas: SchemaSource) -> AvroDecoder:
        """The decoder; ids that are not known are asked of `schemas`, each once."""
        return AvroDecoder(_columns(self), self.written(), schemas, has_ids=self.reader is None)

    def written(self) -> tuple[RegisteredSchema, ...]:
        """The schemas that values are written in."""
        return self.schemas if self.reader is None else (RegisteredSchema(BARE_ID, AVRO, self.reader),)


@lru_cache(maxsize=64)
def _columns(spec: AvroSpec) -> Slot:
    parsed = [(named(each), parse_schema(each.text, named(each), each.references)) for each in spec.written()]
    columns = columns_of([(name, slot_of(avro_type, name)) for name, avro_type in parsed])
    for name, avro_type in parsed:
        program_of(avro_type, columns, Pool(), name)  # so that a wrong default is told by the driver
    return columns


def named(schema: RegisteredSchema) -> str:
    """What a schema is called in errors."""
    return "the schema file" if schema.schema_id == BARE_ID else f"schema id {schema.schema_id}"
