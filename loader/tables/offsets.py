"""The offsets of a file's rows, and nothing else of it: as little is read as proves what is there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loader.errors import UnreadableFile
from loader.formats.metadata import metadata, metadata_path, metadata_type
from loader.records.schema import RAW_SCHEMA

COLUMNS = ["topic", "partition", "offset"]


@dataclass(frozen=True, slots=True)
class RowOffsets:
    """Some rows of one partition: their offsets, in the order of the rows."""

    topic: str
    partition: int
    offsets: NDArray[np.int64]


def read_offsets(parquet: pq.ParquetFile) -> Iterator[RowOffsets]:
    """The offsets of all rows, row group by row group, and in each by topic and partition.

    Raises UnreadableFile where a row does not say of which offset it is; what Arrow raises for bytes that
    are not Parquet.
    """
    schema = parquet.schema_arrow
    for name in COLUMNS:
        found = metadata_type(schema, name)
        if found != RAW_SCHEMA.field(name).type:
            raise UnreadableFile(
                f"its column {name} is {found or 'missing'}, not {RAW_SCHEMA.field(name).type}"
            )
    paths = [metadata_path(schema, name) for name in COLUMNS]
    for number in range(parquet.num_row_groups):
        read = parquet.read_row_group(number, columns=paths, use_threads=False)
        rows = pa.table({name: metadata(read, name) for name in COLUMNS})
        for name in COLUMNS:
            if rows.column(name).null_count:
                raise UnreadableFile(f"row group {number} has rows of no {name}")
        yield from _by_partition(rows)


def _by_partition(rows: pa.Table) -> Iterator[RowOffsets]:
    topics = pc.unique(rows.column("topic")).to_pylist()
    for topic in topics:
        of_topic = rows if len(topics) == 1 else rows.filter(pc.equal(rows.column("topic"), topic))
        partitions, offsets = _numbers(of_topic, "partition"), _numbers(of_topic, "offset")
        for partition in np.unique(partitions).tolist():
            yield RowOffsets(topic, partition, offsets[partitions == partition])


def _numbers(rows: pa.Table, name: str) -> NDArray[np.int64]:
    # By the buffers: pyarrow's own conversion imports pandas where that is installed.
    column = rows.column(name).cast(pa.int64()).combine_chunks()
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return np.concatenate([np.empty(0, np.int64), *map(_values, chunks)])


def _values(chunk: pa.Array) -> NDArray[np.int64]:
    values = np.frombuffer(chunk.buffers()[1], np.int64)
    return values[chunk.offset : chunk.offset + len(chunk)]
