"""The rows of the table of offsets: what a commit says, and nothing made up."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from loader.commits.offsets_table import OFFSETS_SCHEMA, offsets_table
from loader.commits.record import Commit
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts

from .examples import a_commit


def rows_of(*commits: Commit) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = offsets_table(commits).to_pylist()
    return rows


def a_range(partition: int, start: int, end: int, **facts: Any) -> LoadedRange:
    counts = facts.pop("counts", RangeCounts(row_count=end - start))
    return LoadedRange(OffsetRange("orders", partition, start, end), counts, 4, 512, **facts)


def a_data_file(
    size_bytes: int, *spans: tuple[int, int, int], folder: str = "orders", at_ms: int = 0
) -> DataFile:
    ranges = tuple(OffsetRange("orders", *span) for span in spans)
    row_count = sum(span.offset_count for span in ranges)
    path = f"{folder}/{size_bytes}.parquet"
    return DataFile(path, f"{size_bytes}.parquet", size_bytes, row_count, ranges, at_ms, at_ms + 500)


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_a_loaded_range_is_one_row_with_all_that_its_commit_tells() -> None:
    counts = RangeCounts(90, 1, 2, 3, 4, 0)
    loaded = a_range(0, 100, 200, counts=counts, log_end_offset=250, replaced=RangeCounts(row_count=7))
    commit = replace(
        a_commit(12),
        ranges=(loaded,),
        files=(a_data_file(1000, (0, 100, 200), at_ms=1500),),
        started_at_ms=1000,
    )

    assert rows_of(commit) == [
        {
            "version": 12,
            "run_id": "run-a",
            "operation": "load",
            "started_at": moment(1000),
            "committed_at": moment(1_763_800_000_012),
            "committed_by": "ann@host",
            "reason": None,
            "topic": "orders",
            "partition": 0,
            "start_offset": 100,
            "end_offset": 200,
            "row_count": 90,
            "quarantined_count": 1,
            "aborted_count": 2,
            "control_count": 3,
            "compacted_count": 4,
            "lost_count": 0,
            "replaced_row_count": 7,
            "fetched_bytes": 512,
            "file_count": 1,
            "size_bytes": 1000,
            "min_timestamp": moment(1500),
            "max_timestamp": moment(2000),
            "log_end_offset": 250,
            "lag_offsets": 50,
        }
    ]


def test_what_a_commit_of_an_older_version_does_not_tell_is_null() -> None:
    (row,) = rows_of(a_commit())

    assert [row[name] for name in ("started_at", "log_end_offset", "lag_offsets", "min_timestamp")] == [
        None
    ] * 4


def test_a_file_of_several_partitions_counts_in_each_and_its_bytes_are_shared_without_a_rest() -> None:
    commit = replace(
        a_commit(),
        ranges=(a_range(0, 0, 10), a_range(1, 0, 20), a_range(2, 0, 5), a_range(3, 7, 7)),
        files=(
            a_data_file(100, (0, 0, 10), (1, 0, 20)),
            a_data_file(1001, (1, 0, 20), (2, 0, 5)),
            a_data_file(77, (2, 0, 5), folder="_quarantine/orders"),
        ),
    )

    rows = rows_of(commit)

    assert [(row["partition"], row["file_count"], row["size_bytes"]) for row in rows] == [
        (0, 1, 33),
        (1, 2, 67 + 800),
        (2, 1, 201),
        (3, 0, 0),
    ]


def test_several_ranges_of_one_partition_have_their_own_files() -> None:
    commit = replace(
        a_commit(),
        ranges=(a_range(0, 50, 60), a_range(0, 0, 10), a_range(0, 10, 20)),
        files=(a_data_file(10, (0, 50, 60)), a_data_file(40, (0, 0, 20))),
    )

    rows = rows_of(commit)

    assert [(row["start_offset"], row["file_count"], row["size_bytes"]) for row in rows] == [
        (0, 1, 20),
        (10, 1, 20),
        (50, 1, 10),
    ]


def test_a_commit_that_loaded_nothing_has_one_row_without_a_topic() -> None:
    files = (a_data_file(100, (0, 0, 10)), a_data_file(50, (0, 10, 20)))
    compacted = replace(a_commit(), operation="compact", ranges=(), files=files, reason="small files")

    (row,) = rows_of(compacted)

    assert [row[name] for name in ("operation", "reason", "file_count", "size_bytes")] == [
        *("compact", "small files", 2, 150)
    ]
    assert [row[name] for name in ("topic", "partition", "start_offset", "row_count")] == [None] * 4


def test_the_columns_are_those_of_the_schema_also_without_a_row() -> None:
    assert offsets_table([]).schema == OFFSETS_SCHEMA
