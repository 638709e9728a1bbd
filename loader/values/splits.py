"""A task's order and a task's answer."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from loader.values.bad_records import BadRecord
from loader.values.files import DataFile
from loader.values.offsets import OffsetRange


@dataclass(frozen=True, slots=True)
class Split:
    """The ranges of one task. Estimated bytes are of the log, as compressed there."""

    index: int
    ranges: tuple[OffsetRange, ...]
    estimated_bytes: int


@dataclass(frozen=True, slots=True)
class RangeCounts:
    """What became of the offsets of a range; each is counted where it was seen, none by subtraction.

    row_count          written as rows
    quarantined_count  could not be decoded, kept raw in the quarantine
    aborted_count      records of aborted transactions
    control_count      transaction markers
    compacted_count    offsets that no batch holds, or that a batch no longer holds
    lost_count         gone before they were loaded, or loaded and gone since; a person allowed it
    """

    row_count: int = 0
    quarantined_count: int = 0
    aborted_count: int = 0
    control_count: int = 0
    compacted_count: int = 0
    lost_count: int = 0

    @property
    def explained_count(self) -> int:
        """How many offsets are accounted for."""
        return (
            self.row_count
            + self.quarantined_count
            + self.aborted_count
            + self.control_count
            + self.compacted_count
            + self.lost_count
        )

    def __add__(self, other: "RangeCounts") -> "RangeCounts":
        return RangeCounts(
            self.row_count + other.row_count,
            self.quarantined_count + other.quarantined_count,
            self.aborted_count + other.aborted_count,
            self.control_count + other.control_count,
            self.compacted_count + other.compacted_count,
            self.lost_count + other.lost_count,
        )

    def __sub__(self, other: "RangeCounts") -> "RangeCounts":
        return RangeCounts(
            self.row_count - other.row_count,
            self.quarantined_count - other.quarantined_count,
            self.aborted_count - other.aborted_count,
            self.control_count - other.control_count,
            self.compacted_count - other.compacted_count,
            self.lost_count - other.lost_count,
        )

    @classmethod
    def total(cls, counts: "Iterable[RangeCounts]") -> "RangeCounts":
        """The sum of several counts."""
        return sum(counts, cls())


@dataclass(frozen=True, slots=True)
class LoadedRange:
    """A range that was read to its end.

    leader_epoch                epoch of the batch that holds the last offset, -1 if no batch was seen
    fetched_bytes               of the log, as compressed there; the next plan estimates sizes by it
    repaired_header_key_count   header keys that were not UTF-8, and hold U+FFFD as Java would show them
    unreadable_timestamp_count  timestamps beyond what microseconds can hold, and null therefore
    lost_ranges                 where the lost offsets lie; every other offset of the range was read
    replaced                    None, or what all of these offsets were before: they had been loaded, and the
                                commit of this range takes those rows and quarantined records away
    log_end_offset              the high watermark when the run was planned; None where it is not known
    """

    range: OffsetRange
    counts: RangeCounts
    leader_epoch: int
    fetched_bytes: int
    repaired_header_key_count: int = 0
    unreadable_timestamp_count: int = 0
    lost_ranges: tuple[OffsetRange, ...] = ()
    replaced: RangeCounts | None = None
    log_end_offset: int | None = None


def merge_adjacent(ranges: "Iterable[LoadedRange]") -> "tuple[LoadedRange, ...]":
    """Ranges in order, those that continue one another in the same partition made one.

    Those that replace what was loaded before stay apart from those that do not.
    """
    merged: list[LoadedRange] = []
    for loaded in sorted(ranges, key=lambda each: each.range):
        last = merged[-1] if merged else None
        if (
            last is None
            or last.range.topic_partition != loaded.range.topic_partition
            or last.range.end_offset != loaded.range.start_offset
            or (last.replaced is None) != (loaded.replaced is None)
        ):
            merged.append(loaded)
            continue
        merged[-1] = LoadedRange(
            replace(last.range, end_offset=loaded.range.end_offset),
            last.counts + loaded.counts,
            loaded.leader_epoch if loaded.leader_epoch >= 0 else last.leader_epoch,
            last.fetched_bytes + loaded.fetched_bytes,
            last.repaired_header_key_count + loaded.repaired_header_key_count,
            last.unreadable_timestamp_count + loaded.unreadable_timestamp_count,
            last.lost_ranges + loaded.lost_ranges,
            None if last.replaced is None or loaded.replaced is None else last.replaced + loaded.replaced,
            last.log_end_offset if loaded.log_end_offset is None else loaded.log_end_offset,
        )
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class Advance:
    """What a task has got done since it last told; to show progress by, and nothing else.

    An attempt that is repeated tells its part again.

    split_count    splits that are done, told by the engine
    retried_count  attempts at splits that died, and were begun again, by the engine too
    """

    offset_count: int
    row_count: int
    fetched_bytes: int
    split_count: int = 0
    retried_count: int = 0


@dataclass(frozen=True, slots=True)
class TopicFailure:
    """Why one topic of a split could not be loaded. A value, because Spark makes text of exceptions."""

    topic: str
    error: Exception


@dataclass(frozen=True, slots=True)
class SplitResult:
    """The manifest of one attempt at one split.

    attempt_id  random: Spark's attempt numbers repeat across stage attempts
    loaded      every range of every topic that did not fail
    files       of those topics, staged under this attempt's own names
    bad_records the first few of each of those topics that could not be decoded, for messages
    duration_ms from the attempt's begin to its end; None where it was not measured
    host        where the attempt ran
    """

    split_index: int
    attempt_id: str
    loaded: tuple[LoadedRange, ...]
    files: tuple[DataFile, ...]
    failures: tuple[TopicFailure, ...] = ()
    bad_records: tuple[BadRecord, ...] = ()
    duration_ms: int | None = None
    host: str = ""
