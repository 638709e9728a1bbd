"""Where a leader epoch ends in today's log (KIP-320): the sign of a log that was rewritten and grew again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kafka.protocol.consumer.offsets import OffsetForLeaderEpochRequest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.leaders import LeaderAnswers, ask_leaders
from loader.kafka_source.metadata import ClusterListing
from loader.values import TopicPartition


def read_epoch_ends(
    client: KafkaClient,
    listing: ClusterListing,
    leader_epochs: Mapping[TopicPartition, int],
    deadline_s: float,
) -> LeaderAnswers[int]:
    """The end offset, exclusive, of the given leader epoch of each partition.

    When the log no longer knows the epoch, the end of the largest one below it; -1 when there is none.
    """

    def make_request(asked: Sequence[TopicPartition]) -> Any:
        topic_type = OffsetForLeaderEpochRequest.OffsetForLeaderTopic
        by_topic: defaultdict[str, list[Any]] = defaultdict(list)
        for partition in asked:
            by_topic[partition.topic].append(
                topic_type.OffsetForLeaderPartition(
                    partition=partition.partition,
                    current_leader_epoch=-1,
                    leader_epoch=leader_epochs[partition],
                )
            )
        return OffsetForLeaderEpochRequest(
            replica_id=-1,
            topics=[topic_type(topic=name, partitions=numbers) for name, numbers in by_topic.items()],
        )

    return ask_leaders(client, listing, leader_epochs, make_request, _read_response, deadline_s)


def _read_response(response: Any) -> Iterator[tuple[TopicPartition, int, int]]:
    for topic in response.topics:
        for partition in topic.partitions:
            yield TopicPartition(topic.topic, partition.partition), partition.error_code, partition.end_offset
