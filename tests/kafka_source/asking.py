"""Short ways to ask a cluster through the room's own functions."""

import time
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import read_listing
from loader.kafka_source.settings import KafkaSettings
from loader.kafka_source.watermarks import read_bounds
from loader.planning.bounds import PartitionBounds
from local_services.kafka import KafkaCluster


def settings(servers: str, **changes: Any) -> KafkaSettings:
    """Of a client that gives up soon."""
    known = {
        "client_id": "tests",
        "request_timeout_ms": 5_000,
        "stall_timeout_s": 20.0,
        "fetch_max_wait_ms": 50,
    }
    return KafkaSettings(bootstrap_servers=tuple(servers.split(",")), **{**known, **changes})


def topic_id_of(client: KafkaClient, topic: str) -> str:
    return read_listing(client, [topic], ()).topics[topic].topic_id


def bounds_of(client: KafkaClient, topic: str, partition: int = 0) -> PartitionBounds:
    listing = read_listing(client, [topic], ())
    return read_bounds(client, listing, soon())[topic].partitions[partition]


def soon(seconds: float = 10) -> float:
    return time.monotonic() + seconds


def admin_of(kafka: KafkaCluster) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})


def create(kafka: KafkaCluster, topic: str, replicas: int = 1) -> None:
    admin = admin_of(kafka)  # kept: its futures are never done once it is collected
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=replicas)])[topic].result(30)


def delete(kafka: KafkaCluster, topic: str) -> None:
    admin = admin_of(kafka)
    admin.delete_topics([topic])[topic].result(30)


def delete_records(kafka: KafkaCluster, topic: str, before_offset: int, partition: int = 0) -> None:
    admin = admin_of(kafka)
    (future,) = admin.delete_records([TopicPartition(topic, partition, before_offset)]).values()
    future.result(30)


def count_requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by the kind of each request that any client sends from now on."""
    sent: list[str] = []
    ask_each = KafkaClient.ask_each

    def counted(self: KafkaClient, requests: Any, *arguments: Any) -> Any:
        sent.extend(type(each).__name__ for each in requests.values())
        return ask_each(self, requests, *arguments)

    monkeypatch.setattr(KafkaClient, "ask_each", counted)
    return sent
