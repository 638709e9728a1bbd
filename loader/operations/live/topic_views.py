"""Topics as they were seen, as values: partitions with their leaders, offsets and sizes, and the config."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loader.kafka_source.metadata import Leader, Replicas
from loader.kafka_source.topic_configs import ConfigValue
from loader.planning.bounds import PartitionBounds

RATE_SECONDS = 600
"""The rate of a topic is the average over so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """One partition.

    bounds               None where its leader gave no answer; `problem` says why
    size_bytes           of the log on the leader's disk; None where unknown
    recent_count         how many offsets were written in the last RATE_SECONDS; None where unknown
    newest_timestamp_ms  the highest of any record; -1 without records, None where not asked or unknown
    """

    number: int
    leader: Leader
    replicas: Replicas
    bounds: PartitionBounds | None
    problem: str = ""
    size_bytes: int | None = None
    recent_count: int | None = None
    newest_timestamp_ms: int | None = None

    @property
    def begin_offset(self) -> int | None:
        """The first offset that the log holds."""
        return None if self.bounds is None else self.bounds.log_start_offset

    @property
    def end_offset(self) -> int | None:
        """The high watermark, exclusive."""
        return None if self.bounds is None else self.bounds.high_watermark

    @property
    def stable_offset(self) -> int | None:
        """The end of what read_committed may see, exclusive."""
        return None if self.bounds is None else self.bounds.last_stable_offset

    @property
    def offset_count(self) -> int | None:
        """How many offsets the log spans; records may be fewer."""
        return None if self.bounds is None else self.bounds.high_watermark - self.bounds.log_start_offset

    @property
    def lagging(self) -> tuple[int, ...]:
        """Brokers that are up, and whose copy is not complete."""
        replicas = self.replicas
        return tuple(
            each
            for each in replicas.node_ids
            if each not in replicas.in_sync and each not in replicas.offline
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicView:
    """One topic. Its sums are None where a partition is unknown.

    config  empty where it is unknown, or not allowed to be seen
    in_job  whether the job would load it; None without a job
    """

    name: str
    topic_id: str
    is_internal: bool
    partitions: tuple[PartitionView, ...]
    config: Mapping[str, ConfigValue] = field(default_factory=dict)
    in_job: bool | None = None

    @property
    def replication(self) -> int:
        """How many copies there are of a partition; of the one with the most."""
        return max((len(each.replicas.node_ids) for each in self.partitions), default=0)

    @property
    def begin_offset(self) -> int | None:
        """Sum of the first offsets of all partitions."""
        return self._sum(lambda each: each.begin_offset)

    @property
    def end_offset(self) -> int | None:
        """Sum of the high watermarks of all partitions: how many offsets were ever written."""
        return self._sum(lambda each: each.end_offset)

    @property
    def offset_count(self) -> int | None:
        """How many offsets the logs span."""
        return self._sum(lambda each: each.offset_count)

    @property
    def size_bytes(self) -> int | None:
        """Of the leaders' logs: one copy of everything."""
        return self._sum(lambda each: each.size_bytes)

    @property
    def records_per_s(self) -> float | None:
        """Average over the last RATE_SECONDS, by the records' timestamps."""
        recent = self._sum(lambda each: each.recent_count)
        return None if recent is None else recent / RATE_SECONDS

    def _sum(self, value: Callable[[PartitionView], int | None]) -> int | None:
        values = [value(each) for each in self.partitions]
        known = [each for each in values if each is not None]
        return sum(known) if len(known) == len(values) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsView:
    """What was seen of a cluster.

    brokers           addresses, host:port, by node id
    notes             what this user may not see
    unanswered        brokers, or requests, that failed, and why; also the partitions' problems
    absent_from_kafka topics that the job names and the cluster does not have, or does not show this user
    """

    cluster_id: str
    brokers: Mapping[int, str]
    topics: tuple[TopicView, ...]
    notes: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    absent_from_kafka: tuple[str, ...] = ()
