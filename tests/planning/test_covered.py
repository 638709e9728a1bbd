"""Offsets that were loaded more than once count once, and what replaces is told apart from what adds."""

import random

from loader.planning.covered import covered_by, cut, cut_splits, without_overlaps
from loader.values import LoadedRange, OffsetRange, RangeCounts, Split


def span(start_offset: int, end_offset: int, partition: int = 0) -> OffsetRange:
    return OffsetRange("orders", partition, start_offset, end_offset)


def loaded(
    start_offset: int, end_offset: int, rows: int, *, replaced: RangeCounts | None = None, partition: int = 0
) -> LoadedRange:
    gaps = end_offset - start_offset - rows
    counts = RangeCounts(row_count=rows, aborted_count=gaps)
    return LoadedRange(span(start_offset, end_offset, partition), counts, 3, 100, replaced=replaced)


def test_a_range_is_cut_where_what_was_loaded_begins_and_ends() -> None:
    covered = covered_by([loaded(10, 20, 10), loaded(20, 30, 10), loaded(50, 60, 1)])

    assert list(cut(span(0, 55), covered)) == [
        (span(0, 10), False),
        (span(10, 30), True),
        (span(30, 50), False),
        (span(50, 55), True),
    ]
    assert list(cut(span(12, 18), covered)) == [(span(12, 18), True)]
    assert list(cut(span(30, 50), covered)) == [(span(30, 50), False)]
    assert list(cut(span(60, 70), covered)) == [(span(60, 70), False)]
    assert list(cut(span(0, 40, partition=1), covered)) == [(span(0, 40, partition=1), False)]


def test_splits_keep_their_offsets_when_they_are_cut_and_have_each_partition_once() -> None:
    splits = [Split(0, (span(5, 25), span(0, 20, partition=1)), 80), Split(1, (span(25, 30),), 7)]

    assert cut_splits(splits, covered_by([loaded(10, 20, 10)])) == [
        Split(0, (span(5, 10), span(0, 20, partition=1)), 50),
        Split(1, (span(10, 20),), 20),
        Split(2, (span(20, 25),), 10),
        Split(3, (span(25, 30),), 7),
    ]


def test_offsets_loaded_again_count_as_what_they_are_last() -> None:
    before = [
        loaded(0, 250, 240),
        loaded(250, 1000, 700),
        loaded(1000, 1100, 100),
        loaded(0, 9, 9, partition=1),
    ]
    again = loaded(200, 300, 80, replaced=RangeCounts(row_count=75, aborted_count=25))

    joined = without_overlaps([*before, again])

    assert [each.range for each in joined] == [span(0, 1000), span(1000, 1100), span(0, 9, partition=1)]
    assert joined[0].counts == RangeCounts(row_count=240 + 700 + 80 - 75, aborted_count=10 + 50 + 20 - 25)
    assert joined[0].counts.explained_count == 1000
    assert joined[1:] == before[2:]


def test_what_was_lost_and_is_loaded_after_all_is_lost_no_more() -> None:
    lost = LoadedRange(
        span(0, 100), RangeCounts(row_count=60, lost_count=40), 3, 9, lost_ranges=(span(10, 50),)
    )
    again = loaded(20, 40, 20, replaced=RangeCounts(lost_count=20))

    (joined,) = without_overlaps([lost, again])

    assert joined.counts == RangeCounts(row_count=80, lost_count=20)
    assert joined.lost_ranges == (span(10, 20), span(40, 50))


def test_empty_ranges_that_mark_a_beginning_do_not_join_others() -> None:
    ranges = [loaded(0, 0, 0), loaded(0, 10, 10), loaded(5, 5, 0), loaded(10, 10, 0), loaded(10, 20, 10)]

    joined = without_overlaps(ranges)

    assert [each.range for each in joined if each.range.offset_count] == [span(0, 10), span(10, 20)]


def test_any_history_of_loads_and_backfills_counts_each_offset_once() -> None:
    rng = random.Random(5)
    for _ in range(50):
        has_row = [rng.random() < 0.7 for _ in range(200)]
        ranges: list[LoadedRange] = []
        for _ in range(8):
            start_offset = rng.randrange(190)
            wanted = span(start_offset, rng.randrange(start_offset + 1, 201))
            for part, is_again in list(cut(wanted, covered_by(ranges))):
                rows = sum(has_row[part.start_offset : part.end_offset])
                counts = RangeCounts(row_count=rows, aborted_count=part.offset_count - rows)
                ranges.append(LoadedRange(part, counts, 1, 1, replaced=counts if is_again else None))

        for joined in without_overlaps(ranges):
            rows = sum(has_row[joined.range.start_offset : joined.range.end_offset])
            assert joined.counts.row_count == rows
            assert joined.counts.explained_count == joined.range.offset_count
