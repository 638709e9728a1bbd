import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.planning.limits import apply_limits, share_evenly
from loader.planning.splits import SizedRange
from loader.values import OffsetRange


def sized(partition: int, count: int, estimated_bytes: int, start: int = 100) -> SizedRange:
    return SizedRange(OffsetRange("t", partition, start, start + count), estimated_bytes)


SIZES = st.lists(st.tuples(st.integers(0, 2**45), st.integers(0, 2**45)), max_size=12)
LIMIT = st.none() | st.integers(1, 1000) | st.integers(1, 2**48)


def ranges_of(sizes: list[tuple[int, int]]) -> list[SizedRange]:
    return [sized(number, count, size) for number, (count, size) in enumerate(sizes)]


@given(SIZES, LIMIT, LIMIT)
def test_what_is_loaded_and_what_remains_are_the_ranges(
    sizes: list[tuple[int, int]], max_bytes: int | None, max_records: int | None
) -> None:
    ranges = ranges_of(sizes)

    limited = apply_limits(ranges, max_bytes, max_records)

    tails = {tail.range.partition: tail for tail in limited.remaining}
    wanted = [entry for entry in ranges if entry.offset_count]
    assert [entry.range.partition for entry in limited.ranges] == [entry.range.partition for entry in wanted]
    for before, after in zip(wanted, limited.ranges, strict=True):
        tail = tails.pop(before.range.partition, None)
        assert after.range.start_offset == before.range.start_offset
        assert after.offset_count >= 1
        if tail is None:
            assert after == before
        else:
            assert after.range.end_offset == tail.range.start_offset
            assert tail.range.end_offset == before.range.end_offset
            assert after.estimated_bytes + tail.estimated_bytes == before.estimated_bytes
    assert not tails


@given(SIZES, LIMIT, LIMIT)
def test_limits_hold_but_for_one_offset_of_each_partition(
    sizes: list[tuple[int, int]], max_bytes: int | None, max_records: int | None
) -> None:
    limited = apply_limits(ranges_of(sizes), max_bytes, max_records)

    beyond_one = [entry for entry in limited.ranges if entry.offset_count > 1]
    if max_bytes is not None:
        assert sum(entry.estimated_bytes for entry in beyond_one) <= max_bytes
    if max_records is not None:
        assert sum(entry.offset_count for entry in limited.ranges) <= max(max_records, len(limited.ranges))


@given(SIZES, st.integers(1, 2**48))
def test_a_limit_on_records_is_used_up(sizes: list[tuple[int, int]], max_records: int) -> None:
    ranges = ranges_of(sizes)

    limited = apply_limits(ranges, max_records=max_records)

    if max_records >= len(limited.ranges):
        total = sum(entry.offset_count for entry in ranges)
        assert sum(entry.offset_count for entry in limited.ranges) == min(total, max_records)


@given(st.lists(st.integers(0, 2**50), max_size=30), st.integers(0, 2**55))
def test_shares_are_even_and_spend_the_budget(sizes: list[int], budget: int) -> None:
    shares = share_evenly(sizes, budget)

    assert sum(shares) == min(sum(sizes), budget)
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    unfilled = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    if unfilled:
        assert max(shares) - min(unfilled) <= 1  # nobody has more than one who wants more


def test_a_hot_partition_does_not_starve_the_others() -> None:
    limited = apply_limits([sized(0, 1000, 1_000_000), sized(1, 10, 10_000), sized(2, 500, 500_000)], 210_000)

    assert [entry.offset_count for entry in limited.ranges] == [100, 10, 100]
    assert limited.remaining_offsets == 1300
    assert limited.remaining_bytes == 1_300_000


def test_every_partition_moves_below_a_limit_of_one() -> None:
    limited = apply_limits([sized(number, 1000, 10**9) for number in range(5)], max_bytes=1, max_records=1)

    assert [entry.range for entry in limited.ranges] == [
        OffsetRange("t", number, 100, 101) for number in range(5)
    ]


def test_both_limits_hold_together() -> None:
    limited = apply_limits(
        [sized(0, 1000, 1_000_000), sized(1, 1000, 1_000)], max_bytes=100_000, max_records=300
    )

    assert [entry.offset_count for entry in limited.ranges] == [99, 201]


def test_without_limits_nothing_remains() -> None:
    ranges = [sized(0, 1000, 1), sized(1, 1, 10**12)]

    limited = apply_limits(ranges)

    assert limited.ranges == tuple(ranges)
    assert limited.remaining == ()


def test_runs_under_a_limit_reach_the_end() -> None:
    left, runs = [sized(number, 97 * number, 1000 * number) for number in range(1, 6)], 0
    while left:
        left, runs = list(apply_limits(left, max_bytes=2000, max_records=100).remaining), runs + 1

    assert runs == pytest.approx(15, abs=2)
