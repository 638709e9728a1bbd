"""A range is read to its end, whatever lies there and whatever brokers do; or it says why not."""

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from kafka.protocol.consumer.fetch import FetchRequest

from loader.errors import FetchStalled, LogTruncated, OffsetsExpired, TopicRecreated, TopicVanished
from loader.kafka_source import reader as reader_module
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import read_listing
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.records.decoder import decode
from loader.values import FetchedRecords, LostOffsets, OffsetRange, RangeCounts
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.producing import (
    Ends,
    Message,
    messages,
    produce,
    transactional_producer,
    wait_for_ends,
    wait_until,
)
from tests.records.batches import numbered

from .asking import create, delete, delete_records, settings, topic_id_of


class Reading:
    """What became of a range: offsets of its rows, and its counts."""

    def __init__(self, fetches: Iterator[FetchedRecords | LostOffsets], wanted: OffsetRange) -> None:
        self.offsets: list[int] = []
        self.lost: list[OffsetRange] = []
        self.counts = RangeCounts()
        self.fetch_count = 0
        self._fetches = fetches
        self._wanted = wanted
        self._position = wanted.start_offset

    def go_on(self, fetch_count: int | None = None) -> "Reading":
        """Take so many more fetches, all of them by default."""
        wanted_count = None if fetch_count is None else self.fetch_count + fetch_count
        while self.fetch_count != wanted_count:
            fetched = next(self._fetches, None)
            if fetched is None:
                break
            self.fetch_count += 1
            if isinstance(fetched, LostOffsets):
                self.lost.append(fetched.range)
                self._position = fetched.range.end_offset
                continue
            for decoded in decode(fetched, self._wanted, self._position, "read_committed"):
                self.offsets += decoded.rows.column("offset").to_pylist()
                self.counts += decoded.counts
                self._position = decoded.next_offset
        return self


def reading(
    client: KafkaClient, topic: str, start: int, end: int, reader: RangeReader | None = None
) -> Reading:
    wanted = OffsetRange(topic, 0, start, end)
    return Reading((reader or RangeReader(client)).fetches(wanted, topic_id_of(client, topic)), wanted)


@pytest.mark.parametrize(("start", "end"), [(0, 100), (37, 61), (99, 100), (0, 1), (50, 50)])
def test_a_range_is_read_exactly_also_inside_a_batch(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction, start: int, end: int
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(100), {"linger.ms": 500})

    assert reading(client, topic, start, end).go_on().offsets == list(range(start, end))


def test_a_range_larger_than_a_fetch_is_read_in_several_without_gap_or_double(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    for _ in range(5):
        produce(kafka, topic, [Message(b"x" * 1000)] * 20, {"linger.ms": 500})
    small = settings(kafka.bootstrap_servers, fetch_max_bytes=10_000)

    with KafkaClient(small) as client:
        client.connect(30_000)
        read = reading(client, topic, 5, 95).go_on()

    assert read.offsets == list(range(5, 95))
    assert read.fetch_count >= 5


def test_a_range_ends_on_markers_and_aborted_records(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    producer = transactional_producer(kafka, topic)
    for value, is_committed in ((b"yes", True), (b"no", False)):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic, value)
        if is_committed:
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)
    wait_for_ends(kafka, topic, Ends(8, 8))

    def counts(start: int, end: int) -> RangeCounts:
        return reading(client, topic, start, end).go_on().counts

    assert counts(0, 8) == RangeCounts(row_count=3, aborted_count=3, control_count=2)
    assert counts(0, 4) == RangeCounts(row_count=3, control_count=1)
    assert counts(3, 4) == RangeCounts(control_count=1)
    assert counts(4, 7) == RangeCounts(aborted_count=3)
    assert counts(5, 6) == RangeCounts(aborted_count=1)
    assert counts(7, 8) == RangeCounts(control_count=1)


def test_records_deleted_before_the_start_are_named_as_lost(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    delete_records(kafka, topic, 4)

    with pytest.raises(OffsetsExpired, match=r"now starts at 4, so 3 offsets were deleted.*Nothing of this"):
        reading(client, topic, 1, 10).go_on()
    assert reading(client, topic, 4, 10).go_on().offsets == list(range(4, 10))


def test_records_deleted_while_a_range_is_read_are_named_as_lost(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    for _ in range(5):
        produce(kafka, topic, [Message(b"x" * 1000)] * 10, {"linger.ms": 500})
    with KafkaClient(settings(kafka.bootstrap_servers, fetch_max_bytes=10_000)) as client:
        client.connect(30_000)
        read = reading(client, topic, 0, 50).go_on(fetch_count=1)
        delete_records(kafka, topic, 35)

        with pytest.raises(OffsetsExpired, match=r"\[10, 50\): .* now starts at 35, so 25 offsets"):
            read.go_on()

    assert read.offsets == list(range(10))


def test_where_loss_is_allowed_deleted_offsets_are_named_and_the_rest_is_read(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    for _ in range(5):
        produce(kafka, topic, [Message(b"x" * 1000)] * 10, {"linger.ms": 500})
    delete_records(kafka, topic, 4)
    with KafkaClient(settings(kafka.bootstrap_servers, fetch_max_bytes=10_000)) as client:
        client.connect(30_000)
        reader = RangeReader(client, loss_allowed=True)
        read = reading(client, topic, 1, 50, reader).go_on(fetch_count=2)
        delete_records(kafka, topic, 35)
        read.go_on()
        whole = reading(client, topic, 5, 30, reader).go_on()

    assert read.offsets == [*range(4, 10), *range(35, 50)]
    assert read.lost == [OffsetRange(topic, 0, 1, 4), OffsetRange(topic, 0, 10, 35)]
    assert (whole.offsets, whole.lost) == ([], [OffsetRange(topic, 0, 5, 30)])


def test_a_log_that_ends_below_the_start_is_told_from_an_expired_one(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))

    with pytest.raises(LogTruncated, match="the position is 20, but Kafka's log ends at 10"):
        reading(client, topic, 20, 30).go_on()


def test_a_topic_that_was_created_again_does_not_answer_for_the_old_one(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    read = reading(client, topic, 0, 10)
    old_id = topic_id_of(client, topic)
    delete(kafka, topic)
    wait_until(lambda: topic in read_listing(client, [topic], ()).missing, "the topic to be gone")
    create(kafka, topic)
    produce(kafka, topic, messages(10))

    with pytest.raises(
        TopicRecreated, match=rf"its topic id was {old_id} and is {topic_id_of(client, topic)}"
    ):
        read.go_on()


def test_a_topic_deleted_under_way_has_vanished(
    kafka: KafkaCluster, client: KafkaClient, new_topic: NewTopicFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "VANISHED_AFTER_S", 0.5)
    topic = new_topic()
    produce(kafka, topic, messages(10))
    read = reading(client, topic, 0, 10)
    delete(kafka, topic)

    with pytest.raises(TopicVanished, match="not found in the cluster, though it was loaded before"):
        read.go_on()


def test_an_empty_fetch_is_not_the_end(kafka: KafkaCluster, new_topic: NewTopicFunction) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))

    # The log ends before the range does: only a broker that lost its end could show that.
    with KafkaClient(settings(kafka.bootstrap_servers, stall_timeout_s=0.5)) as hasty:
        hasty.connect(30_000)
        read = reading(hasty, topic, 0, 11)
        with pytest.raises(FetchStalled, match=r"-0\[10, 11\): no progress for 0\.5 s, .* sends no records"):
            read.go_on()

    assert read.offsets == list(range(10))


class Answers:
    """A broker whose answers to fetches are given: by isolation, the offsets of the only batch."""

    def __init__(self, **offsets: tuple[int, int] | None) -> None:
        self.settings = settings("nobody:1", stall_timeout_s=0.2)
        self._offsets = offsets

    def fetch(
        self, rest: OffsetRange, _: str, coming: object = (), *, first_batch_only: bool = False
    ) -> FetchedRecords:
        assert not coming
        batch = self._offsets["uncommitted" if first_batch_only else "committed"]
        return FetchedRecords(
            topic=rest.topic,
            partition=rest.partition,
            fetch_offset=rest.start_offset,
            records=b"" if batch is None else numbered(batch[0], batch[1] - batch[0]).encode(),
            high_watermark=self._offsets["ends"][1],  # type: ignore[index]  # always given
            last_stable_offset=self._offsets["ends"][0],  # type: ignore[index]
            log_start_offset=0,
            node_id=1,
        )


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"ends": (10, 20), "uncommitted": None}, id="neither-shows-a-batch"),
        pytest.param({"ends": (10, 20), "uncommitted": (5, 9)}, id="a-batch-within-the-range"),
        pytest.param({"ends": (9, 20), "uncommitted": (10, 12)}, id="a-stable-end-below-the-range's"),
    ],
)
def test_an_empty_fetch_is_no_proof_that_offsets_were_compacted_away(
    answers: dict[str, tuple[int, int] | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Answers(committed=None, **answers)
    reader = RangeReader(cast(KafkaClient, broker))
    monkeypatch.setattr(reader, "_fetch", broker.fetch)

    with pytest.raises(FetchStalled, match="the broker sends no records"):
        next(reader.fetches(OffsetRange("orders", 0, 3, 10), "id"))


def test_a_batch_behind_the_range_proves_that_its_offsets_were_compacted_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Answers(committed=None, ends=(10, 20), uncommitted=(10, 12))
    reader = RangeReader(cast(KafkaClient, broker))
    monkeypatch.setattr(reader, "_fetch", broker.fetch)
    wanted = OffsetRange("orders", 0, 3, 10)

    read = Reading(reader.fetches(wanted, "id"), wanted).go_on()

    assert (read.offsets, read.counts) == ([], RangeCounts(compacted_count=7))


class Counted(KafkaClient):
    """A client that counts the fetches it sends."""

    fetch_count = 0

    def ask(self, request: Any, node_id: int | None = None, timeout_ms: float | None = None) -> Any:
        self.fetch_count += isinstance(request, FetchRequest)
        return super().ask(request, node_id, timeout_ms)


@pytest.mark.parametrize(
    ("fetch_max_bytes", "most_fetches"),
    [
        pytest.param(1 << 20, 1, id="one-fetch-brings-all"),
        pytest.param(3_000, 30, id="a-fetch-has-room-for-a-few-and-a-part-of-one"),
        pytest.param(1, 60, id="a-fetch-has-room-for-one-batch"),
    ],
)
def test_small_ranges_come_along_with_the_fetches_of_others_and_are_whole(
    kafka: KafkaCluster, new_topic: NewTopicFunction, fetch_max_bytes: int, most_fetches: int
) -> None:
    topic = new_topic(partitions=20)
    for _ in range(3):  # batches
        produce(
            kafka,
            topic,
            (
                Message(b"%d:%d" % (partition, at) * 10, partition=partition)
                for partition in range(20)
                for at in range(7)
            ),
        )
    ranges = [OffsetRange(topic, partition, partition % 3, 20) for partition in range(20)]

    with Counted(settings(kafka.bootstrap_servers, fetch_max_bytes=fetch_max_bytes)) as client:
        client.connect(30_000)
        reader, topic_id = RangeReader(client), topic_id_of(client, topic)
        for number, wanted in enumerate(ranges, start=1):
            read = Reading(reader.fetches(wanted, topic_id, ranges[number:]), wanted).go_on()

            assert read.offsets == list(range(wanted.start_offset, wanted.end_offset))
        assert client.fetch_count <= most_fetches


def test_ranges_of_one_partition_that_follow_one_another_do_not_get_what_is_of_the_other(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, (Message(b"%d" % at, partition=at % 2) for at in range(40)))
    # The last comes before the others in the order of the log: whatever a broker makes of it.
    ranges = [OffsetRange(topic, 0, *span) for span in ((7, 12), (12, 20), (0, 7))]
    ranges.insert(1, OffsetRange(topic, 1, 0, 20))

    with Counted(settings(kafka.bootstrap_servers)) as client:
        client.connect(30_000)
        reader, topic_id = RangeReader(client), topic_id_of(client, topic)
        for number, wanted in enumerate(ranges, start=1):
            read = Reading(reader.fetches(wanted, topic_id, ranges[number:]), wanted).go_on()

            assert read.offsets == list(range(wanted.start_offset, wanted.end_offset))


def test_what_came_along_but_was_not_asked_for_again_is_fetched_anew(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, (Message(b"%d" % at, partition=at % 2) for at in range(40)))
    first, second = OffsetRange(topic, 0, 0, 20), OffsetRange(topic, 1, 0, 20)
    other = OffsetRange(topic, 1, 5, 20)

    with Counted(settings(kafka.bootstrap_servers)) as client:
        client.connect(30_000)
        reader, topic_id = RangeReader(client), topic_id_of(client, topic)
        Reading(reader.fetches(first, topic_id, [second]), first).go_on()
        read = Reading(reader.fetches(other, topic_id), other).go_on()

        assert read.offsets == list(range(5, 20))
        assert client.fetch_count == 2


class Watched(KafkaClient):
    """A client that notes how many partitions each fetch asks for, and how many of them came with records."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings)
        self.asked: list[int] = []
        self.brought: list[int] = []

    def ask(self, request: Any, node_id: int | None = None, timeout_ms: float | None = None) -> Any:
        response = super().ask(request, node_id, timeout_ms)
        if isinstance(request, FetchRequest):
            self.asked += [len(topic.partitions) for topic in request.topics]
            self.brought += [
                sum(bool(each.records) for each in topic.partitions) for topic in response.responses
            ]
        return response


def test_while_beginnings_that_came_along_wait_no_others_are_asked_for(
    kafka: KafkaCluster, new_topic: NewTopicFunction
) -> None:
    # A fetch ends with a segment: in small ones a range takes many fetches, each with room for companions.
    topic = new_topic(partitions=3, config={"segment.bytes": str(1 << 20)})
    for _ in range(5):
        produce(kafka, topic, [Message(b"x" * 100_000, partition=at % 3) for at in range(24)])
    ranges = [OffsetRange(topic, partition, 0, 40) for partition in range(3)]

    with Watched(settings(kafka.bootstrap_servers)) as client:
        client.connect(30_000)
        reader, topic_id = RangeReader(client), topic_id_of(client, topic)
        read = Reading(reader.fetches(ranges[0], topic_id, ranges[1:]), ranges[0]).go_on()

    assert read.offsets == list(range(40))
    assert client.asked == [3] + [1] * (len(client.asked) - 1)
    assert client.brought[0] == 3
    assert len(client.asked) > 2


def three_batches(kafka: KafkaCluster, topic: str, replicas: int = 1) -> None:
    """30 records in batches that a fetch of 10,000 bytes takes one by one."""
    create(kafka, topic, replicas)
    for _ in range(3):
        produce(kafka, topic, [Message(b"x" * 1000)] * 10, {"linger.ms": 500})


def test_a_broker_that_was_restarted_is_read_on(own_kafka: KafkaCluster) -> None:
    three_batches(own_kafka, "restarted")
    with KafkaClient(
        settings(own_kafka.bootstrap_servers, fetch_max_bytes=10_000, stall_timeout_s=60)
    ) as client:
        client.connect(30_000)
        read = reading(client, "restarted", 0, 30).go_on(fetch_count=1)

        own_kafka.nodes[0].restart()

        assert read.go_on().offsets == list(range(30))


def test_a_paused_broker_stalls_a_reader_once_for_all_its_ranges(own_kafka: KafkaCluster) -> None:
    three_batches(own_kafka, "paused")
    hasty = settings(
        own_kafka.bootstrap_servers, fetch_max_bytes=10_000, request_timeout_ms=300, stall_timeout_s=1.0
    )
    with KafkaClient(hasty) as client:
        client.connect(30_000)
        topic_id = topic_id_of(client, "paused")
        reader = RangeReader(client)
        fetches = reader.fetches(OffsetRange("paused", 0, 0, 30), topic_id)
        next(fetches)
        own_kafka.nodes[0].pause()
        try:
            began = time.monotonic()
            with pytest.raises(
                FetchStalled, match=r"\[10, 30\): no progress for 1 s, waiting because .*safe"
            ):
                next(fetches)
            first_s = time.monotonic() - began
            began = time.monotonic()
            with pytest.raises(FetchStalled):
                next(reader.fetches(OffsetRange("paused", 0, 20, 30), topic_id))
            second_s = time.monotonic() - began
        finally:
            own_kafka.nodes[0].resume()

        assert 1.0 <= first_s < 8
        assert second_s < first_s
        # And it goes on when the broker does.
        wait_until(own_kafka.nodes[0].answers, "the broker to answer again")
        wanted = OffsetRange("paused", 0, 10, 30)
        fresh = RangeReader(client)
        assert Reading(fresh.fetches(wanted, topic_id), wanted).go_on().offsets == list(range(10, 30))
