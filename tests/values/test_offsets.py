"""Ranges and the position: arithmetic without a gap, without an offset twice."""

import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.values import (
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    TopicPartition,
    TopicPosition,
    united,
)

OFFSETS = st.integers(0, 2**63 - 1)
EPOCHS = st.integers(-1, 2**31 - 1)
IDS = {"orders": "t-1", "clicks": "t-2"}


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """Some partitions of two topics, whose ids are in IDS."""
    places = st.dictionaries(st.integers(0, 5), st.builds(PartitionPosition, OFFSETS, EPOCHS), max_size=4)
    topics = draw(st.lists(st.sampled_from(sorted(IDS)), unique=True))
    return Position({name: TopicPosition(IDS[name], draw(places)) for name in topics})


@st.composite
def continuations(draw: st.DrawFn, position: Position) -> list[OffsetRange]:
    """Ranges that go on where partitions stand, some in several pieces, some of partitions never met."""
    ranges = []
    for topic in sorted(IDS):
        for number in draw(st.lists(st.integers(0, 7), unique=True, max_size=4)):
            place = position.of(TopicPartition(topic, number))
            start = place.next_offset if place else draw(st.integers(0, 2**40))
            ends = sorted(draw(st.lists(st.integers(start, start + 100), min_size=1, max_size=3)))
            for end in ends:
                ranges.append(OffsetRange(topic, number, start, end))
                start = end
    return draw(st.permutations(ranges))


@given(st.data())
def test_a_position_advances_to_the_ends_of_what_was_loaded_and_nowhere_else(data: st.DataObject) -> None:
    position = data.draw(positions())
    ranges = data.draw(continuations(position))
    ends: dict[TopicPartition, int] = {}
    for each in ranges:
        ends[each.topic_partition] = max(each.end_offset, ends.get(each.topic_partition, 0))
    epochs = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(ends, EPOCHS)))

    advanced = position.advanced(ranges, IDS, epochs)

    untouched = {partition: place for partition, place in position if partition not in ends}
    moved = {partition: PartitionPosition(end, epochs.get(partition, -1)) for partition, end in ends.items()}
    assert dict(advanced) == untouched | moved
    assert all(topic.topic_id == IDS[name] for name, topic in advanced.topics.items())


@given(st.data())
def test_a_gap_and_an_overlap_are_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 1000))
    start = data.draw(st.integers(0, 1000).filter(lambda start: start != place))
    position = Position({"orders": TopicPosition("t-1", {0: PartitionPosition(place)})})

    with pytest.raises(ValueError, match=rf"orders-0\[{start}, .* does not continue at the position {place}"):
        position.advanced([OffsetRange("orders", 0, start, start + 10)], IDS, {})


@pytest.mark.parametrize("second_start", [9, 11])
def test_a_gap_or_overlap_between_two_ranges_of_a_new_partition_is_refused(second_start: int) -> None:
    ranges = [OffsetRange("orders", 0, 5, 10), OffsetRange("orders", 0, second_start, 20)]

    with pytest.raises(ValueError, match="does not continue at the position 10"):
        Position().advanced(ranges, IDS, {})


def test_advancing_leaves_the_position_before_as_it_was() -> None:
    position = Position({"orders": TopicPosition("t-1", {0: PartitionPosition(5)})})

    position.advanced([OffsetRange("orders", 0, 5, 9), OffsetRange("orders", 1, 0, 3)], IDS, {})

    assert dict(position) == {TopicPartition("orders", 0): PartitionPosition(5)}


def test_an_empty_range_records_where_a_partition_begins() -> None:
    advanced = Position().advanced([OffsetRange("orders", 3, 70, 70)], IDS, {})

    assert advanced.of(TopicPartition("orders", 3)) == PartitionPosition(70, -1)
    assert advanced.of(TopicPartition("orders", 0)) is None
    assert advanced.of(TopicPartition("clicks", 3)) is None


def test_a_position_is_walked_in_the_order_of_topics_and_numbers() -> None:
    places = {10: PartitionPosition(1), 2: PartitionPosition(2)}
    position = Position({"b": TopicPosition("t", places), "a": TopicPosition("t", places)})

    assert [str(partition) for partition, _ in position] == ["a-2", "a-10", "b-2", "b-10"]


@given(OFFSETS, OFFSETS)
def test_a_range_counts_its_offsets_and_refuses_to_end_before_it_starts(one: int, other: int) -> None:
    start, end = sorted((one, other))

    wanted = OffsetRange("orders", 3, start, end)

    assert wanted.offset_count == end - start
    assert wanted.topic_partition == TopicPartition("orders", 3)
    assert str(wanted) == f"orders-3[{start}, {end})"
    assert pickle.loads(pickle.dumps(wanted)) == wanted  # noqa: S301  our own bytes
    if start < end:
        with pytest.raises(ValueError, match="is not a range"):
            OffsetRange("orders", 3, end, start)


def test_a_range_does_not_start_below_zero() -> None:
    with pytest.raises(ValueError, match="is not a range"):
        OffsetRange("orders", 3, -1, 5)


@pytest.mark.parametrize(("topic", "partition"), [("", 0), ("orders", -1)])
def test_a_partition_without_a_name_or_number_does_not_exist(topic: str, partition: int) -> None:
    with pytest.raises(ValueError, match="is not a partition"):
        TopicPartition(topic, partition)


@pytest.mark.parametrize(("next_offset", "leader_epoch"), [(-1, 0), (0, -2)])
def test_a_place_below_zero_does_not_exist(next_offset: int, leader_epoch: int) -> None:
    with pytest.raises(ValueError, match="needs next_offset >= 0 and leader_epoch >= -1"):
        PartitionPosition(next_offset, leader_epoch)


@given(st.lists(st.builds(RangeCounts, *[OFFSETS] * 6)))
def test_every_count_is_in_the_sum_and_explains_offsets(counts: list[RangeCounts]) -> None:
    total = RangeCounts.total(counts)

    for name in RangeCounts.__slots__:
        assert getattr(total, name) == sum(getattr(each, name) for each in counts)
    assert total.explained_count == sum(getattr(total, name) for name in RangeCounts.__slots__)


RANGES = st.builds(
    lambda partition, start, count: OffsetRange("orders", partition, start, start + count),
    st.integers(0, 1),
    st.integers(0, 20),
    st.integers(0, 8),
)


def offsets_in(*ranges: OffsetRange) -> set[tuple[int, int]]:
    return {(each.partition, at) for each in ranges for at in range(each.start_offset, each.end_offset)}


@given(RANGES, RANGES)
def test_ranges_overlap_where_they_have_an_offset_in_common(left: OffsetRange, right: OffsetRange) -> None:
    assert left.overlaps(right) == bool(offsets_in(left) & offsets_in(right))


@given(st.lists(RANGES, max_size=8))
def test_united_ranges_hold_the_same_offsets_and_are_apart(ranges: list[OffsetRange]) -> None:
    stretches = united(ranges)

    assert offsets_in(*stretches) == offsets_in(*ranges)
    assert sum(each.offset_count for each in stretches) == len(offsets_in(*ranges))
    for left, right in pairwise(stretches):
        assert left.partition < right.partition or left.end_offset < right.start_offset
