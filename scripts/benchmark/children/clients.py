"""The script that most begin with: a consumer's loop, and pyarrow's Parquet writer behind it. One process.

By confluent-kafka (librdkafka), or by kafka-python. Each record becomes a Python object, then a row.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cramjam
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.children.serving import Load, Turn, serve
from benchmark.reference import TUNED, consumed

ROW_GROUP_ROWS = 200_000
"""Gathered before they are written; near a million, pyarrow's default, the lists of objects grow slow."""

# As Spark's Kafka source and this loader write them.
SCHEMA = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("timestampType", pa.int32()),
        ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
    ]
)


def _by_confluent(turn: Turn, settings: Mapping[str, int] = TUNED) -> Iterator[pa.RecordBatch]:
    for messages in consumed(turn.bootstrap_servers, turn.ends, settings):
        times = [message.timestamp() for message in messages]
        columns = {
            "key": [message.key() for message in messages],
            "value": [message.value() for message in messages],
            "topic": [message.topic() for message in messages],
            "partition": [message.partition() for message in messages],
            "offset": [message.offset() for message in messages],
            "timestamp": [time_ms for _, time_ms in times],
            # librdkafka: 1 set by the producer, 2 by the broker; Spark and Kafka itself: 0 and 1.
            "timestampType": [kind - 1 for kind, _ in times],
            "headers": [message.headers() for message in messages],
        }
        yield pa.RecordBatch.from_pydict(columns, SCHEMA)


def _by_kafka_python(turn: Turn) -> Iterator[pa.RecordBatch]:
    import kafka.codec
    import kafka.record.default_records
    from kafka import KafkaConsumer, TopicPartition

    # Its own lz4 is an optional package. This is not slower, and already here.
    kafka.codec.has_lz4 = lambda: True
    kafka.record.default_records.lz4_decode = lambda data: bytes(cramjam.lz4.decompress(data))

    consumer = KafkaConsumer(
        bootstrap_servers=turn.bootstrap_servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_poll_records=10_000,
    )
    try:
        ends = {
            TopicPartition(topic, number): end
            for topic, offsets in turn.ends.items()
            for number, end in enumerate(offsets)
            if end
        }
        consumer.assign(list(ends))
        consumer.seek_to_beginning(*ends)
        while any(consumer.position(place) < end for place, end in ends.items()):
            for messages in consumer.poll(timeout_ms=1_000).values():
                columns = {
                    "key": [message.key for message in messages],
                    "value": [message.value for message in messages],
                    "topic": [message.topic for message in messages],
                    "partition": [message.partition for message in messages],
                    "offset": [message.offset for message in messages],
                    "timestamp": [message.timestamp for message in messages],
                    "timestampType": [message.timestamp_type for message in messages],
                    "headers": [message.headers or None for message in messages],
                }
                yield pa.RecordBatch.from_pydict(columns, SCHEMA)
    finally:
        consumer.close()


def _prepare(options: dict[str, Any]) -> Load:
    readers: dict[str, Callable[[Turn], Iterator[pa.RecordBatch]]] = {
        "confluent": _by_confluent,
        "confluent-defaults": partial(_by_confluent, settings={}),
        "kafka-python": _by_kafka_python,
    }
    read = readers[options["client"]]

    def load_once(turn: Turn) -> dict[str, Any]:
        began_s = time.monotonic()
        rows = 0
        Path(turn.folder).mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(f"{turn.folder}/rows.parquet", SCHEMA, compression="zstd") as writer:
            waiting: list[pa.RecordBatch] = []
            for batch in read(turn):
                waiting.append(batch)
                rows += batch.num_rows
                if sum(each.num_rows for each in waiting) >= ROW_GROUP_ROWS:
                    writer.write_table(pa.Table.from_batches(waiting))
                    waiting = []
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting))
        return {"rows": rows, "seconds": time.monotonic() - began_s}

    return load_once


if __name__ == "__main__":
    serve(_prepare)
