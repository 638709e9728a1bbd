"""Every offset of a range is read or explained, whatever lies at its borders and whatever a log holds."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from loader.records.layout import as_octets, scan
from loader.values import OffsetRange, RangeCounts
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.records.batches import Batch
from tests.records.batches import Record as BatchRecord
from tests.task.jobs import RUN_FOLDER, a_split, a_task, ignore

from .conftest import NewJobFunction
from .folders import staged_paths
from .jobs import Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import (
    HOUR_MS,
    T0_MS,
    Ends,
    Message,
    ends_of,
    messages,
    produce,
    send,
    transactional_producer,
    wait_for_ends,
    wait_until,
)
from .records import assert_same_records, offsets_of

EXPLAINED = ("row_count", "aborted_count", "control_count", "compacted_count")


def log_file(kafka: KafkaCluster, topic: str, partition: int = 0) -> Path:
    """The first segment of a partition's log, as the broker has it on disk."""
    return kafka.nodes[0].folder / "data" / f"{topic}-{partition}" / f"{0:020}.log"


def run_to_the_end(job: Job) -> list[Any]:
    """Run until limits leave nothing to later runs; what each run loaded."""
    reports = [job.run()]
    while reports[-1]["remaining_offsets"]:
        reports.append(job.run())
    return reports


def fill_with_transactions(kafka: KafkaCluster, topic: str) -> list[int]:
    """Two producers' transactions that interleave, one of them open below the other's; what is committed."""
    first, second = (transactional_producer(kafka, f"{topic}-{name}") for name in ("first", "second"))
    first.begin_transaction()
    second.begin_transaction()
    send(first, topic, messages(2))  # 0 and 1, aborted
    send(second, topic, messages(2, first=2))  # 2 and 3, committed
    send(first, topic, messages(2, first=4))  # 4 and 5, aborted
    first.abort_transaction()  # marker at 6
    wait_for_ends(kafka, topic, Ends(last_stable_offset=2, high_watermark=7))
    first.begin_transaction()
    send(first, topic, messages(2, first=6))  # 7 and 8, committed by the producer that aborted
    send(second, topic, messages(1, first=8))  # 9, committed
    second.commit_transaction()  # marker at 10
    wait_for_ends(kafka, topic, Ends(last_stable_offset=7, high_watermark=11))
    first.commit_transaction()  # marker at 11
    wait_for_ends(kafka, topic, Ends(12, 12))
    second.begin_transaction()
    send(second, topic, messages(2, first=9))  # 12 and 13, aborted: the log ends with what nobody sees
    second.abort_transaction()  # marker at 14
    wait_for_ends(kafka, topic, Ends(15, 15))
    return [2, 3, 7, 8, 9]


def test_transactions_are_cut_right_by_runs_that_end_at_every_offset(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    committed = fill_with_transactions(kafka, topic)
    job = new_job(topic, limits={"max_records": 1})

    reports = run_to_the_end(job)

    ranges = [loaded for report in reports for loaded in report["ranges"]]
    assert [(loaded["start_offset"], loaded["end_offset"]) for loaded in ranges] == [
        (offset, offset + 1) for offset in range(15)
    ]
    kinds = [{name for name in EXPLAINED if loaded[name]} for loaded in ranges]
    rows, aborted, marker = {"row_count"}, {"aborted_count"}, {"control_count"}
    assert kinds == [
        *(aborted, aborted, rows, rows, aborted, aborted, marker),
        *(rows, rows, rows, marker, marker, aborted, aborted, marker),
    ]
    assert all(sum(loaded[name] for name in EXPLAINED) == 1 for loaded in ranges)
    assert offsets_of(job.records()) == committed
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def test_transactions_are_cut_right_at_every_border_between_two_splits(
    kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path
) -> None:
    topic = new_topic()
    committed = fill_with_transactions(kafka, topic)
    task = a_task(kafka.bootstrap_servers, tmp_path, [topic], partition_by="none")
    expected = {record.offset: record.value for record in read_by_librdkafka(kafka, topic)}
    assert sorted(expected) == committed

    for border in range(1, 15):
        found: list[tuple[int, bytes]] = []
        counts = RangeCounts()
        for half in (OffsetRange(topic, 0, 0, border), OffsetRange(topic, 0, border, 15)):
            result = task.run(a_split(half), ignore)
            (loaded,) = result.loaded
            assert loaded.counts.explained_count == half.offset_count
            counts += loaded.counts
            for file in result.files:
                table = pq.ParquetFile(tmp_path / RUN_FOLDER / file.staged_name).read()
                found += zip(table["offset"].to_pylist(), table["value"].to_pylist(), strict=True)

        assert sorted(found) == sorted(expected.items()), f"cut at {border}"
        assert counts == RangeCounts(row_count=5, aborted_count=6, control_count=4)


def test_a_hanging_transaction_is_told_by_every_plan_and_loaded_once_it_ends(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(3))
    hanging = transactional_producer(kafka, topic)
    hanging.begin_transaction()
    send(hanging, topic, messages(2, first=3))  # 3 and 4
    job = new_job(topic)
    job.run()

    for number in range(2):
        produce(kafka, topic, messages(1, first=5 + number))  # 5, then 6
        (planned,) = job.plan()["partitions"]
        assert (planned["start_offset"], planned["end_offset"]) == (3, 3)
        assert (planned["last_stable_offset"], planned["high_watermark"]) == (3, 6 + number)
        told = kafka_loader("plan", str(job.config))
        assert told.status == 0
        held_back = f"an open transaction holds back {3 + number} offsets of {topic}-0"
        assert held_back in told.output, "those between the last stable one and the high watermark"
        ended = job.try_run()
        assert (ended.document["committed"], ended.status) == (False, 0)
        assert ended.document["held_back"] == {f"{topic}-0": 3 + number}
        assert held_back in ended.errors
        assert offsets_of(job.records()) == [0, 1, 2]

    hanging.abort_transaction()
    wait_for_ends(kafka, topic, Ends(8, 8))
    report = job.run()
    (loaded,) = report["ranges"]

    assert report["held_back"] == {}
    assert [loaded[name] for name in EXPLAINED] == [2, 2, 1, 0]
    assert offsets_of(job.records()) == [0, 1, 2, 5, 6]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def compact(kafka: KafkaCluster, topic: str) -> None:
    """Begin to compact a topic that was not: records without a key go at once."""
    resource = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in (("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.001"))
        ],
    )
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    admin.incremental_alter_configs([resource])[resource].result(30)


def lose_to_this_brokers_cleaner(kafka: KafkaCluster, topic: str) -> None:
    """Return when records without a key are gone; of the last batch that was looked at, a header is left."""
    compact(kafka, topic)
    whole = log_file(kafka, topic).stat().st_size
    wait_until(lambda: 0 < log_file(kafka, topic).stat().st_size < whole, f"{topic} to be compacted")


def lose_to_an_older_cleaner(kafka: KafkaCluster, topic: str) -> None:
    """Leave not even a header of the last batch, as older brokers do."""
    size = log_file(kafka, topic).stat().st_size
    frame_size = len(Batch(0, (BatchRecord(0, b"key", bytes(100)),)).encode()) - 100
    kept = Batch(0, (BatchRecord(0, b"key", b"k" * (size - frame_size)),)).encode()
    assert len(kept) == size, "the broker has the file open, and knows its size"
    with log_file(kafka, topic).open("r+b") as segment:
        segment.write(kept)


@pytest.mark.parametrize("lose", [lose_to_this_brokers_cleaner, lose_to_an_older_cleaner])
@pytest.mark.parametrize("limits", [{}, {"max_records": 1}], ids=["at-once", "cut-at-every-offset"])
def test_a_range_compacted_away_before_an_open_transaction_ends(
    lose: Callable[[KafkaCluster, str], None],
    limits: dict[str, int],
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
) -> None:
    topic = new_topic(config={"segment.ms": "1000"})
    produce(kafka, topic, [Message(b"kept" * 20, b"key")])  # 0
    produce(kafka, topic, [Message(b"goes", None)] * 5)  # 1 to 5, in a batch of their own
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    send(producer, topic, [Message(b"open", b"open", timestamp_ms=T0_MS + HOUR_MS)])  # 6, in the next segment
    lose(kafka, topic)
    assert ends_of(kafka, topic) == Ends(last_stable_offset=6, high_watermark=7)
    job = new_job(
        topic,
        kafka={"request_timeout_ms": 5000, "stall_timeout_s": 5.0},
        fetch={"max_wait_ms": 50},
        limits=limits,
    )

    reports = run_to_the_end(job)

    ranges = [loaded for report in reports for loaded in report["ranges"]]
    found = [(loaded["start_offset"], loaded["end_offset"]) for loaded in ranges]
    assert found == ([(offset, offset + 1) for offset in range(6)] if limits else [(0, 6)])
    assert sum(loaded["compacted_count"] for loaded in ranges) == 5
    assert offsets_of(job.records()) == [0]

    producer.commit_transaction()
    wait_for_ends(kafka, topic, Ends(8, 8))
    run_to_the_end(job)

    assert offsets_of(job.records()) == [0, 6]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def change_on_disk(kafka: KafkaCluster, topic: str, change: Callable[[bytes], bytes]) -> None:
    """Change what a broker has on disk, under its hands; it sends files without looking into batches."""
    path = log_file(kafka, topic)
    before = path.read_bytes()
    after = change(before)
    assert len(after) == len(before) > 0, "the broker knows its size"
    with path.open("r+b") as segment:
        segment.write(after)


def flip_a_bit_of_the_value(segment: bytes) -> bytes:
    at = segment.index(b"value 3")
    return segment[:at] + bytes([segment[at] ^ 4]) + segment[at + 1 :]


def as_message(magic: int) -> Callable[[bytes], bytes]:
    """A log of one message in a format from before Kafka 0.11, as long as what it takes the place of."""

    def write(segment: bytes) -> bytes:
        times = struct.pack(">q", T0_MS) if magic else b""
        head = struct.pack(">bb", magic, 0) + times + struct.pack(">i", -1)
        value = bytes(len(segment) - 12 - 4 - len(head) - 4)
        body = head + struct.pack(">i", len(value)) + value
        return struct.pack(">qiI", 0, 4 + len(body), zlib.crc32(body)) + body

    return write


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (flip_a_bit_of_the_value, "CorruptBatch", "-0 at offset 0, read from broker 1: the batch's CRC is "),
        (
            as_message(0),
            "UnsupportedMessageFormat",
            "-0 at offset 0: message format 0, written before Kafka 0.11",
        ),
        (
            as_message(1),
            "UnsupportedMessageFormat",
            "-0 at offset 0: message format 1, written before Kafka 0.11",
        ),
    ],
    ids=["a-flipped-bit", "format-0", "format-1"],
)
def test_bytes_that_cannot_be_read_stop_their_topic_while_the_others_commit(
    change: Callable[[bytes], bytes],
    kind: str,
    message: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
) -> None:
    harmed, healthy = new_topic(), new_topic()
    for topic in (harmed, healthy):
        produce(kafka, topic, messages(10))
    job = new_job(harmed, healthy)
    change_on_disk(kafka, harmed, change)

    ended = job.try_run()

    assert ended.status == 4
    (failure,) = ended.document["failures"][harmed]
    assert failure["kind"] == kind
    assert failure["message"].startswith(f"{harmed}{message}")
    assert f"{harmed}{message}" in ended.errors
    assert_same_records(job.records(), read_by_librdkafka(kafka, healthy))
    assert staged_paths(job.folder) == []


CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def test_runs_begin_and_end_in_the_middle_of_batches_of_every_codec(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=len(CODECS))
    for partition, codec in enumerate(CODECS):
        sent = messages(20, partition=partition)
        produce(kafka, topic, sent, {"compression.type": codec, "linger.ms": 500})
        (batch,) = scan(as_octets(log_file(kafka, topic, partition).read_bytes())).headers
        assert (batch.record_count, batch.codec_id) == (20, partition)
    job = new_job(topic, limits={"max_records": 7 * len(CODECS)})

    reports = run_to_the_end(job)

    cuts = [[(each["start_offset"], each["end_offset"]) for each in report["ranges"]] for report in reports]
    assert cuts == [[cut] * len(CODECS) for cut in ((0, 7), (7, 14), (14, 20))]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def test_a_record_of_20_megabytes_and_one_of_100_000_headers_are_whole(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(config={"max.message.bytes": "30000000"})
    chance = random.Random(1)
    headers = [(f"key {number}", b"%d" % number) for number in range(100_000)]
    sent = [
        Message(chance.randbytes(20_000_000), b"large"),
        Message(b"many", headers=headers),
        Message(b"small"),
    ]
    produce(kafka, topic, sent, {"message.max.bytes": 30_000_000, "linger.ms": 0})
    job = new_job(topic)

    job.run()

    assert [(len(each.value or b""), len(each.headers or ())) for each in job.records()] == [
        (20_000_000, 0),
        (4, 100_000),
        (5, 0),
    ]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
