"""What brokers can do and what this user may: protocol versions, and authorized operations (KIP-430)."""

import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kafka import errors as kafka_errors
from kafka.protocol.admin import DescribeClusterRequest, DescribeGroupsRequest
from kafka.protocol.broker_version_data import BrokerVersionData
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.fetch_request import FIRST_VERSION_BY_TOPIC_ID

READ, DESCRIBE = 3, 8
"""Codes of AclOperation, by which brokers answer what is allowed."""

FETCH = 1


@dataclass(frozen=True, slots=True)
class Versions:
    """What a broker speaks.

    release         the Kafka release whose protocol it is, 4.3; the newest that the client knows at most
    is_new_enough   whether it answers fetches by topic id (KIP-516), since Kafka 3.1
    """

    release: str
    is_new_enough: bool


def knock(address: str, timeout_s: float) -> str | None:
    """Connect to host:port and hang up; why not, None where it can be reached."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
    except socket.gaierror as error:
        return f"{host} cannot be resolved ({error.strerror})"
    except OSError as error:
        return f"it takes no connection ({error.strerror or error})"
    return None


def read_versions(client: KafkaClient, node_id: int) -> Versions:
    """What a broker speaks. Raises BrokerUnavailable, AccessDenied."""
    request = ApiVersionsRequest(client_software_name="kafka-loader", client_software_version="1")
    keys = client.ask(request, node_id).api_keys
    versions = {each.api_key: (each.min_version, each.max_version) for each in keys}
    release = BrokerVersionData(api_versions=versions).broker_version
    newest_fetch = versions.get(FETCH, (0, 0))[1]
    return Versions(".".join(map(str, release)), newest_fetch >= FIRST_VERSION_BY_TOPIC_ID)


def unreadable_topics(client: KafkaClient, names: Iterable[str]) -> list[str]:
    """Those of topics that this user may describe, but not read."""
    topic_type = MetadataRequest.MetadataRequestTopic
    request = MetadataRequest(
        topics=[topic_type(name=name) for name in names],
        allow_auto_topic_creation=False,
        include_topic_authorized_operations=True,
    )
    response = client.ask_any(request)
    return sorted(topic.name for topic in response.topics if not _may(topic.authorized_operations, READ))


def may_describe_cluster(client: KafkaClient) -> bool:
    """Whether this user may ask for the sizes of logs."""
    response = client.ask_any(DescribeClusterRequest(include_cluster_authorized_operations=True))
    return _may(response.authorized_operations, DESCRIBE)


def may_write_group(client: KafkaClient, group: str, coordinator: int) -> bool:
    """Whether this user may commit offsets of a group, which READ on it allows."""
    response = client.ask(
        DescribeGroupsRequest(groups=[group], include_authorized_operations=True), coordinator
    )
    (described,) = response.groups
    if kafka_errors.for_code(described.error_code) is kafka_errors.GroupAuthorizationFailedError:
        return False
    return _may(described.authorized_operations, READ)


def _may(operations: Collection[int] | None, operation: int) -> bool:
    """Whether an operation is allowed; brokers that do not tell are taken to allow it."""
    return operations is None or operation in operations
