"""The rows of one part: room for what the kernels locate, and the Arrow batch it becomes."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.records import columns
from loader.records.locate import locate_records
from loader.records.schema import RAW_SCHEMA


class ArrowRows(NamedTuple):
    """Rows of RAW_SCHEMA, and what in them is not as the producer wrote it."""

    batch: pa.RecordBatch
    repaired_header_keys: int
    unreadable_timestamps: int


class Rows:
    """Room for a number of rows, located in one payload."""

    def __init__(self, payload: NDArray[np.uint8], room: int) -> None:
        self._payload = payload
        self._offsets = np.empty(room, np.int64)
        self._timestamps_ms = np.empty(room, np.int64)
        self._timestamp_types = np.empty(room, np.int32)
        self._key_spans = np.empty((room, 2), np.int32)
        self._value_spans = np.empty((room, 2), np.int32)
        self._header_spans = np.empty((room, 3), np.int32)

    def locate(
        self, batches: NDArray[np.void], end_offset: int, progress: NDArray[np.void], header_room: int
    ) -> int:
        """Find as many rows as there is room for; returns OK or what is wrong where progress stands."""
        return locate_records(
            self._payload,
            batches,
            end_offset,
            progress,
            self._offsets,
            self._timestamps_ms,
            self._timestamp_types,
            self._key_spans,
            self._value_spans,
            self._header_spans,
            header_room,
        )

    def to_arrow(self, topic: str, partition: int, found: dict[str, int]) -> ArrowRows:
        """The rows that were found, with their bytes copied; `found` is the progress by name."""
        count = found["row_count"]
        timestamps = columns.timestamps(self._timestamps_ms[:count])
        headers = columns.headers(self._payload, self._header_spans[:count], found["header_count"])
        arrays = [
            columns.binary(self._payload, self._key_spans[:count], found["key_bytes"]),
            columns.binary(self._payload, self._value_spans[:count], found["value_bytes"]),
            columns.constant_strings(topic, count),
            columns.constant_integers(partition, count),
            columns.integers(self._offsets[:count]),
            timestamps.array,
            columns.integers(self._timestamp_types[:count]),
            headers.array,
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)
        return ArrowRows(batch, headers.repaired_keys, timestamps.beyond_count)
