"""What `plan` and `status` tell of records that wait: how many, how old, how long Kafka keeps them."""

import re
import time
from typing import Any

import pytest

from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import delete_records

from .conftest import NewJobFunction
from .jobs import Job, kafka_loader
from .producing import HOUR_MS, Message, messages, produce, transactional_producer

DAY_MS = 24 * HOUR_MS


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def document(command: str, job: Job, *options: str) -> Any:
    return kafka_loader(command, str(job.config), "--json", *options).document


def told_at(found: Any, key: str) -> list[Any]:
    return [each[key] for each in found["partitions"]]


def test_the_age_of_what_waits_and_when_kafka_deletes_it_are_told_by_its_first_record(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    old_ms = now_ms() - 5 * HOUR_MS
    kept = new_topic(partitions=2, config={"retention.ms": str(2 * DAY_MS)})
    compacted = new_topic(config={"cleanup.policy": "compact"})
    produce(kafka, kept, messages(10, timestamp_ms=old_ms))
    produce(kafka, compacted, messages(1, timestamp_ms=old_ms))
    job = new_job({"name": kept}, {"name": compacted})

    plan, status = document("plan", job), document("status", job)

    for found in (plan, status):
        waiting, empty, of_compacted = sorted(
            found["partitions"], key=lambda each: (each["topic"] != kept, each["partition"])
        )
        assert waiting["first_unread_ms"] == old_ms
        assert waiting["lag_ms"] == found["asked_at_ms"] - old_ms
        assert waiting["deleted_in_ms"] == old_ms + 2 * DAY_MS - found["asked_at_ms"]
        assert (empty["lag_offsets"], empty["lag_ms"], empty["deleted_in_ms"]) == (0, 0, None)
        assert (of_compacted["first_unread_ms"], of_compacted["deleted_in_ms"]) == (old_ms, None)


def test_a_topic_is_complete_up_to_its_first_record_that_is_not_loaded_or_to_now(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    old_ms = now_ms() - 5 * HOUR_MS
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10, timestamp_ms=old_ms))
    job = new_job(topic)
    job.run()
    before = now_ms()
    loaded = document("status", job)
    produce(kafka, topic, messages(3, first=100, timestamp_ms=old_ms))
    behind = document("status", job)

    assert all(before <= up_to <= now_ms() for up_to in told_at(loaded, "complete_up_to_ms"))
    assert told_at(behind, "next_offset") == [10, 0]
    assert told_at(behind, "complete_up_to_ms") == [old_ms + 100_000, behind["asked_at_ms"]]
    (whole,) = behind["topics"]
    assert whole["complete_up_to_ms"] == old_ms + 100_000
    assert (whole["lag_offsets"], whole["lag_ms"]) == (3, behind["asked_at_ms"] - old_ms - 100_000)
    assert whole["lag_bytes"] > 0


def test_what_an_open_transaction_holds_back_is_not_complete(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    old_ms = now_ms() - 5 * HOUR_MS
    topic = new_topic()
    job = new_job(topic)
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    producer.produce(topic, b"held back", partition=0, timestamp=old_ms)
    producer.flush()

    found = document("status", job)
    said = kafka_loader("status", str(job.config)).output
    producer.abort_transaction()

    (waiting,) = found["partitions"]
    assert (waiting["lag_offsets"], waiting["held_back_offsets"]) == (0, 1)
    assert waiting["complete_up_to_ms"] == old_ms
    assert f"an open transaction holds back 1 offset of {topic}-0" in said


def test_status_names_the_commit_that_moved_each_partition_last(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=3)
    job = new_job(topic)
    produce(kafka, topic, messages(1) + messages(1, partition=1))
    job.run()
    first = document("status", job)["committed_at_ms"]
    produce(kafka, topic, messages(1, partition=1))
    job.run()

    found = document("status", job)

    assert told_at(found, "last_version") == [1, 2, None]
    assert told_at(found, "last_committed_at_ms") == [first, found["committed_at_ms"], None]
    assert found["topics"][0]["last_version"] == 2


@pytest.mark.parametrize("partition_by", ["hour", "day", "none"])
def test_plan_expects_as_many_files_as_a_run_writes(
    partition_by: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    begin_ms = now_ms() // DAY_MS * DAY_MS - 2 * DAY_MS
    topics = new_topic(partitions=2), new_topic()
    for topic, partition in [(topics[0], 0), (topics[0], 1), (topics[1], 0)]:
        evenly = [
            Message(b"x", timestamp_ms=begin_ms + number * HOUR_MS // 2, partition=partition)
            for number in range(60)
        ]
        produce(kafka, topic, evenly)
    job = new_job(*topics, write={"partition_by": partition_by})

    plan, report = job.plan(), job.run()

    expected = {"hour": 30, "day": 2, "none": 1}[partition_by]
    assert [each["expected_files"] for each in plan["topics"]] == [expected, expected]
    assert plan["expected_files"] == report["file_count"] == 2 * expected


def test_plan_tells_what_limits_leave_of_the_lag(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic, limits={"max_records": 4})

    (each,) = document("plan", job)["partitions"]
    ended = kafka_loader("run", str(job.config), "--processes", "1")
    heading, row = ended.output.splitlines()[1:3]

    assert (each["start_offset"], each["planned_end_offset"], each["end_offset"]) == (0, 4, 10)
    assert each["lag_bytes"] > each["planned_bytes"] > 0
    assert heading.split() == ["topic", "partitions", "rows", "files", "size", "lag", "left"]
    assert [row.split()[place] for place in (0, 1, 2, 3, -1)] == [topic, "1", "4", "1", "6"]


def test_plan_tells_of_a_format_that_a_run_would_stop_at_and_asks_a_registry_for_no_other(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    typed, plain = new_topic(), new_topic()
    for topic in (typed, plain):
        produce(kafka, topic, messages(2))
    (port,) = choose_ports(1)
    registry = {"url": f"http://127.0.0.1:{port}", "give_up_after_s": 0.2}
    job = new_job({"name": typed, "value": {"format": "avro"}}, plain, registry=registry)

    ended = kafka_loader("plan", str(job.config), "--json")

    assert ended.status == 3
    assert ended.document["failures"][typed]["kind"] == "RegistryUnavailable"
    assert [each["topic"] for each in ended.document["partitions"]] == [plain]
    assert ended.document["splits"][0]["ranges"] == [f"{plain}-0[0, 2)"]
    assert job.folder.paths() == []


@pytest.mark.parametrize("command", ["plan", "status"])
def test_many_partitions_are_told_by_topic_and_all_where_they_are_asked_for(
    command: str, kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topics = wide, narrow = new_topic(partitions=21), new_topic()
    for topic in topics:
        produce(kafka, topic, messages(1))
    job = new_job(*topics)

    def names(*options: str) -> set[str]:
        lines = kafka_loader(command, str(job.config), *options).output.splitlines()
        shown = {line.split()[0] for line in lines if line}
        return {name for name in shown if name.startswith((wide, narrow))}

    partitions = {f"{wide}-{number}" for number in range(21)}
    assert names() == {*topics}
    assert names("--topic", narrow) == {f"{narrow}-0"}
    assert names("--topic", wide) == partitions
    assert names("--partitions") == {*topics, *partitions, f"{narrow}-0"}
    unknown = kafka_loader(command, str(job.config), "--topic", "no-such")
    assert (unknown.status, unknown.output) == (2, "")
    assert "--topic no-such: this job loads no topic of that name" in unknown.errors


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize("command", ["plan", "status", "run"])
def test_on_a_terminal_tables_fit_and_no_number_is_cut(
    command: str,
    columns: int,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = new_topic(f"{'a-long-name-' * 5}{command}-{columns}", partitions=2)
    produce(kafka, topic, messages(1000))
    job = new_job(topic)
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which rich takes what it writes to for a terminal
    monkeypatch.setenv("COLUMNS", str(columns))

    output = kafka_loader(command, str(job.config)).output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines()

    first = next(number for number, line in enumerate(plain) if line.startswith(("partition", "topic")))
    table = [line for line in plain[first:] if "next: " not in line and not line.startswith("deleted in:")]
    assert max(map(len, table)) <= columns
    assert "…" not in output
    last = {"plan": "deleted in", "status": "complete up to", "run": "lag left"}[command]
    assert last in table[0]
    assert "1,000" in "\n".join(table)


def test_a_topic_that_cannot_be_loaded_keeps_its_place_in_status(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(config={"retention.ms": "-1"})
    produce(kafka, topic, messages(5))
    job = new_job(topic)
    job.run()
    produce(kafka, topic, messages(5))
    delete_records(kafka, topic, 8)

    found = document("status", job)

    (each,) = found["partitions"]
    assert (each["next_offset"], each["end_offset"], each["complete_up_to_ms"]) == (5, None, None)
    assert found["topics"][0]["lag_offsets"] is None
    assert found["failures"][topic]["kind"] == "OffsetsExpired"
