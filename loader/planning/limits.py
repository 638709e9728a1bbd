"""Limits: the part of the work that one run may do, shared so that every partition moves.

Like water poured over the partitions: all get the same until they are full, so small ones are finished
and large ones share what is left. Partitions in order of name, first come first served, would starve
the last ones in every run until the first are empty.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loader.planning.splits import SizedRange


@dataclass(frozen=True, slots=True)
class LimitedRanges:
    """What this run loads, and what it leaves to the next ones: the tails of the same ranges."""

    ranges: tuple[SizedRange, ...]
    remaining: tuple[SizedRange, ...]

    @property
    def remaining_offsets(self) -> int:
        """How many offsets the limits leave out; records may be fewer."""
        return sum(tail.offset_count for tail in self.remaining)

    @property
    def remaining_bytes(self) -> int:
        """How many bytes of log the limits leave out, as estimated."""
        return sum(tail.estimated_bytes for tail in self.remaining)


def apply_limits(
    ranges: Iterable[SizedRange], max_bytes: int | None = None, max_records: int | None = None
) -> LimitedRanges:
    """Shorten ranges at their ends until both limits hold. Each keeps one offset, whatever the limits.

    ranges       at most one of each partition
    max_records  counts offsets: no more records than these, perhaps fewer
    """
    whole = [sized for sized in ranges if sized.offset_count]
    kept = whole
    if max_bytes is not None:
        shares = share_evenly([sized.estimated_bytes for sized in kept], max_bytes)
        kept = [_first_bytes(sized, share) for sized, share in zip(kept, shares, strict=True)]
    if max_records is not None:
        shares = share_evenly([sized.offset_count for sized in kept], max_records)
        kept = [_first_offsets(sized, share) for sized, share in zip(kept, shares, strict=True)]
    # From the whole in one step: rounded twice, a range and its tail would lose a byte between them.
    ends = [sized.range.end_offset for sized in kept]
    return LimitedRanges(
        tuple(sized.part(sized.range.start_offset, end) for sized, end in zip(whole, ends, strict=True)),
        tuple(
            sized.part(end, sized.range.end_offset)
            for sized, end in zip(whole, ends, strict=True)
            if end < sized.range.end_offset
        ),
    )


def share_evenly(sizes: Sequence[int], budget: int) -> list[int]:
    """The part of the budget for each: equal, but none more than its size; the whole budget, or all sizes.

    What does not divide goes one by one to the largest, the first of equals first.
    """
    shares = [0] * len(sizes)
    left = budget
    by_size = sorted(range(len(sizes)), key=lambda index: (sizes[index], -index))
    for place, index in enumerate(by_size):
        shares[index] = min(sizes[index], left // (len(sizes) - place))
        left -= shares[index]
    return shares


def _first_bytes(sized: SizedRange, share_bytes: int) -> SizedRange:
    if share_bytes >= sized.estimated_bytes:
        return sized
    return _first_offsets(sized, sized.offset_count * share_bytes // sized.estimated_bytes)


def _first_offsets(sized: SizedRange, count: int) -> SizedRange:
    start = sized.range.start_offset
    return sized.part(start, start + min(max(count, 1), sized.offset_count))
