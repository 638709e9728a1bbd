"""Offsets loaded again take the place of what they were: no row of theirs stays in an older file.

An older file with no other rows goes whole; of one with others, those are written again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import RECORD_LOSS, LedgerDamaged, PathNotFound, ReplacedRecordsGone, UnreadableFile
from loader.operations.changes.rewriting import rewrite
from loader.operations.job import Job
from loader.operations.proof.findings import RESTORE
from loader.planning.covered import Covered, covered_by, without_overlaps
from loader.tables.offsets import read_offsets
from loader.tables.opening import opened
from loader.tables.seen_offsets import SeenOffsets
from loader.tables.snapshot import live_files
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts, TopicPartition, layout


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a commit has to say so that its ranges replace what they were.

    loaded         the ranges, those that were loaded before with what they were
    files          with the other rows of files that go
    removed_files  paths of the files that go
    failures       topics of which nothing may be committed, and why
    """

    loaded: tuple[LoadedRange, ...]
    files: tuple[DataFile, ...] = ()
    removed_files: tuple[str, ...] = ()
    failures: Mapping[str, tuple[Exception, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Older:
    """What the commits so far loaded.

    version  of the newest of them
    files    of all topics
    ranges   of all loads, in the order of the commits
    covered  the offsets of these ranges
    """

    version: int
    files: tuple[DataFile, ...]
    ranges: tuple[LoadedRange, ...]
    covered: Covered


def read_older(job: Job, version: int) -> Older:
    """What is loaded as of a commit, the newest when this began. Reads the whole ledger."""
    log = CommitLog(job.storage, job.name)
    ranges: list[LoadedRange] = []
    commits = [log.read(number) for number in log.versions() if number <= version]
    for commit in commits:
        if commit.operation == "repair":  # it holds all that was loaded before
            ranges.clear()
        ranges += commit.ranges
    return Older(version, tuple(live_files(commits)), tuple(ranges), covered_by(ranges))


def replaced_since(job: Job, older: Older) -> Commit | None:
    """The newest commit, if some of the older files were taken away by then; else None."""
    newest = CommitLog(job.storage, job.name).newest()
    if newest is None or newest.version == older.version:
        return None
    live = {file.path for file in read_older(job, newest.version).files}
    return None if live.issuperset(file.path for file in older.files) else newest


def replace_older(
    job: Job,
    run_id: str,
    older: Older,
    loaded: Sequence[LoadedRange],
    staged: Sequence[DataFile],
    new_attempt: Callable[[], str],
) -> Replacement:
    """Work out what goes, and write what has to stay into new files of the run.

    older        its files are published
    loaded       each range was loaded before wholly, or not at all
    staged       the files of these ranges, in the run's folder
    new_attempt  a random part of file names, another at each call

    A topic fails with ReplacedRecordsGone where Kafka no longer had a record that was loaded before.
    Raises LedgerDamaged for an older file that is gone or broken, and what the storage raises.
    """
    again = [each for each in loaded if each.range.offset_count and _is_covered(each.range, older.covered)]
    if not again:
        return Replacement(tuple(loaded))
    wanted = _Wanted([each.range for each in again])
    held = {each.range: RangeCounts() for each in again}
    # Where each offset has a record today, none can be gone.
    seen = {
        each.range: SeenOffsets(each.range.start_offset, each.range.end_offset)
        for each in again
        if _held_count(each.counts) < each.range.offset_count
    }
    touched: list[tuple[DataFile, int]] = []
    for file in older.files:
        if wanted.may_have(file):
            inside_count = _count(job, file, wanted, held, seen)
            if inside_count:
                touched.append((file, inside_count))
    _mark_staged(job, run_id, staged, seen)
    failures = _failures(again, held, seen)
    lost = [span for each in without_overlaps(older.ranges) for span in each.lost_ranges]
    kept = [(file, count) for file, count in touched if file.ranges[0].topic not in failures]
    files: list[DataFile] = []
    for file, inside_count in kept:
        if inside_count < file.row_count:
            files += rewrite(job, run_id, [file], _schema_of(job, file), new_attempt(), wanted.outside(file))
    before = {each.range: _before(each, held[each.range], lost) for each in again}
    return Replacement(
        tuple(
            replace(each, replaced=before.get(each.range))
            for each in loaded
            if each.range.topic not in failures
        ),
        tuple(files),
        tuple(file.path for file, _ in kept),
        failures,
    )


class _Wanted:
    """The ranges that are replaced, by partition, in order."""

    def __init__(self, ranges: Iterable[OffsetRange]) -> None:
        self._ranges: defaultdict[TopicPartition, list[OffsetRange]] = defaultdict(list)
        for each in sorted(ranges):
            self._ranges[each.topic_partition].append(each)

    def of(self, partition: TopicPartition) -> Sequence[OffsetRange]:
        return self._ranges.get(partition, ())

    def may_have(self, file: DataFile) -> bool:
        """Whether a file can hold rows of one of them."""
        return any(span.overlaps(each) for span in file.ranges for each in self.of(span.topic_partition))

    def inside(self, partition: TopicPartition, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        is_inside = np.zeros(len(offsets), np.bool_)
        for each in self.of(partition):
            is_inside |= (offsets >= each.start_offset) & (offsets < each.end_offset)
        return is_inside

    def outside(self, file: DataFile) -> Callable[[int, NDArray[np.int64]], NDArray[np.bool_]]:
        """Which rows of a file stay."""
        topic = file.ranges[0].topic
        return lambda partition, offsets: ~self.inside(TopicPartition(topic, partition), offsets)


def _is_covered(span: OffsetRange, covered: Covered) -> bool:
    return any(span.overlaps(stretch) for stretch in covered.get(span.topic_partition, ()))


def _count(
    job: Job,
    file: DataFile,
    wanted: _Wanted,
    held: dict[OffsetRange, RangeCounts],
    seen: Mapping[OffsetRange, SeenOffsets],
) -> int:
    """How many rows of a file are replaced; notes them as held and seen of each range, but for replayed ones.

    Replayed rows are of records that the quarantine holds, and count there.
    """
    inside_count = 0
    try:
        with opened(job.storage, file.path) as parquet:
            for rows in read_offsets(parquet):
                partition = TopicPartition(rows.topic, rows.partition)
                inside_count += int(wanted.inside(partition, rows.offsets).sum())
                if file.is_replay:
                    continue
                name = "quarantined_count" if file.is_quarantine else "row_count"
                for each in wanted.of(partition):
                    found = (rows.offsets >= each.start_offset) & (rows.offsets < each.end_offset)
                    held[each] += RangeCounts(**{name: int(found.sum())})
                    if each in seen:
                        seen[each].mark(rows.offsets[found])
    except (PathNotFound, UnreadableFile) as error:
        raise LedgerDamaged(
            f"rows of {', '.join(map(str, file.ranges))} cannot be replaced: {error} Nothing was changed.",
            [RESTORE, RECORD_LOSS],
        ) from error
    return inside_count


def _mark_staged(
    job: Job, run_id: str, staged: Iterable[DataFile], seen: Mapping[OffsetRange, SeenOffsets]
) -> None:
    """Mark what is there today of ranges of which something was there before."""
    wanted = _Wanted(span for span, offsets in seen.items() if offsets.distinct_count)
    for file in staged:
        if not wanted.may_have(file):
            continue
        with opened(job.storage, f"{layout.run_folder(job.name, run_id)}/{file.staged_name}") as parquet:
            for rows in read_offsets(parquet):
                for each in wanted.of(TopicPartition(rows.topic, rows.partition)):
                    found = (rows.offsets >= each.start_offset) & (rows.offsets < each.end_offset)
                    seen[each].mark(rows.offsets[found])


def _schema_of(job: Job, file: DataFile) -> pa.Schema:
    with opened(job.storage, file.path) as parquet:
        return parquet.schema_arrow.remove_metadata()


def _failures(
    again: Sequence[LoadedRange],
    held: Mapping[OffsetRange, RangeCounts],
    seen: Mapping[OffsetRange, SeenOffsets],
) -> dict[str, tuple[Exception, ...]]:
    """Topics of which rows would be gone for good: Kafka deleted or compacted their records since.

    Not by their number alone: others may be there today that were not there before.
    """
    failures: dict[str, tuple[Exception, ...]] = {}
    for each in again:
        before = _held_count(held[each.range])
        if not before or each.range not in seen:
            continue
        gone = seen[each.range].distinct_count - _held_count(each.counts)
        if gone:
            errors = failures.get(each.range.topic, ())
            failures[each.range.topic] = (*errors, ReplacedRecordsGone(each.range, before, before - gone))
    return failures


def _held_count(counts: RangeCounts) -> int:
    return counts.row_count + counts.quarantined_count


def _before(loaded: LoadedRange, held: RangeCounts, lost: Iterable[OffsetRange]) -> RangeCounts:
    """What the offsets of a range were before.

    Why an offset had no row is a fact of Kafka's log, and the same as it is today. What has a row today and
    had none was lost, as far as the ledger says so, or else aborted and is read today.
    """
    counts = loaded.counts
    more = _held_count(counts) - _held_count(held)
    known_lost = sum(_common_count(span, loaded.range) for span in lost)
    lost_count = min(more, known_lost)
    return replace(
        counts,
        row_count=held.row_count,
        quarantined_count=held.quarantined_count,
        lost_count=counts.lost_count + lost_count,
        aborted_count=counts.aborted_count + more - lost_count,
    )


def _common_count(one: OffsetRange, other: OffsetRange) -> int:
    if not one.overlaps(other):
        return 0
    return min(one.end_offset, other.end_offset) - max(one.start_offset, other.start_offset)
