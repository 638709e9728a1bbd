"""The time of the record at an offset, held against what was produced."""

import struct
from dataclasses import replace

import pytest

from loader.kafka_source.client import KafkaClient
from loader.kafka_source.first_times import FIRST_BYTES, first_time, read_first_times
from loader.kafka_source.metadata import read_listing
from loader.values import TopicPartition
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import T0_MS, Message, messages, produce, transactional_producer


def times_of(client: KafkaClient, topic: str, *offsets: int) -> list[int | None]:
    """Of partition 0 of a topic, at each of these offsets."""
    listing = read_listing(client, [topic], ())
    partition = TopicPartition(topic, 0)
    return [read_first_times(client, listing, {partition: offset}).get(partition) for offset in offsets]


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_the_time_of_the_first_record_at_an_offset_is_told(
    codec: str, client: KafkaClient, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    for first in (0, 10):
        produce(kafka, topic, messages(10, first=first), {"compression.type": codec})

    assert times_of(client, topic, 0, 10, 20) == [T0_MS, T0_MS + 10_000, None]
    # Within a batch nothing is decoded: its first record is older, or as old.
    assert times_of(client, topic, 15) == [T0_MS + 10_000]


def test_batches_larger_than_the_first_question_allows_are_asked_for_again(
    client: KafkaClient, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=3)
    large = b"x" * (3 * FIRST_BYTES)
    for number in range(3):
        produce(kafka, topic, [Message(large, timestamp_ms=T0_MS + number, partition=number)])
    listing = read_listing(client, [topic], ())
    offsets = {TopicPartition(topic, number): 0 for number in range(3)}

    found = read_first_times(client, listing, offsets)

    assert found == {TopicPartition(topic, number): T0_MS + number for number in range(3)}


def test_what_an_open_transaction_holds_back_has_a_time(
    client: KafkaClient, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    for each in messages(3):
        producer.produce(topic, each.value, partition=0, timestamp=each.timestamp_ms)
    producer.flush()

    assert times_of(client, topic, 0) == [T0_MS]
    producer.abort_transaction()


def test_by_log_append_time_the_broker_s_time_counts(
    client: KafkaClient, kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(config={"message.timestamp.type": "LogAppendTime"})
    produce(kafka, topic, [replace(each, timestamp_ms=T0_MS) for each in messages(2)])

    (time_ms,) = times_of(client, topic, 0)

    assert time_ms is not None
    assert time_ms > T0_MS + 86_400_000


def header(base_offset: int, last_delta: int, base_ms: int, attributes: int = 0, max_ms: int = 99) -> bytes:
    """A batch that is nothing but a header."""
    fields = (base_offset, 31, 0, 2, 0, attributes, last_delta, base_ms, max_ms)
    return struct.pack(">qiibIhiqq", *fields)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (b"", (False, None)),
        (header(0, 9, 7)[:-1], (False, None)),
        (header(0, 9, 7), (False, None)),
        (header(0, 9, 7) + header(10, 0, 8), (True, 8)),
        (header(0, 19, 7), (True, 7)),
        (header(10, 0, 7, attributes=0x08), (True, 99)),
        (header(10, 0, -1), (True, None)),
        (header(10, 0, 7, attributes=0x40), (True, None)),
        (header(10, 0, 7, attributes=0x20) + header(11, 0, 8), (True, 8)),
        (header(10, 0, 7, attributes=0x20), (True, 7)),
    ],
    ids=[
        "nothing",
        "cut short",
        "ends before the offset",
        "the second batch",
        "holds the offset",
        "log append time",
        "no timestamp",
        "delete horizon",
        "a marker before a record",
        "a marker alone",
    ],
)
def test_of_a_batch_s_header_only_what_it_really_says_is_told(
    records: bytes, expected: tuple[bool, int | None]
) -> None:
    assert first_time(records, 10) == expected
