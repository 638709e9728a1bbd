"""Records that could not be decoded: kept raw, each with the reason."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.protocol import BadValues
from loader.records.schema import RAW_SCHEMA

REASON_FIELDS = (
    pa.field("format", pa.string()),
    pa.field("schema_id", pa.int32()),
    pa.field("error_class", pa.string()),
    pa.field("error_text", pa.string()),
    pa.field("run_id", pa.string()),
)
"""format is what could not be decoded, `json` or `key: avro`; schema_id the registry's, where the value names
one; error_class the same word for all of a kind; error_text for a person; run_id the run that met it."""

QUARANTINE_SCHEMA = pa.schema([*RAW_SCHEMA, *REASON_FIELDS])


def quarantined(
    rows: pa.RecordBatch, bad: BadValues, bad_keys: BadValues, format_names: tuple[str, str], run_id: str
) -> pa.RecordBatch:
    """The bad ones of raw rows, in their order. A record whose value and key are bad is told by its value.

    format_names  of values and of keys
    """
    numbers = np.concatenate([bad.rows, bad_keys.rows])
    # The first of equal ones, which is the value's.
    places, firsts = np.unique(numbers, return_index=True)
    first = _numbers(firsts)
    value_format, key_format = format_names
    formats = pa.concat_arrays(
        [pa.repeat(value_format, len(bad)), pa.repeat(f"key: {key_format}", len(bad_keys))]
    )
    reasons = [
        formats.take(first),
        pa.concat_arrays([bad.schema_ids, bad_keys.schema_ids]).take(first),
        pa.concat_arrays([bad.error_classes, bad_keys.error_classes]).take(first),
        pa.concat_arrays([bad.error_texts, bad_keys.error_texts]).take(first),
        pa.repeat(run_id, len(places)),
    ]
    raw = rows.take(_numbers(places))
    return pa.RecordBatch.from_arrays([*raw.columns, *reasons], schema=QUARANTINE_SCHEMA)


def _numbers(numbers: NDArray[np.int64]) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
