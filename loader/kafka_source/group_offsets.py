"""Offsets of a consumer group, written for the eyes of others: no member joins, and nothing is read back.

A group without members takes offsets from anybody who may READ it (generation -1, no member id).
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from kafka import errors as kafka_errors
from kafka.protocol.consumer import OffsetCommitRequest
from kafka.protocol.metadata import FindCoordinatorRequest

from loader.errors import BrokerUnavailable
from loader.kafka_source.client import KafkaClient
from loader.values import PartitionPosition, TopicPartition

GROUP = 0
"""The kind of a coordinator's key; others are transactions and share groups."""

PARTITIONS_AT_ONCE = 1000
"""Of one request: the broker writes them as one batch, which must stay below its largest."""

BY_NAME_VERSION = 9
"""The last version of OffsetCommit that names topics; later ones take ids only (KIP-848)."""

RETRY_PAUSE_S = 0.2

MOVED = (
    kafka_errors.NotCoordinatorError,
    kafka_errors.CoordinatorNotAvailableError,
    kafka_errors.CoordinatorLoadInProgressError,
)
"""The coordinator is being found or moved; the very first group of a cluster meets this as well."""


def commit_offsets(
    client: KafkaClient, group: str, places: Mapping[TopicPartition, PartitionPosition], deadline_s: float
) -> dict[str, list[TopicPartition]]:
    """Commit places as the offsets of a group; which partitions were refused, by the name of the error.

    deadline_s  on time.monotonic's clock

    Raises BrokerUnavailable where no coordinator answers until then, AccessDenied where the login fails.
    """
    refused: defaultdict[str, list[TopicPartition]] = defaultdict(list)
    rest = iter(sorted(places.items(), key=lambda entry: entry[0]))
    while part := dict(islice(rest, PARTITIONS_AT_ONCE)):
        for partition, error in _commit_part(client, group, part, deadline_s).items():
            if error is not kafka_errors.NoError:
                refused[error.__name__].append(partition)
    return dict(refused)


def _commit_part(
    client: KafkaClient, group: str, places: Mapping[TopicPartition, PartitionPosition], deadline_s: float
) -> dict[TopicPartition, type[Exception]]:
    """How each partition ended, asked again while the coordinator moves."""
    while True:
        coordinator, error = coordinator_of(client, group)
        if error is kafka_errors.NoError:
            response = client.ask(_request(group, places), coordinator)
            ended = {
                TopicPartition(topic.name, each.partition_index): kafka_errors.for_code(each.error_code)
                for topic in response.topics
                for each in topic.partitions
            }
            error = next((each for each in ended.values() if each in MOVED), kafka_errors.NoError)
            if error is kafka_errors.NoError:
                return ended
        elif error not in MOVED:
            return dict.fromkeys(places, error)
        if time.monotonic() + RETRY_PAUSE_S >= deadline_s:
            raise BrokerUnavailable(f"group {group} has no coordinator ({error.__name__})")
        time.sleep(RETRY_PAUSE_S)


def await_coordinator(client: KafkaClient, group: str, deadline_s: float) -> tuple[int, type[Exception]]:
    """The same as `coordinator_of`, asked again until the deadline while the coordinator is being found."""
    while True:
        coordinator, error = coordinator_of(client, group)
        if error not in MOVED or time.monotonic() + RETRY_PAUSE_S >= deadline_s:
            return coordinator, error
        time.sleep(RETRY_PAUSE_S)


def coordinator_of(client: KafkaClient, group: str) -> tuple[int, type[Exception]]:
    """The node that keeps a group, or why there is none now."""
    found = client.ask(FindCoordinatorRequest(key=group, key_type=GROUP, coordinator_keys=[group]))
    # Since version 4 (KIP-699) a request may ask for several groups.
    answer: Any = found.coordinators[0] if found.coordinators else found
    return answer.node_id, kafka_errors.for_code(answer.error_code)


def _request(group: str, places: Mapping[TopicPartition, PartitionPosition]) -> Any:
    topic_type = OffsetCommitRequest.OffsetCommitRequestTopic
    by_topic: defaultdict[str, list[Any]] = defaultdict(list)
    for partition, place in places.items():
        by_topic[partition.topic].append(
            topic_type.OffsetCommitRequestPartition(
                partition_index=partition.partition,
                committed_offset=place.next_offset,
                committed_leader_epoch=place.leader_epoch,
                committed_metadata="kafka-loader",
            )
        )
    topics: Sequence[Any] = [topic_type(name=name, partitions=each) for name, each in by_topic.items()]
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=topics,
        max_version=BY_NAME_VERSION,
    )
