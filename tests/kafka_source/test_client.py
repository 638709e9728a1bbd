"""What is used of kafka-python's private classes, and how a client connects, fails and keeps its secrets."""

import inspect
import pickle
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import errors as kafka_errors
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.admin.cluster import DescribeLogDirsRequest
from kafka.protocol.admin.configs import DescribeConfigsRequest
from kafka.protocol.admin.groups import DescribeGroupsRequest, ListGroupsRequest
from kafka.protocol.consumer import ListOffsetsRequest
from kafka.protocol.consumer.fetch import FetchRequest
from kafka.protocol.consumer.group import OffsetFetchRequest
from kafka.protocol.consumer.offsets import OffsetForLeaderEpochRequest
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.parser import KafkaProtocol

from loader.config.kafka import SecurityConfig
from loader.config.secrets import Secrets
from loader.errors import BrokerUnavailable, ConfigError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.connections import Frame, receive
from loader.kafka_source.messages import ConsumerGroupDescribeRequest
from loader.kafka_source.settings import security_options
from local_services.kafka import KafkaCluster

from .asking import settings

UPGRADE = (
    "kafka-python has changed what it does not promise. Read the new version's kafka/net/manager.py and"
    " kafka/protocol, change loader/kafka_source/client.py and this test together, or pin the version before."
)


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (NetworkSelector.__init__, ["self", "configs"]),
        (NetworkSelector.run, ["self", "coro", "args"]),
        (NetworkSelector.close, ["self"]),
        (KafkaConnectionManager.__init__, ["self", "net", "configs"]),
        (KafkaConnectionManager.bootstrap, ["self", "timeout_ms", "refresh"]),
        (KafkaConnectionManager.send, ["self", "request", "node_id", "request_timeout_ms"]),
        (KafkaConnectionManager.auth_failure, ["self", "node_id"]),
        (KafkaConnectionManager.least_loaded_node, ["self"]),
        (KafkaConnectionManager.close, ["self", "node_id", "timeout_ms"]),
        (
            KafkaConnectionManager._connect,
            ["self", "node", "conn", "reset_backoff_on_connect", "timeout_at"],
        ),
        (KafkaConnectionManager._build_transport, ["self", "node", "timeout_at"]),
        (KafkaTCPTransport._sock_recv, ["self"]),
        (KafkaSSLTransport._sock_recv, ["self"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_kafka_pythons_methods_take_what_the_client_gives(
    function: Callable[..., Any], expected: list[str]
) -> None:
    assert parameters(function) == expected, UPGRADE


def test_kafka_python_knows_every_option_that_it_is_given() -> None:
    # It ignores a name that it does not know: a password under another name would just not be sent.
    full = SecurityConfig(
        protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        username="ann",
        password_env="P",  # noqa: S106  a name
        ca_file="ca",
        certificate_file="c",
        key_file="k",
        key_password_env="K",  # noqa: S106  a name
    )
    given = {
        "bootstrap_servers",
        "client_id",
        "request_timeout_ms",
        "receive_message_max_bytes",
        "reconnect_backoff_max_ms",
        "socket_connection_setup_timeout_ms",
        "socket_connection_setup_timeout_max_ms",
        *security_options(full, Secrets()),
        "sasl_plain_password",
        "ssl_password",
    }

    assert given <= set(KafkaConnectionManager.DEFAULT_CONFIG), UPGRADE


def test_kafka_pythons_bootstrapping_does_as_the_client_expects(kafka: KafkaCluster) -> None:
    net = NetworkSelector(client_id="tests")
    manager = KafkaConnectionManager(net, bootstrap_servers=[kafka.bootstrap_servers])
    assert not manager.bootstrapped, UPGRADE
    assert [broker.port for broker in manager.cluster.bootstrap_brokers()] == [kafka.nodes[0].port], UPGRADE
    assert manager.auth_failure(manager.cluster.bootstrap_brokers()[0].node_id) is None, UPGRADE

    manager.bootstrap(timeout_ms=30_000)

    assert manager.bootstrapped, UPGRADE
    assert manager.cluster.broker_metadata(1).port == kafka.nodes[0].port, UPGRADE
    assert manager.cluster.broker_metadata(99) is None, UPGRADE
    assert [broker.node_id for broker in manager.cluster.brokers()] == [1], UPGRADE
    manager.close()
    net.close()


def test_kafka_pythons_send_gives_a_future_of_a_response(client: KafkaClient) -> None:
    async def send() -> Any:
        future = client._manager.send(MetadataRequest(topics=[], allow_auto_topic_creation=False), node_id=1)
        return await future

    response = client._net.run(send)

    assert [broker.node_id for broker in response.brokers] == [1], UPGRADE
    assert response.cluster_id, UPGRADE
    client._manager.cluster.update_metadata(response)


def test_kafka_pythons_send_to_a_broker_that_is_not_there_fails_as_a_kafka_error(client: KafkaClient) -> None:
    assert isinstance(client.ask_each({99: MetadataRequest(topics=[])})[99], kafka_errors.KafkaError), UPGRADE
    with pytest.raises(BrokerUnavailable, match="broker 99: "):
        client.ask(MetadataRequest(topics=[]), 99)


@pytest.mark.parametrize(
    ("request_type", "version"),
    [
        (FetchRequest, 13),
        (ListOffsetsRequest, 4),
        (OffsetForLeaderEpochRequest, 2),
        (DescribeLogDirsRequest, 1),
        (MetadataRequest, 10),
        (DescribeConfigsRequest, 1),
        (ListGroupsRequest, 5),
        (DescribeGroupsRequest, 5),
        (OffsetFetchRequest, 8),
        (ConsumerGroupDescribeRequest, 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_kafka_python_speaks_the_versions_that_are_needed(request_type: Any, version: int) -> None:
    assert request_type.max_version >= version, UPGRADE


def test_kafka_python_gives_a_responses_records_as_the_brokers_bytes(
    client: KafkaClient, new_topic: Callable[[], str]
) -> None:
    from loader.kafka_source.fetch_request import fetch_request
    from loader.values import OffsetRange
    from tests.end_to_end.producing import Message, produce

    from .asking import topic_id_of

    topic = new_topic()
    cluster_address = client.settings.bootstrap_servers[0]
    produce(_at(cluster_address), topic, [Message(b"a value that is not compressed")])

    request = fetch_request([OffsetRange(topic, 0, 0, 1)], topic_id_of(client, topic), client.settings)
    response = client.ask(request, 1)

    answer = response.responses[0].partitions[0]
    assert isinstance(response.responses[0].topic_id, uuid.UUID), UPGRADE
    assert isinstance(answer.records, bytes | memoryview), UPGRADE
    assert b"a value that is not compressed" in bytes(answer.records), UPGRADE
    assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 1, 1), UPGRADE
    assert (answer.log_start_offset, answer.preferred_read_replica) == (0, -1), UPGRADE
    assert not answer.aborted_transactions, UPGRADE


def _at(address: str) -> Any:
    class Cluster:
        bootstrap_servers = address

    return Cluster()


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address that refuses: bound, so that nobody else gets it, and not listened at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def silent_host() -> Iterator[str]:
    """An address that takes connections and never says a word, like a hung broker."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("dead", ["closed_port", "silent_host"])
def test_an_address_where_nobody_answers_ends_within_the_timeout(
    dead: str, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(dead)
    began = time.monotonic()

    with KafkaClient(settings(address)) as client, pytest.raises(BrokerUnavailable) as caught:
        client.connect(1_000)

    assert 0.9 < time.monotonic() - began < 5
    assert f"no answer from {address} within 1000 ms" in str(caught.value)
    assert "Nothing was read or written. Check that the brokers run" in str(caught.value)


@pytest.mark.parametrize("dead", ["closed_port", "silent_host"])
def test_a_dead_host_among_the_bootstrap_servers_does_no_harm(
    dead: str, request: pytest.FixtureRequest, kafka: KafkaCluster
) -> None:
    address = request.getfixturevalue(dead)
    servers = f"{address},{address.replace('127.0.0.1', 'localhost')},{kafka.bootstrap_servers}"

    # The order is drawn anew each time.
    for _ in range(4):
        began = time.monotonic()
        with KafkaClient(settings(servers)) as client:
            client.connect(30_000)
            assert client.read_metadata([]).cluster_id == kafka.cluster_id
        assert time.monotonic() - began < 10


class Bodies(KafkaProtocol):  # type: ignore[misc]  # it has no types
    """A parser that gives the body of each response as it came."""

    def _process_response(self, read_buffer: Any) -> bytes:
        return bytes(read_buffer.read())


def connected() -> tuple[KafkaTCPTransport, Bodies, socket.socket]:
    """A transport as a connection has it, its parser, and the broker's end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    transport = KafkaTCPTransport(NetworkSelector(client_id="tests"), ours)
    parser = Bodies(receive_message_max_bytes=2**30)
    transport.set_protocol(SimpleNamespace(parser=parser))
    return transport, parser, theirs


@pytest.mark.parametrize("piece_bytes", [1, 3, 1000, 10**9])
def test_responses_are_whole_however_their_bytes_arrive(piece_bytes: int) -> None:
    transport, parser, theirs = connected()
    bodies = [random.randbytes(size) for size in (1, 2, 5, 3_000, 1, 40_000 if piece_bytes > 3 else 400)]
    sent = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    received: list[bytes] = []

    for at in range(0, len(sent), piece_bytes):
        theirs.sendall(sent[at : at + piece_bytes])
        data, error = receive(transport)
        assert error is None, UPGRADE
        received += parser.receive_bytes(data)
    while len(received) < len(bodies):
        data, error = receive(transport)
        assert error is None, UPGRADE
        received += parser.receive_bytes(data)

    assert received == bodies, UPGRADE


def test_the_body_of_a_large_response_is_not_copied_before_it_is_decoded() -> None:
    transport, parser, theirs = connected()
    theirs.sendall((50_000).to_bytes(4, "big") + bytes(10_000))
    parser.receive_bytes(receive(transport)[0])
    theirs.sendall(bytes(30_000))

    assert receive(transport) == (b"", None), UPGRADE
    assert (parser._rbuffer.tell(), type(parser._rbuffer)) == (40_000, Frame), UPGRADE
    parser._rbuffer.seek(0)
    assert isinstance(parser._rbuffer.read(), memoryview)


def test_bytes_that_come_with_the_end_of_a_connection_are_not_lost() -> None:
    transport, _, theirs = connected()
    theirs.sendall(b"wrong password")
    theirs.close()

    assert receive(transport) == (b"wrong password", None), UPGRADE
    assert isinstance(receive(transport)[1], kafka_errors.KafkaConnectionError), UPGRADE


def test_a_connection_is_read_by_the_loaders_own_function(client: KafkaClient) -> None:
    client.read_metadata([])

    for connection in client._manager._conns.values():
        assert connection.transport._sock_recv.func is receive, UPGRADE


def test_connecting_again_does_nothing(client: KafkaClient) -> None:
    manager = client._manager

    client.connect(1)

    assert client._manager is manager


@pytest.mark.parametrize("changes", [{"ssl_cafile": "/no/such/file", "security_protocol": "SSL"}])
def test_a_file_that_is_not_there_is_no_bug(changes: dict[str, Any], kafka: KafkaCluster) -> None:
    with (
        pytest.raises((ConfigError, BrokerUnavailable)),
        KafkaClient(settings(kafka.bootstrap_servers, security=changes)) as client,
    ):
        client.connect(1_000)


def test_settings_show_no_secret_and_can_be_sent_to_tasks() -> None:
    known = settings("a:1", security={"sasl_plain_password": "s3cret"})

    assert "s3cret" not in f"{known} {known!r}"
    assert pickle.loads(pickle.dumps(known)) == known  # noqa: S301  our own bytes
