"""Which offsets a job has loaded, however often it loaded them: each counted once.

A backfill, and a load after the position was set back, load offsets that were loaded before. Their rows take
the place of the rows before, so what a range counts then is in part what another range had counted.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from loader.values import LoadedRange, OffsetRange, RangeCounts, Split, TopicPartition, united

Covered = Mapping[TopicPartition, Sequence[OffsetRange]]
"""By partition, the offsets that were loaded: stretches in order and apart from one another."""


def covered_by(ranges: Iterable[LoadedRange]) -> Covered:
    """The offsets that some of the ranges loaded."""
    found: defaultdict[TopicPartition, list[OffsetRange]] = defaultdict(list)
    for stretch in united(loaded.range for loaded in ranges if loaded.range.offset_count):
        found[stretch.topic_partition].append(stretch)
    return found


def cut(wanted: OffsetRange, covered: Covered) -> Iterator[tuple[OffsetRange, bool]]:
    """A range in order, cut so that each part was loaded wholly, True, or not at all, False."""
    stretches = covered.get(wanted.topic_partition, ())
    start_offset = wanted.start_offset
    for number in range(bisect_right(stretches, start_offset, key=_end_offset), len(stretches)):
        stretch = stretches[number]
        if stretch.start_offset >= wanted.end_offset:
            break
        if start_offset < stretch.start_offset:
            yield _part(wanted, start_offset, stretch.start_offset), False
            start_offset = stretch.start_offset
        end_offset = min(stretch.end_offset, wanted.end_offset)
        yield _part(wanted, start_offset, end_offset), True
        start_offset = end_offset
    if start_offset < wanted.end_offset:
        yield _part(wanted, start_offset, wanted.end_offset), False


def cut_splits(splits: Iterable[Split], covered: Covered) -> list[Split]:
    """The same work in ranges that were each loaded wholly or not at all, no two of a partition in one split.

    For a file tells of a partition once, from its first to its last row.
    """
    layers: list[Split] = []
    for split in splits:
        parts: defaultdict[int, list[OffsetRange]] = defaultdict(list)
        for planned in split.ranges:
            for number, (part, _) in enumerate(cut(planned, covered)):
                parts[number].append(part)
        offset_count = sum(planned.offset_count for planned in split.ranges)
        for number in sorted(parts):
            share = sum(part.offset_count for part in parts[number]) / offset_count
            layers.append(Split(len(layers), tuple(parts[number]), round(split.estimated_bytes * share)))
    return layers


def without_overlaps(ranges: Iterable[LoadedRange]) -> list[LoadedRange]:
    """Ranges in order, those that overlap made one, with each of its offsets counted once.

    What offsets were before they were loaded again is taken off. Empty ranges within others are left out.
    """
    groups: list[list[LoadedRange]] = []
    end_offset = 0
    for loaded in sorted(ranges, key=lambda each: each.range):
        last = groups[-1][0] if groups else None
        is_same = last is not None and last.range.topic_partition == loaded.range.topic_partition
        if is_same and loaded.range.start_offset < end_offset:
            if loaded.range.offset_count:
                groups[-1].append(loaded)
        else:
            groups.append([loaded])
            end_offset = 0
        end_offset = max(end_offset, loaded.range.end_offset)
    return [_joined(group) for group in groups]


def _joined(group: Sequence[LoadedRange]) -> LoadedRange:
    first = group[0]
    if len(group) == 1:
        return first
    last = max(group, key=lambda each: each.range.end_offset)
    again = covered_by(each for each in group if each.replaced is not None)
    lost = [
        part
        for each in group
        for span in each.lost_ranges
        for part, is_loaded in cut(span, again)
        if not is_loaded
    ]
    replaced = RangeCounts.total(each.replaced for each in group if each.replaced is not None)
    return LoadedRange(
        replace(first.range, end_offset=last.range.end_offset),
        RangeCounts.total(each.counts for each in group) - replaced,
        last.leader_epoch,
        sum(each.fetched_bytes for each in group),
        sum(each.repaired_header_key_count for each in group),
        sum(each.unreadable_timestamp_count for each in group),
        tuple(united(lost)),
    )


def _part(wanted: OffsetRange, start_offset: int, end_offset: int) -> OffsetRange:
    return replace(wanted, start_offset=start_offset, end_offset=end_offset)


def _end_offset(span: OffsetRange) -> int:
    return span.end_offset
