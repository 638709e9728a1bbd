"""Rows of Parquet files, as this loader writes them, as records to send: what was in Kafka, again."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from loader.kafka_source.batch_builder import NO_TIMESTAMP_MS, Outgoing
from loader.tables.ordered_rows import RowFile, find_runs, read_in_order


class RowOf(NamedTuple):
    """Where a record comes from: where it was in Kafka."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"offset {self.offset} of partition {self.partition}"


def read_records(files: Sequence[RowFile]) -> Iterator[Outgoing]:
    """The records of all files, in the order of partition and offset. Raises what `ordered_rows` does."""
    runs = find_runs(files)
    for partition, rows in read_in_order(files, runs):
        yield from _records(partition, rows)


def _records(partition: int, rows: pa.RecordBatch) -> Iterator[Outgoing]:
    times = pc.divide(rows.column("timestamp").cast(pa.int64()), 1000).to_pylist()
    columns = (rows.column(name).to_pylist() for name in ("value", "key", "headers", "offset"))
    for value, key, headers, offset, time_ms in zip(*columns, times, strict=True):
        yield Outgoing(
            value=value,
            key=key,
            headers=[(each["key"], each["value"]) for each in headers] if headers else (),
            timestamp_ms=NO_TIMESTAMP_MS if time_ms is None else time_ms,
            partition=partition,
            place=RowOf(partition, offset),
        )
