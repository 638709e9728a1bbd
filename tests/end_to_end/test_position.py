"""A position that a person moves loses nothing and doubles nothing, whatever is loaded before and after."""

import json
from typing import Any

import pytest

from loader.cli import process
from loader.errors import CommitSuperseded
from loader.operations.changes.positions import RewindBy, plan_move, write_moves
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import LocalFolder, commit_paths, published_paths
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, delete_records, messages, produce
from .records import assert_same_records

YES = ("--yes", "--json", "--reason", "the schema was wrong")


def moved(job: Job, what: str, *options: str) -> Any:
    ended = kafka_loader("position", what, str(job.config), *options, *YES)
    assert ended.status == 0, ended.errors
    return ended.document


def commits(job: Job) -> list[Any]:
    return [json.loads(job.folder.read(path))["commit"] for path in commit_paths(job.folder)]


def ways(document: Any) -> list[tuple[int, int, int, int]]:
    """From, to, loaded again and left out, of each partition that moves."""
    return [
        (each["from_offset"], each["to_offset"], each["again_count"], each["skipped_count"])
        for each in document["partitions"]
    ]


def places(job: Job, topic: str) -> dict[str, int]:
    partitions = commits(job)[-1]["position"][topic]["partitions"]
    return {number: place["next_offset"] for number, place in partitions.items()}


def assert_proven(job: Job) -> Any:
    ended = kafka_loader("verify", str(job.config), "--deep", "--json")
    assert ended.status == 0, ended.output
    return ended.document


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions, 30 and 10 records, the first over two hours."""
    name = new_topic(partitions=2)
    produce(kafka, name, messages(20))
    produce(kafka, name, messages(10, first=20, timestamp_ms=T0_MS + HOUR_MS))
    produce(kafka, name, messages(10, partition=1))
    return name


@pytest.fixture
def job(topic: str, new_job: NewJobFunction) -> Job:
    """Loaded in two runs."""
    job = new_job(topic, limits={"max_records": 25})
    job.run()
    job.run()
    assert places(job, topic) == {"0": 30, "1": 10}
    return job


def test_offsets_loaded_again_take_the_place_of_their_rows(kafka: KafkaCluster, topic: str, job: Job) -> None:
    before = set(published_paths(job.folder))

    document = moved(job, "rewind", "--topic", topic, "--by", "7")
    after_move = set(published_paths(job.folder))
    produce(kafka, topic, messages(5, first=100))
    report = job.run()

    assert [
        (each["from_offset"], each["to_offset"], each["again_count"]) for each in document["partitions"]
    ] == [
        (30, 23, 7),
        (10, 3, 7),
    ]
    assert after_move == before
    assert report["row_count"] == 7 + 7 + 5
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert places(job, topic) == {"0": 35, "1": 10}
    proof = assert_proven(job)
    assert (proof["row_count"], proof["file_count"]) == (45, len(published_paths(job.folder)))


def test_what_was_set_back_is_loaded_again_in_as_many_runs_as_its_limits_need(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    moved(job, "set", "--topic", topic, "--to", "earliest")

    rows = [job.run()["row_count"] for _ in range(3)]

    assert rows == [25, 15, 0]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert_proven(job)


def test_a_move_ahead_leaves_out_and_its_undo_brings_it_in(kafka: KafkaCluster, topic: str, job: Job) -> None:
    produce(kafka, topic, messages(40, first=200))
    document = moved(job, "set", "--topic", topic, "--partition", "0", "--to", "60")
    job.run()
    assert {record.offset for record in job.records() if record.partition == 0} == {
        *range(30),
        *range(60, 70),
    }
    assert_proven(job)

    undone = moved(job, "undo")
    job.run()
    job.run()

    assert [(each["to_offset"], each["skipped_count"]) for each in document["partitions"]] == [(60, 30)]
    assert [
        (each["from_offset"], each["to_offset"], each["again_count"]) for each in undone["partitions"]
    ] == [(70, 30, 10)]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert_proven(job)


def test_the_undo_of_a_rewind_leaves_everything_as_it_was(topic: str, job: Job) -> None:
    before = published_paths(job.folder)
    moved(job, "rewind", "--topic", topic, "--by", "5")

    undone = moved(job, "undo")

    assert [each["again_count"] for each in undone["partitions"]] == [0, 0]
    assert job.run()["committed"] is False
    assert published_paths(job.folder) == before
    assert places(job, topic) == {"0": 30, "1": 10}
    assert_proven(job)


def test_the_undo_of_one_topic_finds_its_last_move_behind_those_of_others(
    kafka: KafkaCluster, topic: str, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    other = new_topic()
    produce(kafka, other, messages(8))
    job = new_job(topic, other)
    job.run()
    moved(job, "rewind", "--topic", topic, "--by", "5")
    moved(job, "rewind", "--topic", other, "--by", "3")

    moved(job, "undo", "--topic", topic)

    assert (places(job, topic), places(job, other)) == ({"0": 30, "1": 10}, {"0": 5})


def test_a_move_says_who_and_why_and_the_old_position_stays_in_the_ledger(job: Job, topic: str) -> None:
    moved(job, "rewind", "--topic", topic, "--by", "5")

    *_, before, after = commits(job)
    assert (after["operation"], after["reason"]) == ("set_position", "the schema was wrong")
    assert after["committed_by"] == before["committed_by"]
    assert before["position"][topic]["partitions"]["0"]["next_offset"] == 30
    assert after["position"][topic]["partitions"]["0"] == {
        "next_offset": 25,
        "leader_epoch": -1,
        "reached_offset": 30,
    }


def test_a_move_is_shown_first_and_nothing_is_written_without_agreement(
    job: Job, topic: str, local_folder: LocalFolder
) -> None:
    before = local_folder.paths()

    ended = kafka_loader(
        "position", "rewind", str(job.config), "--topic", topic, "--by", "5", "--reason", "because"
    )

    assert ended.status == 4
    rows = [line.split() for line in ended.output.splitlines()]
    assert [f"{topic}-0", "30", "25", "5", "0"] in rows
    assert "the next runs load 10 offsets again, in the place of their rows" in ended.output
    assert "agree with --yes" in ended.errors
    assert local_folder.paths() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("set", "--topic", "other", "--to", "5"), "job job has not loaded this topic; it has loaded TOPIC"),
        (
            ("set", "--topic", "TOPIC", "--to", "31"),
            "TOPIC-0: offset 31 is not in Kafka's log, which goes from 0",
        ),
        (
            ("set", "--topic", "TOPIC", "--to", "noon"),
            "--to noon: must be earliest, latest, an offset, a time with its zone",
        ),
        (("set", "--topic", "TOPIC", "--to", "3", "--partition", "9"), "TOPIC-9: the job has not met"),
        (("rewind", "--topic", "TOPIC", "--by", "31"), "TOPIC-0: offset -1 is not in Kafka's log"),
        (("undo",), "nobody has moved its position"),
    ],
)
def test_a_move_to_where_nothing_is_is_refused(
    arguments: tuple[str, ...], told: str, job: Job, topic: str
) -> None:
    what, *options = (each.replace("TOPIC", topic) for each in arguments)

    ended = kafka_loader("position", what, str(job.config), *options, *YES)

    assert ended.status == 2
    assert told.replace("TOPIC", topic) in ended.errors
    assert len(commits(job)) == 2


def test_a_reason_is_asked_for(job: Job) -> None:
    ended = kafka_loader("position", "undo", str(job.config), "--yes", "--reason", " ")

    assert (ended.status, "--reason: say why" in ended.errors) == (2, True)


def test_a_time_is_the_first_record_of_it(job: Job, topic: str) -> None:
    document = moved(job, "set", "--topic", topic, "--to", "2024-02-29T11:00:00Z")

    assert [(each["partition"], each["to_offset"]) for each in document["partitions"]] == [(0, 20)]


def test_records_that_kafka_deleted_since_a_rewind_are_not_called_lost(
    kafka: KafkaCluster, job: Job, topic: str
) -> None:
    before = job.records()
    moved(job, "rewind", "--topic", topic, "--by", "8")
    delete_records(kafka, topic, 25)

    ended = job.try_run()
    moved(job, "set", "--topic", topic, "--partition", "0", "--to", "earliest")
    job.run()

    assert ended.status == 4
    assert "so 3 offsets were deleted since the position was set back" in ended.output
    assert_same_records(job.records(), before)
    assert_proven(job)


def test_a_run_that_was_faster_keeps_its_position(kafka: KafkaCluster, job: Job, topic: str) -> None:
    opened = process.read_job(job.config)
    plan = plan_move(opened, topic, None, RewindBy(3))
    produce(kafka, topic, messages(1, first=500))
    job.run()

    with pytest.raises(CommitSuperseded):
        write_moves(
            opened,
            plan,
            process.new_ticket(plan.newest.version),
            "because",
            process.now_ms,
            process.is_dead,
        )

    assert places(job, topic) == {"0": 31, "1": 10}
    assert [commit["operation"] for commit in commits(job)] == ["load"] * 3


def test_help_of_each_move_has_an_example() -> None:
    for what in ("set", "rewind", "undo"):
        ended: Ended = kafka_loader("position", what, "--help")
        assert f"Example: kafka-loader position {what} conf/quickstart.toml" in " ".join(ended.output.split())
