"""A ledger made anew, from the commits that are still good and from what published files say of themselves.

Nothing is guessed. A row counts when its file is there; an offset that no commit and no file explains is
lost, named, and up to a person. Behind the last offset of which there is a row, the position goes back: the
next run reads what follows from Kafka, and there are no files that it could double.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from loader.commits.evidence import Evidence, by_partition, common_parts, lost_spans
from loader.errors import REPAIR, LedgerDamaged
from loader.formats.arrow_types import columns_of, schema_of
from loader.formats.evolution import merged
from loader.planning.covered import Covered, cut
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
    missing = by_partition(united(lost_spans(evidence)))
    skipped = by_partition(united(evidence.skipped))
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
                gap = replace(claim.range, start_offset=end, end_offset=claim.range.start_offset)
                parts = cut(gap, skipped)
                ranges += (_lost(part) for part, is_skipped in parts if not is_skipped)
            ranges.append(_counted(claim, row_counts.get(claim.range), missing.get(partition, [])))
            end = claim.range.end_offset
    joined = merge_adjacent(ranges)
    position = _position(joined, known, topic_ids, skipped)
    return RebuiltLedger(position, joined, evidence.files, _columns(evidence))


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
    spans = [*common_parts(claim.range, missing)]
    where = united([*claim.lost_ranges, *spans]) if spans else [claim.range]
    return replace(claim, counts=counts, lost_ranges=tuple(where))


def _nothing(begin: OffsetRange) -> LoadedRange:
    return LoadedRange(begin, RangeCounts(), -1, 0)


def _lost(gap: OffsetRange) -> LoadedRange:
    return LoadedRange(gap, RangeCounts(lost_count=gap.offset_count), -1, 0, lost_ranges=(gap,))


def _position(
    ranges: Iterable[LoadedRange], known: Position, topic_ids: Mapping[str, str], skipped: Covered
) -> Position:
    places: defaultdict[str, dict[int, PartitionPosition]] = defaultdict(dict)
    for loaded in ranges:  # of a partition the last one stays
        place = _place(loaded, known.of(loaded.range.topic_partition), skipped)
        places[loaded.range.topic][loaded.range.partition] = place
    return Position({name: TopicPosition(topic_ids[name], each) for name, each in sorted(places.items())})


def _place(last: LoadedRange, known: PartitionPosition | None, skipped: Covered) -> PartitionPosition:
    """Where a partition stands behind its last range; where a person moved it, it stays."""
    end_offset = last.range.end_offset
    if known is not None and known.next_offset == end_offset:
        return PartitionPosition(end_offset, known.leader_epoch)
    if known is not None and known.reached_offset is not None and known.next_offset < end_offset:
        return PartitionPosition(known.next_offset, known.leader_epoch, end_offset)
    if known is not None and known.next_offset > end_offset:
        between = replace(last.range, start_offset=end_offset, end_offset=known.next_offset)
        if all(is_skipped for _, is_skipped in cut(between, skipped)):
            return PartitionPosition(known.next_offset, known.leader_epoch)
    return PartitionPosition(end_offset, last.leader_epoch)
