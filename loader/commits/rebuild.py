"""A ledger made anew, from the commits that are still good and from what published files say of themselves.

Nothing is guessed. A row counts when its file is there; an offset that no commit and no file explains is
lost, named, and up to a person. Behind the last offset of which there is a row, the position goes back: the
next run reads what follows from Kafka, and there are no files that it could double.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from loader.commits.record import Commit
from loader.errors import REPAIR, LedgerDamaged
from loader.formats.arrow_types import columns_of, schema_of
from loader.formats.evolution import merged
from loader.records.schema import RAW_SCHEMA
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    TopicPartition,
    TopicPosition,
    merge_adjacent,
    united,
)
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True)
class FoundShare:
    """What one attempt of a committed run loaded of one topic, by the footers of its files.

    ranges      empty where none of the files that tell it is left
    file_count  how many files there were, 0 where that is not known
    files       those that are there
    columns     of their rows; None where these are as Kafka has them
    """

    run_id: str
    attempt: str
    topic: str
    topic_id: str
    ranges: tuple[LoadedRange, ...]
    file_count: int
    files: tuple[DataFile, ...]
    columns: StructType | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of its files are there."""
        return self.file_count == len(self.files)

    @property
    def claims(self) -> tuple[LoadedRange, ...]:
        """Its ranges; where they are not known, the offsets from the first to the last row of each file.

        A replay claims nothing: the quarantine, from which its rows are, was loaded by others.
        """
        if self.ranges or any(file.is_replay for file in self.files):
            return self.ranges
        spans = united(span for file in self.files for span in file.ranges)
        return tuple(LoadedRange(span, RangeCounts(row_count=span.offset_count), -1, 0) for span in spans)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is left of a job.

    commits        the good ones, by number
    shares         of files that no good commit lists
    missing_files  listed by good commits, and not there with their size; those of a replay can be made again
    """

    commits: tuple[Commit, ...]
    shares: tuple[FoundShare, ...]
    missing_files: tuple[DataFile, ...]

    @property
    def files(self) -> tuple[DataFile, ...]:
        """Every file of the job that is there."""
        missing = {file.path for file in self.missing_files}
        removed = {path for commit in self.commits for path in commit.removed_files}
        listed = (file for commit in self.commits for file in commit.files)
        kept = [file for file in listed if file.path not in missing and file.path not in removed]
        return (*kept, *(file for share in self.shares for file in share.files))

    @property
    def claims(self) -> tuple[LoadedRange, ...]:
        """All ranges that commits and footers say were loaded, sorted. Raises LedgerDamaged for overlaps."""
        ranges = [loaded for commit in self.commits for loaded in commit.ranges]
        ranges += [loaded for share in self.shares for loaded in share.claims]
        ordered = sorted(ranges, key=lambda loaded: loaded.range)
        _refuse_overlaps(ordered)
        return tuple(ordered)

    @property
    def doubtful(self) -> tuple[OffsetRange, ...]:
        """Claimed ranges of which rows may be missing: those must be counted in the files."""
        gone = by_partition(united(_lost_spans(self)))
        partial = {loaded.range for share in self.shares if not share.is_whole for loaded in share.claims}
        return tuple(
            loaded.range
            for loaded in self.claims
            if loaded.range in partial
            or any(_common_parts(loaded.range, gone.get(loaded.range.topic_partition, [])))
        )


@dataclass(frozen=True, slots=True)
class RebuiltLedger:
    """All that a repair's commit will say."""

    position: Position
    ranges: tuple[LoadedRange, ...]
    files: tuple[DataFile, ...]
    columns: Mapping[str, StructType]

    @property
    def counts(self) -> RangeCounts:
        """The sum over all ranges."""
        return RangeCounts.total(loaded.counts for loaded in self.ranges)

    @property
    def lost_ranges(self) -> tuple[OffsetRange, ...]:
        """Where the lost offsets lie."""
        return tuple(lost for loaded in self.ranges for lost in loaded.lost_ranges)


def rebuild(evidence: Evidence, row_counts: Mapping[OffsetRange, RangeCounts]) -> RebuiltLedger:
    """The ledger that the evidence proves.

    row_counts  of each doubtful range, how many rows and quarantined records of it the files hold

    Raises LedgerDamaged where the evidence contradicts itself.
    """
    topic_ids = _topic_ids(evidence)
    known = evidence.commits[-1].position if evidence.commits else Position()
    claimed: dict[TopicPartition, list[LoadedRange]] = {partition: [] for partition, _ in known}
    for claim in evidence.claims:
        claimed.setdefault(claim.range.topic_partition, []).append(claim)
    missing = by_partition(united(_lost_spans(evidence)))
    ranges: list[LoadedRange] = []
    for partition, claims in claimed.items():
        place = known.of(partition)
        begin = claims[0].range.start_offset if claims else place.next_offset if place else 0
        while claims and _held_count(claims[-1].counts) and _is_empty(row_counts.get(claims[-1].range)):
            claims.pop()  # none of its rows is there: it can be loaded again
        end = begin
        ranges.append(_nothing(OffsetRange(partition.topic, partition.partition, begin, begin)))
        for claim in claims:
            if end < claim.range.start_offset:
                ranges.append(
                    _lost(replace(claim.range, start_offset=end, end_offset=claim.range.start_offset))
                )
            ranges.append(_counted(claim, row_counts.get(claim.range), missing.get(partition, [])))
            end = claim.range.end_offset
    joined = merge_adjacent(ranges)
    return RebuiltLedger(_position(joined, known, topic_ids), joined, evidence.files, _columns(evidence))


def _lost_spans(evidence: Evidence) -> Iterator[OffsetRange]:
    """Where rows of missing files lie that are nowhere else."""
    return (span for file in evidence.missing_files if not file.is_replay for span in file.ranges)


def _columns(evidence: Evidence) -> dict[str, StructType]:
    """What the newest good commit tells, and what files add to it that it does not know of.

    Raw rows add their columns where typed ones of the topic are there, and by themselves are no table.
    """
    columns = dict(evidence.commits[-1].columns) if evidence.commits else {}
    for share in evidence.shares:
        if share.columns is not None:
            columns[share.topic] = _grown(share.topic, columns.get(share.topic), schema_of(share.columns))
    for share in evidence.shares:
        has_raw_rows = share.columns is None and any(not file.is_quarantine for file in share.files)
        if has_raw_rows and share.topic in columns:
            columns[share.topic] = _grown(share.topic, columns[share.topic], RAW_SCHEMA)
    return columns


def _grown(topic: str, known: StructType | None, found: pa.Schema) -> StructType:
    return columns_of(merged(None if known is None else schema_of(known), found, topic))


def _topic_ids(evidence: Evidence) -> dict[str, str]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for commit in evidence.commits:
        for name, topic in commit.position.topics.items():
            found[name].add(topic.topic_id)
    for share in evidence.shares:
        found[share.topic].add(share.topic_id)
    for name, ids in sorted(found.items()):
        if len(ids) > 1:
            raise LedgerDamaged(
                f"{name}: the commits and files are of {len(ids)} topics of that name:"
                f" {', '.join(sorted(ids))}. Nothing was written. Move the files of one of them away.",
                [REPAIR],
            )
    return {name: ids.pop() for name, ids in found.items()}


def _refuse_overlaps(ordered: Sequence[LoadedRange]) -> None:
    last: LoadedRange | None = None
    for loaded in ordered:
        if last is not None and last.range.overlaps(loaded.range):
            raise LedgerDamaged(
                f"{last.range} and {loaded.range} are both said to be loaded: rows may be there twice."
                " Nothing was written. Move the files of one of them away.",
                [REPAIR],
            )
        if loaded.range.offset_count:
            last = loaded


def _held_count(counts: RangeCounts) -> int:
    """How many offsets are in files: those of rows, and of records in the quarantine."""
    return counts.row_count + counts.quarantined_count


def _is_empty(found: RangeCounts | None) -> bool:
    return found is not None and not _held_count(found)


def _counted(claim: LoadedRange, found: RangeCounts | None, missing: Sequence[OffsetRange]) -> LoadedRange:
    """The range with the rows that are there; what is missing of them is lost, somewhere in missing files."""
    if found is None:
        return claim
    held, claimed = _held_count(found), _held_count(claim.counts)
    if held > claimed:
        raise LedgerDamaged(
            f"the files hold {held} rows of {claim.range}, of which {claimed} were loaded: some are there"
            " twice. Nothing was written. Move the files that hold them again away.",
            [REPAIR],
        )
    counts = replace(
        claim.counts,
        row_count=found.row_count,
        quarantined_count=found.quarantined_count,
        lost_count=claim.counts.lost_count + claimed - held,
    )
    if held == claimed:
        return replace(claim, counts=counts)
    spans = [*_common_parts(claim.range, missing)]
    where = united([*claim.lost_ranges, *spans]) if spans else [claim.range]
    return replace(claim, counts=counts, lost_ranges=tuple(where))


def _nothing(begin: OffsetRange) -> LoadedRange:
    return LoadedRange(begin, RangeCounts(), -1, 0)


def _lost(gap: OffsetRange) -> LoadedRange:
    return LoadedRange(gap, RangeCounts(lost_count=gap.offset_count), -1, 0, lost_ranges=(gap,))


def _position(ranges: Iterable[LoadedRange], known: Position, topic_ids: Mapping[str, str]) -> Position:
    places: defaultdict[str, dict[int, PartitionPosition]] = defaultdict(dict)
    for loaded in ranges:
        before = known.of(loaded.range.topic_partition)
        is_same = before is not None and before.next_offset == loaded.range.end_offset
        epoch = before.leader_epoch if before is not None and is_same else loaded.leader_epoch
        places[loaded.range.topic][loaded.range.partition] = PartitionPosition(loaded.range.end_offset, epoch)
    return Position({name: TopicPosition(topic_ids[name], each) for name, each in sorted(places.items())})


def _common_parts(wanted: OffsetRange, united: Sequence[OffsetRange]) -> Iterator[OffsetRange]:
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
