"""Typed and quarantined rows are written as well as raw ones: sorted, with statistics, told in the footer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.config.output import WriteConfig
from loader.errors import StorageUnavailable
from loader.formats.quarantine import QUARANTINE_SCHEMA
from loader.formats.record_formatter import METADATA
from loader.records.schema import RAW_SCHEMA
from loader.sink.leaves import leaves
from loader.sink.topic_sink import TopicSink, close_together
from loader.storage import Storage
from loader.storage.local import LocalStorage
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts

from .test_topic_sink import FOLDER, HOUR_US, PROVENANCE, T0_US, OneShort, read, staged, wanted

KAFKA = pa.struct([RAW_SCHEMA.field(name) for name in METADATA])
TAG = pa.struct([("word", pa.string()), ("weight", pa.float64())])
TYPED_SCHEMA = pa.schema(
    [
        # Called as a column of raw rows is, and worth nothing as one.
        pa.field("offset", pa.string()),
        pa.field("count", pa.int32()),
        pa.field("tags", pa.list_(pa.field("element", TAG))),
        pa.field("by_name", pa.map_(pa.string(), pa.list_(pa.field("element", pa.decimal128(5, 2))))),
        pa.field("moment", pa.timestamp("us", "UTC")),
        pa.field("photo", pa.binary()),
        pa.field("kafka", KAFKA),
    ]
)


def typed_rows(offsets: Sequence[int], *, partition: int = 0, hours: int = 1) -> pa.RecordBatch:
    """Every third one is a tombstone."""
    kafka = [
        {
            "topic": "orders",
            "partition": partition,
            "offset": offset,
            "timestamp": T0_US + offset % hours * HOUR_US,
            "timestampType": 0,
            "key": b"key %d" % offset,
            "headers": [{"key": "k", "value": None}] if offset % 2 else None,
        }
        for offset in offsets
    ]
    values: list[dict[str, Any]] = [
        {
            "offset": f"word {offset % 5}",
            "count": offset,
            "tags": [{"word": "w", "weight": offset / 2}, None],
            "by_name": [("n", [None])],
            "moment": offset,
            "photo": b"x",
        }
        if offset % 3
        else {}
        for offset in offsets
    ]
    rows = [{**value, "kafka": each} for value, each in zip(values, kafka, strict=True)]
    return pa.RecordBatch.from_pylist(rows, schema=TYPED_SCHEMA)


def quarantined_rows(offsets: Sequence[int]) -> pa.RecordBatch:
    rows = [
        {
            "topic": "orders",
            "partition": 0,
            "offset": offset,
            "timestamp": T0_US + offset * HOUR_US,
            "timestampType": 0,
            "value": b"\xff",
            "format": "json",
            "error_class": "not-json",
        }
        for offset in offsets
    ]
    return pa.RecordBatch.from_pylist(rows, schema=QUARANTINE_SCHEMA)


def new_sinks(storage: Storage, **config: Any) -> tuple[TopicSink, TopicSink]:
    write = WriteConfig.model_validate(config)
    rows = TopicSink(storage, FOLDER, "orders", TYPED_SCHEMA, write, "a1-0", PROVENANCE)
    bad = TopicSink(
        storage, FOLDER, "orders", QUARANTINE_SCHEMA, write, "a1-0", PROVENANCE, is_quarantine=True
    )
    return rows, bad


def write_typed(storage: Storage, batches: Sequence[pa.RecordBatch], **config: Any) -> tuple[DataFile, ...]:
    sink, _ = new_sinks(storage, **config)
    with sink:
        for batch in batches:
            sink.write(wanted(partition=batch["kafka"][0].as_py()["partition"]), batch)
        return sink.close(())


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "destination")


def test_typed_rows_come_back_as_they_were_written(storage: Storage) -> None:
    batches = [typed_rows(range(20)), typed_rows(range(40, 50)).slice(3), typed_rows(range(8), partition=3)]

    (file,) = write_typed(storage, batches)

    table = read(storage, file).read()
    assert table.to_pylist() == pa.Table.from_batches(batches).to_pylist()
    assert table.schema.field("kafka").type == KAFKA
    assert table.schema.field("tags").type == TYPED_SCHEMA.field("tags").type
    assert file.ranges == (OffsetRange("orders", 0, 0, 50), OffsetRange("orders", 3, 0, 8))
    assert file.row_count == 35
    assert (file.min_timestamp_ms, file.max_timestamp_ms) == (T0_US // 1000, T0_US // 1000)


def test_typed_rows_lie_in_the_folder_of_their_own_time(storage: Storage) -> None:
    files = write_typed(storage, [typed_rows(range(6), hours=3)])

    held = {file.path.rpartition("/")[0]: read(storage, file).read()["kafka"].to_pylist() for file in files}
    assert {folder: [each["offset"] for each in rows] for folder, rows in held.items()} == {
        "orders/dt=2024-02-29/hour=10": [0, 3],
        "orders/dt=2024-02-29/hour=11": [1, 4],
        "orders/dt=2024-02-29/hour=12": [2, 5],
    }


def test_the_order_that_a_typed_file_declares_is_that_of_partition_and_offset(storage: Storage) -> None:
    (file,) = write_typed(storage, [typed_rows(range(9)), typed_rows(range(9), partition=1)])

    parquet = read(storage, file)
    declared = parquet.metadata.row_group(0).sorting_columns
    paths = [parquet.metadata.row_group(0).column(each.column_index).path_in_schema for each in declared]
    order = [(each["partition"], each["offset"]) for each in parquet.read()["kafka"].to_pylist()]
    assert paths == ["kafka.partition", "kafka.offset"]
    assert not any(each.descending for each in declared)
    assert order == sorted(order)


def test_typed_files_keep_statistics_of_numbers_and_times_and_dictionaries_of_what_repeats(
    storage: Storage,
) -> None:
    (file,) = write_typed(storage, [typed_rows(range(100))])

    group = read(storage, file).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert [each.path_in_schema for each in columns] == [leaf.path for leaf in leaves(TYPED_SCHEMA)]
    assert {each.path_in_schema for each in columns if each.is_stats_set} == {
        "count",
        "tags.list.element.weight",
        "by_name.key_value.value.list.element",
        "moment",
        "kafka.topic",
        "kafka.partition",
        "kafka.offset",
        "kafka.timestamp",
    }
    assert {each.path_in_schema for each in columns if "RLE_DICTIONARY" in each.encodings} == {
        "offset",
        "count",
        "tags.list.element.word",
        "by_name.key_value.key",
        "by_name.key_value.value.list.element",
        "kafka.topic",
        "kafka.partition",
        "kafka.timestampType",
    }
    bounds = {each.path_in_schema: each.statistics for each in columns if each.is_stats_set}
    assert (bounds["kafka.offset"].min, bounds["kafka.offset"].max) == (0, 99)
    assert (bounds["count"].min, bounds["count"].max) == (1, 98)


def test_quarantined_rows_lie_apart_whatever_their_time_and_come_back_as_they_were(storage: Storage) -> None:
    _, sink = new_sinks(storage)
    batch = quarantined_rows([3, 4, 9])

    with sink:
        sink.write(wanted(), batch)
        (file,) = sink.close(())

    assert file.path == "_quarantine/orders/orders-0-3-9-a1-0-q0.parquet"
    assert file.is_quarantine
    assert read(storage, file).read().equals(pa.Table.from_batches([batch]))


def test_rows_and_quarantine_that_end_together_tell_one_share(storage: Storage) -> None:
    rows, bad = new_sinks(storage)
    loaded = LoadedRange(wanted(), RangeCounts(row_count=4, quarantined_count=2), 0, 10)

    with rows, bad:
        rows.write(wanted(), typed_rows([0, 1, 2, 5], hours=3))
        bad.write(wanted(), quarantined_rows([3, 4]))
        files = close_together([rows, bad], [loaded])

    footers = [pq.ParquetFile(storage.open(f"{FOLDER}/{file.staged_name}")).metadata for file in files]
    shares = [json.loads(footer.metadata[b"loader.share"]) for footer in footers]
    assert [file.staged_name for file in files] == [
        "a1-0-0.parquet",
        "a1-0-1.parquet",
        "a1-0-2.parquet",
        "a1-0-q0.parquet",
    ]
    assert [share["file_count"] for share in shares] == [4] * 4
    assert [share["ranges"][0]["quarantined_count"] for share in shares] == [2] * 4
    assert [file.is_quarantine for file in files] == [False] * 3 + [True]


def test_where_a_file_of_the_quarantine_fails_the_rows_go_too(tmp_path: Path) -> None:
    storage = OneShort(tmp_path)
    rows, bad = new_sinks(storage)

    def write() -> None:
        with rows, bad:
            rows.write(wanted(), typed_rows([0, 1, 2, 5]))
            bad.write(wanted(), quarantined_rows([3, 4]))
            close_together([rows, bad], [])

    storage.short_name = "-q0.parquet"
    with pytest.raises(StorageUnavailable, match=r"a1-0-q0\.parquet: wrote \d+ bytes"):
        write()

    assert len(storage.ended) == 2
    assert staged(storage) == []
