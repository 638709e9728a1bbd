"""The rows of a file: those of a few offsets, or all of them to see that they can be read."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loader.errors import UnreadableFile
from loader.formats.metadata import metadata, metadata_path
from loader.values import OffsetRange

BATCH_ROWS = 1024
PLACE = ["partition", "offset"]


def read_rows(parquet: pq.ParquetFile, wanted: OffsetRange) -> pa.Table:
    """The rows of some offsets; of row groups that hold none, two narrow columns are read and no more.

    Raises what Arrow raises for bytes that are not Parquet.
    """
    # Not by the statistics of the row groups: where these are damaged, asking for them ends the process.
    place = [metadata_path(parquet.schema_arrow, name) for name in PLACE]
    numbers = [
        number
        for number in range(parquet.num_row_groups)
        if pc.any(_is_wanted(parquet.read_row_group(number, place, use_threads=False), wanted)).as_py()
    ]
    # For Arrow, no number at all means all of them.
    batches = parquet.iter_batches(BATCH_ROWS, row_groups=numbers, use_threads=False) if numbers else ()
    found = [batch.filter(_is_wanted(batch, wanted)) for batch in batches]
    return pa.Table.from_batches(found, parquet.schema_arrow)


def _is_wanted(rows: pa.Table | pa.RecordBatch, wanted: OffsetRange) -> Any:
    offsets = metadata(rows, "offset")
    is_inside = pc.and_(pc.greater_equal(offsets, wanted.start_offset), pc.less(offsets, wanted.end_offset))
    return pc.and_(pc.equal(metadata(rows, "partition"), wanted.partition), is_inside)


def decode_all(parquet: pq.ParquetFile) -> None:
    """Decode every page of every column. Raises UnreadableFile naming the row group where one is damaged."""
    for number in range(parquet.num_row_groups):
        try:
            for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[number], use_threads=False):
                batch.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(f"row group {number} cannot be decoded: {error}") from error
