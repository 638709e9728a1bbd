"""Complete: whether all from before a moment is loaded and visible; markers for schedulers, and waiting."""

import itertools
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from loader.cli import process
from loader.errors import BrokerUnavailable
from loader.operations.listening import Step
from loader.operations.watch.complete import Completeness, read_completeness, wait_until_passed
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewFolderFunction, NewJobFunction
from .crashes import killed_at_step
from .jobs import Job, kafka_loader
from .producing import (
    HOUR_MS,
    T0_MS,
    Ends,
    Message,
    messages,
    produce,
    send,
    transactional_producer,
    wait_for_ends,
)

NOW_MS = time.time_ns() // 1_000_000
MARKERS = ["dt=2024-02-29/hour=10/_COMPLETE", "dt=2024-02-29/hour=11/_COMPLETE"]


def at(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat()


def complete(job: Job, *arguments: str) -> tuple[int, Any]:
    ended = kafka_loader("complete", str(job.config), "--json", *arguments)
    return ended.status, ended.document


def passed(job: Job, until_ms: int, *arguments: str) -> bool:
    status, document = complete(job, "--until", at(until_ms), *arguments)
    assert (status, document["complete"]) in [(0, True), (3, False)]
    return status == 0


def test_a_moment_is_passed_when_nothing_from_before_it_is_left_to_load(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=2)  # nobody writes to the second partition
    job = new_job(topic)
    produce(kafka, topic, messages(10))
    before = passed(job, T0_MS)  # the first record is of this very moment
    after_it = passed(job, T0_MS + 1, "--lateness", "0")
    job.run()
    produce(kafka, topic, messages(1, timestamp_ms=T0_MS + HOUR_MS))

    assert (before, after_it) == (False, False)
    assert passed(job, T0_MS, "--lateness", "0")
    assert passed(job, T0_MS + HOUR_MS, "--lateness", "0")
    assert not passed(job, T0_MS + HOUR_MS + 1, "--lateness", "0")
    assert not passed(job, T0_MS + HOUR_MS)  # by default a minute is left for what is late
    assert passed(job, T0_MS + HOUR_MS - 60_000)
    job.run()
    assert passed(job, NOW_MS, "--lateness", "0")
    assert not passed(job, NOW_MS + 24 * HOUR_MS)  # what has not come yet, is not complete


def test_the_document_tells_what_is_missing(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic, other = new_topic(partitions=2), new_topic()
    job = new_job(topic, other)
    job.run()
    produce(kafka, topic, messages(10, partition=1))

    status, document = complete(job, "--until", at(T0_MS + 1), "--lateness", "0")
    text = kafka_loader("complete", str(job.config), "--until", at(T0_MS + 1), "--lateness", "0")

    assert (status, text.status) == (3, 3)
    topics = {each["topic"]: each for each in document["topics"]}
    assert {name: each["complete"] for name, each in topics.items()} == {topic: False, other: True}
    assert [(each["partition"], each["complete"]) for each in topics[topic]["partitions"]] == [
        (0, True),
        (1, False),
    ]
    assert topics[topic]["partitions"][1] == {
        "partition": 1,
        "complete_up_to_ms": T0_MS,
        "complete": False,
        "next_offset": 0,
        "lag_offsets": 10,
        "held_back_offsets": 0,
    }
    assert (document["complete_up_to_ms"], document["until_ms"]) == (T0_MS, T0_MS + 1)
    assert "not complete: 1 of 3 partitions of 2 topics did not pass 2024-02-29 10:00:00Z" in text.output
    assert f"{topic}-1" in text.output
    assert "10 offsets to load" in text.output
    assert complete(job, "--until", at(T0_MS + 1), "--topic", other)[0] == 0


def test_an_open_transaction_holds_its_partition_back(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    job = new_job(topic)
    producer = transactional_producer(kafka, topic)
    producer.begin_transaction()
    send(producer, topic, messages(3))
    job.run()
    while_open = passed(job, T0_MS + 1, "--lateness", "0"), complete(job, "--lateness", "0")[1]
    producer.commit_transaction(30)
    wait_for_ends(kafka, topic, Ends(4, 4))
    job.run()

    assert while_open[0] is False
    (partition,) = while_open[1]["topics"][0]["partitions"]
    assert (partition["complete_up_to_ms"], partition["held_back_offsets"]) == (T0_MS, 3)
    assert passed(job, T0_MS + HOUR_MS)


def test_a_topic_that_cannot_be_loaded_or_is_not_there_is_not_complete(
    new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    missing = new_job("there-is-no-such-topic")
    none = new_job({"pattern": "no-topic-is-called-so-.*"}, name="none")

    assert not passed(missing, T0_MS)
    assert not passed(none, T0_MS)
    assert complete(new_job(new_topic(), name="one"), "--topic", "other")[0] == 2


def test_what_is_committed_and_not_visible_yet_is_not_complete(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)
    killed_at_step(job.config, Step.PUBLISH)

    status, document = complete(job, "--until", at(T0_MS + HOUR_MS), "--mark")

    assert (status, document["unpublished_version"], document["marked"]) == (3, 1, [])
    job.run()
    assert passed(job, T0_MS + HOUR_MS)


def test_hours_are_shown_with_what_holds_them_back(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    job = new_job(topic)
    hour_ms = NOW_MS // HOUR_MS * HOUR_MS
    produce(kafka, topic, [Message(timestamp_ms=hour_ms - 2 * HOUR_MS + 90_000)])

    _, document = complete(job, "--last-hours", "4")
    text = kafka_loader("complete", str(job.config), "--last-hours", "4")

    hours = {each["hour_ms"]: each["complete"] for each in document["topics"][0]["hours"]}
    newest = max(hours)  # an hour may have gone by since this file was read
    assert sorted(hours) == [newest - number * HOUR_MS for number in (3, 2, 1, 0)]
    assert [hours[each] for each in sorted(hours)] == [each < hour_ms - 2 * HOUR_MS for each in sorted(hours)]
    assert (text.status, document["complete"]) == (0, None)
    assert f"{topic}-0: 1 offset to load" in text.output
    assert "the hour is not over" in text.output


def test_markers_are_put_once_into_closed_hours_and_no_reader_or_proof_minds_them(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    job = new_job(topic)
    hours = [messages(2, timestamp_ms=T0_MS + number * HOUR_MS) for number in range(3)]
    produce(kafka, topic, itertools.chain(*hours))
    job.run()
    produce(kafka, topic, messages(1, first=2, timestamp_ms=T0_MS + 2 * HOUR_MS))  # the third hour goes on

    marked = complete(job, "--mark", "--lateness", "0")[1]["marked"]
    again = complete(job, "--mark", "--lateness", "0")[1]["marked"]
    job.run()
    produce(kafka, topic, messages(1, first=5))  # late, into the first hour
    late = complete(job, "--mark")[1]["marked"]
    job.run()

    assert marked == [f"{topic}/{marker}" for marker in MARKERS]
    assert (again, late) == ([], [])  # the late record makes all that is later incomplete
    assert [path for path in job.folder.paths() if path.endswith("_COMPLETE")] == marked
    assert job.folder.read(marked[0]) == b""
    verified = kafka_loader("verify", str(job.config), "--json")
    assert (verified.status, verified.document["problems"], verified.document["notes"]) == (0, [], [])
    assert complete(job, "--mark")[1]["marked"] == [f"{topic}/dt=2024-02-29/hour=12/_COMPLETE"]


def test_markers_go_by_the_folders_of_the_job(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, new_folder: NewFolderFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(1))
    by = {
        name: new_job(topic, name=name, folder=new_folder("local"), write={"partition_by": name})
        for name in ("day", "none")
    }
    for job in by.values():
        job.run()

    refused = kafka_loader("complete", str(by["none"].config), "--mark")

    assert complete(by["day"], "--mark")[1]["marked"] == [f"{topic}/dt=2024-02-29/_COMPLETE"]
    assert refused.status == 2
    assert "write.partition_by is none" in refused.errors


def test_who_waits_looks_again_until_it_is_so_or_the_time_is_over(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)
    opened = process.read_job(job.config)
    answers: list[Completeness | None] = []
    clock_s = 0.0

    def read() -> Completeness:
        if len(answers) == 1:
            answers.append(None)
            raise BrokerUnavailable("a broker restarts")
        answers.append(read_completeness(opened, None, 0, process.now_ms))
        assert answers[-1] is not None
        return answers[-1]

    def sleep(seconds: float) -> None:
        nonlocal clock_s
        clock_s += seconds
        if clock_s == 15:
            job.run()

    found = wait_until_passed(read, T0_MS + HOUR_MS, 60, sleep, lambda: clock_s)
    too_short = wait_until_passed(read, NOW_MS + HOUR_MS, 12, sleep, lambda: clock_s)

    assert found.has_passed(T0_MS + HOUR_MS)
    assert len(answers) == 4 + 4  # at 0, 5, 10, 15 s; and at 0, 5, 10, 12 s
    assert clock_s == 15 + 12
    assert not too_short.has_passed(NOW_MS + HOUR_MS)


def test_brokers_that_never_answer_end_a_wait_with_3(new_job: NewJobFunction) -> None:
    (port,) = choose_ports(1)
    servers = {"bootstrap_servers": [f"127.0.0.1:{port}"], "request_timeout_ms": 2000}
    job = new_job("topic", kafka=servers)

    ended = kafka_loader("complete", str(job.config), "--until", at(T0_MS), "--wait", "0")

    assert ended.status == 3
    assert f"127.0.0.1:{port}" in ended.errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--until", "yesterday"], "--until yesterday: must be a time with its zone"),
        (["--until", "2026-11-22T10:00:00"], "must be a time with its zone, like 2026-11-01T00:00:00Z"),
        (["--wait", "5"], "--wait needs --until"),
    ],
    ids=str,
)
def test_a_question_that_cannot_be_understood_ends_with_2(
    arguments: list[str], said: str, new_job: NewJobFunction
) -> None:
    ended = kafka_loader("complete", str(new_job("topic").config), *arguments)

    assert ended.status == 2
    assert said in ended.errors
