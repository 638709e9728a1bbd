"""What is in a topic, by two clients that share no code with the loader, nor with each other.

Java's console consumer, Kafka's own, and librdkafka. Both read as read_committed.
"""

import uuid
from typing import Any

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from local_services.kafka import KafkaCluster

from .producing import wait_until
from .records import CREATE_TIME, LOG_APPEND_TIME, Headers, Record

CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"


def _low_watermark(consumer: Consumer, partition: TopicPartition) -> int:
    low: list[int] = []

    def is_known() -> bool:
        try:
            low.append(consumer.get_watermark_offsets(partition)[0])
        except KafkaException as error:
            # A broker that has just come back does not know its partitions for a moment.
            if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:
                raise
            consumer.list_topics(partition.topic, timeout=30)
        return bool(low)

    wait_until(is_known, f"librdkafka to know {partition}")
    return low[0]


def read_by_librdkafka(kafka: KafkaCluster, topic: str) -> list[Record]:
    """Every record of a topic, up to the last stable offset of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "oracle",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": 4_000_000,
            "log_level": 0,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        low = {number: _low_watermark(consumer, TopicPartition(topic, number)) for number in partitions}
        consumer.assign([TopicPartition(topic, number, offset) for number, offset in low.items()])
        records, unfinished = [], set(partitions)
        while unfinished:
            message = consumer.poll(30)
            assert message is not None, f"librdkafka heard nothing of {topic} {unfinished} for 30 s"
            error = message.error()
            if error is None:
                records.append(_record(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition())
            else:
                raise AssertionError(f"librdkafka: {error}")
    finally:
        consumer.close()
    return records


def read_by_java(
    kafka: KafkaCluster, topic: str, record_count: int, timeout_ms: int = 20_000
) -> list[Record]:
    """The first `record_count` records of a topic, or fewer when there are no more for `timeout_ms`.

    The console consumer does not know where a topic ends: it is told how many to wait for. It prints keys
    and values byte for byte as long as it is given no deserializer, so all that is needed is to separate
    them by what is in none of them.
    """
    token = uuid.uuid4().hex
    field, line, header, null = (
        f"<field {token}>",
        f"<record {token}>",
        f"<header {token}>",
        f"<null {token}>",
    )
    properties = {
        **{
            f"print.{name}": "true"
            for name in ("timestamp", "partition", "offset", "headers", "key", "value")
        },
        "key.separator": field,
        "line.separator": line,
        "headers.separator": header,
        "null.literal": null,
    }
    options = [option for pair in properties.items() for option in ("--formatter-property", "=".join(pair))]
    options += ["--isolation-level", "read_committed", "--timeout-ms", str(timeout_ms)]
    options += ["--max-messages", str(record_count)] if record_count else []
    printed, _ = kafka.run_tool(CONSOLE_CONSUMER, "--topic", topic, "--from-beginning", *options)
    lines = printed.split(line.encode())
    assert lines.pop() == b"", "the console consumer was cut short"
    return [_parse(topic, each, field.encode(), header.encode(), null.encode()) for each in lines]


def _record(message: Message) -> Record:
    kind, timestamp_ms = message.timestamp()
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=None if kind == TIMESTAMP_NOT_AVAILABLE or timestamp_ms == -1 else timestamp_ms,
        timestamp_type=LOG_APPEND_TIME if kind == TIMESTAMP_LOG_APPEND_TIME else CREATE_TIME,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )


def _headers(message: Message) -> Headers | None:
    try:
        headers: Any = message.headers() or ()
        return tuple((key, value) for key, value in headers)
    except UnicodeDecodeError:
        return None  # its Python side cannot give out a key that is not UTF-8


def _parse(topic: str, line: bytes, field: bytes, header: bytes, null: bytes) -> Record:
    timestamp, partition, offset, headers, key, value = line.split(field)
    kind, _, timestamp_ms = timestamp.decode().partition(":")
    return Record(
        topic=topic,
        partition=int(partition.removeprefix(b"Partition:")),
        offset=int(offset.removeprefix(b"Offset:")),
        timestamp_ms=None if timestamp_ms == "-1" else int(timestamp_ms),
        timestamp_type={"CreateTime": CREATE_TIME, "LogAppendTime": LOG_APPEND_TIME}[kind],
        key=None if key == null else key,
        value=None if value == null else value,
        headers=()
        if headers == b"NO_HEADERS"
        else tuple(_parse_header(each, null) for each in headers.split(header)),
    )


def _parse_header(header: bytes, null: bytes) -> tuple[str, bytes | None]:
    key, _, value = header.partition(b":")
    return key.decode(), None if value == null else value
