"""The Kafka that other tests stand on: a node fails in every way and comes back with what it was sent."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from local_services.errors import ServiceError
from local_services.java import has_compiler
from local_services.kafka import KafkaCluster, run_java


def produce(cluster: KafkaCluster, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "acks": "all", "log_level": 0})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(cluster: KafkaCluster, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    (message,) = consumer.consume(1, timeout=30)
    consumer.close()
    return message.value()


@pytest.fixture(scope="module")
def cluster_to_harm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path_factory.mktemp("own-kafka")) as cluster:
        cluster.run_tool("org.apache.kafka.tools.TopicCommand", "--create", "--topic", "kept")
        yield cluster


@pytest.fixture
def own_kafka(cluster_to_harm: KafkaCluster) -> KafkaCluster:
    """A cluster that a test may harm; whole again for the next."""
    if not cluster_to_harm.running:
        cluster_to_harm.start()
    return cluster_to_harm


def test_a_new_topic_can_be_written_and_read_at_once(
    kafka: KafkaCluster, new_topic: Callable[..., str]
) -> None:
    topic = new_topic(partitions=3, config={"max.message.bytes": "2000000"})

    produce(kafka, topic, b"a")

    reading = ("--topic", topic, "--from-beginning", "--max-messages", "1")
    out, _ = kafka.run_tool("org.apache.kafka.tools.consumer.ConsoleConsumer", *reading)
    assert topic.startswith("test-a-new-topic-can-be-written")
    assert out == b"a\n"


def test_a_killed_node_comes_back_on_its_port_with_its_records(own_kafka: KafkaCluster) -> None:
    produce(own_kafka, "kept", b"content")
    address = own_kafka.bootstrap_servers

    own_kafka.nodes[0].kill()
    assert not own_kafka.nodes[0].answers()
    own_kafka.nodes[0].start()

    assert own_kafka.bootstrap_servers == address
    assert consume(own_kafka, "kept") == b"content"


def test_a_paused_node_runs_but_does_not_answer(own_kafka: KafkaCluster) -> None:
    (node,) = own_kafka.nodes

    node.pause()

    assert node.running
    assert not node.answers(timeout_s=1)
    node.resume()
    node.wait_until_ready()


def test_another_object_over_the_same_folder_finds_and_stops_the_server(own_kafka: KafkaCluster) -> None:
    found = KafkaCluster(own_kafka.folder)

    assert found.running
    assert found.bootstrap_servers == own_kafka.bootstrap_servers

    found.stop()

    assert not own_kafka.running


def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path, properties={"log.segment.bytes": "many"})

    with pytest.raises(ServiceError, match=r"log\.segment\.bytes"):
        cluster.start()

    assert not cluster.running


def test_a_busy_port_is_named(kafka: KafkaCluster, tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path, ports=[kafka.nodes[0].port])

    with pytest.raises(ServiceError, match=f"port {kafka.nodes[0].port} on 127.0.0.1 is busy"):
        cluster.start()


@pytest.mark.skipif(not has_compiler(), reason="a JRE has no compiler")
def test_a_java_file_runs_with_kafkas_client(tmp_path: Path) -> None:
    source = tmp_path / "ClientVersion.java"
    source.write_text(
        "public class ClientVersion { public static void main(String[] arguments) {"
        "  System.out.println(org.apache.kafka.common.utils.AppInfoParser.getVersion()); } }"
    )

    out, _ = run_java(source)

    assert out == b"4.3.1\n"
