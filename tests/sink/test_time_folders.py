"""Rows lie in the folder of the time that their topic goes by; few files are open, and few batches wait."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loader.config.output import WriteConfig
from loader.config.times import FieldTime, LoadTime
from loader.formats.protocol import NoSchemas
from loader.formats.record_formatter import RecordFormatter
from loader.formats.times import RowTimes
from loader.formats.topic_format import TopicFormat
from loader.records.schema import RAW_SCHEMA
from loader.sink import topic_sink
from loader.sink.topic_sink import MAX_OPEN_FILES, TopicSink
from loader.storage import Storage
from loader.storage.local import LocalStorage
from loader.values import DataFile
from tests.formats.examples import Fields, raw_rows

from .test_topic_sink import FOLDER, HOUR_US, PROVENANCE, T0_US, read, rows, wanted

BEGAN = datetime(2024, 2, 29, 10, 30, tzinfo=UTC)
BEGAN_MS = round(BEGAN.timestamp() * 1000)
NO_TIME = "orders/dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__"
LOADED = "orders/dt=2024-02-29/hour=10"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "destination")


def write(
    storage: Storage, batches: Sequence[pa.RecordBatch], times: RowTimes, **config: Any
) -> tuple[DataFile, ...]:
    write_config = WriteConfig.model_validate(config)
    schema = batches[0].schema
    with TopicSink(storage, FOLDER, "orders", schema, write_config, "a1-0", PROVENANCE, times=times) as sink:
        for batch in batches:
            sink.write(wanted(), batch)
        return sink.close(())


def offsets_by_folder(storage: Storage, files: Sequence[DataFile]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for file in files:
        table = read(storage, file).read()
        offsets = table["offset"] if "offset" in table.column_names else table["kafka"].combine_chunks()
        numbers = offsets.field("offset") if isinstance(offsets, pa.StructArray) else offsets
        found.setdefault(file.path.rpartition("/")[0], []).extend(numbers.to_pylist())
    return {folder: sorted(offsets) for folder, offsets in found.items()}


def test_by_load_time_all_rows_lie_together_and_the_file_tells_the_times_of_its_records(
    storage: Storage,
) -> None:
    record_times = [T0_US - 9 * HOUR_US, None, T0_US + 5 * HOUR_US]
    times = RowTimes(time=LoadTime(), load_time_ms=BEGAN_MS)

    (file,) = files = write(storage, [rows(3, times_us=record_times)], times)

    assert offsets_by_folder(storage, files) == {LOADED: [0, 1, 2]}
    assert (file.min_timestamp_ms, file.max_timestamp_ms) == (
        (T0_US - 9 * HOUR_US) // 1000,
        (T0_US + 5 * HOUR_US) // 1000,
    )


COLUMNS = pa.struct([("at", pa.timestamp("us", "UTC")), ("day", pa.date32())])


@pytest.mark.parametrize(
    ("field", "partition_by", "folders"),
    [
        (
            "at",
            "hour",
            {"orders/dt=2024-02-29/hour=10": [0, 4], "orders/dt=2023-01-31/hour=23": [1], NO_TIME: [2, 3]},
        ),
        (
            "at",
            "day",
            {
                "orders/dt=2024-02-29": [0, 4],
                "orders/dt=2023-01-31": [1],
                "orders/dt=__HIVE_DEFAULT_PARTITION__": [2, 3],
            },
        ),
        ("day", "hour", {"orders/dt=2020-12-31/hour=00": [0, 1], NO_TIME: [2, 3, 4]}),
        ("at", "none", {"orders": [0, 1, 2, 3, 4]}),
    ],
)
def test_by_a_column_rows_lie_in_its_folders_and_tombstones_apart(
    storage: Storage, field: str, partition_by: str, folders: dict[str, list[int]]
) -> None:
    late = datetime(2023, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    new_year = datetime(2020, 12, 31, tzinfo=UTC).date()
    values = [{"at": BEGAN, "day": new_year}, {"at": late, "day": new_year}, {}, None, {"at": BEGAN}]
    formatter = RecordFormatter("orders", TopicFormat(value=Fields(COLUMNS)), NoSchemas(), "run-a")
    record_times = [BEGAN + timedelta(days=number) for number in range(5)]
    batch = formatter.format(raw_rows(values, record_times)).good

    files = write(storage, [batch], RowTimes(time=FieldTime(field)), partition_by=partition_by)

    assert offsets_by_folder(storage, files) == folders
    assert min(file.min_timestamp_ms or 0 for file in files) == BEGAN_MS


def test_absurd_times_lie_in_the_folder_of_the_load_where_that_is_asked_for(storage: Storage) -> None:
    before, now = T0_US - 400 * 24 * HOUR_US, T0_US
    record_times = [now - HOUR_US, before, 0, now + 24 * HOUR_US, None, now + HOUR_US]
    batch = rows(6, times_us=record_times)

    moved = write(storage, [batch], RowTimes(absurd_times="load_time", load_time_ms=BEGAN_MS))

    assert offsets_by_folder(storage, moved) == {
        "orders/dt=2024-02-29/hour=09": [0],
        LOADED: [1, 2, 3],
        NO_TIME: [4],
        "orders/dt=2024-02-29/hour=11": [5],
    }


def test_absurd_times_are_kept_by_default(storage: Storage) -> None:
    files = write(storage, [rows(2, times_us=[0, T0_US])], RowTimes(load_time_ms=BEGAN_MS))

    assert set(offsets_by_folder(storage, files)) == {"orders/dt=1970-01-01/hour=00", LOADED}


def test_late_rows_lie_in_their_own_hour_in_whatever_batch_they_come(storage: Storage) -> None:
    batches = [
        rows(50, first=0),
        rows(3, first=50, times_us=[T0_US, T0_US - 30 * HOUR_US, T0_US]),
        rows(50, first=53),
        rows(1, first=103, times_us=[T0_US - 30 * HOUR_US]),
        rows(2, first=104, times_us=[T0_US - 30 * HOUR_US, T0_US]),
    ]

    files = write(storage, batches, RowTimes())

    late = [51, 103, 104]
    assert offsets_by_folder(storage, files) == {
        LOADED: [offset for offset in range(106) if offset not in late],
        "orders/dt=2024-02-28/hour=04": late,
    }
    assert len(files) == 2
    for file in files:
        written = read(storage, file).read()["offset"].to_pylist()
        assert written == sorted(written), "a file keeps the order of offsets that it declares"


def test_thousands_of_hours_hold_few_files_open_and_bounded_memory(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 256 * 1024
    written: list[tuple[int | None, list[int]]] = []
    open_files: set[int] = set()
    most = {"open": 0, "batches": 0, "bytes": 0}

    class FakeFile:
        """Of 5000 real ones the test would wait for the disk."""

        written_bytes = 0

        def __init__(self, *_: object) -> None:
            open_files.add(id(self))
            most["open"] = max(most["open"], len(open_files))

        def write_row_group(self, batches: Sequence[tuple[object, pa.RecordBatch]]) -> None:
            for _, batch in batches:
                hours = {time.value // HOUR_US for time in batch["timestamp"]}
                assert len(hours) == 1
                written.append((hours.pop(), batch["offset"].to_pylist()))

        def close(self, *_: object) -> object:
            open_files.remove(id(self))
            return object()

    monkeypatch.setattr(topic_sink, "ParquetFile", FakeFile)
    monkeypatch.setattr(
        topic_sink, "MAX_WAITING_ARRAYS", 300 * 11
    )  # a raw row has 11, with those of its headers
    random = np.random.default_rng(1)
    hour_of = random.integers(0, 5000, 10_000)
    sink = TopicSink(
        storage,
        FOLDER,
        "orders",
        RAW_SCHEMA,
        WriteConfig(row_group_bytes=limit, target_file_bytes=limit),
        "a1-0",
        PROVENANCE,
    )
    with sink:
        for first in range(0, 10_000, 500):
            times_us = [int(hour) * HOUR_US for hour in hour_of[first : first + 500]]
            sink.write(wanted(), rows(500, first=first, times_us=times_us))
            waiting = [part for folder in sink._folders.values() for _, part in folder.waiting]
            mixed = [each.rows for each in sink._mixed]
            most["batches"] = max(most["batches"], len(waiting))
            most["bytes"] = max(most["bytes"], sum(each.nbytes for each in (*waiting, *mixed)))
            assert len(sink._folders) <= most["batches"] + MAX_OPEN_FILES
        sink.close(())

    assert most["open"] == MAX_OPEN_FILES
    # A batch of one row takes much more memory than the row: thousands of them do not wait.
    assert most["batches"] <= 300
    assert most["bytes"] <= 1.25 * limit + 500 * 200
    assert sorted(offset for _, offsets in written for offset in offsets) == list(range(10_000))
    assert all(hour == hour_of[offset] for hour, offsets in written for offset in offsets)
