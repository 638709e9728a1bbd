"""Which topics a job loads, from where, in how many runs, and into which folders."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from loader.engine.local import LocalEngine
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import commit_paths, published_paths, read_table
from .jobs import Job
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, Message, messages, produce, produce_oddly, wait_until
from .records import assert_same_records, offsets_of

DAY_MS = 24 * HOUR_MS


def add_partitions(kafka: KafkaCluster, topic: str, count: int) -> None:
    """Give a topic more partitions; return when each has a leader."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    admin.create_partitions([NewPartitions(topic, count)])[topic].result(30)

    def all_lead() -> bool:
        known = admin.list_topics(topic, timeout=10).topics[topic].partitions
        return len(known) == count and all(partition.leader >= 0 for partition in known.values())

    wait_until(all_lead, f"{topic} to have {count} partitions")


def test_several_topics_and_a_pattern_are_loaded_in_one_commit(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    named, other = new_topic(partitions=2), new_topic()
    matched = [new_topic(f"{named}-matched-{number}") for number in range(3)]
    not_matched = new_topic(f"not-{named}-matched-1")
    for topic in (named, other, not_matched, *matched):
        produce(kafka, topic, messages(10))
    job = new_job(named, other, {"pattern": f"{named}-matched-[01]"})

    job.run()

    expected = [read_by_librdkafka(kafka, topic) for topic in (named, other, *matched[:2])]
    assert_same_records(job.records(), [record for records in expected for record in records])
    assert len(commit_paths(job.folder)) == 1


def test_a_second_run_loads_only_what_is_new(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10) + messages(5, partition=1))
    job = new_job(topic)
    job.run()
    before = published_paths(job.folder)
    produce(kafka, topic, messages(10, first=10))

    report = job.run()

    (loaded,) = report["ranges"]
    assert (loaded["partition"], loaded["start_offset"], loaded["end_offset"]) == (0, 10, 20)
    assert set(before) < set(published_paths(job.folder))
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def test_nothing_new_starts_no_engine_and_commits_nothing(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, empty = new_topic(), new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic, empty)
    job.run()
    before = job.folder.paths()

    def start(*_: object) -> None:
        raise AssertionError("an engine was started")

    monkeypatch.setattr(LocalEngine, "run", start)

    report = job.run()

    assert not report["committed"]
    assert job.folder.paths() == before


def test_a_job_of_empty_topics_only_starts_no_engine(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(partitions=2)
    job = new_job(topic)
    with monkeypatch.context() as patch:
        patch.delattr(LocalEngine, "run")
        assert job.run()["committed"]  # where it begins
        assert not job.run()["committed"]

    produce(kafka, topic, messages(10))
    job.run()

    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_partitions_added_later_are_loaded_from_their_first_record(
    start: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job({"name": topic, "start": start})
    job.run()
    add_partitions(kafka, topic, 3)
    produce(kafka, topic, messages(5, partition=2))

    job.run()

    assert offsets_of(job.records(), partition=2) == [0, 1, 2, 3, 4]
    assert offsets_of(job.records(), partition=0) == ([] if start == "latest" else list(range(10)))


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_topics_that_match_later_are_loaded_from_their_first_record(
    start: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    first = new_topic()
    produce(kafka, first, messages(10))
    job = new_job({"pattern": f"{first}.*", "start": start})
    job.run()
    second = new_topic(f"{first}-later")
    produce(kafka, second, messages(5))

    job.run()

    assert offsets_of(job.records(), second) == [0, 1, 2, 3, 4]
    assert offsets_of(job.records(), first) == ([] if start == "latest" else list(range(10)))


def test_start_latest_loads_only_what_comes_after_the_first_run(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job({"name": topic, "start": "latest"})

    job.run()
    produce(kafka, topic, messages(5))
    job.run()

    assert offsets_of(job.records()) == [10, 11, 12, 13, 14]


def test_start_at_a_timestamp_begins_at_the_first_record_of_that_time(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=2)
    times = [T0_MS + minutes * 60_000 for minutes in (0, 5, 3, 7)]
    produce(kafka, topic, [Message(b"v", timestamp_ms=time) for time in times])
    produce(kafka, topic, [Message(b"v", timestamp_ms=times[-1], partition=1)])
    start = datetime.fromtimestamp(times[1] / 1000, UTC)
    job = new_job({"name": topic, "start": {"timestamp": start}})

    job.run()

    # Offset 2 is older, but comes after: an offset is where a run begins, and nothing behind it is left out.
    assert offsets_of(job.records()) == [1, 2, 3]
    assert offsets_of(job.records(), partition=1) == [0]


def test_start_at_a_timestamp_that_no_record_has_is_refused_or_is_the_end(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    too_late = datetime.fromtimestamp(T0_MS / 1000, UTC) + timedelta(days=1)

    refused = new_job({"name": topic, "start": {"timestamp": too_late}}, name="refused").try_run()
    job = new_job({"name": topic, "start": {"timestamp": too_late, "or_latest": True}})
    job.run()
    produce(kafka, topic, messages(1))
    job.run()

    assert refused.status == 2
    assert f"{topic}-0: no record at or after start.timestamp" in refused.errors
    assert offsets_of(job.records()) == [10]


def test_start_at_offsets_begins_there_and_elsewhere_at_the_earliest(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10) + messages(10, partition=1))
    job = new_job({"name": topic, "start": {"offsets": {"1": 7}}})

    job.run()

    assert offsets_of(job.records(), partition=0) == list(range(10))
    assert offsets_of(job.records(), partition=1) == [7, 8, 9]


@pytest.mark.parametrize(
    ("offsets", "message"),
    [({"5": 0}, "names partition 5, but there are 1"), ({"0": 11}, "gives 11, but the log ends at 10")],
)
def test_start_at_offsets_that_do_not_exist_is_refused(
    offsets: dict[str, int],
    message: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job({"name": topic, "start": {"offsets": offsets}})

    ended = job.try_run()

    assert ended.status == 2
    assert message in ended.errors
    assert job.folder.paths() == []


def test_limits_cut_a_run_short_until_all_is_loaded_and_every_partition_moves(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    hot, quiet = new_topic(partitions=2), new_topic()
    produce(kafka, hot, messages(50) + messages(5, partition=1))
    produce(kafka, quiet, messages(5))
    job = new_job(hot, quiet, limits={"max_records": 20})

    reports = [job.run() for _ in range(4)]

    assert {(each["topic"], each["partition"]) for each in reports[0]["ranges"]} == {
        (hot, 0),
        (hot, 1),
        (quiet, 0),
    }
    assert [report["row_count"] for report in reports] == [20, 20, 20, 0]
    assert [report["remaining_offsets"] for report in reports] == [40, 20, 0, 0]
    expected = read_by_librdkafka(kafka, hot) + read_by_librdkafka(kafka, quiet)
    assert_same_records(job.records(), expected)


@pytest.mark.parametrize("batch_bytes", [20_000, 2_000_000], ids=["several-batches", "within-a-batch"])
def test_a_limit_of_bytes_cuts_every_run_short(
    batch_bytes: int, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(config={"max.message.bytes": "4000000"})
    sent = [Message(b"x" * 10_000) for _ in range(100)]
    produce(kafka, topic, sent, {"batch.size": batch_bytes, "linger.ms": 500})
    job = new_job(topic, limits={"max_bytes": 300_000})

    reports = [job.run() for _ in range(4)]

    # About 30 each: estimated from the size of the log on disk, then from what the run before has fetched.
    assert [20 <= report["row_count"] <= 40 for report in reports] == [True, True, True, False]
    assert sum(report["row_count"] for report in reports) == 100
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_hot_partition_cut_into_several_splits_gives_each_offset_once(
    processes: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, [Message(b"%d" % number + b"x" * 5_000) for number in range(200)])
    job = new_job(topic, plan={"target_split_bytes": 65536})
    splits = job.plan()["splits"]

    report = job.run("--processes", processes)

    assert len(splits) > 5
    assert report["file_count"] > 5
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def folders_of(job: Job, topic_folder: str) -> dict[str, list[int]]:
    """The offsets below each folder of a topic."""
    found: dict[str, list[int]] = {}
    for path in published_paths(job.folder):
        folder, _, _ = path.rpartition("/")
        assert folder == topic_folder or folder.startswith(f"{topic_folder}/")
        offsets = read_table(job.folder, prefix=path).column("offset").to_pylist()
        found.setdefault(folder.removeprefix(topic_folder).strip("/"), []).extend(offsets)
    return {folder: sorted(offsets) for folder, offsets in found.items()}


NO_TIME = "dt=__HIVE_DEFAULT_PARTITION__"


@pytest.mark.parametrize(
    ("partition_by", "expected"),
    [
        ("none", {"": [0, 1, 2, 3, 4]}),
        ("day", {"dt=2024-02-29": [0, 2, 4], "dt=2024-03-01": [1], NO_TIME: [3]}),
        (
            "hour",
            {
                "dt=2024-02-29/hour=10": [0, 4],
                "dt=2024-02-29/hour=09": [2],
                "dt=2024-03-01/hour=10": [1],
                f"{NO_TIME}/hour=__HIVE_DEFAULT_PARTITION__": [3],
            },
        ),
    ],
)
def test_rows_lie_in_the_folder_of_their_own_time_however_late_they_come(
    partition_by: str,
    expected: dict[str, list[int]],
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
) -> None:
    topic = new_topic()
    job = new_job(topic, write={"partition_by": partition_by})
    produce_oddly(
        kafka,
        topic,
        [Message(b"v", timestamp_ms=time) for time in (T0_MS, T0_MS + DAY_MS, T0_MS - 1, -1)],
    )
    job.run()
    produce(kafka, topic, [Message(b"late", timestamp_ms=T0_MS + HOUR_MS - 1)])

    job.run()

    assert folders_of(job, topic) == expected


@pytest.mark.parametrize("name", ["_hidden", ".invisible", "a.b", "a-b_c", "x" * 249, "_" + "y" * 248])
def test_topics_of_any_name_lie_in_visible_folders_of_their_own(
    name: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(name)
    produce(kafka, topic, messages(5))
    job = new_job(topic)

    job.run()

    (path,) = published_paths(job.folder)
    assert all(len(part) <= 255 for part in path.split("/"))
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def test_each_file_tells_its_job_run_topic_and_offsets(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)

    report = job.run()

    (path,) = published_paths(job.folder)
    metadata: dict[bytes, Any] = pq.read_metadata(pa.BufferReader(job.folder.read(path))).metadata
    assert metadata[b"loader.job"] == b"job"
    assert metadata[b"loader.run_id"] == report["run_id"].encode()
    assert metadata[b"loader.topic"] == topic.encode()
    assert json.loads(metadata[b"loader.ranges"]) == [[0, 0, 10]]
    assert path.startswith(f"{topic}/dt=2024-02-29/hour=10/{topic}-0-0-9-")
