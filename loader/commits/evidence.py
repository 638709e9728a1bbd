"""What is left of a job whose ledger cannot be trusted, as values: good commits, and what files tell."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from loader.commits.claims import Claims, settle
from loader.commits.record import Commit
from loader.values import DataFile, LoadedRange, OffsetRange, TopicPartition, united
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True)
class FoundShare:
    """What one attempt of a committed run loaded of one topic, by the footers of its files.

    ranges      empty where none of the files that tell it is left
    file_count  how many files there were, 0 where that is not known
    files       those that are there
    columns     of their rows; None where these are as Kafka has them
    carried     where rows were written again: what the loads that they are of told
    """

    run_id: str
    attempt: str
    topic: str
    topic_id: str
    ranges: tuple[LoadedRange, ...]
    file_count: int
    files: tuple[DataFile, ...]
    columns: StructType | None = None
    carried: tuple[LoadedRange, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether all of its files are there."""
        return self.file_count == len(self.files)

    @property
    def spans(self) -> tuple[OffsetRange, ...]:
        """Where its ranges are not known, the offsets from the first to the last row of each file.

        None of a replay: the quarantine, from which its rows are, was loaded by others.
        """
        if self.ranges or any(file.is_replay for file in self.files):
            return ()
        return tuple(united(span for file in self.files for span in file.ranges))

    @property
    def claimed(self) -> tuple[OffsetRange, ...]:
        """All offsets that it may have loaded."""
        return (*(loaded.range for loaded in (*self.ranges, *self.carried)), *self.spans)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is left of a job.

    commits        the good ones, by number
    shares         of files that no good commit lists
    missing_files  listed by good commits, and not there with their size; those of a replay can be made again
    carried        where commits are damaged: of which loads files of good ones hold rows that were in others
    """

    commits: tuple[Commit, ...]
    shares: tuple[FoundShare, ...]
    missing_files: tuple[DataFile, ...]
    carried: tuple[LoadedRange, ...] = ()

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Every file of the job that is there."""
        missing = {file.path for file in self.missing_files}
        removed = {path for commit in self.commits for path in commit.removed_files}
        listed = (file for commit in self.commits for file in commit.files)
        kept = [file for file in listed if file.path not in missing and file.path not in removed]
        return (*kept, *(file for share in self.shares for file in share.files))

    @property
    def rewritten(self) -> tuple[DataFile, ...]:
        """Files whose rows were in others before, of the latest run first; their commits are not good."""
        shares = sorted((share for share in self.shares if share.carried), key=lambda share: share.run_id)
        return tuple(file for share in reversed(shares) for file in share.files)

    @property
    def claims(self) -> tuple[LoadedRange, ...]:
        """What commits and footers say was loaded, each offset once, sorted. Raises LedgerDamaged."""
        return self._settled.ranges

    @property
    def _settled(self) -> Claims:
        return settle(
            (loaded for commit in self.commits for loaded in commit.ranges),
            (loaded for share in self.shares for loaded in (*share.ranges, *share.carried)),
            (span for share in self.shares for span in share.spans),
            self.carried,
        )

    @property
    def skipped(self) -> tuple[OffsetRange, ...]:
        """Offsets that a person moved the position over, by good commits."""
        moves = (
            (before.position, commit.position)
            for before, commit in pairwise(self.commits)
            if commit.operation == "set_position" and commit.version == before.version + 1
        )
        moved_over = [
            OffsetRange(partition.topic, partition.partition, known.next_offset, place.next_offset)
            for before, after in moves
            for partition, place in after
            if (known := before.of(partition)) is not None and known.next_offset < place.next_offset
        ]
        return (*moved_over, *(hole for each in self.commits[:1] for hole in _holes(each)))

    @property
    def doubtful(self) -> tuple[OffsetRange, ...]:
        """Claimed ranges of which rows may be missing: those must be counted in the files."""
        gone = by_partition(united(lost_spans(self)))
        settled = self._settled
        partial = {loaded.range for share in self.shares if not share.is_whole for loaded in share.ranges}
        carried = (loaded for share in self.shares for loaded in share.carried)
        partial |= {loaded.range for loaded in (*carried, *self.carried)}
        return tuple(
            loaded.range
            for loaded in settled.ranges
            if loaded.range in partial
            or loaded.range in settled.doubtful
            or any(common_parts(loaded.range, gone.get(loaded.range.topic_partition, [])))
        )


def _holes(commit: Commit) -> Iterator[OffsetRange]:
    """What a repair knew to be skipped: it leaves that out of its ranges, and tells of all else."""
    if commit.operation != "repair":
        return
    ranges = by_partition(loaded.range for loaded in commit.ranges)
    for partition, place in commit.position:
        edges = [edge for each in sorted(ranges.get(partition, ())) for edge in _edges(each)]
        for end_offset, next_offset in zip(edges[1::2], [*edges[2::2], place.next_offset], strict=True):
            if end_offset < next_offset:
                yield OffsetRange(partition.topic, partition.partition, end_offset, next_offset)


def _edges(span: OffsetRange) -> tuple[int, int]:
    return span.start_offset, span.end_offset


def lost_spans(evidence: Evidence) -> Iterator[OffsetRange]:
    """Where rows of missing files lie that are nowhere else."""
    return (span for file in evidence.missing_files if not file.is_replay for span in file.ranges)


def common_parts(wanted: OffsetRange, united: Sequence[OffsetRange]) -> Iterator[OffsetRange]:
    """What of a range lies in others of its partition, which are sorted and apart from each other."""
    for number in range(bisect_right(united, wanted.start_offset, key=_end_offset), len(united)):
        other = united[number]
        start_offset = max(wanted.start_offset, other.start_offset)
        end_offset = min(wanted.end_offset, other.end_offset)
        if start_offset >= end_offset:
            return
        yield replace(wanted, start_offset=start_offset, end_offset=end_offset)


def _end_offset(span: OffsetRange) -> int:
    return span.end_offset


def by_partition(spans: Iterable[OffsetRange]) -> dict[TopicPartition, list[OffsetRange]]:
    """The ranges of each partition: a long ledger has too many to compare each with each."""
    found: defaultdict[TopicPartition, list[OffsetRange]] = defaultdict(list)
    for span in spans:
        found[span.topic_partition].append(span)
    return dict(found)
