"""Raw rows to rows of a topic's format, and what of them goes to the quarantine."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from loader.formats.arrow_types import schema_of
from loader.formats.conform import conformed
from loader.formats.names import KAFKA, VALUE, column_names
from loader.formats.protocol import BadValues, SchemaSource, ValueDecoder, ValueSpec
from loader.formats.quarantine import quarantined
from loader.formats.string import no_bad_values
from loader.formats.topic_format import TopicFormat
from loader.records.schema import RAW_SCHEMA

METADATA = ("topic", "partition", "offset", "timestamp", "timestampType", "key", "headers")
"""The fields of the column `kafka`, in their order; the bytes of the value may follow."""


class FormattedRows(NamedTuple):
    """Raw rows, sorted out; each is in one of the two.

    good  of the formatter's schema, in their order; may be none
    bad   of QUARANTINE_SCHEMA, in their order; None where all are good
    """

    good: pa.RecordBatch
    bad: pa.RecordBatch | None


def typed_schema(topic: str, topic_format: TopicFormat) -> pa.Schema:
    """The columns of a topic's rows: those of the value, then `kafka`; of a raw topic as Kafka has them.

    Raises ConfigError for names that no columns can have, saying which; so ask before anything is written.
    """
    if topic_format.is_raw:
        return RAW_SCHEMA
    return pa.schema([*_value_fields(topic, topic_format), pa.field(KAFKA, _kafka_type(topic_format))])


def _value_fields(topic: str, topic_format: TopicFormat) -> list[pa.Field]:
    value_type = pa.binary() if topic_format.value is None else topic_format.value.column_type
    fields = list(value_type) if pa.types.is_struct(value_type) else [pa.field(VALUE, value_type)]
    names = column_names(topic, [field.name for field in fields], topic_format.rename)
    return [pa.field(name, field.type) for name, field in zip(names, fields, strict=True)]


def _kafka_type(topic_format: TopicFormat) -> pa.StructType:
    fields = [RAW_SCHEMA.field(name) for name in METADATA]
    if topic_format.key is not None:
        fields[METADATA.index("key")] = pa.field("key", topic_format.key.column_type)
    if topic_format.keep_value:
        fields.append(RAW_SCHEMA.field("value"))
    return pa.struct(fields)


class RecordFormatter:
    """Decodes values and keys of one topic, and judges their times. Used by one thread at a time.

    Good rows have the columns of the topic's table, where it has others or wider ones than the formats give.

    schemas  where decoders learn of schema ids that the driver did not know

    Raises ConfigError as `typed_schema` does.
    """

    def __init__(self, topic: str, topic_format: TopicFormat, schemas: SchemaSource, run_id: str) -> None:
        self._own_schema = typed_schema(topic, topic_format)
        columns = None if topic_format.is_raw else topic_format.columns
        self._schema = self._own_schema if columns is None else schema_of(columns)
        self._value = _decoder(topic_format.value, schemas)
        self._key = _decoder(topic_format.key, schemas)
        self._keep_value = topic_format.keep_value
        self._value_name, self._key_name = _name(topic_format.value), f"key: {_name(topic_format.key)}"
        self._is_raw = topic_format.is_raw
        self._times = topic_format.times
        self._run_id = run_id

    @property
    def schema(self) -> pa.Schema:
        """The columns of good rows."""
        return self._schema

    def format(self, rows: pa.RecordBatch) -> FormattedRows:
        """Sort out raw rows. Never raises for what a producer may have written: that is in `bad`."""
        values, bad = _decoded(self._value, rows.column("value"))
        keys, bad_keys = _decoded(self._key, rows.column("key"))
        typed = rows if self._is_raw else self._typed(rows, values, keys)
        bad_times = self._times.bad(typed)
        if not len(bad) and not len(bad_keys) and not len(bad_times):
            return FormattedRows(typed, None)
        is_good = np.ones(rows.num_rows, np.bool_)
        is_good[bad.rows] = is_good[bad_keys.rows] = is_good[bad_times.rows] = False
        by_format = {self._value_name: bad, self._key_name: bad_keys, "time": bad_times}
        return FormattedRows(typed.filter(_booleans(is_good)), quarantined(rows, by_format, self._run_id))

    def _typed(self, rows: pa.RecordBatch, values: pa.Array, keys: pa.Array) -> pa.RecordBatch:
        columns = values.flatten() if pa.types.is_struct(values.type) else [values]
        metadata = [keys if name == "key" else rows.column(name) for name in METADATA]
        if self._keep_value:
            metadata.append(rows.column("value"))
        columns.append(pa.StructArray.from_arrays(metadata, fields=list(self._own_schema.field(KAFKA).type)))
        typed = pa.RecordBatch.from_arrays(columns, schema=self._own_schema)
        if self._schema.equals(self._own_schema):
            return typed
        known = set(self._own_schema.names)
        grown = [
            conformed(typed.column(field.name), field.type)
            if field.name in known
            else pa.nulls(rows.num_rows, field.type)
            for field in self._schema
        ]
        return pa.RecordBatch.from_arrays(grown, schema=self._schema)


def _decoder(spec: ValueSpec | None, schemas: SchemaSource) -> ValueDecoder | None:
    return None if spec is None else spec.decoder(schemas)


def _name(spec: ValueSpec | None) -> str:
    return "raw" if spec is None else spec.format_name


def _decoded(decoder: ValueDecoder | None, column: pa.BinaryArray) -> tuple[pa.Array, BadValues]:
    if decoder is None:
        return column, no_bad_values()
    decoded = decoder.decode(column)
    return decoded.column, decoded.bad


def _booleans(values: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pa.BooleanArray:
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
