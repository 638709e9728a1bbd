"""The raw rows of many files, in the order of partition and offset.

Files are by time, and a partition's records need not be: an hour's file may hold offsets from between those
of another hour. So files are cut into runs, stretches of rows of one partition whose offsets rise, and runs
are merged; one is opened when its first row is due and closed behind its last. What is held at a time is a
batch of rows for each run that overlaps another, whatever the size of the files.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loader.errors import MalformedInput, UnreadableFile
from loader.formats.metadata import is_typed, metadata, metadata_path, metadata_type
from loader.formats.names import KAFKA
from loader.records.schema import RAW_SCHEMA
from loader.sink.columns import integers
from loader.storage.protocol import Storage
from loader.tables.opening import opened

COLUMNS = ("key", "value", "timestamp", "headers", "partition", "offset")
SENT = ("key", "value", "timestamp", "headers")
BATCH_BYTES = 1024 * 1024
MOST_ROWS = 4096

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class RowFile:
    """A Parquet file to read."""

    storage: Storage
    path: str

    def __str__(self) -> str:
        return f"{self.storage.url}/{self.path}"


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Rows [start_row, start_row + row_count) of a row group: of one partition, with rising offsets."""

    partition: int
    first_offset: int
    file_number: int
    row_group: int
    start_row: int
    row_count: int

    @property
    def place(self) -> Place:
        """Of its first row."""
        return self.partition, self.first_offset


@dataclass(slots=True)
class _Cursor:
    """A run that is being read: the rows of its batch that are still due."""

    run: Run
    batches: Iterator[pa.RecordBatch]
    rows: pa.RecordBatch
    offsets: NDArray[np.int64]

    @property
    def place(self) -> Place:
        return self.run.partition, int(self.offsets[0])

    def take(self, before: Place | None) -> pa.RecordBatch:
        """The rows before a place, of those that are read; all of them where there is none."""
        count = len(self.offsets)
        if before is not None and before[0] == self.run.partition:
            count = int(np.searchsorted(self.offsets, before[1]))
        taken = self.rows.slice(0, count)
        self.rows, self.offsets = self.rows.slice(count), self.offsets[count:]
        return taken


def find_runs(files: Sequence[RowFile]) -> list[Run]:
    """The runs of all files, by partition and first offset. Reads two narrow columns, and each file's topic.

    Raises MalformedInput where rows cannot be sent as they came, or are of several topics; what `opened`
    does.
    """
    runs: list[Run] = []
    topics: dict[str, str] = {}
    for number, file in enumerate(files):
        with opened(file.storage, file.path) as parquet:
            _require_raw(parquet.schema_arrow, file)
            for row_group in range(parquet.num_row_groups):
                place = [
                    metadata_path(parquet.schema_arrow, each) for each in ("topic", "partition", "offset")
                ]
                rows = parquet.read_row_group(row_group, place, use_threads=False)
                for topic in pc.unique(metadata(rows, "topic")).to_pylist():
                    topics.setdefault(topic, str(file))
                runs += _runs(rows, number, row_group)
    if len(topics) > 1:
        named = "; ".join(f"{topic} in {path}" for topic, path in sorted(topics.items())[:3])
        raise MalformedInput(f"the files hold {len(topics)} topics: {named}. Name the files of one")
    return sorted(runs)


def _runs(rows: pa.Table, file_number: int, row_group: int) -> Iterator[Run]:
    partitions, offsets = (_numbers(rows, name) for name in ("partition", "offset"))
    if not len(offsets):
        return
    begins_new = (partitions[1:] != partitions[:-1]) | (offsets[1:] <= offsets[:-1])
    starts = [0, *(np.flatnonzero(begins_new) + 1).tolist()]
    for start, end in zip(starts, [*starts[1:], len(offsets)], strict=True):
        yield Run(int(partitions[start]), int(offsets[start]), file_number, row_group, start, end - start)


def _numbers(rows: pa.Table, name: str) -> NDArray[np.int64]:
    column = metadata(rows, name)
    if column.null_count:
        raise UnreadableFile(f"has rows of no {name}")
    chunks = [integers(chunk.cast(pa.int64())) for chunk in column.chunks]
    return np.concatenate([np.empty(0, np.int64), *chunks])


def _require_raw(schema: pa.Schema, file: RowFile) -> None:
    """Raise MalformedInput where keys and values are not there as the bytes that they were in Kafka."""
    for name in ("topic", *COLUMNS):
        found, wanted = metadata_type(schema, name), RAW_SCHEMA.field(name).type
        if found is not None and (found == wanted or (name == "headers" and _are_headers(found))):
            continue
        if found is None and name == "value" and is_typed(schema):
            problem = (
                "its rows are typed, and the bytes of the value are not among their columns. Load the topic"
                " with keep_value = true, or without a format, and produce from those files"
            )
        elif name == "key" and is_typed(schema):
            problem = (
                f"its keys are typed ({found}), and their bytes are not kept. Load the topic without a format"
                " for the key, and produce from those files"
            )
        else:
            where = f"{KAFKA}.{name}" if is_typed(schema) else name
            problem = (
                f"its column {where} is {found or 'missing'}, not {wanted}. Only files as this loader writes"
                " them can be produced"
            )
        raise MalformedInput(f"{file}: {problem}")


def _are_headers(found: pa.DataType) -> bool:
    return bool(pa.types.is_list(found) and found.value_type == RAW_SCHEMA.field("headers").type.value_type)


def read_in_order(files: Sequence[RowFile], runs: Iterable[Run]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """All rows in the order of partition and offset: parts of one partition, with its number.

    The columns are those of SENT, and `offset`.

    Raises MalformedInput where an offset is there twice; what `opened` does.
    """
    waiting = deque(sorted(runs))
    due: list[tuple[Place, Run, _Cursor]] = []
    while waiting or due:
        while waiting and (not due or waiting[0].place <= due[0][0]):
            cursor = _opened_run(files, waiting.popleft())
            heapq.heappush(due, (cursor.place, cursor.run, cursor))
        place, run, cursor = heapq.heappop(due)
        before = min(
            [*(each[0] for each in due[:1]), *(each.place for each in islice(waiting, 1))], default=None
        )
        if before == place:
            raise MalformedInput(
                f"offset {place[1]} of partition {place[0]} is there twice, once in {files[run.file_number]}."
                " Name files of one job, and none that others have replaced"
            )
        yield place[0], cursor.take(before)
        if len(cursor.offsets) or _advance(cursor):
            heapq.heappush(due, (cursor.place, run, cursor))


def _opened_run(files: Sequence[RowFile], run: Run) -> _Cursor:
    batches = _batches(files[run.file_number], run)
    first = next(batches)
    return _Cursor(run, batches, first, integers(first.column("offset")))


def _advance(cursor: _Cursor) -> bool:
    """Go on to the next batch; False behind the last."""
    rows = next(cursor.batches, None)
    if rows is None:
        return False
    cursor.rows, cursor.offsets = rows, integers(rows.column("offset"))
    return True


def _batches(file: RowFile, run: Run) -> Iterator[pa.RecordBatch]:
    """The rows of a run, some at a time. The file is open until the last is taken, or this is closed."""
    with opened(file.storage, file.path) as parquet:
        columns = [metadata_path(parquet.schema_arrow, name) for name in (*SENT, "offset")]
        at, end = -run.start_row, run.row_count
        for batch in parquet.iter_batches(
            _row_count(parquet, run.row_group), row_groups=[run.row_group], columns=columns, use_threads=False
        ):
            first, last = max(0, -at), min(batch.num_rows, end - at)
            if first < last:
                wanted = batch.slice(first, last - first)
                yield pa.record_batch({name: metadata(wanted, name) for name in (*SENT, "offset")})
            at += batch.num_rows
            if at >= end:
                return


def _row_count(parquet: pq.ParquetFile, row_group: int) -> int:
    """How many rows of a row group are about BATCH_BYTES."""
    facts = parquet.metadata.row_group(row_group)
    fitting: int = BATCH_BYTES * facts.num_rows // max(1, facts.total_byte_size)
    return max(1, min(MOST_ROWS, fitting))
