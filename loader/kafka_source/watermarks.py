"""Where partitions begin and end, and which offset belongs to a time (the ListOffsets API).

Source of the special timestamps: the ListOffsets request's schema, KIP-79 and KIP-734; of the two ends:
KIP-98.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kafka.protocol.consumer import ListOffsetsRequest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.leaders import LeaderAnswers, ask_leaders
from loader.kafka_source.metadata import ClusterListing
from loader.planning.bounds import PartitionBounds, TopicBounds
from loader.values import TopicPartition

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3


class Found(NamedTuple):
    """What a leader says of the offset that it was asked for."""

    offset: int
    leader_epoch: int
    timestamp_ms: int


def read_bounds(client: KafkaClient, listing: ClusterListing, deadline_s: float) -> dict[str, TopicBounds]:
    """The bounds of every partition of every topic listed, by topic name.

    A partition without an answer by `deadline_s` (time.monotonic's clock) is in its topic's `unlisted`.
    """
    partitions = [
        TopicPartition(topic.name, number) for topic in listing.topics.values() for number in topic.leaders
    ]
    # The stable end is read before the high watermark, so that it is not above it.
    starts = _list_offsets(client, listing, partitions, EARLIEST, 0, deadline_s)
    stable_ends = _list_offsets(client, listing, list(starts.answered), LATEST, 1, deadline_s)
    ends = _list_offsets(client, listing, list(stable_ends.answered), LATEST, 0, deadline_s)
    bounds: defaultdict[str, dict[int, PartitionBounds]] = defaultdict(dict)
    for partition, end in ends.answered.items():
        leader = listing.leader_of(partition)
        bounds[partition.topic][partition.partition] = PartitionBounds(
            partition=partition.partition,
            leader_id=leader.node_id if leader else -1,
            leader_epoch=end.leader_epoch,
            log_start_offset=starts.answered[partition].offset,
            high_watermark=end.offset,
            last_stable_offset=min(stable_ends.answered[partition].offset, end.offset),
        )
    unlisted: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for partition, reason in (starts.unanswered | stable_ends.unanswered | ends.unanswered).items():
        unlisted[partition.topic][partition.partition] = reason
    return {
        name: TopicBounds(name, topic.topic_id, bounds[name], unlisted[name])
        for name, topic in listing.topics.items()
    }


def read_offsets_for_time(
    client: KafkaClient,
    listing: ClusterListing,
    timestamps_ms: Mapping[TopicPartition, int],
    deadline_s: float,
) -> LeaderAnswers[int]:
    """The first offset whose record's timestamp is at or after the given one; -1 where there is none."""
    answers: LeaderAnswers[int] = LeaderAnswers()
    by_time: defaultdict[int, list[TopicPartition]] = defaultdict(list)
    for partition, timestamp_ms in timestamps_ms.items():
        by_time[timestamp_ms].append(partition)
    for timestamp_ms, partitions in by_time.items():
        found = _list_offsets(client, listing, partitions, timestamp_ms, 0, deadline_s)
        answers.answered.update({partition: each.offset for partition, each in found.answered.items()})
        answers.unanswered.update(found.unanswered)
    return answers


def read_newest_times(
    client: KafkaClient, listing: ClusterListing, partitions: Iterable[TopicPartition], deadline_s: float
) -> LeaderAnswers[int]:
    """The highest timestamp of any record of a partition, in ms since 1970; -1 where there is no record."""
    answers: LeaderAnswers[int] = LeaderAnswers()
    found = _list_offsets(client, listing, partitions, MAX_TIMESTAMP, 0, deadline_s)
    answers.answered.update({partition: each.timestamp_ms for partition, each in found.answered.items()})
    answers.unanswered.update(found.unanswered)
    return answers


def _list_offsets(
    client: KafkaClient,
    listing: ClusterListing,
    partitions: Iterable[TopicPartition],
    timestamp_ms: int,
    isolation_level: int,
    deadline_s: float,
) -> LeaderAnswers[Found]:
    """The offset of each partition that belongs to a timestamp, or to one of the special ones."""

    def make_request(asked: Sequence[TopicPartition]) -> Any:
        topic_type = ListOffsetsRequest.ListOffsetsTopic
        by_topic: defaultdict[str, list[Any]] = defaultdict(list)
        for partition in asked:
            by_topic[partition.topic].append(
                topic_type.ListOffsetsPartition(
                    partition_index=partition.partition, current_leader_epoch=-1, timestamp=timestamp_ms
                )
            )
        return ListOffsetsRequest(
            replica_id=-1,
            isolation_level=isolation_level,
            topics=[topic_type(name=name, partitions=numbers) for name, numbers in by_topic.items()],
            timeout_ms=client.settings.request_timeout_ms,
        )

    return ask_leaders(client, listing, partitions, make_request, _read_response, deadline_s)


def _read_response(response: Any) -> Iterator[tuple[TopicPartition, int, Found]]:
    for topic in response.topics:
        for partition in topic.partitions:
            yield (
                TopicPartition(topic.name, partition.partition_index),
                partition.error_code,
                Found(partition.offset, partition.leader_epoch, partition.timestamp),
            )
