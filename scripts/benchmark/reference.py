"""What topics hold, read by a client that shares no code with the loader: librdkafka, by confluent-kafka."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from benchmark.checks import COLUMNS, NOTHING, Fingerprint, fingerprint_of_table
from benchmark.errors import BenchmarkError

CONSUMED_AT_ONCE = 10_000
POLL_S = 0.1
SILENCE_S = 60.0
_FINGERPRINT_ROWS = 200_000

Ends = Mapping[str, Sequence[int]]
"""The end offset of each partition, by topic."""


TUNED: Mapping[str, int] = {"fetch.queue.backoff.ms": 10}
"""By its default, 1,000, it waits for more than half of its time, whenever its queue was full."""


def consumed(
    bootstrap_servers: str, ends: Ends, settings: Mapping[str, int] = TUNED
) -> Iterator[list[Message]]:
    """Every committed record of the topics, in lists. Raises BenchmarkError when nothing comes.

    settings  of librdkafka, besides those that decide what is read
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "benchmark",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            # The end may be a transaction's marker, which is no message: this tells that it is reached.
            "enable.partition.eof": True,
            "check.crcs": True,
            "log_level": 0,
            **settings,
        }
    )
    try:
        places = [
            TopicPartition(topic, number, 0)
            for topic, offsets in ends.items()
            for number, end in enumerate(offsets)
            if end
        ]
        consumer.assign(places)
        left = {(place.topic, place.partition) for place in places}
        give_up = time.monotonic() + SILENCE_S
        while left:
            # It waits until it has so many, or for as long as this: at the end there are not so many.
            messages = consumer.consume(CONSUMED_AT_ONCE, POLL_S)
            if not messages:
                if time.monotonic() > give_up:
                    raise BenchmarkError(
                        f"Kafka sent nothing for {SILENCE_S:g} s; {len(left)} partitions are left"
                    )
                continue
            give_up = time.monotonic() + SILENCE_S
            errors = [message for message in messages if message.error() is not None]
            for message in errors:
                _require_end(message)
                left.discard((message.topic(), message.partition()))
            if errors:
                messages = [message for message in messages if message.error() is None]
            if messages:
                yield messages
    finally:
        consumer.close()


def read_fingerprint(
    bootstrap_servers: str, ends: Ends, text_of: Callable[[bytes], bytes | None] | None = None
) -> Fingerprint:
    """Of all committed records.

    text_of  makes of a value what it is compared by, None of one that must not be among the rows
    """
    total, waiting, count = NOTHING, [], 0
    for messages in consumed(bootstrap_servers, ends):
        waiting.append(_rows(messages, text_of))
        count += len(messages)
        if count >= _FINGERPRINT_ROWS:
            total += fingerprint_of_table(pa.Table.from_batches(waiting))
            waiting, count = [], 0
    return total + fingerprint_of_table(pa.Table.from_batches(waiting)) if waiting else total


def _rows(messages: Sequence[Message], text_of: Callable[[bytes], bytes | None] | None) -> pa.RecordBatch:
    values = [message.value() for message in messages]
    if text_of is not None:
        values = [None if value is None else text_of(value) for value in values]
    kept = [at for at, value in enumerate(values) if text_of is None or value is not None]
    columns: dict[str, list[Any]] = {
        "topic": [messages[at].topic() for at in kept],
        "partition": [messages[at].partition() for at in kept],
        "offset": [messages[at].offset() for at in kept],
        "value": [values[at] for at in kept],
    }
    return pa.RecordBatch.from_pydict(columns, COLUMNS)


def _require_end(message: Message) -> None:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
