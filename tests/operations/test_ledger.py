"""Which commits are looked at together."""

import random
from itertools import pairwise

from loader.operations.proof.ledger import LoadedPartition, connected
from loader.planning.covered import cut
from loader.values import LoadedRange, OffsetRange, RangeCounts


def test_versions_are_together_by_way_of_others() -> None:
    assert connected([1, 2, 3, 4, 5, 6], [{4, 2}, {6, 4}, {5}]) == [[1], [2, 4, 6], [3], [5]]
    assert connected([3, 4], [{4, 1}, {3, 1}]) == [[3], [4]]  # of commits that a repair has superseded
    assert connected([], []) == []


def test_a_partition_knows_its_offsets_in_whatever_order_they_were_loaded() -> None:
    rng = random.Random(7)
    edges = [0, *sorted(rng.sample(range(1, 100), 9)), 100]
    ranges = [OffsetRange("orders", 0, *edge) for edge in pairwise(edges)]
    left_out = ranges.pop(3)
    rng.shuffle(ranges)
    known = LoadedPartition(ranges[0].start_offset, ranges[0].start_offset, 0)

    for each in ranges:
        known.take(LoadedRange(each, RangeCounts(row_count=each.offset_count), 1, 1))

    assert (known.start_offset, known.end_offset, known.counts.row_count) == (
        0,
        100,
        100 - left_out.offset_count,
    )
    parts = list(cut(OffsetRange("orders", 0, 0, 100), {left_out.topic_partition: known.stretches}))
    assert [part for part, is_loaded in parts if not is_loaded] == [left_out]
