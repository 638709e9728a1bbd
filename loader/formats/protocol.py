"""What every format does: a column of bytes in, a typed column and the bad ones out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.values.schemas import RegisteredSchema


@dataclass(frozen=True, slots=True)
class BadValues:
    """The values of one column that could not be decoded, one entry each.

    rows           int64[b]; which they are, rising
    error_classes  string[b]; what kind of mistake it is, the same word for all of a kind: `not-json`
    error_texts    string[b]; what is wrong and where, for a person: `price: 1e99 is no int (byte 17)`
    schema_ids     int32[b]; of the registry's schema the value names; null where it names none
    """

    rows: NDArray[np.int64]
    error_classes: pa.StringArray
    error_texts: pa.StringArray
    schema_ids: pa.Int32Array

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class DecodedValues:
    """A typed column, as long as the column of bytes.

    column  of the decoder's `column_type`; null where the bytes were null (a tombstone) or are bad
    bad     which those are; a value is never bad and in the column
    """

    column: pa.Array
    bad: BadValues


class ValueDecoder(Protocol):
    """Decodes the values, or the keys, of one topic. Used by one thread at a time."""

    @property
    def column_type(self) -> pa.DataType:
        """What a value becomes: a struct with a field per column; or for formats without fields one type."""
        ...

    def decode(self, values: pa.BinaryArray) -> DecodedValues:
        """Decode a column. Never raises for what a producer may have written: that is in `bad`."""
        ...


MOST_UNKNOWN_IDS = 1000
"""Ids without a schema of its format that a decoder asks for; then all that it does not know are bad unasked.
Any five bytes can look like an id: one that reads noise would ask the registry for each."""


class SchemaSource(Protocol):
    """Where a task learns of schema ids that the driver did not know."""

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """The schema of an id, None where the registry has none. Raises RegistryUnavailable."""
        ...

    def descriptor_set(self, schema: RegisteredSchema) -> bytes:
        """What protoc makes of a Protobuf schema of this source, with all imports.

        Raises UnusableSchema where the schema is wrong, ConfigError where protoc is not installed.
        """
        ...

    def close(self) -> None:
        """Give back what asking took; asked again, it begins anew."""
        ...


@dataclass(frozen=True, slots=True)
class NoSchemas:
    """The source of a job without a registry: no id names a schema."""

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """None, of any id."""
        del schema_id
        return None

    def descriptor_set(self, schema: RegisteredSchema) -> bytes:
        """Never asked: it has given no schema."""
        raise LookupError(f"schema {schema.schema_id} is not of a job without a registry")

    def close(self) -> None:
        """Nothing is open."""


class ValueSpec(Protocol):
    """How the values, or keys, of a topic are decoded: made by the driver, small enough for every task."""

    @property
    def format_name(self) -> str:
        """As the job file spells it: `json`. The quarantine says it of each record."""
        ...

    @property
    def column_type(self) -> pa.DataType:
        """As of the decoder."""
        ...

    def decoder(self, schemas: SchemaSource) -> ValueDecoder:
        """The decoder, made once in each task."""
        ...
