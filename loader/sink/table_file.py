"""A Parquet file of tables that are there already: for what this program tells of itself, not for records."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from loader.storage.protocol import Storage

_BUFFER_BYTES = 1024 * 1024
_GROUP_ROWS = 100_000


def write_tables(storage: Storage, path: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write tables of one schema, one after the other, holding one row group. Raises what storage raises."""
    with storage.create(path) as output:
        # Parquet's writer writes a few bytes at a time, and each of ours is a call to the file system.
        buffered = pa.BufferedOutputStream(pa.PythonFile(output, mode="w"), _BUFFER_BYTES)
        try:
            with pq.ParquetWriter(buffered, schema, compression="zstd", store_schema=False) as writer:
                for group in _groups(tables):
                    writer.write_table(group)
        finally:
            buffered.detach()  # else it would close the file, which only the storage can


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The tables, as many together as one row group takes."""
    waiting: list[pa.Table] = []
    row_count = 0
    for table in tables:
        waiting.append(table)
        row_count += table.num_rows
        if row_count >= _GROUP_ROWS:
            yield pa.concat_tables(waiting)
            waiting, row_count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)
