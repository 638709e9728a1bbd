import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.planning.splits import SMALLEST_SPLIT_BYTES, SizedRange, make_splits
from loader.values import OffsetRange, Split

MIB = 1024 * 1024
TARGET_BYTES = st.integers(2**28, 2**34)


def sized(topic: str, partition: int, start: int, end: int, estimated_bytes: int) -> SizedRange:
    return SizedRange(OffsetRange(topic, partition, start, end), estimated_bytes)


@st.composite
def workloads(draw: st.DrawFn) -> list[SizedRange]:
    """Ranges of any size; several of one partition never touch."""
    ranges = []
    for topic in draw(st.lists(st.sampled_from("abcde"), unique=True)):
        for partition in draw(st.lists(st.integers(0, 20), unique=True, max_size=5)):
            start = draw(st.integers(0, 2**40))
            for _ in range(draw(st.integers(1, 3))):
                count = draw(st.integers(0, 50) | st.integers(0, 2**40))
                size = draw(st.integers(0, 1000) | st.integers(0, 2**32))
                ranges.append(sized(topic, partition, start, start + count, size))
                start += count + draw(st.integers(0, 3))
    return draw(st.permutations(ranges))


def joined(ranges: list[OffsetRange]) -> list[OffsetRange]:
    """Adjacent ranges made one, so that what two lists cover can be compared."""
    whole: list[OffsetRange] = []
    for entry in sorted(ranges):
        if whole and (whole[-1].topic_partition, whole[-1].end_offset) == (
            entry.topic_partition,
            entry.start_offset,
        ):
            entry = OffsetRange(entry.topic, entry.partition, whole.pop().start_offset, entry.end_offset)
        whole.append(entry)
    return whole


@given(workloads(), TARGET_BYTES, st.integers(1, 40))
def test_every_offset_is_in_exactly_one_split(ranges: list[SizedRange], target: int, slots: int) -> None:
    splits = make_splits(ranges, target, slots)

    pieces = [piece for split in splits for piece in split.ranges]
    assert pieces == sorted(pieces)
    assert sum(piece.offset_count for piece in pieces) == sum(entry.offset_count for entry in ranges)
    assert joined(pieces) == joined([entry.range for entry in ranges if entry.offset_count])


@given(workloads(), TARGET_BYTES, st.integers(1, 40))
def test_splits_are_numbered_hold_no_empty_range_and_share_all_bytes(
    ranges: list[SizedRange], target: int, slots: int
) -> None:
    splits = make_splits(ranges, target, slots)

    assert [split.index for split in splits] == list(range(len(splits)))
    assert all(piece.offset_count for split in splits for piece in split.ranges)
    assert all(split.ranges for split in splits)
    expected = sum(entry.estimated_bytes for entry in ranges if entry.offset_count)
    assert sum(split.estimated_bytes for split in splits) == expected


@given(workloads(), TARGET_BYTES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_the_ranges_changes_nothing(
    ranges: list[SizedRange], target: int, slots: int, shuffle: random.Random
) -> None:
    shuffled = list(ranges)
    shuffle.shuffle(shuffled)

    assert make_splits(shuffled, target, slots) == make_splits(ranges, target, slots)


@given(st.data())
def test_adjacent_parts_have_all_offsets_and_all_bytes(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, 2**62))
    whole = sized("t", 0, start, start + data.draw(st.integers(1, 2**61)), data.draw(st.integers(0, 2**50)))
    cut = data.draw(st.integers(whole.range.start_offset, whole.range.end_offset))

    left, right = whole.part(start, cut), whole.part(cut, whole.range.end_offset)

    assert left.offset_count + right.offset_count == whole.offset_count
    assert left.estimated_bytes + right.estimated_bytes == whole.estimated_bytes


def test_a_part_beyond_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[5, 11\) is no part of t-0\[0, 10\)"):
        sized("t", 0, 0, 10, 1).part(5, 11)


def test_nothing_to_read_is_no_split() -> None:
    assert make_splits([], 256 * MIB, 4) == ()
    assert make_splits([sized("t", 0, 7, 7, 0)], 256 * MIB, 4) == ()


def test_a_hot_partition_is_cut_by_bytes() -> None:
    splits = make_splits([sized("hot", 0, 1000, 5000, 1024 * MIB)], 300 * MIB)

    assert [split.ranges for split in splits] == [
        (OffsetRange("hot", 0, 1000, 2000),),
        (OffsetRange("hot", 0, 2000, 3000),),
        (OffsetRange("hot", 0, 3000, 4000),),
        (OffsetRange("hot", 0, 4000, 5000),),
    ]
    assert {split.estimated_bytes for split in splits} == {256 * MIB}


def test_small_topics_share_a_split() -> None:
    ranges = [sized(f"t{number}", 0, 0, 100, 1000) for number in range(50)]

    splits = make_splits(ranges, 256 * MIB, 8)

    assert len(splits) == 1
    assert len(splits[0].ranges) == 50


def test_every_slot_gets_work_that_is_worth_a_task() -> None:
    enough = [sized("t", 0, 0, 10_000, 8 * SMALLEST_SPLIT_BYTES)]
    too_little = [sized("t", 0, 0, 10_000, SMALLEST_SPLIT_BYTES)]

    assert len(make_splits(enough, 1024 * MIB, 8)) == 8
    assert len(make_splits(too_little, 1024 * MIB, 8)) == 1


def test_no_slot_idles_in_the_last_round() -> None:
    # 5 splits on 4 slots would take two rounds of full splits; 8 smaller ones take two shorter rounds.
    assert len(make_splits([sized("t", 0, 0, 10_000, 5 * 256 * MIB - 65536)], 256 * MIB, 4)) == 8


def test_a_range_is_not_cut_for_a_sliver() -> None:
    ranges = [sized("t", 0, 0, 1000, 102 * MIB), sized("t", 1, 0, 1000, 98 * MIB)]

    splits = make_splits(ranges, 101 * MIB)

    assert [split.ranges for split in splits] == [(ranges[0].range,), (ranges[1].range,)]


@pytest.mark.parametrize("left_mib", [88, 112])
def test_a_cut_does_not_move_far_to_a_border(left_mib: int) -> None:
    ranges = [sized("t", 0, 0, 1000, left_mib * MIB), sized("t", 1, 0, 1000, (200 - left_mib) * MIB)]

    splits = make_splits(ranges, 101 * MIB)

    assert [round(split.estimated_bytes / MIB) for split in splits] == [100, 100]


def test_an_offset_is_not_divided_however_large() -> None:
    splits = make_splits([sized("t", 0, 0, 2, 1000 * MIB), sized("t", 1, 0, 1, 1)], 64 * MIB, 4)

    assert [piece for split in splits for piece in split.ranges] == [
        OffsetRange("t", 0, 0, 1),
        OffsetRange("t", 0, 1, 2),
        OffsetRange("t", 1, 0, 1),
    ]


def test_partitions_of_unknown_size_are_work_too() -> None:
    splits = make_splits([sized("t", number, 0, 10, 0) for number in range(10_000)], 256 * MIB, 4)

    assert len(splits) == 4
    assert max(len(split.ranges) for split in splits) <= 2_750


def test_ranges_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match=r"t-0\[0, 10\) and t-0\[9, 20\) overlap"):
        make_splits([sized("t", 0, 9, 20, 1), sized("t", 0, 0, 10, 1)], 256 * MIB)


def zipf(exponent: float) -> list[float]:
    return [1 / rank**exponent for rank in range(1, 5001)]


def lognormal(sigma: float) -> list[float]:
    chance = random.Random(11)
    return [chance.lognormvariate(0, sigma) for _ in range(5000)]


def topics(weights: list[float], total_bytes: int, seed: int) -> list[SizedRange]:
    """Topics of these sizes in any order, of 1 to 4 partitions, skewed as well."""
    chance = random.Random(seed)
    shuffled = chance.sample(weights, len(weights))
    ranges = []
    for number, weight in enumerate(shuffled):
        topic_bytes = int(total_bytes * weight / sum(weights))
        shares = [chance.random() ** 3 for _ in range(chance.randint(1, 4))]
        for partition, share in enumerate(shares):
            size = int(topic_bytes * share / sum(shares))
            start = chance.randrange(10**9)
            ranges.append(sized(f"t{number}", partition, start, start + 1 + size // 300, size))
    return ranges


def longest_over_mean(splits: tuple[Split, ...]) -> float:
    sizes = [split.estimated_bytes for split in splits]
    return max(sizes) * len(sizes) / sum(sizes)


def files_of(splits: tuple[Split, ...]) -> int:
    return sum(len({piece.topic for piece in split.ranges}) for split in splits)


@pytest.mark.parametrize(
    ("weights", "slots"),
    [
        (zipf(0.0), 7),
        (zipf(0.8), 2),
        (zipf(1.0), 64),
        (zipf(1.5), 7),
        (lognormal(1.0), 16),
        (lognormal(3.0), 5),
        ([9 * 4999.0] + [1.0] * 4999, 3),
    ],
    ids=["equal", "zipf-0.8", "zipf-1", "zipf-1.5", "lognormal-1", "lognormal-3", "one-has-90-percent"],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_5000_skewed_topics_balance_with_hardly_more_files_than_topics(
    weights: list[float], slots: int, seed: int
) -> None:
    splits = make_splits(topics(weights, 100 * 1024 * MIB, seed), 256 * MIB, slots)

    assert len(splits) >= 400
    assert len(splits) % slots == 0  # so that the last round of tasks is a full one
    assert longest_over_mean(splits) <= 1.2
    assert files_of(splits) < 5000 + len(splits)


@pytest.mark.parametrize("slots", [2, 3, 8])
def test_a_hot_partition_with_90_percent_of_a_small_load_still_busies_every_slot(slots: int) -> None:
    hot = sized("hot", 0, 0, 900_000, 900 * MIB)
    cold = [sized("cold", number, 0, 1000, 10 * MIB) for number in range(10)]

    splits = make_splits([hot, *cold], 512 * MIB, slots)

    assert len(splits) == max(slots, 2)
    assert longest_over_mean(splits) <= 1.2


def test_10000_partitions_are_planned_in_far_less_than_3_seconds() -> None:
    ranges = [sized(f"t{number // 4}", number % 4, 0, 10**6, number * 2048) for number in range(10_000)]

    began = time.perf_counter()
    splits = make_splits(ranges, 256 * MIB, 16)
    took_s = time.perf_counter() - began

    assert len(splits) > 100
    assert took_s < 1.5
