"""Filling topics: plain, in transactions, and with what a well-behaved client would not send."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from local_services.kafka import KafkaCluster

T0_MS = 1_709_200_800_000
"""2024-02-29 10:00:00 UTC: the time of records for which no other is given. Brokers refuse the future."""

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Headers may repeat a key and have no value."""

    value: bytes | None = b""
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int = T0_MS
    partition: int = 0


def messages(count: int, *, partition: int = 0, first: int = 0, timestamp_ms: int = T0_MS) -> list[Message]:
    """`count` different records, one every second."""
    return [
        Message(b"value %d" % number, b"key %d" % number, (), timestamp_ms + number * 1000, partition)
        for number in range(first, first + count)
    ]


def produce(
    kafka: KafkaCluster, topic: str, sent: Iterable[Message], config: Mapping[str, Any] | None = None
) -> None:
    """Send records; return when the broker has them all."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "message.max.bytes": 8_000_000,
            "linger.ms": 50,
            "log_level": 0,
            **(config or {}),
        }
    )
    send(producer, topic, sent)


def send(producer: Producer, topic: str, sent: Iterable[Message]) -> None:
    """Send by a producer that is there already; return when the broker has them all."""
    failures: list[Any] = []

    def note(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(error)

    for message in sent:
        producer.produce(
            topic,
            message.value,
            message.key,
            message.partition,
            timestamp=message.timestamp_ms,
            headers=list(message.headers),
            on_delivery=note,
        )
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failures, failures


def transactional_producer(kafka: KafkaCluster, transactional_id: str) -> Producer:
    """A producer ready to begin its first transaction."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "transactional.id": transactional_id,
            "log_level": 0,
        }
    )
    producer.init_transactions(60)
    return producer


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a partition ends: for read_committed, and for read_uncommitted."""

    last_stable_offset: int
    high_watermark: int


def ends_of(kafka: KafkaCluster, topic: str, partition: int = 0) -> Ends:
    """Where a partition ends now."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    place = TopicPartition(topic, partition)

    def end(isolation: IsolationLevel) -> int:
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        answers = admin.list_offsets({place: latest}, isolation_level=isolation)
        return int(answers[place].result(30).offset)

    return Ends(end(IsolationLevel.READ_COMMITTED), end(IsolationLevel.READ_UNCOMMITTED))


def delete_records(kafka: KafkaCluster, topic: str, before_offset: int) -> None:
    """Let the first partition begin at an offset, as retention would."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    for future in admin.delete_records([TopicPartition(topic, 0, before_offset)]).values():
        future.result(30)


def wait_for_ends(kafka: KafkaCluster, topic: str, expected: Ends, partition: int = 0) -> None:
    """Return when a partition ends there: a transaction's markers are written after its commit returned."""
    wait_until(
        lambda: ends_of(kafka, topic, partition) == expected, f"{topic}-{partition} to end at {expected}"
    )


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = 60) -> None:
    """Return once `condition()` is true; fail at the deadline."""
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, f"waited {deadline_s:g} s for {what}"
        time.sleep(0.05)


class RawHeaderKey(str):
    """A header key that is sent as these bytes, UTF-8 or not."""

    raw: bytes

    def __new__(cls, raw: bytes) -> "RawHeaderKey":
        made = super().__new__(cls, repr(raw))
        made.raw = raw
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002
        """The bytes, whatever the encoding."""
        return self.raw


def produce_oddly(kafka: KafkaCluster, topic: str, sent: Iterable[Message]) -> None:
    """Send by kafka-python, which also sends a timestamp of -1, and header keys that are RawHeaderKey."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    try:
        futures = [
            producer.send(
                topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                partition=message.partition,
                timestamp_ms=message.timestamp_ms,
            )
            for message in sent
        ]
        for future in futures:
            future.get(timeout=30)
    finally:
        producer.close()
