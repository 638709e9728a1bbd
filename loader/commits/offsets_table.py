"""What commits loaded, as the rows of a table: one row per commit and loaded range.

A commit that loaded nothing, such as a compaction or a moved position, has one row without a topic, so that
every commit, who made it and why is in the table.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json

from loader.commits.record import Commit
from loader.values import DataFile, LoadedRange, OffsetRange, TopicPartition

_TIME = pa.timestamp("us", "UTC")

OFFSETS_SCHEMA = pa.schema(
    [
        pa.field("version", pa.int64(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("operation", pa.string(), nullable=False),
        pa.field("started_at", _TIME),
        pa.field("committed_at", _TIME, nullable=False),
        pa.field("committed_by", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("start_offset", pa.int64()),
        pa.field("end_offset", pa.int64()),
        pa.field("row_count", pa.int64()),
        pa.field("quarantined_count", pa.int64()),
        pa.field("aborted_count", pa.int64()),
        pa.field("control_count", pa.int64()),
        pa.field("compacted_count", pa.int64()),
        pa.field("lost_count", pa.int64()),
        pa.field("replaced_row_count", pa.int64()),
        pa.field("fetched_bytes", pa.int64()),
        pa.field("file_count", pa.int64(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("min_timestamp", _TIME),
        pa.field("max_timestamp", _TIME),
        pa.field("log_end_offset", pa.int64()),
        pa.field("lag_offsets", pa.int64()),
    ]
)
"""docs/offsets-table.md describes every column."""

_PLAIN_SCHEMA = pa.schema(
    [pa.field(each.name, pa.int64() if each.type == _TIME else each.type) for each in OFFSETS_SCHEMA]
)
"""Times as the microseconds that they are."""


def offsets_table(commits: Iterable[Commit]) -> pa.Table:
    """The rows of these commits, in their order, by topic, partition and offset within each."""
    rows = [row for commit in commits for row in _rows(commit)]
    if not rows:
        return OFFSETS_SCHEMA.empty_table()
    # By way of JSON: to make arrays of Python's values, pyarrow imports pandas, a fifth of a second each run.
    lines = "\n".join(map(json.dumps, rows)).encode()
    read = pa_json.read_json(
        pa.BufferReader(lines),
        pa_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        pa_json.ParseOptions(explicit_schema=_PLAIN_SCHEMA, unexpected_field_behavior="error"),
    )
    return read.cast(OFFSETS_SCHEMA)


@dataclass(slots=True)
class _Files:
    """What the files of a commit say of one loaded range."""

    file_count: int = 0
    size_bytes: int = 0
    min_timestamp_ms: int | None = None
    max_timestamp_ms: int | None = None

    def add(self, file: DataFile, size_bytes: int) -> None:
        self.file_count += 1
        self.size_bytes += size_bytes
        if file.min_timestamp_ms is not None and file.max_timestamp_ms is not None:
            low, high = self.min_timestamp_ms, self.max_timestamp_ms
            self.min_timestamp_ms = file.min_timestamp_ms if low is None else min(low, file.min_timestamp_ms)
            self.max_timestamp_ms = (
                file.max_timestamp_ms if high is None else max(high, file.max_timestamp_ms)
            )


def _rows(commit: Commit) -> list[dict[str, Any]]:
    common = {
        "version": commit.version,
        "run_id": commit.run_id,
        "operation": commit.operation,
        "started_at": _microseconds(commit.started_at_ms),
        "committed_at": _microseconds(commit.committed_at_ms),
        "committed_by": commit.committed_by,
        "reason": commit.reason or None,
    }
    if not commit.ranges:
        size_bytes = sum(file.size_bytes for file in commit.files)
        return [{**common, "file_count": len(commit.files), "size_bytes": size_bytes}]
    files = _files_by_range(commit)
    return [
        {**common, **_row(loaded, files.get(loaded.range, _Files()))}
        for loaded in sorted(commit.ranges, key=lambda each: each.range)
    ]


def _row(loaded: LoadedRange, files: _Files) -> dict[str, Any]:
    counts, replaced = loaded.counts, loaded.replaced
    return {
        "topic": loaded.range.topic,
        "partition": loaded.range.partition,
        "start_offset": loaded.range.start_offset,
        "end_offset": loaded.range.end_offset,
        "row_count": counts.row_count,
        "quarantined_count": counts.quarantined_count,
        "aborted_count": counts.aborted_count,
        "control_count": counts.control_count,
        "compacted_count": counts.compacted_count,
        "lost_count": counts.lost_count,
        "replaced_row_count": replaced.row_count if replaced else 0,
        "fetched_bytes": loaded.fetched_bytes,
        "file_count": files.file_count,
        "size_bytes": files.size_bytes,
        "min_timestamp": _microseconds(files.min_timestamp_ms),
        "max_timestamp": _microseconds(files.max_timestamp_ms),
        "log_end_offset": loaded.log_end_offset,
        "lag_offsets": None
        if loaded.log_end_offset is None
        else max(loaded.log_end_offset - loaded.range.end_offset, 0),
    }


def _files_by_range(commit: Commit) -> dict[OffsetRange, _Files]:
    """What each loaded range has of the files with rows; the bytes of a shared file are shared by offsets."""
    ranges: defaultdict[TopicPartition, list[OffsetRange]] = defaultdict(list)
    for loaded in sorted(commit.ranges, key=lambda each: each.range):
        ranges[loaded.range.topic_partition].append(loaded.range)
    found: defaultdict[OffsetRange, _Files] = defaultdict(_Files)
    for file in commit.files:
        if file.is_quarantine:
            continue
        shares: dict[OffsetRange, int] = {}
        for span in file.ranges:
            for each in _overlapping(ranges.get(span.topic_partition, []), span):
                low, high = max(each.start_offset, span.start_offset), min(each.end_offset, span.end_offset)
                shares[each] = shares.get(each, 0) + high - low
        whole, given, given_bytes = sum(shares.values()), 0, 0
        for each, share in shares.items():
            given += share
            up_to_bytes = file.size_bytes * given // whole  # so that the shares sum up to the file
            found[each].add(file, up_to_bytes - given_bytes)
            given_bytes = up_to_bytes
    return found


def _overlapping(ranges: list[OffsetRange], span: OffsetRange) -> Iterable[OffsetRange]:
    """Those of a partition's ranges, sorted and apart from one another, that have an offset of `span`."""
    at = bisect_left(ranges, span.start_offset, key=lambda each: each.end_offset)
    while at < len(ranges) and ranges[at].start_offset < span.end_offset:
        if ranges[at].overlaps(span):
            yield ranges[at]
        at += 1


def _microseconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds * 1000
