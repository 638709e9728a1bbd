"""What is published is what a plain read_committed consumer sees: every record, every byte, each once."""

import random
from collections.abc import Sequence

import pytest

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .oracle import read_by_java, read_by_librdkafka
from .producing import (
    HOUR_MS,
    T0_MS,
    Ends,
    Message,
    RawHeaderKey,
    ends_of,
    messages,
    produce,
    produce_oddly,
    send,
    transactional_producer,
    wait_for_ends,
    wait_until,
)
from .records import LOG_APPEND_TIME, Record, assert_same_records, offsets_of

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""And how the attributes of a batch spell them."""

EVERY_BYTE = bytes(range(256))


def varied(count: int, partition: int = 0, seed: int = 0) -> list[Message]:
    """Records of every shape: null, empty and long fields, arbitrary bytes, several headers of one key."""
    chance = random.Random(seed)
    fields = (None, b"", EVERY_BYTE, b"text", chance.randbytes(3000))
    keys = ("plain", "", "ключ", "plain")
    return [
        Message(
            value=chance.choice(fields),
            key=chance.choice(fields),
            headers=[(chance.choice(keys), chance.choice(fields)) for _ in range(chance.randrange(4))],
            timestamp_ms=T0_MS + chance.randrange(-HOUR_MS, HOUR_MS),
            partition=partition,
        )
        for _ in range(count)
    ]


def assert_as_both_clients_read(kafka: KafkaCluster, topic: str, records: Sequence[Record]) -> None:
    """The records are what librdkafka and Java's console consumer read of the topic."""
    expected = read_by_librdkafka(kafka, topic)
    assert_same_records(records, expected)
    assert_same_records(records, read_by_java(kafka, topic, len(expected)))


def codecs_in_log(kafka: KafkaCluster, topic: str, partition: int) -> set[int]:
    """The codecs of the batches in a partition's log, from the files of the broker."""
    (log,) = (kafka.nodes[0].folder / "data" / f"{topic}-{partition}").glob("*.log")
    octets, at, found = log.read_bytes(), 0, set()
    while at < len(octets):
        found.add(int.from_bytes(octets[at + 21 : at + 23], "big") & 7)
        at += 12 + int.from_bytes(octets[at + 8 : at + 12], "big")
    return found


def test_every_codec_gives_the_records_that_other_clients_read(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=len(CODECS))
    for partition, codec in enumerate(CODECS):
        produce(kafka, topic, varied(300, partition, seed=partition), {"compression.type": codec})
    job = new_job(topic)

    job.run()

    assert [codecs_in_log(kafka, topic, number) for number in range(5)] == [
        {code} for code in CODECS.values()
    ]
    assert_as_both_clients_read(kafka, topic, job.records())
    assert len(job.records()) == 1500


def test_committed_records_are_loaded_and_aborted_ones_are_not(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    first, second = (transactional_producer(kafka, f"{topic}-{name}") for name in ("first", "second"))
    first.begin_transaction()
    second.begin_transaction()
    send(first, topic, messages(10))  # offsets 0 to 9, aborted
    send(second, topic, messages(10, first=10))  # 10 to 19, committed: interleaved with what is aborted
    produce(kafka, topic, messages(10, first=20))  # 20 to 29, in no transaction
    send(first, topic, messages(10, first=30))  # 30 to 39, aborted
    first.abort_transaction()  # marker at 40
    wait_for_ends(kafka, topic, Ends(last_stable_offset=10, high_watermark=41))
    send(second, topic, messages(10, first=40))  # 41 to 50, committed
    second.commit_transaction()  # marker at 51
    wait_for_ends(kafka, topic, Ends(52, 52))
    first.begin_transaction()
    send(first, topic, messages(10, first=50))  # 52 to 61, committed by the producer that aborted before
    first.commit_transaction()  # marker at 62
    wait_for_ends(kafka, topic, Ends(63, 63))
    job = new_job(topic)

    report = job.run()

    committed = [*range(10, 30), *range(41, 51), *range(52, 62)]
    assert offsets_of(job.records()) == committed
    assert_as_both_clients_read(kafka, topic, job.records())
    (loaded,) = report["ranges"]
    assert (loaded["row_count"], loaded["aborted_count"], loaded["control_count"]) == (40, 20, 3)


def test_an_open_transaction_is_left_to_a_later_run_with_all_that_follows_it(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    send(producer, topic, messages(5, first=5))
    produce(kafka, topic, messages(5, first=10))
    assert ends_of(kafka, topic) == Ends(last_stable_offset=5, high_watermark=15)
    job = new_job(topic)

    (planned,) = job.plan()["partitions"]
    job.run()

    assert planned["end_offset"] == 5
    assert offsets_of(job.records()) == [0, 1, 2, 3, 4]

    producer.commit_transaction()
    wait_for_ends(kafka, topic, Ends(16, 16))
    job.run()

    assert offsets_of(job.records()) == list(range(15))
    assert_as_both_clients_read(kafka, topic, job.records())


def test_read_uncommitted_loads_aborted_and_open_transactions_too(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    send(producer, topic, messages(5))
    producer.abort_transaction()
    wait_for_ends(kafka, topic, Ends(6, 6))
    producer.begin_transaction()
    send(producer, topic, messages(5))
    job = new_job(topic, kafka={"isolation": "read_uncommitted"})

    job.run()

    assert offsets_of(job.records()) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]


def test_a_compacted_topic_gives_what_compaction_left(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(
        config={
            "cleanup.policy": "compact",
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.001",
            "min.compaction.lag.ms": "0",
        }
    )
    for round_number in range(4):  # a segment each: it is rolled when a record is an hour younger
        produce(
            kafka,
            topic,
            [
                Message(
                    value=None if key == 3 else b"%d of round %d" % (key, round_number),
                    key=b"key %d" % key,
                    headers=[("round", b"%d" % round_number)],
                    timestamp_ms=T0_MS + round_number * HOUR_MS,
                )
                for key in range(10 + round_number)
            ],
            {"compression.type": "lz4"},
        )
    produce(kafka, topic, [Message(b"active", b"active", timestamp_ms=T0_MS + 5 * HOUR_MS)])
    left = 14  # the last of keys 0 to 12, and the active segment
    wait_until(lambda: len(read_by_librdkafka(kafka, topic)) == left, "the topic to be compacted")
    job = new_job(topic)

    report = job.run()

    assert_as_both_clients_read(kafka, topic, job.records())
    (loaded,) = report["ranges"]
    assert (loaded["start_offset"], loaded["end_offset"]) == (0, 47)
    assert (loaded["row_count"], loaded["compacted_count"]) == (left, 47 - left)


def test_empty_topics_and_partitions_are_committed_without_a_row(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic, empty = new_topic(partitions=3), new_topic(partitions=2)
    produce(kafka, topic, messages(5, partition=1))
    job = new_job(topic, empty)

    report = job.run()

    assert_as_both_clients_read(kafka, topic, job.records())
    assert read_by_java(kafka, empty, 0, timeout_ms=2000) == []
    assert [(each["topic"], each["partition"], each["end_offset"]) for each in report["ranges"]] == sorted(
        [(topic, 0, 0), (topic, 1, 5), (topic, 2, 0), (empty, 0, 0), (empty, 1, 0)]
    )


def test_log_append_time_is_kept_with_its_type(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(config={"message.timestamp.type": "LogAppendTime"})
    produce(kafka, topic, messages(20), {"compression.type": "zstd"})
    produce(kafka, topic, messages(20))
    job = new_job(topic)

    job.run()

    records = job.records()
    assert_as_both_clients_read(kafka, topic, records)
    assert {record.timestamp_type for record in records} == {LOG_APPEND_TIME}
    assert T0_MS not in {record.timestamp_ms for record in records}


def test_records_of_a_megabyte_are_whole(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(config={"max.message.bytes": "4000000"})
    chance = random.Random(1)
    produce(kafka, topic, [Message(chance.randbytes(1_000_000), chance.randbytes(100)) for _ in range(3)])
    produce(kafka, topic, [Message(b"x" * 2_000_000), Message(b"")], {"compression.type": "zstd"})
    job = new_job(topic, fetch={"max_bytes": 65536})  # the first batch comes whole, however large

    job.run()

    assert_as_both_clients_read(kafka, topic, job.records())
    assert [len(record.value or b"") for record in job.records()] == [1_000_000] * 3 + [2_000_000, 0]


def test_header_keys_that_are_not_utf8_read_as_java_reads_them(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    odd = [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80\xf0\x9f", b"", b"\xc0\xaf"]
    produce_oddly(
        kafka,
        topic,
        [Message(b"v", None, [(RawHeaderKey(key), b"\xff"), (RawHeaderKey(b"fine"), b"")]) for key in odd],
    )
    job = new_job(topic)

    job.run()

    assert_as_both_clients_read(kafka, topic, job.records())


@pytest.mark.parametrize("partition_by", ["hour", "day", "none"])
def test_records_without_a_timestamp_are_kept_apart_with_a_null_one(
    partition_by: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce_oddly(kafka, topic, [Message(b"timeless", timestamp_ms=-1), Message(b"timed")])
    job = new_job(topic, write={"partition_by": partition_by})

    job.run()

    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert [record.timestamp_ms for record in job.records()] == [None, T0_MS]
