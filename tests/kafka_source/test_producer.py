"""The producer holds a bounded amount, and knows what was acknowledged when a broker falls silent."""

import pytest

from loader.errors import BrokerUnavailable
from loader.kafka_source.batch_builder import Outgoing
from loader.kafka_source.producer import Producer
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.oracle import read_by_librdkafka
from tests.end_to_end.producing import wait_until

from .asking import create, settings


def producer_of(servers: str, topic: str, partitions: list[int], stall_timeout_s: float = 20) -> Producer:
    return Producer(
        settings(servers, stall_timeout_s=stall_timeout_s, request_timeout_ms=int(stall_timeout_s * 1000)),
        topic,
        partitions,
        codec="none",
        is_idempotent=True,
        batch_bytes=4_000,
    )


def test_what_is_not_acknowledged_is_bounded_however_long_the_input(
    kafka: KafkaCluster, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(partitions=2)
    monkeypatch.setattr("loader.kafka_source.producer.WINDOW_BYTES", 20_000)
    producer = producer_of(kafka.bootstrap_servers, topic, [0, 1])
    held = []

    for number in range(2_000):
        assert producer.send(Outgoing(b"%0100d" % number))
        held.append(producer._window_bytes)
    producer.finish()
    producer.close()

    assert 4_000 < max(held) <= 20_000 + 200  # more than one batch is under way, and never one too many
    assert (producer.acknowledged_count, producer.first_unacknowledged) == (2_000, None)
    found = [int(record.value or b"") for record in read_by_librdkafka(kafka, topic)]
    assert sorted(found) == list(range(2_000))


def test_a_broker_that_falls_silent_ends_with_the_first_record_that_was_not_acknowledged(
    own_kafka: KafkaCluster,
) -> None:
    create(own_kafka, "orders")
    producer = producer_of(own_kafka.bootstrap_servers, "orders", [0], stall_timeout_s=1)
    for number in range(100):
        assert producer.send(Outgoing(b"%d" % number, place=f"line {number + 1}"))

    def are_acknowledged() -> bool:
        producer._settle()
        return producer.acknowledged_count == 100

    wait_until(are_acknowledged, "the first records to be acknowledged")
    own_kafka.nodes[0].pause()
    try:
        for number in range(100, 200):
            assert producer.send(Outgoing(b"%d" % number, place=f"line {number + 1}"))
        producer.finish()
        is_taken = producer.send(Outgoing(b"late"))
        producer.close()
    finally:
        own_kafka.nodes[0].resume()

    found = producer.first_unacknowledged
    assert found is not None
    assert (found.number, found.place) == (100, "line 101")
    assert isinstance(found.reason, BrokerUnavailable)
    assert not is_taken
    assert producer.acknowledged_count == 100
    values = [record.value for record in read_by_librdkafka(own_kafka, "orders")]
    assert values[:100] == [b"%d" % number for number in range(100)]
    assert b"late" not in values


def test_a_second_request_to_end_leaves_what_is_not_acknowledged_and_tells_it(
    own_kafka: KafkaCluster,
) -> None:
    create(own_kafka, "interrupted")
    producer = producer_of(own_kafka.bootstrap_servers, "interrupted", [0], stall_timeout_s=60)
    own_kafka.nodes[0].pause()
    try:
        assert producer.send(Outgoing(b"v", place="line 1"))
        producer.finish(lambda: True)
        producer.close()
    finally:
        own_kafka.nodes[0].resume()

    found = producer.first_unacknowledged
    assert found is not None
    assert (found.number, found.place, producer.acknowledged_count) == (0, "line 1", 0)
