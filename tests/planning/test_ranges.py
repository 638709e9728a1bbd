"""From position and bounds to ranges: nothing skipped, and loss told apart by its kind."""

import pytest

from loader.errors import LogDiverged, LogTruncated, OffsetsExpired, TopicRecreated
from loader.planning.bounds import PartitionBounds, TopicBounds
from loader.planning.ranges import PlannedPartition, plan_topic
from loader.values import OffsetRange, PartitionPosition, TopicPosition


def bounds(
    log_start: int = 0, high_watermark: int = 100, stable: int | None = None, partition: int = 0
) -> PartitionBounds:
    return PartitionBounds(
        partition=partition,
        leader_id=1,
        leader_epoch=4,
        log_start_offset=log_start,
        high_watermark=high_watermark,
        last_stable_offset=high_watermark if stable is None else stable,
    )


def plan(
    partition: PartitionBounds,
    position: int | None = None,
    *,
    isolation: str = "read_committed",
    first_offset: int | None = None,
    epoch_end: int = -1,
) -> PlannedPartition:
    known = None if position is None else TopicPosition("t-1", {0: PartitionPosition(position, 3)})
    first_offsets = {} if first_offset is None else {0: first_offset}
    topic = TopicBounds("orders", "t-1", {0: partition})
    (planned,) = plan_topic(topic, known, isolation, first_offsets, {0: epoch_end})
    return planned


@pytest.mark.parametrize(("isolation", "end"), [("read_committed", 80), ("read_uncommitted", 100)])
def test_a_range_goes_from_the_position_to_the_end_that_may_be_read(isolation: str, end: int) -> None:
    planned = plan(bounds(stable=80), 30, isolation=isolation)

    assert planned.range == OffsetRange("orders", 0, 30, end)
    assert not planned.is_new


def test_a_partition_never_met_begins_at_its_logs_start_or_where_it_is_told() -> None:
    assert plan(bounds(log_start=7)).range == OffsetRange("orders", 0, 7, 100)
    told = plan(bounds(log_start=7), first_offset=50)
    assert (told.range, told.beginning) == (
        OffsetRange("orders", 0, 50, 100),
        OffsetRange("orders", 0, 50, 50),
    )
    assert told.is_new


def test_an_open_transaction_below_the_position_leaves_nothing_new() -> None:
    assert plan(bounds(stable=20), 30).range == OffsetRange("orders", 0, 30, 30)


def test_records_that_expired_before_they_were_loaded_stop_the_topic() -> None:
    with pytest.raises(OffsetsExpired, match="starts at 40, so 10 offsets were deleted"):
        plan(bounds(log_start=40), 30)
    assert plan(bounds(log_start=30), 30).range.start_offset == 30


def test_a_log_that_ends_below_the_position_is_truncated() -> None:
    with pytest.raises(LogTruncated):
        plan(bounds(high_watermark=29), 30)
    assert plan(bounds(high_watermark=30), 30).range.offset_count == 0


def test_an_epoch_that_ends_below_the_position_was_rewritten() -> None:
    with pytest.raises(LogDiverged, match=r"epoch 3, but that epoch now ends at 29: offsets \[29, 30\)"):
        plan(bounds(), 30, epoch_end=29)
    assert plan(bounds(), 30, epoch_end=30).range.start_offset == 30
    assert plan(bounds(), 30, epoch_end=-1).range.start_offset == 30


def test_a_topic_created_again_is_not_the_one_that_was_loaded() -> None:
    topic = TopicBounds("orders", "t-2", {0: bounds()})

    with pytest.raises(TopicRecreated):
        plan_topic(topic, TopicPosition("t-1"), "read_committed", {}, {})


def test_a_partition_that_gave_no_answer_is_not_planned_and_the_others_are() -> None:
    topic = TopicBounds("orders", "t-1", {2: bounds(partition=2)}, {0: "no leader"})
    known = TopicPosition("t-1", {0: PartitionPosition(5), 2: PartitionPosition(6)})

    planned = plan_topic(topic, known, "read_committed", {}, {})

    assert [str(each.range) for each in planned] == ["orders-2[6, 100)"]
