"""Which topics the cluster has, who they are, and which broker leads each partition."""

import base64
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kafka import errors as kafka_errors

from loader.errors import BrokerUnavailable, ConfigError, UnsupportedBroker
from loader.kafka_source.client import KafkaClient
from loader.values import TopicPartition


@dataclass(frozen=True, slots=True)
class Leader:
    """The broker that leads a partition, and since which leader epoch. node_id -1: there is none now."""

    node_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Replicas:
    """The brokers that hold copies of a partition, by node id, the preferred leader first.

    in_sync  those whose copy is complete
    offline  those that are down, or whose disk is
    """

    node_ids: tuple[int, ...]
    in_sync: tuple[int, ...]
    offline: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicListing:
    """One topic as the cluster's metadata describes it."""

    name: str
    topic_id: str
    is_internal: bool
    leaders: Mapping[int, Leader]
    replicas: Mapping[int, Replicas] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterListing:
    """The topics that were asked for.

    missing  names that the cluster does not know
    denied   names that this user may not describe
    """

    cluster_id: str
    topics: Mapping[str, TopicListing]
    missing: frozenset[str] = frozenset()
    denied: frozenset[str] = field(default=frozenset())

    def leader_of(self, partition: TopicPartition) -> Leader | None:
        """Who leads a partition; None when the listing has no such partition."""
        topic = self.topics.get(partition.topic)
        return topic.leaders.get(partition.partition) if topic else None


def read_listing(
    client: KafkaClient, names: Iterable[str], patterns: Iterable[str], *, internal: bool = False
) -> ClusterListing:
    """List the named topics, and those whose whole name matches one of the patterns.

    internal  whether patterns match Kafka's internal topics (`__consumer_offsets`); a name always does

    Raises BrokerUnavailable when the answer cannot be true: a broker that has just started answers
    with no brokers at all.
    """
    names = sorted(set(names))
    wanted = [re.compile(pattern) for pattern in patterns]
    named = _known_to_any(client, _listing(client, client.read_metadata(names)))
    if not wanted:
        return named
    everything = _listing(client, client.read_metadata(None))
    matched = {
        name: topic
        for name, topic in everything.topics.items()
        if (internal or not topic.is_internal) and any(pattern.fullmatch(name) for pattern in wanted)
    }
    denied = {name for name in everything.denied if any(pattern.fullmatch(name) for pattern in wanted)}
    return ClusterListing(
        named.cluster_id, {**matched, **named.topics}, named.missing, named.denied | frozenset(denied)
    )


def _known_to_any(client: KafkaClient, listing: ClusterListing) -> ClusterListing:
    """The listing, with topics that the broker which gave it does not know, but another does.

    A broker that was cut off from the controllers, or has just begun, still answers with what it knew
    before. That a topic is gone is a person's matter: all brokers that answer must say so.
    """
    topics, missing = dict(listing.topics), set(listing.missing)
    for response in client.read_metadata_of_each(sorted(missing)) if missing else ():
        if response.brokers and response.cluster_id == listing.cluster_id:
            found = _listing(client, response)
            topics.update(found.topics)
            missing -= found.topics.keys()
    return replace(listing, topics=topics, missing=frozenset(missing))


def _listing(client: KafkaClient, response: Any) -> ClusterListing:
    if not response.brokers or not response.cluster_id:
        raise BrokerUnavailable(
            f"{', '.join(client.settings.bootstrap_servers)} answered with no brokers: it is starting, or not"
            " part of a cluster. Nothing was read or written. Run again."
        )
    topics, missing, denied = {}, set(), set()
    for topic in response.topics:
        error = kafka_errors.for_code(topic.error_code)
        if error is kafka_errors.NoError:
            topics[topic.name] = _topic(topic)
        elif error is kafka_errors.TopicAuthorizationFailedError:
            denied.add(topic.name)
        elif error is kafka_errors.InvalidTopicError:
            raise ConfigError([f"topics: {topic.name!r} cannot be the name of a Kafka topic"])
        elif error is kafka_errors.UnknownTopicOrPartitionError:
            missing.add(topic.name)
        else:
            raise BrokerUnavailable(f"{topic.name}: metadata answered {error.__name__}. Run again.")
    return ClusterListing(response.cluster_id, topics, frozenset(missing), frozenset(denied))


def _topic(topic: Any) -> TopicListing:
    if topic.topic_id is None:
        raise UnsupportedBroker(
            f"{topic.name}: the brokers give no topic id, so they are older than Kafka 2.8 (KIP-516). A"
            " topic that was deleted and created again could not be told from the old one. Upgrade the"
            " brokers."
        )
    leaders = {
        partition.partition_index: Leader(partition.leader_id, partition.leader_epoch)
        for partition in topic.partitions
    }
    replicas = {
        partition.partition_index: Replicas(
            tuple(partition.replica_nodes), tuple(partition.isr_nodes), tuple(partition.offline_replicas)
        )
        for partition in topic.partitions
    }
    return TopicListing(topic.name, format_topic_id(topic.topic_id), topic.is_internal, leaders, replicas)


def format_topic_id(topic_id: uuid.UUID) -> str:
    """A topic id as Kafka's own tools print it: 22 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode()


def parse_topic_id(text: str) -> uuid.UUID:
    """The reverse of `format_topic_id`."""
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
