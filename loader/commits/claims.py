"""What commits and footers say was loaded: each offset once, however many tell of it.

Offsets that were loaded again are told of by each load, and rows that were written again by what the footers
of their files carry. Where more than one tells of an offset none is believed: the rows are counted.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from loader.errors import REPAIR, LedgerDamaged
from loader.planning.covered import cut, without_overlaps
from loader.values import LoadedRange, OffsetRange, RangeCounts, TopicPartition, united


@dataclass(frozen=True, slots=True)
class Claims:
    """Ranges, sorted and apart from one another.

    doubtful  those of them whose rows must be counted in the files, since others tell of the same offsets
    """

    ranges: tuple[LoadedRange, ...]
    doubtful: frozenset[OffsetRange]


def settle(
    committed: Iterable[LoadedRange],
    told: Iterable[LoadedRange],
    spans: Iterable[OffsetRange],
    carried: Iterable[LoadedRange] = (),
) -> Claims:
    """What was loaded, taken together.

    committed  by good commits; what was loaded again says what it was before
    told       by footers, which do not say that
    spans      from the first to the last row of files that tell nothing of their own loads
    carried    by files of good commits, of loads that may be in none of these

    Of ranges that overlap those stay that come first, or that hold all the others. Raises LedgerDamaged
    where it cannot be told which.
    """
    settling = _Settling()
    unclear = list(told)
    ranges = list(committed)
    for loaded in without_overlaps(ranges):
        if loaded.counts.explained_count == loaded.range.offset_count:
            settling.keep(replace(loaded, replaced=None))
        else:  # what one of them replaced is in no good commit
            unclear += (replace(each, replaced=None) for each in ranges if each.range.overlaps(loaded.range))
    unclear += (loaded for loaded in carried if not settling.tells_of(loaded.range))
    later = [
        loaded
        for loaded in sorted({each.range: each for each in unclear}.values(), key=lambda each: each.range)
        if not settling.fits(loaded)
    ]
    for loaded in later:
        settling.force(loaded)
    for span in united(spans):
        settling.fill(span)
    return settling.claims


@dataclass(slots=True)
class _Settling:
    """Ranges that are kept so far, by partition, in order and apart; empty ones besides."""

    kept: defaultdict[TopicPartition, list[LoadedRange]] = field(default_factory=lambda: defaultdict(list))
    empty: list[LoadedRange] = field(default_factory=list)
    doubtful: set[OffsetRange] = field(default_factory=set)

    @property
    def claims(self) -> Claims:
        ranges = [*self.empty, *(loaded for kept in self.kept.values() for loaded in kept)]
        ordered = tuple(sorted(ranges, key=lambda each: each.range))
        return Claims(ordered, frozenset(self.doubtful & {each.range for each in ordered}))

    def keep(self, loaded: LoadedRange) -> None:
        if not loaded.range.offset_count:
            self.empty.append(loaded)
            return
        kept = self.kept[loaded.range.topic_partition]
        kept.insert(bisect_left(kept, loaded.range, key=_range), loaded)

    def tells_of(self, span: OffsetRange) -> bool:
        """Whether what is kept tells of all offsets of a range."""
        return self._are_all_told(span, self._others(span))

    def fits(self, loaded: LoadedRange) -> bool:
        """Keep a range that overlaps no other, and drop one whose offsets others tell of already."""
        others = self._others(loaded.range)
        if not others:
            self.keep(loaded)
        elif self._are_all_told(loaded.range, others):
            self.doubtful |= {each.range for each in others}
        else:
            return False
        return True

    def force(self, loaded: LoadedRange) -> None:
        """Keep a range in the place of those within it. Raises LedgerDamaged for one that only overlaps."""
        if self.fits(loaded):
            return
        others = self._others(loaded.range)
        for other in others:
            if not _is_within(other.range, loaded.range):
                first, second = sorted([other.range, loaded.range])
                raise LedgerDamaged(
                    f"{first} and {second} are both said to be loaded: rows may be there twice. Nothing was"
                    " written. Move the files of one of them away.",
                    [REPAIR],
                )
        kept = self.kept[loaded.range.topic_partition]
        begin = bisect_left(kept, others[0].range, key=_range)
        kept[begin : begin + len(others)] = [loaded]
        self.doubtful.add(loaded.range)

    def fill(self, span: OffsetRange) -> None:
        """Claim as rows what nothing else tells of."""
        others = self._others(span)
        self.doubtful |= {each.range for each in others}
        for part, is_told in cut(span, {span.topic_partition: [each.range for each in others]}):
            if not is_told:
                self.keep(LoadedRange(part, RangeCounts(row_count=part.offset_count), -1, 0))
                self.doubtful.add(part)

    def _others(self, span: OffsetRange) -> Sequence[LoadedRange]:
        kept = self.kept.get(span.topic_partition, [])
        begin = bisect_right(kept, span.start_offset, key=lambda each: each.range.end_offset)
        end = bisect_left(kept, span.end_offset, key=lambda each: each.range.start_offset)
        return kept[begin:end]

    def _are_all_told(self, span: OffsetRange, others: Sequence[LoadedRange]) -> bool:
        parts = cut(span, {span.topic_partition: [each.range for each in others]})
        return all(is_told for _, is_told in parts)


def _range(loaded: LoadedRange) -> OffsetRange:
    return loaded.range


def _is_within(inner: OffsetRange, outer: OffsetRange) -> bool:
    return outer.start_offset <= inner.start_offset and inner.end_offset <= outer.end_offset
