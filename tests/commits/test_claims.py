"""Of all that commits and footers tell, each offset counts once; what is told twice has to be counted."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from loader.commits.claims import settle
from loader.errors import LedgerDamaged
from loader.values import LoadedRange, OffsetRange, RangeCounts


def span(start_offset: int, end_offset: int, partition: int = 0) -> OffsetRange:
    return OffsetRange("orders", partition, start_offset, end_offset)


def loaded(start_offset: int, end_offset: int, rows: int | None = None, partition: int = 0) -> LoadedRange:
    count = end_offset - start_offset
    rows = count if rows is None else rows
    counts = RangeCounts(row_count=rows, aborted_count=count - rows)
    return LoadedRange(span(start_offset, end_offset, partition), counts, 3, 100)


def again(start_offset: int, end_offset: int) -> LoadedRange:
    """Loaded in the place of as many rows."""
    each = loaded(start_offset, end_offset)
    return replace(each, replaced=each.counts)


def test_what_good_commits_loaded_again_is_no_doubt_and_counts_once() -> None:
    claims = settle([loaded(0, 10), loaded(10, 30), again(5, 20)], [], [])

    assert [(each.range, each.counts.row_count, each.replaced) for each in claims.ranges] == [
        (span(0, 30), 30, None)
    ]
    assert claims.doubtful == frozenset()


def test_what_was_loaded_again_while_the_first_load_is_lost_stands_by_itself() -> None:
    claims = settle([again(5, 20)], [], [])

    assert claims.ranges == (loaded(5, 20),)
    assert claims.doubtful == frozenset()


def test_ranges_that_good_commits_replaced_and_a_lost_one_loaded_are_taken_from_what_files_carry() -> None:
    claims = settle([loaded(0, 6), again(3, 8)], [], [], [loaded(0, 6), loaded(6, 18)])

    assert [each.range for each in claims.ranges] == [span(0, 6), span(6, 18)]
    assert claims.doubtful == {span(0, 6), span(6, 18)}


def test_what_files_of_good_commits_carry_is_no_doubt_where_commits_tell_of_it() -> None:
    claims = settle([loaded(0, 30, 20)], [], [], [loaded(0, 12, 12), loaded(12, 30, 8)])

    assert claims.ranges == (loaded(0, 30, 20),)
    assert claims.doubtful == frozenset()


def test_of_a_range_and_others_within_it_the_whole_one_stays_and_is_counted() -> None:
    claims = settle([], [loaded(0, 30, 25), loaded(3, 8), loaded(0, 12), loaded(40, 50)], [])

    assert claims.ranges == (loaded(0, 30, 25), loaded(40, 50))
    assert claims.doubtful == {span(0, 30)}


def test_ranges_that_only_overlap_are_refused() -> None:
    with pytest.raises(LedgerDamaged, match=r"orders-0\[0, 10\) and orders-0\[9, 20\) are both said to be"):
        settle([loaded(0, 10)], [loaded(9, 20)], [])


def test_rows_of_which_nothing_else_is_told_are_claimed_by_their_files() -> None:
    claims = settle([loaded(0, 10)], [loaded(20, 30)], [span(5, 15), span(14, 22), span(0, 4, partition=1)])

    assert [(each.range, each.counts.row_count) for each in claims.ranges] == [
        (span(0, 10), 10),
        (span(10, 20), 10),
        (span(20, 30), 10),
        (span(0, 4, partition=1), 4),
    ]
    assert claims.doubtful == {each.range for each in claims.ranges}


def test_where_a_partition_begins_is_kept() -> None:
    beginning = loaded(7, 7)

    assert settle([beginning], [loaded(7, 9)], []).ranges == (beginning, loaded(7, 9))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_told_of_the_loads_of_a_job_its_offsets_are_claimed_once(seed: int) -> None:
    rng = random.Random(seed)
    edges = sorted({0, 1000, *(rng.randrange(1, 1000) for _ in range(20))})
    loads = [loaded(start, end) for start, end in pairwise(edges)]
    repeated = [loaded(start, start + rng.randrange(1, 60)) for start in rng.sample(range(900), 10)]
    good = [each for each in loads if rng.random() < 0.5]
    told = [each for each in loads if each not in good]
    doubles = [each for each in (*good, *told) if rng.random() < 0.3]

    claims = settle(good, rng.sample([*told, *doubles], len(told) + len(doubles)), [])
    with_repeated = settle(good, [*told, *repeated], [])

    assert claims.ranges == tuple(loads)
    assert claims.doubtful == {each.range for each in doubles if each in good}
    covered = [offset for each in with_repeated.ranges for offset in _offsets(each)]
    assert covered == list(range(1000))


def _offsets(each: LoadedRange) -> range:
    return range(each.range.start_offset, each.range.end_offset)
