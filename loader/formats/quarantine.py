"""Records that could not be decoded: kept raw, each with the reason."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.protocol import BadValues
from loader.records.schema import RAW_SCHEMA
from loader.values.bad_records import BadRecord, beginning_of

REASON_FIELDS = (
    pa.field("format", pa.string()),
    pa.field("schema_id", pa.int32()),
    pa.field("error_class", pa.string()),
    pa.field("error_text", pa.string()),
    pa.field("run_id", pa.string()),
)
"""format is what could not be decoded, `json` or `key: avro`, or `time` where that is absurd; schema_id the
registry's, where the value names one; error_class the same word for all of a kind; error_text for a person;
run_id the run that met it."""

_TOLD = ["topic", "partition", "offset", "format", "error_class", "error_text", "key", "value"]

QUARANTINE_SCHEMA = pa.schema([*RAW_SCHEMA, *REASON_FIELDS])


def quarantined(rows: pa.RecordBatch, bad_by_format: Mapping[str, BadValues], run_id: str) -> pa.RecordBatch:
    """The bad ones of raw rows, in their order.

    bad_by_format  by what could not be decoded, or is absurd; what is bad by several is told by the first
    """
    every = list(bad_by_format.values())
    # The first of equal ones, which is that of the first format.
    places, firsts = np.unique(np.concatenate([bad.rows for bad in every]), return_index=True)
    first = _numbers(firsts)
    formats = pa.concat_arrays([pa.repeat(name, len(bad)) for name, bad in bad_by_format.items()])
    reasons = [
        formats.take(first),
        pa.concat_arrays([bad.schema_ids for bad in every]).take(first),
        pa.concat_arrays([bad.error_classes for bad in every]).take(first),
        pa.concat_arrays([bad.error_texts for bad in every]).take(first),
        pa.repeat(run_id, len(places)),
    ]
    raw = rows.take(_numbers(places))
    return pa.RecordBatch.from_arrays([*raw.columns, *reasons], schema=QUARANTINE_SCHEMA)


def first_bad_records(rows: pa.RecordBatch, most: int) -> list[BadRecord]:
    """The first of quarantined rows, as messages tell of them."""
    return [
        BadRecord(
            row["topic"],
            row["partition"],
            row["offset"],
            row["format"],
            row["error_class"],
            row["error_text"],
            beginning_of(row["key"] if row["format"].startswith("key: ") else row["value"]),
        )
        # Not the timestamps: they may be what is absurd, beyond what a datetime can hold.
        for row in rows.select(_TOLD).slice(0, most).to_pylist()
    ]


def _numbers(numbers: NDArray[np.int64]) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
