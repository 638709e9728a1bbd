"""Ledgers written without runs: of any length and any names, in less time than a run takes."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from loader.commits.record import Commit, encode_commit
from loader.commits.record import Operation as OperationName
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    SplitTiming,
    TopicPosition,
    layout,
)

HOUR_MS = 3_600_000
FIRST_MS = 1_795_305_600_000
"""2026-11-22 00:00 UTC: when the first commit is made."""


def write_ledger(folder: Path, job: str, commits: Iterable[Commit]) -> None:
    """Put commits at a destination, as runs leave them."""
    version = 0
    for commit in commits:
        version = commit.version
        path = folder / layout.commit_path(job, version)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_commit(commit))
    (folder / layout.newest_folder(job) / f"{version:020d}").mkdir(parents=True)


def made_commits(count: int, topics: list[str], step_ms: int = HOUR_MS, **troubles: str) -> Iterable[Commit]:
    """Commits, one each `step_ms`: of every topic 100 offsets, more of the first ones.

    Of the second topic every tenth offset is bad, of the third every fifth compacted. The last commit records
    the first offset of its first range as lost.

    troubles  reason: of the last commit but one, which skips 50 offsets of the first topic
    """
    ends = dict.fromkeys(topics, 0)
    for version in range(1, count + 1):
        at_ms = FIRST_MS + version * step_ms
        operation: OperationName = "load"
        ranges: list[LoadedRange] = []
        files: list[DataFile] = []
        reason = troubles.get("reason", "") if version == count - 1 else ""
        if reason:
            operation = "set_position"
            ends[topics[0]] += 50
        else:
            for number, topic in enumerate(topics):
                size = 100 * math.ceil(len(topics) / (1 + number))
                wanted = OffsetRange(topic, 0, ends[topic], ends[topic] + size)
                ends[topic] += size
                ranges.append(_loaded(wanted, number, is_lossy=version == count and number == 0))
                files.append(_file(wanted, ranges[-1], f"{version}-{number}", at_ms))
        yield Commit(
            version=version,
            run_id=f"run-{version}",
            job_id="j-1",
            operation=operation,
            committed_at_ms=at_ms,
            committed_by="ann@host",
            loader_version="0.1.0",
            cluster_id="c-1",
            position=Position(
                {
                    topic: TopicPosition(f"id-{topic}", {0: PartitionPosition(end)})
                    for topic, end in ends.items()
                }
            ),
            ranges=tuple(ranges),
            files=tuple(files),
            reason=reason,
            started_at_ms=at_ms - 10_000 - version,
            slowest_splits=tuple(
                SplitTiming(
                    (loaded.range,), 1, 1000 + version, loaded.fetched_bytes, 90, troubles.get("host", "h")
                )
                for loaded in ranges[:1]
            ),
        )


def _loaded(wanted: OffsetRange, number: int, *, is_lossy: bool) -> LoadedRange:
    size = wanted.offset_count
    bad, compacted = (size // 10 if number == 1 else 0), (size // 5 if number == 2 else 0)
    lost = (OffsetRange(wanted.topic, 0, wanted.start_offset, wanted.start_offset + 1),) if is_lossy else ()
    return LoadedRange(
        wanted,
        RangeCounts(
            row_count=size - bad - compacted - len(lost),
            quarantined_count=bad,
            compacted_count=compacted,
            lost_count=len(lost),
        ),
        1,
        size * 100,
        lost_ranges=lost,
        log_end_offset=wanted.end_offset + size // 2,
    )


def _file(wanted: OffsetRange, loaded: LoadedRange, name: str, at_ms: int) -> DataFile:
    hour = f"{datetime.fromtimestamp(at_ms / 1000, UTC):dt=%Y-%m-%d/hour=%H}"
    return DataFile(
        path=f"{layout.topic_folder(wanted.topic.replace('/', '-'))}/{hour}/{name}.parquet",
        staged_name=f"{name}.parquet",
        size_bytes=wanted.offset_count * 50,
        row_count=loaded.counts.row_count,
        ranges=(wanted,),
        min_timestamp_ms=at_ms,
        max_timestamp_ms=at_ms,
    )
