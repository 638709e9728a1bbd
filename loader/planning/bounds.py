"""What the brokers say of a topic before a run: who it is, and between which offsets it lies."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from loader.values import TopicPartition


@dataclass(frozen=True, slots=True)
class PartitionBounds:
    """The offsets of one partition, as its leader gave them.

    log_start_offset    first offset the log holds
    high_watermark      end of what is replicated, exclusive
    last_stable_offset  end of what read_committed may see, exclusive; below the high watermark
                        while a transaction is open
    leader_epoch        of the leader that answered, -1 if it did not say
    """

    partition: int
    leader_id: int
    leader_epoch: int
    log_start_offset: int
    high_watermark: int
    last_stable_offset: int

    def end_offset(self, isolation: str) -> int:
        """The end of what may be read, exclusive: the last stable offset or the high watermark."""
        return self.last_stable_offset if isolation == "read_committed" else self.high_watermark


@dataclass(frozen=True, slots=True)
class TopicBounds:
    """One topic of the cluster.

    unlisted  partitions that exist but could not be asked, and why; they keep their position
    """

    name: str
    topic_id: str
    partitions: Mapping[int, PartitionBounds]
    unlisted: Mapping[int, str] = field(default_factory=dict)

    def of(self, partition: int) -> TopicPartition:
        """The name of one of its partitions."""
        return TopicPartition(self.name, partition)
