"""Rows come back as they went in, in files that readers can trust; and what is abandoned is gone."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.config.output import WriteConfig
from loader.errors import PathNotFound, StorageFull, StorageUnavailable
from loader.records.schema import RAW_SCHEMA
from loader.sink import topic_sink
from loader.sink.topic_sink import TopicSink
from loader.storage import Storage
from loader.storage.local import LocalStorage
from loader.values import DataFile, OffsetRange

FOLDER = "_loader/job/runs/run-a"
PROVENANCE = {"loader.job": "nightly", "loader.run_id": "run-a", "loader.topic": "orders"}
T0_US = 1_709_200_800_000_000
"""2024-02-29 10:00:00 UTC."""
HOUR_US = 3_600_000_000


def rows(
    count: int,
    *,
    first: int = 0,
    partition: int = 0,
    times_us: Sequence[int | None] | None = None,
    value_bytes: int = 10,
) -> pa.RecordBatch:
    """Records that differ, with nulls and empty values, keys and headers among them."""
    offsets = range(first, first + count)
    random = np.random.default_rng(first)
    columns = {
        "key": [None if offset % 3 == 0 else b"key %d" % offset for offset in offsets],
        "value": [[None, b"", random.bytes(value_bytes)][min(offset % 7, 2)] for offset in offsets],
        "topic": ["orders"] * count,
        "partition": [partition] * count,
        "offset": list(offsets),
        "timestamp": [T0_US] * count if times_us is None else list(times_us),
        "timestampType": [0] * count,
        "headers": [
            None if offset % 2 else [{"key": "k", "value": None}] * (offset % 3) for offset in offsets
        ],
    }
    return pa.RecordBatch.from_pydict(columns, schema=RAW_SCHEMA)


def wanted(end: int = 1_000_000, partition: int = 0) -> OffsetRange:
    return OffsetRange("orders", partition, 0, end)


def new_sink(storage: Storage, **config: Any) -> TopicSink:
    return TopicSink(
        storage, FOLDER, "orders", RAW_SCHEMA, WriteConfig.model_validate(config), "a1-0", PROVENANCE
    )


def write(storage: Storage, batches: Sequence[pa.RecordBatch], **config: Any) -> tuple[DataFile, ...]:
    with new_sink(storage, **config) as sink:
        for batch in batches:
            sink.write(wanted(partition=batch["partition"][0].as_py()), batch)
        return sink.close(())


def read(storage: Storage, file: DataFile) -> pq.ParquetFile:
    return pq.ParquetFile(storage.open(f"{FOLDER}/{file.staged_name}"))


def staged(storage: Storage) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in storage.list(FOLDER)]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "destination")


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "none"])
def test_rows_come_back_as_they_were_written(storage: Storage, compression: str) -> None:
    batches = [rows(100), rows(50, first=200), rows(70, partition=3)]

    (file,) = write(storage, batches, compression=compression)

    parquet = read(storage, file)
    expected = "UNCOMPRESSED" if compression == "none" else compression.upper()
    assert parquet.read().equals(pa.Table.from_batches(batches))
    assert parquet.schema_arrow.remove_metadata() == RAW_SCHEMA
    assert parquet.metadata.row_group(0).column(1).compression == expected


def test_a_file_says_what_it_holds(storage: Storage) -> None:
    times = [T0_US + 5_000, None, T0_US - 1_000]

    (file,) = write(storage, [rows(3, first=10, times_us=times), rows(2, partition=3)], partition_by="none")

    assert file.row_count == 5
    assert file.ranges == (OffsetRange("orders", 0, 10, 13), OffsetRange("orders", 3, 0, 2))
    assert (file.min_timestamp_ms, file.max_timestamp_ms) == (T0_US // 1000 - 1, T0_US // 1000 + 5)
    assert file.path == "orders/orders-p0-p3-a1-0-0.parquet"
    assert file.staged_name == "a1-0-0.parquet"
    assert file.size_bytes == storage.status(f"{FOLDER}/{file.staged_name}").size_bytes > 0


def test_the_footer_tells_where_the_rows_are_from(storage: Storage) -> None:
    (file,) = write(storage, [rows(3, first=10), rows(2, partition=3)])

    footer = {
        key.decode(): value.decode()
        for key, value in read(storage, file).metadata.metadata.items()
        if key.startswith(b"loader.")
    }
    assert footer == {
        **PROVENANCE,
        "loader.path": file.path,
        "loader.staged_name": file.staged_name,
        "loader.ranges": "[[0, 10, 13], [3, 0, 2]]",
        "loader.row_count": "5",
        "loader.timestamps_ms": f"[{T0_US // 1000}, {T0_US // 1000}]",
        "loader.share": '{"ranges": [], "file_count": 1}',
    }
    assert json.loads(footer["loader.ranges"]) == [
        [part.partition, part.start_offset, part.end_offset] for part in file.ranges
    ]


@pytest.mark.parametrize(
    ("partition_by", "folders"),
    [
        ("none", {"orders": 6}),
        ("day", {"orders/dt=2024-02-28": 1, "orders/dt=2024-02-29": 3, "orders/dt=1969-12-31": 1, None: 1}),
        (
            "hour",
            {
                "orders/dt=2024-02-28/hour=23": 1,
                "orders/dt=2024-02-29/hour=10": 2,
                "orders/dt=2024-02-29/hour=11": 1,
                "orders/dt=1969-12-31/hour=23": 1,
                None: 1,
            },
        ),
    ],
)
def test_rows_lie_in_the_folder_of_their_own_time(
    storage: Storage, partition_by: str, folders: dict[str | None, int]
) -> None:
    no_time = "orders/dt=__HIVE_DEFAULT_PARTITION__" + (
        "/hour=__HIVE_DEFAULT_PARTITION__" if partition_by == "hour" else ""
    )
    times = [T0_US, T0_US + HOUR_US - 1, T0_US + HOUR_US, None, T0_US - 11 * HOUR_US, -1]

    files = write(storage, [rows(6, times_us=times)], partition_by=partition_by)

    assert {file.path.rpartition("/")[0]: file.row_count for file in files} == {
        no_time if folder is None else folder: count for folder, count in folders.items()
    }
    offsets = sorted(offset for file in files for offset in read(storage, file).read()["offset"].to_pylist())
    assert offsets == list(range(6))


def test_a_file_of_rows_without_a_time_has_none(storage: Storage) -> None:
    (file,) = write(storage, [rows(2, times_us=[None, None])])

    assert (file.min_timestamp_ms, file.max_timestamp_ms) == (None, None)
    assert read(storage, file).read()["timestamp"].null_count == 2


def test_row_groups_are_near_the_size_asked_for_and_files_roll(storage: Storage) -> None:
    batches = [rows(100, first=first, value_bytes=1000) for first in range(0, 4000, 100)]
    kib = 1024

    files = write(
        storage, batches, row_group_bytes=256 * kib, target_file_bytes=1024 * kib, compression="none"
    )

    groups = [read(storage, file).metadata for file in files]
    sizes = [meta.row_group(at).total_byte_size for meta in groups for at in range(meta.num_row_groups)]
    assert all(200 * kib < size < 400 * kib for size in sizes[:-1])
    assert 2 <= len(files) <= 4
    assert all(1024 * kib <= file.size_bytes < 1400 * kib for file in files[:-1])
    ranges = [(file.ranges[0].start_offset, file.ranges[0].end_offset) for file in files]
    assert ranges[0][0] == 0
    assert all(left[1] == right[0] for left, right in pairwise(ranges))
    assert ranges[-1][1] == 4000
    assert len({file.path for file in files}) == len(files)


def test_the_order_that_a_file_declares_is_true(storage: Storage) -> None:
    batches = [rows(50, partition=number, first=first) for number in range(3) for first in (0, 50)]

    (file,) = write(storage, batches, row_group_bytes=16 * 1024)

    parquet = read(storage, file)
    declared = parquet.metadata.row_group(0).sorting_columns
    names = [parquet.schema.column(column.column_index).name for column in declared]
    order = [tuple(row.values()) for row in parquet.read().select(["partition", "offset"]).to_pylist()]
    assert names == ["partition", "offset"]
    assert not any(column.descending for column in declared)
    assert order == sorted(order)


def test_statistics_are_kept_of_what_queries_skip_by_and_of_no_payload(storage: Storage) -> None:
    (file,) = write(storage, [rows(10)])

    group = read(storage, file).metadata.row_group(0)
    known = {
        column.path_in_schema
        for column in map(group.column, range(group.num_columns))
        if column.is_stats_set and column.statistics.has_min_max
    }
    assert known == {"topic", "partition", "offset", "timestamp"}


def test_few_files_are_open_at_once_however_mixed_the_times(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_sink, "MAX_OPEN_FILES", 8)
    most_open = 0
    with new_sink(storage, row_group_bytes=16 * 1024) as sink:
        for round_ in range(30):
            times = [T0_US + hour * HOUR_US for hour in range(100)]
            sink.write(wanted(), rows(100, first=100 * round_, times_us=times, value_bytes=200))
            waiting = sum(folder.waiting_bytes for folder in sink._folders.values())
            most_open = max(most_open, sum(folder.file is not None for folder in sink._folders.values()))
            assert waiting == sink._waiting_bytes < 16 * 1024
        files = sink.close(())

    assert 0 < most_open <= 8
    offsets = [offset for file in files for offset in read(storage, file).read()["offset"].to_pylist()]
    assert sorted(offsets) == list(range(3000))


def test_nothing_written_makes_no_file(storage: Storage) -> None:
    with new_sink(storage) as sink:
        sink.write(wanted(), rows(0))
        assert sink.close(()) == ()

    with pytest.raises(PathNotFound):
        storage.list("")


def test_a_sink_left_by_an_error_leaves_no_file_not_even_a_finished_one(storage: Storage) -> None:
    def fail() -> None:
        with new_sink(storage, row_group_bytes=64 * 1024, target_file_bytes=64 * 1024) as sink:
            for first in range(0, 1000, 100):
                sink.write(wanted(), rows(100, first=first, value_bytes=1000))
            assert len(staged(storage)) > 2
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert staged(storage) == []


class Failing(LocalStorage):
    """A disk on which files come out short, or that is full once a file is this large."""

    full_at_bytes: int | None = None
    is_short = False

    def create(self, path: str) -> Any:
        file = cast(Any, super().create(path))
        append = file._append

        def fill(data: memoryview) -> None:
            if self.full_at_bytes is not None and file.tell() + len(data) > self.full_at_bytes:
                raise StorageFull("no space left")
            append(data[:-1] if self.is_short and len(data) > 100 else data)

        file._append = fill
        return file


def test_a_file_that_came_out_short_is_found_and_removed(tmp_path: Path) -> None:
    storage = Failing(tmp_path)
    storage.is_short = True

    with pytest.raises(StorageUnavailable, match=r"wrote \d+ bytes, but the file has \d+\. Nothing of it"):
        write(storage, [rows(500)])

    assert staged(storage) == []


class OneShort(LocalStorage):
    """A disk on which one file of several comes out short, and that knows which were finished."""

    short_name = "-1.parquet"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.ended: list[str] = []

    def create(self, path: str) -> Any:
        file = cast(Any, super().create(path))
        append, finish = file._append, file._finish

        def fill(data: memoryview) -> None:
            append(data[:-1] if path.endswith(self.short_name) and len(data) > 100 else data)

        def note() -> None:
            finish()
            self.ended.append(path)

        file._append, file._finish = fill, note
        return file


def test_files_that_end_together_are_all_gone_when_one_of_them_fails(tmp_path: Path) -> None:
    storage = OneShort(tmp_path)
    times = [T0_US + at % 5 * HOUR_US for at in range(500)]

    with pytest.raises(StorageUnavailable, match=r"a1-0-1\.parquet: wrote \d+ bytes"):
        write(storage, [rows(500, times_us=times)])

    assert len(storage.ended) == 5
    assert staged(storage) == []


def test_files_that_end_together_are_told_in_the_order_in_which_they_were_begun(storage: Storage) -> None:
    times = [T0_US + at // 100 * HOUR_US for at in range(500)]

    files = write(storage, [rows(500, times_us=times)])

    assert [file.staged_name for file in files] == [f"a1-0-{number}.parquet" for number in range(5)]
    assert [file.row_count for file in files] == [100] * 5


@pytest.mark.parametrize("full_at_bytes", [0, 4, 5_000])
def test_a_full_disk_leaves_no_file(tmp_path: Path, full_at_bytes: int) -> None:
    storage = Failing(tmp_path)
    storage.full_at_bytes = full_at_bytes

    with pytest.raises(StorageFull):
        write(storage, [rows(500, value_bytes=100)])

    assert staged(storage) == []
