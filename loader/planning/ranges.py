"""From the position and the brokers' bounds to ranges; and what must stop a topic before anything is read.

The end of a range is frozen here: the last stable offset under read_committed, else the high watermark.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from loader.errors import LogDiverged, LogTruncated, OffsetsExpired, TopicRecreated
from loader.planning.bounds import PartitionBounds, TopicBounds
from loader.values import OffsetRange, TopicPosition


@dataclass(frozen=True, slots=True)
class PlannedPartition:
    """What one partition has for this run.

    range   from the position to the end that may be read; empty when there is nothing new
    is_new  no commit has met this partition, so the next one records where it begins
    """

    range: OffsetRange
    bounds: PartitionBounds
    is_new: bool

    @property
    def beginning(self) -> OffsetRange:
        """The empty range at its start: records a place in the log without loading anything."""
        start_offset = self.range.start_offset
        return OffsetRange(self.range.topic, self.range.partition, start_offset, start_offset)


def plan_topic(
    bounds: TopicBounds,
    known: TopicPosition | None,
    isolation: str,
    first_offsets: Mapping[int, int],
    epoch_ends: Mapping[int, int],
    *,
    loss_allowed: bool = False,
) -> tuple[PlannedPartition, ...]:
    """The ranges of one topic, by partition.

    known          where the job stands in this topic; None when it never met it
    first_offsets  where to begin in partitions that no commit has met; the log's start where missing
    epoch_ends     by partition, the end in today's log of the leader epoch in its position (KIP-320)
    loss_allowed   whether a person agreed to go on without offsets that were deleted from Kafka

    Raises TopicRecreated, OffsetsExpired, LogTruncated or LogDiverged: to go on would lose records,
    or load others under offsets that are taken.
    """
    if known is not None and known.topic_id != bounds.topic_id:
        raise TopicRecreated(bounds.name, known.topic_id, bounds.topic_id)
    planned = []
    for number, partition in sorted(bounds.partitions.items()):
        place = known.partitions.get(number) if known else None
        end_offset = partition.end_offset(isolation)
        if place is None:
            start_offset = first_offsets.get(number, partition.log_start_offset)
        else:
            start_offset = place.next_offset
            if start_offset > partition.high_watermark:
                raise LogTruncated(bounds.of(number), start_offset, partition.high_watermark)
            epoch_end = epoch_ends.get(number, -1)
            if 0 <= epoch_end < start_offset:
                raise LogDiverged(bounds.of(number), start_offset, place.leader_epoch, epoch_end)
        wanted = OffsetRange(bounds.name, number, start_offset, max(start_offset, end_offset))
        if start_offset < partition.log_start_offset and not loss_allowed:
            is_set_back = place is not None and place.reached_offset is not None
            raise OffsetsExpired(wanted, partition.log_start_offset, is_set_back)
        planned.append(PlannedPartition(wanted, partition, place is None))
    return tuple(planned)
