"""The rows of several files of one topic as one sequence, by partition and offset.

Each file has its rows in that order already, so only the next batch of each is held, and the part of each
column that it is decoded from.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.conform import conformed
from loader.formats.metadata import metadata
from loader.sink.columns import integers
from loader.storage.protocol import Storage
from loader.tables.opening import opened

BATCH_ROWS = 8 * 1024
BATCH_BYTES = 1024 * 1024
BUFFER_BYTES = 256 * 1024

Keep = Callable[[int, NDArray[np.int64]], NDArray[np.bool_]]
"""Which offsets of a partition to keep."""


def keep_all(_partition: int, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Every row."""
    return np.ones(len(offsets), np.bool_)


def merged_rows(
    storage: Storage, paths: Sequence[str], schema: pa.Schema, keep: Keep = keep_all
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of files by partition and offset; a batch is of one partition and not empty.

    schema  what the rows are made, as `conformed` does: columns that a file lacks are null

    Raises PathNotFound, UnreadableFile naming the file, and what the storage raises.
    """
    cursors = [_Cursor(_parts(storage, path, schema, keep)) for path in paths]
    waiting = [cursor for cursor in cursors if cursor.advance()]
    while waiting:
        waiting.sort(key=lambda cursor: cursor.place)
        first = waiting[0]
        yield first.partition, first.take(waiting[1].place if len(waiting) > 1 else None)
        if not len(first.offsets) and not first.advance():
            waiting.pop(0)


@dataclass(slots=True)
class _Cursor:
    """How far one file was read: the rest of its next batch."""

    parts: Iterator[tuple[int, NDArray[np.int64], pa.RecordBatch]]
    partition: int = -1
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    rows: pa.RecordBatch = None

    def advance(self) -> bool:
        """Go to the next batch; False at the end."""
        part = next(self.parts, None)
        if part is None:
            return False
        self.partition, self.offsets, self.rows = part
        return True

    @property
    def place(self) -> tuple[int, int]:
        """Where the rest begins: partition and offset."""
        return self.partition, int(self.offsets[0])

    def take(self, limit: tuple[int, int] | None) -> pa.RecordBatch:
        """The rows before another place, at least one."""
        count = len(self.offsets)
        if limit is not None and limit[0] == self.partition:
            count = max(int(np.searchsorted(self.offsets, limit[1])), 1)
        taken = self.rows.slice(0, count)
        self.offsets, self.rows = self.offsets[count:], self.rows.slice(count)
        return taken


def _parts(
    storage: Storage, path: str, schema: pa.Schema, keep: Keep
) -> Iterator[tuple[int, NDArray[np.int64], pa.RecordBatch]]:
    """The rows of a file to keep, cut where the partition changes."""
    with opened(storage, path, BUFFER_BYTES) as file:
        for number in range(file.num_row_groups):  # a batch of several could be of any size
            facts = file.metadata.row_group(number)
            fitting: int = BATCH_BYTES * facts.num_rows // max(facts.total_byte_size, 1)
            count = max(1, min(fitting, BATCH_ROWS))
            for batch in file.iter_batches(count, row_groups=[number], use_threads=False):
                if batch.num_rows:
                    yield from _kept(_in_schema(batch, schema), keep)


def _kept(rows: pa.RecordBatch, keep: Keep) -> Iterator[tuple[int, NDArray[np.int64], pa.RecordBatch]]:
    partitions = integers(metadata(rows, "partition").cast(pa.int64()))
    offsets = integers(metadata(rows, "offset"))
    for start, end in _stretches(partitions):
        kept = keep(int(partitions[start]), offsets[start:end])
        if not kept.any():
            continue
        part = rows.slice(start, end - start)
        if not kept.all():
            part = part.filter(pa.array(kept))
        yield int(partitions[start]), offsets[start:end][kept], part


def _stretches(partitions: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(partitions)) + 1
    bounds = [0, *edges.tolist(), len(partitions)]
    return pairwise(bounds)


def _in_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    whole = conformed(batch.to_struct_array(), pa.struct(list(schema)))
    return pa.RecordBatch.from_arrays(whole.flatten(), schema=schema)
