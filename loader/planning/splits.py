"""Splits: the work of a run, cut into tasks of equal size.

All ranges are laid end to end on a ruler, in the order of topic, partition and offset, each as long
as its bytes, and the ruler is cut at equal distances. So hot partitions are cut, small ones are packed
together, every split has the same size, and a topic lies in as few splits as can be: each further split
writes further files of it. Packing the largest first balances no better and spreads every topic over all
splits.

A cut that falls near the border of a range moves there: a range is not cut for a sliver, because both
sides of a cut fetch the record batch that holds it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from loader.values import OffsetRange, Split

RANGE_COST_BYTES = 64 * 1024
"""What a range costs beside its bytes, about a request's time; so that 10,000 nearly empty partitions,
or ones of unknown size, are not taken for no work."""

SMALLEST_SPLIT_BYTES = 8 * 1024 * 1024
"""Less is not worth a task of its own: starting one takes longer than reading this."""

NEAR_A_BORDER = 20
"""A cut moves by at most one part in this many of a split, so that a split is at most a tenth too long."""


@dataclass(frozen=True, slots=True)
class SizedRange:
    """A range and how many bytes of log it is thought to hold, compressed as there."""

    range: OffsetRange
    estimated_bytes: int

    def __post_init__(self) -> None:
        if self.estimated_bytes < 0:
            raise ValueError(f"{self.range}: estimated_bytes is {self.estimated_bytes}, must not be negative")

    @property
    def offset_count(self) -> int:
        """How many offsets lie in the range."""
        return self.range.offset_count

    def part(self, start_offset: int, end_offset: int) -> "SizedRange":
        """The offsets from start to end of this range; adjacent parts have all its bytes together."""
        whole = self.range
        if not whole.start_offset <= start_offset <= end_offset <= whole.end_offset:
            raise ValueError(f"[{start_offset}, {end_offset}) is no part of {whole}")

        def bytes_before(offset: int) -> int:
            return self.estimated_bytes * (offset - whole.start_offset) // max(whole.offset_count, 1)

        return SizedRange(
            OffsetRange(whole.topic, whole.partition, start_offset, end_offset),
            bytes_before(end_offset) - bytes_before(start_offset),
        )


def make_splits(ranges: Iterable[SizedRange], target_split_bytes: int, slots: int = 1) -> tuple[Split, ...]:
    """Cut and pack ranges into splits of nearly equal size; every offset is in exactly one.

    target_split_bytes  no split is much larger, unless one offset alone is
    slots               how many tasks run at once; there are at least as many splits, where each is worth
                        a task, and beyond that a multiple, so that none idles in the last round

    Raises ValueError when two ranges overlap.
    """
    ordered = sorted((sized for sized in ranges if sized.offset_count), key=lambda sized: sized.range)
    _refuse_overlaps(ordered)
    costs = [sized.estimated_bytes + RANGE_COST_BYTES for sized in ordered]
    groups = _cut(ordered, costs, _split_count(sum(costs), target_split_bytes, slots))
    return tuple(
        Split(index, tuple(piece.range for piece in group), sum(piece.estimated_bytes for piece in group))
        for index, group in enumerate(groups)
    )


def _split_count(total_cost: int, target_split_bytes: int, slots: int) -> int:
    wanted = -(-total_cost // target_split_bytes)  # rounded up
    if wanted > slots:
        return -(-wanted // slots) * slots
    return max(wanted, min(slots, total_cost // SMALLEST_SPLIT_BYTES), 1)


def _cut(ordered: Sequence[SizedRange], costs: Sequence[int], count: int) -> list[list[SizedRange]]:
    """The ranges and parts of ranges between `count` - 1 cuts at equal distances of cost."""
    borders = list(accumulate(costs, initial=0))
    near = borders[-1] // count // NEAR_A_BORDER

    def cut_at(cost: int) -> tuple[int, int]:
        """The range to cut, and the offset that the right side begins with."""
        index = bisect_right(borders, cost) - 1
        whole, left, right = ordered[index].range, borders[index], borders[index + 1]
        if cost - left <= min(near, right - cost):
            return index, whole.start_offset
        if right - cost <= near:
            return index, whole.end_offset
        return index, whole.start_offset + whole.offset_count * (cost - left) // (right - left)

    cuts = [cut_at(borders[-1] * number // count) for number in range(1, count)] if ordered else []
    groups, first, begin = [], 0, ordered[0].range.start_offset if ordered else 0
    for last, end in [*cuts, (len(ordered), 0)]:
        group = []
        while first < last:
            group.append(ordered[first].part(begin, ordered[first].range.end_offset))
            first += 1
            begin = ordered[first].range.start_offset if first < len(ordered) else 0
        if end > begin:
            group.append(ordered[first].part(begin, end))
            begin = end
        groups.append([piece for piece in group if piece.offset_count])
    return [group for group in groups if group]


def _refuse_overlaps(ordered: Sequence[SizedRange]) -> None:
    for left, right in pairwise(ordered):
        same = left.range.topic_partition == right.range.topic_partition
        if same and right.range.start_offset < left.range.end_offset:
            raise ValueError(f"{left.range} and {right.range} overlap")
