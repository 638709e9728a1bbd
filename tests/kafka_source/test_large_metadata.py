"""Metadata of clusters that are larger than any that a test could start."""

import socket
import struct
import threading
import uuid
from collections.abc import Iterator

import pytest
from kafka.protocol.metadata import ApiVersionsResponse, MetadataRequest, MetadataResponse

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import Leader, format_topic_id, read_listing

from .asking import settings

API_VERSIONS_KEY = 18
METADATA_VERSION = 12
"""The last whose answer names the cluster, topic ids, and no top-level error."""

TOPICS, PARTITIONS, BROKERS = 13, 5_000, 50


class Cluster:
    """Answers ApiVersions and Metadata at one address; the brokers that it speaks of are not there."""

    def __init__(self) -> None:
        self.topic_ids = {f"orders-{number}": uuid.uuid4() for number in range(TOPICS)}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = self._listening.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self._nothing, self._everything = self._metadata({}), self._metadata(self.topic_ids)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    @staticmethod
    def leader_of(number: int) -> Leader:
        return Leader(number % BROKERS, number % 7)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed: the test is over
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests:
            while head := requests.read(4):
                request = requests.read(struct.unpack(">i", head)[0])
                key, version, correlation_id, client_id_size = struct.unpack(">hhih", request[:10])
                topics_at = 10 + client_id_size + 1  # behind the header's tags, of which there are none
                header = struct.pack(">i", correlation_id)
                if key == API_VERSIONS_KEY:
                    body = self._versions(version)
                else:
                    asks_for_all = request[topics_at] == 0  # else for none: with 1 begins an empty list
                    body = b"\0" + (self._everything if asks_for_all else self._nothing)
                connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)

    @staticmethod
    def _versions(version: int) -> bytes:
        known = ApiVersionsResponse.ApiVersion
        versions = [
            known(
                api_key=MetadataRequest.API_KEY, min_version=METADATA_VERSION, max_version=METADATA_VERSION
            ),
            known(api_key=API_VERSIONS_KEY, min_version=0, max_version=0),
        ]
        return bytes(ApiVersionsResponse(error_code=0, api_keys=versions).encode(version=version))

    def _metadata(self, topic_ids: dict[str, uuid.UUID]) -> bytes:
        topic_type, broker_type = (
            MetadataResponse.MetadataResponseTopic,
            MetadataResponse.MetadataResponseBroker,
        )
        partition_type = topic_type.MetadataResponsePartition
        brokers = [
            broker_type(node_id=number, host="127.0.0.1", port=self._port, rack=None)
            for number in range(BROKERS)
        ]
        partitions = [
            partition_type(
                error_code=0,
                partition_index=number,
                leader_id=self.leader_of(number).node_id,
                leader_epoch=self.leader_of(number).epoch,
                replica_nodes=[self.leader_of(number).node_id],
                isr_nodes=[self.leader_of(number).node_id],
                offline_replicas=[],
            )
            for number in range(PARTITIONS)
        ]
        topics = [
            topic_type(error_code=0, name=name, topic_id=topic_id, is_internal=False, partitions=partitions)
            for name, topic_id in topic_ids.items()
        ]
        response = MetadataResponse(
            throttle_time_ms=0, brokers=brokers, cluster_id="large", controller_id=0, topics=topics
        )
        return bytes(response.encode(version=METADATA_VERSION))


@pytest.fixture
def large() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


def test_65_000_partitions_are_listed_with_their_leaders(large: Cluster) -> None:
    with KafkaClient(settings(large.address, request_timeout_ms=60_000)) as client:
        client.connect(60_000)
        listing = read_listing(client, (), ["orders-.*"])

    assert listing.cluster_id == "large"
    assert {name: topic.topic_id for name, topic in listing.topics.items()} == {
        name: format_topic_id(topic_id) for name, topic_id in large.topic_ids.items()
    }
    expected = {number: large.leader_of(number) for number in range(PARTITIONS)}
    assert all(topic.leaders == expected for topic in listing.topics.values())
    assert sum(len(topic.leaders) for topic in listing.topics.values()) == 65_000
