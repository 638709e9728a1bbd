"""The topics that a soak fills, and the truth about them: every record an independent consumer ever saw."""

import random
from dataclasses import dataclass, field, replace

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic  # type: ignore[attr-defined]

from local_services.kafka import KafkaCluster
from tests.end_to_end.oracle import _record
from tests.end_to_end.producing import (
    HOUR_MS,
    T0_MS,
    Message,
    ends_of,
    produce,
    send,
    transactional_producer,
    wait_until,
)
from tests.end_to_end.records import Record
from tests.kafka_source.asking import admin_of

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@dataclass
class OpenTransaction:
    """One that a producer has begun and not ended."""

    producer: Producer
    topic: str


@dataclass
class World:
    """A Kafka, its topics with their number of partitions, and what was ever readable in them."""

    kafka: KafkaCluster
    rng: random.Random
    topics: dict[str, int] = field(default_factory=dict)
    seen: dict[tuple[str, int, int], Record] = field(default_factory=dict)
    open: OpenTransaction | None = None
    _next_offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    _sent_count: int = 0

    def __post_init__(self) -> None:
        self._admin = admin_of(self.kafka)  # kept: its futures are never done once it is collected

    @property
    def partitions(self) -> list[tuple[str, int]]:
        """Every partition there is."""
        return [(topic, number) for topic, count in self.topics.items() for number in range(count)]

    def add_topic(self) -> str:
        """One more topic of the job's pattern."""
        topic = f"soak-{len(self.topics) + 1}"
        count = self.rng.randint(1, 3)
        self._admin.create_topics([NewTopic(topic, count, 1)])[topic].result(30)
        self._wait_for_leaders(topic, count)
        self.topics[topic] = count
        return topic

    def add_partition(self) -> str:
        """One more partition of some topic."""
        topic = self.rng.choice(sorted(self.topics))
        count = self.topics[topic] + 1
        self._admin.create_partitions([NewPartitions(topic, count)])[topic].result(30)
        self._wait_for_leaders(topic, count)
        self.topics[topic] = count
        return topic

    def produce(self) -> str:
        """Some records of one topic, as one of the codecs, or in a transaction that ends either way."""
        topic = self.rng.choice(sorted(self.topics))
        sent = self._messages(topic, self.rng.randint(1, 60))
        kind = self.rng.choice(("plain", "plain", "committed", "aborted"))
        if kind == "plain":
            codec = self.rng.choice(CODECS)
            produce(self.kafka, topic, sent, {"compression.type": codec, "linger.ms": 5})
            return f"{len(sent)} {codec}"
        producer = transactional_producer(self.kafka, f"soak-{self.rng.randint(1, 3)}")
        producer.begin_transaction()
        send(producer, topic, sent)
        if kind == "committed":
            producer.commit_transaction(60)
        else:
            producer.abort_transaction(60)
        return f"{len(sent)} {kind}"

    def begin_transaction(self) -> str:
        """Leave a transaction open: what follows it in its partitions waits."""
        if self.open is not None:
            return self.end_transaction()
        topic = self.rng.choice(sorted(self.topics))
        producer = transactional_producer(self.kafka, "soak-open")
        producer.begin_transaction()
        send(producer, topic, self._messages(topic, self.rng.randint(1, 10)))
        self.open = OpenTransaction(producer, topic)
        return f"transaction begun in {topic}"

    def end_transaction(self) -> str:
        """End the open transaction, either way."""
        if self.open is None:
            return "no transaction open"
        was, self.open = self.open, None
        if self.rng.random() < 0.5:
            was.producer.commit_transaction(60)
            return f"transaction committed in {was.topic}"
        was.producer.abort_transaction(60)
        return f"transaction aborted in {was.topic}"

    def settle(self) -> None:
        """Wait until every ended transaction has its markers: nothing but the open one holds an end back."""
        held = {self.open.topic} if self.open else set()
        settling = [place for place in self.partitions if place[0] not in held]

        def are_settled() -> bool:
            return all(map(self._is_settled, settling))

        wait_until(are_settled, f"{settling} to settle")

    def _is_settled(self, place: tuple[str, int]) -> bool:
        ends = ends_of(self.kafka, *place)
        return ends.last_stable_offset == ends.high_watermark

    def look(self) -> None:
        """See every record that can be read now, as read_committed."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "group.id": "soak-oracle",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "log_level": 0,
            }
        )
        try:
            waiting = set(self.partitions)
            consumer.assign(
                [TopicPartition(*place, self._next_offsets.get(place, 0)) for place in self.partitions]
            )
            while waiting:
                message = consumer.poll(60)
                assert message is not None, f"the oracle heard nothing of {waiting} for 60 s"
                place = (message.topic() or "", message.partition() or 0)
                error = message.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    waiting.discard(place)
                    self._next_offsets[place] = message.offset() or 0
                else:
                    record = _record(message)
                    self.seen[record.place] = record
        finally:
            consumer.close()

    def delete_before(self, topic: str, number: int, offset: int) -> None:
        """As retention does."""
        place = TopicPartition(topic, number, offset)

        def is_deleted() -> bool:
            try:
                self._admin.delete_records([place])[place].result(30)
            except KafkaException:  # this client does not know the leader of a new partition yet
                return False
            return True

        wait_until(is_deleted, f"{topic}-{number} to be deleted before {offset}")

    def forget(self, topic: str, number: int, start_offset: int, end_offset: int) -> None:
        """These were deleted before they were loaded, and a person accepted it."""
        for offset in range(start_offset, end_offset):
            self.seen.pop((topic, number, offset), None)

    def ends(self) -> dict[tuple[str, int], int]:
        """Where each partition ends for read_committed."""
        return {place: ends_of(self.kafka, *place).last_stable_offset for place in self.partitions}

    def _messages(self, topic: str, count: int) -> list[Message]:
        sent = []
        for _ in range(count):
            self._sent_count += 1
            message = Message(
                value=self.rng.randbytes(self.rng.choice((0, 10, 200, 3000))),
                key=b"%d" % self._sent_count,
                timestamp_ms=T0_MS + self.rng.randint(0, 3) * 24 * HOUR_MS,
                partition=self.rng.randrange(self.topics[topic]),
            )
            sent.append(replace(message, value=None) if self.rng.random() < 0.05 else message)
        return sent

    def _wait_for_leaders(self, topic: str, count: int) -> None:
        def has_leaders() -> bool:
            found = self._admin.list_topics(topic, timeout=10).topics[topic].partitions
            return len(found) == count and all(partition.leader >= 0 for partition in found.values())

        wait_until(has_leaders, f"{topic} to have {count} leaders")
