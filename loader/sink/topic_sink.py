"""The rows of one topic on their way into files: gathered per time folder into whole row groups."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from types import TracebackType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.config.output import WriteConfig
from loader.errors import CoverageGap, LoaderError
from loader.formats.metadata import metadata
from loader.formats.times import BY_RECORD_TIME, RowTimes
from loader.sink.columns import integers
from loader.sink.parquet_file import ParquetFile
from loader.sink.time_folders import are_together, folder_hours, split_by_folder
from loader.storage.protocol import Storage
from loader.values import DataFile, LoadedRange, OffsetRange, layout
from loader.values.documents import encode_loaded_range

MAX_OPEN_FILES = 32
"""Of one sink. Records of very mixed times would else hold a file open for every hour there ever was."""


MAX_WAITING_ARRAYS = 32 * 1024
"""Of one sink. An array takes about 1 KiB beside its values: of a batch of few rows that is most."""


class _Mixed(NamedTuple):
    """Rows of several folders."""

    wanted: OffsetRange
    rows: pa.RecordBatch
    hours: NDArray[np.int64]


@dataclass(slots=True)
class _Folder:
    """One time folder: the rows that wait for its next row group, and its open file."""

    hour: int | None
    path: str
    waiting: list[tuple[OffsetRange, pa.RecordBatch]] = field(default_factory=list)
    waiting_bytes: int = 0
    file: ParquetFile | None = None


class TopicSink:
    """Writes the rows of one topic. `with sink:` removes all it wrote, finished or not, when the body raises.

    At most `config.row_group_bytes` wait in all; when they are spread over many folders, the largest
    is written as a smaller row group. Rows of several folders wait together before, up to a quarter of that:
    cut at once, those of thousands of hours would be as many batches, of which only so many may wait.

    name_prefix    of the staged files; no other sink of any attempt may have it, but for the one of the same
                   topic's quarantine
    is_quarantine  whether the rows are those that could not be decoded: readers of the topic do not see them
    times          by which rows lie in folders
    """

    def __init__(
        self,
        storage: Storage,
        staged_folder: str,
        topic: str,
        schema: pa.Schema,
        config: WriteConfig,
        name_prefix: str,
        provenance: Mapping[str, str],
        *,
        is_quarantine: bool = False,
        times: RowTimes = BY_RECORD_TIME,
    ) -> None:
        self._storage = storage
        self._staged_folder = staged_folder
        self._topic = topic
        self._schema = schema
        self._config = config
        self._name_prefix = name_prefix
        self._provenance = provenance
        self._is_quarantine = is_quarantine
        self._times = times
        self._partition_by = "none" if is_quarantine else config.partition_by
        self._folders: dict[int | None, _Folder] = {}
        self._waiting_bytes = 0
        self._mixed: list[_Mixed] = []
        self._mixed_bytes = 0
        self._max_waiting_batches = MAX_WAITING_ARRAYS // _count_arrays(schema)
        self._waiting_batches = 0
        self._opened_count = 0
        self._last_offsets: dict[OffsetRange, int] = {}
        self._files: list[DataFile] = []

    def write(self, wanted: OffsetRange, rows: pa.RecordBatch) -> None:
        """Take rows of the planned range `wanted`.

        Raises CoverageGap unless offsets rise from row to row and lie in the range: the coverage gate
        counts rows, and a row twice in the place of another would pass it.
        """
        if not rows.num_rows:
            return
        self._check_offsets(wanted, rows)
        mixed = _Mixed(wanted, rows, folder_hours(rows, self._partition_by, self._times))
        self._mixed.append(mixed)
        self._mixed_bytes += rows.get_total_buffer_size()
        is_alone = len(self._mixed) == 1 and are_together(mixed.hours)
        if is_alone or self._mixed_bytes >= self._config.row_group_bytes // 4:
            self._sort_out()

    def _sort_out(self) -> None:
        """Give the rows that wait together to their folders, and write those that there is no room for."""
        mixed, self._mixed, self._mixed_bytes = self._mixed, [], 0
        for wanted, group in groupby(mixed, key=lambda each: each.wanted):
            _, batches, hours = zip(*group, strict=True)
            rows = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
            for hour, part in split_by_folder(rows, np.concatenate(hours)):
                self._wait(wanted, hour, part)
        while self._waits_too_much():
            self._write_row_group(max(self._folders.values(), key=lambda folder: folder.waiting_bytes))

    def _wait(self, wanted: OffsetRange, hour: int | None, rows: pa.RecordBatch) -> None:
        folder = self._folders.get(hour)
        if folder is None:
            folder = self._folders[hour] = _Folder(hour, self._path_of(hour))
        # nbytes tells the same of the buffers of a whole batch, in 50 times the time.
        size = rows.get_total_buffer_size()
        folder.waiting.append((wanted, rows))
        folder.waiting_bytes += size
        self._waiting_bytes += size
        self._waiting_batches += 1

    def _waits_too_much(self) -> bool:
        return (
            self._waiting_bytes >= self._config.row_group_bytes
            or self._waiting_batches > self._max_waiting_batches
        )

    def _check_offsets(self, wanted: OffsetRange, rows: pa.RecordBatch) -> None:
        offsets = integers(metadata(rows, "offset"))
        last = self._last_offsets.get(wanted, wanted.start_offset - 1)
        rises = offsets[0] > last and bool((np.diff(offsets) > 0).all())
        if not rises or offsets[-1] >= wanted.end_offset:
            raise CoverageGap(
                f"{wanted}: rows with offsets {offsets[0]} to {offsets[-1]} follow offset {last}, out of"
                " order or outside of the range. Nothing of this topic was committed. This is a bug: please"
                " report it."
            )
        self._last_offsets[wanted] = int(offsets[-1])

    def close(self, loaded: Sequence[LoadedRange]) -> tuple[DataFile, ...]:
        """Write what waits, finish every file, and say which there are; see `close_together`."""
        return close_together([self], loaded)

    def __enter__(self) -> "TopicSink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        for folder in self._folders.values():
            if folder.file is not None:
                folder.file.abandon(error)
        try:
            # Nobody else has these names, and nobody will hear of them: the rows go into no manifest.
            for number in range(self._opened_count):
                self._storage.delete(f"{self._staged_folder}/{self._staged_name(number)}")
        except LoaderError as leftover:
            error.add_note(f"Files of {self._topic} staged in {self._staged_folder} may be left: {leftover}")

    def _staged_name(self, number: int) -> str:
        # What stands before the last dash tells an attempt at a topic: also its quarantine is of that.
        return f"{self._name_prefix}-{'q' if self._is_quarantine else ''}{number}.parquet"

    def _path_of(self, hour: int | None) -> str:
        if self._is_quarantine:
            return layout.quarantine_folder(self._topic)
        time = layout.time_folder(self._partition_by, hour)
        return layout.topic_folder(self._topic) + (f"/{time}" if time else "")

    def _write_row_group(self, folder: _Folder) -> None:
        if not folder.waiting:
            return
        if folder.file is not None and folder.file.written_bytes >= self._config.target_file_bytes:
            self._close_file(folder)
        file = folder.file or self._open_file(folder)
        file.write_row_group(folder.waiting)
        self._waiting_bytes -= folder.waiting_bytes
        self._waiting_batches -= len(folder.waiting)
        folder.waiting, folder.waiting_bytes = [], 0

    def _open_file(self, folder: _Folder) -> ParquetFile:
        opened = [other for other in self._folders.values() if other.file is not None]
        if len(opened) >= MAX_OPEN_FILES:
            self._close_file(opened[0])
            if not opened[0].waiting:
                del self._folders[opened[0].hour]
        staged_name = self._staged_name(self._opened_count)
        self._opened_count += 1
        folder.file = ParquetFile(self._storage, self._staged_folder, staged_name, self._schema, self._config)
        return folder.file

    def _close_file(self, folder: _Folder) -> None:
        if folder.file is None:
            return
        file, folder.file = folder.file, None
        self._files.append(file.close(folder.path, self._provenance))


def _count_arrays(schema: pa.Schema) -> int:
    return sum(_count_type(each.type) for each in schema)


def _count_type(arrow_type: pa.DataType) -> int:
    return 1 + sum(_count_type(arrow_type.field(at).type) for at in range(arrow_type.num_fields))


def close_together(sinks: Sequence[TopicSink], loaded: Sequence[LoadedRange]) -> tuple[DataFile, ...]:
    """Write what waits in the sinks of one topic, finish every file, and say which there are.

    The end of a file is mostly waiting: half a second on HDFS until a DataNode has reported its last block,
    on a disk for fsync. When one fails, the others end first: each sink's `__exit__` deletes its own by name.

    loaded  what the rows are of: goes to the footers of the last files, so that the counts of offsets
            without a row can be read from the files alone
    """
    for sink in sinks:
        sink._sort_out()
        for folder in list(sink._folders.values()):
            sink._write_row_group(folder)
    share = {
        "ranges": [encode_loaded_range(each) for each in loaded],
        "file_count": sum(sink._opened_count for sink in sinks),
    }
    footer = {"loader.share": json.dumps(share)}
    ending = [
        (sink, folder.path, folder.file)
        for sink in sinks
        for folder in sink._folders.values()
        if folder.file is not None
    ]
    for sink in sinks:
        for folder in sink._folders.values():
            folder.file = None

    def end(of: tuple[TopicSink, str, ParquetFile]) -> DataFile:
        sink, path, file = of
        return file.close(path, {**sink._provenance, **footer})

    with ThreadPoolExecutor(max_workers=MAX_OPEN_FILES, thread_name_prefix="close") as threads:
        for (sink, _, _), file in zip(ending, list(threads.map(end, ending)), strict=True):
            sink._files.append(file)
    return tuple(file for sink in sinks for file in sink._files)
