"""The position: the next offset to load, per partition, of everything a job has met.

The newest commit holds the whole of it. A partition that a run did not touch keeps its
entry, so a topic that could not be listed once is not started again from the beginning.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from loader.values.offsets import OffsetRange, TopicPartition


@dataclass(frozen=True, slots=True)
class PartitionPosition:
    """Where one partition stands.

    next_offset     the first offset that is to be loaded next
    leader_epoch    the leader's epoch when the offset before was loaded, -1 if unknown; a log
                    that answers this epoch with an end below next_offset was rewritten (KIP-320)
    reached_offset  None, or where a person has set the position back: how far it had come. What was loaded
                    below is still there, and is replaced when it is loaded again
    """

    next_offset: int
    leader_epoch: int = -1
    reached_offset: int | None = None

    def __post_init__(self) -> None:
        if self.next_offset < 0 or self.leader_epoch < -1:
            raise ValueError(f"{self!r}: needs next_offset >= 0 and leader_epoch >= -1")
        if self.reached_offset is not None and self.reached_offset <= self.next_offset:
            raise ValueError(f"{self!r}: needs reached_offset > next_offset")

    def moved(self, next_offset: int, leader_epoch: int) -> "PartitionPosition":
        """The place further on, or further back; what was reached before is not forgotten."""
        reached_offset = max(self.next_offset, self.reached_offset or 0)
        return PartitionPosition(
            next_offset, leader_epoch, reached_offset if reached_offset > next_offset else None
        )


@dataclass(frozen=True, slots=True)
class TopicPosition:
    """Where the partitions of one topic stand, and which topic of that name it is (KIP-516)."""

    topic_id: str
    partitions: Mapping[int, PartitionPosition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a whole job stands, by topic name."""

    topics: Mapping[str, TopicPosition] = field(default_factory=dict)

    def of(self, partition: TopicPartition) -> PartitionPosition | None:
        """The place of one partition, None if no commit has met it."""
        topic = self.topics.get(partition.topic)
        return topic.partitions.get(partition.partition) if topic else None

    def __iter__(self) -> Iterator[tuple[TopicPartition, PartitionPosition]]:
        for name in sorted(self.topics):
            for partition, place in sorted(self.topics[name].partitions.items()):
                yield TopicPartition(name, partition), place

    def advanced(
        self,
        ranges: Iterable[OffsetRange],
        topic_ids: Mapping[str, str],
        leader_epochs: Mapping[TopicPartition, int],
    ) -> "Position":
        """The position after `ranges` were loaded; partitions outside them keep their place.

        topic_ids      the id of every topic in ranges
        leader_epochs  the epoch that goes with the end of a partition's last range; -1 where missing

        Raises ValueError when a range does not start where the partition stands: a gap, or offsets twice.
        """
        topics = {name: dict(topic.partitions) for name, topic in self.topics.items()}
        ids = {name: topic.topic_id for name, topic in self.topics.items()}
        for loaded in sorted(ranges):
            places = topics.setdefault(loaded.topic, {})
            ids[loaded.topic] = topic_ids[loaded.topic]
            place = places.get(loaded.partition)
            if place is not None and place.next_offset != loaded.start_offset:
                raise ValueError(f"{loaded} does not continue at the position {place.next_offset}")
            epoch = leader_epochs.get(loaded.topic_partition, -1)
            before = place or PartitionPosition(loaded.start_offset)
            places[loaded.partition] = before.moved(loaded.end_offset, epoch)
        return Position({name: TopicPosition(ids[name], places) for name, places in topics.items()})
