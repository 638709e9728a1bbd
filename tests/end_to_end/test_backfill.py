"""A backfill replaces exactly the rows of the offsets it loads, and moves nothing else."""

import re
from collections.abc import Mapping
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.cli import process
from loader.config.starts import Earliest, Latest
from loader.engine.local import LocalEngine
from loader.errors import CommitSuperseded
from loader.operations.changes.backfill import Asked, BackfillReport, backfill, plan_backfill
from loader.operations.listening import Listener, Step
from loader.operations.proof import verify
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import InterruptFunction, NewJobFunction
from .crashes import Interruption, backfill_killed_before_write
from .exactly_once import leftovers
from .folders import Folder, published_paths
from .jobs import Ended, Job, kafka_loader
from .oracle import read_by_librdkafka
from .producing import (
    HOUR_MS,
    T0_MS,
    Ends,
    Message,
    delete_records,
    messages,
    produce,
    transactional_producer,
    wait_for_ends,
)
from .records import assert_same_records, offsets_of
from .test_position import assert_proven, commits, moved, places


def try_backfill(job: Job, *options: str) -> Ended:
    return kafka_loader("backfill", str(job.config), *options, "--yes", "--json", "--processes", "1")


def backfilled(job: Job, *options: str) -> Any:
    ended = try_backfill(job, *options)
    assert ended.status == 0, ended.errors
    return ended.document


def written_by(folder: Folder) -> dict[tuple[int, int], str]:
    """By partition and offset of each published row, the run that wrote it."""
    found = {}
    for path in published_paths(folder):
        table = pq.read_table(pa.BufferReader(folder.read(path)))
        footer = pq.read_metadata(pa.BufferReader(folder.read(path))).metadata
        names = zip(table["partition"].to_pylist(), table["offset"].to_pylist(), strict=True)
        for place in names:
            assert place not in found, f"{place} is there twice"
            found[place] = "carried" if b"loader.carried" in footer else footer[b"loader.run_id"].decode()
    return found


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
    return job


def test_exactly_the_rows_of_the_offsets_are_replaced_in_one_commit_and_the_position_stays(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    before, place = written_by(job.folder), places(job, topic)

    document = backfilled(job, "--topic", topic, "--partition", "0", "--from", "8", "--until", "23")

    after = written_by(job.folder)
    again = {(0, offset) for offset in range(8, 23)}
    assert {row for row, run in after.items() if run == document["run_id"]} == again
    assert {run for row, run in after.items() if row not in again} <= {*before.values(), "carried"}
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert places(job, topic) == place
    newest = commits(job)[-1]
    assert (newest["operation"], newest["version"], len(newest["ranges"])) == ("backfill", 3, 1)
    assert (document["again_count"], document["row_count"]) == (15, 15)
    assert leftovers(job.folder) == []
    proof = assert_proven(job)
    assert (proof["row_count"], proof["file_count"]) == (40, len(published_paths(job.folder)))
    assert job.run()["committed"] is False


def test_a_stretch_of_time_is_loaded_in_all_partitions(kafka: KafkaCluster, topic: str, job: Job) -> None:
    hour = "2024-02-29T10:00:05Z", "2024-02-29T11:00:25Z"

    document = backfilled(job, "--topic", topic, "--from", hour[0], "--until", hour[1])

    spans = [(each["partition"], each["start_offset"], each["end_offset"]) for each in document["planned"]]
    assert spans == [(0, 5, 25), (1, 5, 10)]
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert_proven(job)


def test_backfills_over_backfills_leave_each_row_once(kafka: KafkaCluster, topic: str, job: Job) -> None:
    for begin, end in ((3, 12), (0, 30), (11, 13), (5, 28)):
        backfilled(job, "--topic", topic, "--partition", "0", "--from", str(begin), "--until", str(end))
        assert_same_records(job.records(), read_by_librdkafka(kafka, topic))

    proof = assert_proven(job)
    assert [(each["partition"], each["row_count"]) for each in proof["partitions"]] == [(0, 30), (1, 10)]


def test_offsets_that_were_never_loaded_are_loaded_for_the_first_time(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction
) -> None:
    job = new_job({"name": topic, "start": "latest"})
    job.run()
    produce(kafka, topic, messages(5, first=70))
    job.run()

    document = backfilled(job, "--topic", topic, "--from", "earliest", "--reason", "the year before")

    assert (document["offset_count"], document["again_count"], document["row_count"]) == (45, 5, 45)
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert commits(job)[-1]["reason"] == "the year before"
    assert_proven(job)


def test_what_was_quarantined_becomes_rows_by_what_the_job_file_says_today(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, [Message(b'{"n": %d}' % (5_000_000_000 if at % 3 else at)) for at in range(12)])

    def entry(n_type: str) -> Mapping[str, Any]:
        return {"name": topic, "value": {"format": "json", "columns": {"n": n_type}}, "max_bad_records": 100}

    first = new_job(entry("int"))
    first.run()
    job = new_job(entry("long"))
    assert kafka_loader("quarantine", "replay", str(job.config)).status == 0

    document = backfilled(job, "--topic", topic, "--from", "2", "--until", "9")

    tables = [pq.read_table(pa.BufferReader(job.folder.read(path))) for path in published_paths(job.folder)]
    rows = sorted((row["kafka"]["offset"], row["n"]) for table in tables for row in table.to_pylist())
    assert rows == [(at, 5_000_000_000 if at % 3 else at) for at in range(12)]
    assert (document["row_count"], document["quarantined_count"]) == (7, 0)
    proof = assert_proven(job)
    assert (proof["row_count"], proof["quarantined_count"]) == (4 + 5, 3)


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        (("--from", "2024-02-29T10:00:01Z"), 4, r"0, 15\): rows of the asked time are of offsets that Kafka"),
        (("--partition", "0", "--from", "3"), 2, r"offset 3 is not in Kafka's log, which goes from 6"),
    ],
    ids=["time", "offsets"],
)
def test_what_kafka_no_longer_holds_is_refused(
    kafka: KafkaCluster, topic: str, job: Job, options: tuple[str, ...], status: int, told: str
) -> None:
    delete_records(kafka, topic, 6)
    before = job.folder.paths()

    ended = try_backfill(job, "--topic", topic, *options)

    assert ended.status == status
    assert re.search(told, ended.output + ended.errors)
    assert job.folder.paths() == before


def test_rows_that_kafka_has_no_more_records_of_stay(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    producer = transactional_producer(kafka, f"id-of-{topic}")
    for is_kept in (True, False, True):
        producer.begin_transaction()
        producer.produce(topic, b"value", partition=0, timestamp=T0_MS)
        if is_kept:
            producer.commit_transaction(60)
        else:
            producer.flush(60)
            producer.abort_transaction(60)
    produce(kafka, topic, messages(1))
    first = new_job(topic, kafka={"isolation": "read_uncommitted"})
    first.run()
    loaded = first.records()
    job = new_job(topic)  # under read_committed, the aborted record is none

    ended = try_backfill(job, "--topic", topic, "--from", "earliest")

    assert ended.status == 4
    (failure,) = ended.document["failures"][topic]
    assert (failure["kind"], "was loaded with 4 records, and Kafka has 3" in failure["message"]) == (
        "ReplacedRecordsGone",
        True,
    )
    assert_same_records(job.records(), loaded)
    assert leftovers(job.folder) == []
    assert_proven(job)


def test_a_row_whose_record_is_gone_stays_though_kafka_has_as_many_others(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(1))
    producer = transactional_producer(kafka, f"id-of-{topic}")
    producer.begin_transaction()
    producer.produce(topic, b"value", partition=0, timestamp=T0_MS)
    producer.flush(60)
    producer.abort_transaction(60)
    wait_for_ends(kafka, topic, Ends(3, 3))
    produce(kafka, topic, messages(1, first=3))
    first = new_job(topic)
    first.run()
    loaded = first.records()
    assert offsets_of(loaded) == [0, 3]
    moved(first, "set", "--topic", topic, "--to", "earliest")
    delete_records(kafka, topic, 1)
    job = new_job(topic, kafka={"isolation": "read_uncommitted"})  # there, the aborted record is one

    ended = job.try_run("--accept-loss")

    assert ended.status == 4
    assert "was loaded with 2 records, and Kafka has 1 of them today" in ended.output
    assert_same_records(job.records(), loaded)
    assert leftovers(job.folder) == []
    assert_proven(job)


def test_offsets_from_the_position_on_are_left_to_the_next_run(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    produce(kafka, topic, messages(5, first=70))

    refused = try_backfill(job, "--topic", topic, "--partition", "0", "--from", "20", "--until", "35")
    document = backfilled(job, "--topic", topic, "--partition", "0", "--from", "20")

    assert refused.status == 2
    assert "the job has come to offset 30; its next run loads those from there to 35" in refused.errors
    assert [(each["start_offset"], each["end_offset"]) for each in document["planned"]] == [(20, 30)]
    assert job.run()["row_count"] == 5
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))


def run_in_place(job: Job, interruption: Interruption) -> BackfillReport:
    opened = process.read_job(job.config)
    (topic,) = (entry.name for entry in opened.config.topics)
    plan = plan_backfill(opened, Asked(str(topic), None, Earliest(), Latest()), 1)
    ticket = process.new_ticket(plan.newest.version)
    return backfill(
        opened,
        LocalEngine(1),
        plan,
        ticket,
        "",
        process.now_ms,
        process.is_dead,
        cast(Listener, interruption),
    )


def test_a_run_that_commits_meanwhile_keeps_what_it_loaded(kafka: KafkaCluster, topic: str, job: Job) -> None:
    produce(kafka, topic, messages(5, first=70))

    report = run_in_place(job, Interruption(Step.CHECK, job.run))

    assert report.commit is not None
    assert [commit["operation"] for commit in commits(job)] == ["load", "load", "load", "backfill"]
    assert places(job, topic) == {"0": 35, "1": 10}
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert_proven(job)


def test_of_two_backfills_of_the_same_offsets_the_slower_leaves_nothing(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    def other() -> None:
        backfilled(job, "--topic", topic, "--from", "earliest")

    with pytest.raises(CommitSuperseded):
        run_in_place(job, Interruption(Step.CHECK, other))

    assert leftovers(job.folder) == []
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert_proven(job)


def test_a_replay_that_is_faster_than_a_backfill_of_its_records_leaves_no_row_twice(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    values = [5_000_000_000 if at % 3 == 1 else at for at in range(12)]
    produce(kafka, topic, [Message(b'{"n": %d}' % n) for n in values])
    values.append(0)

    def entry(n_type: str) -> Mapping[str, Any]:
        return {"name": topic, "value": {"format": "json", "columns": {"n": n_type}}, "max_bad_records": 100}

    new_job(entry("int")).run()
    job = new_job(entry("long"))
    produce(kafka, topic, [Message(b'{"n": 0}')])
    job.run()  # the table has its columns: they do not change again

    def replayed() -> None:
        assert kafka_loader("quarantine", "replay", str(job.config)).status == 0

    with pytest.raises(CommitSuperseded):
        run_in_place(job, Interruption(Step.CHECK, replayed))

    tables = [pq.read_table(pa.BufferReader(job.folder.read(path))) for path in published_paths(job.folder)]
    rows = sorted((row["kafka"]["offset"], row["n"]) for table in tables for row in table.to_pylist())
    assert rows == [*enumerate(values)]
    assert leftovers(job.folder) == []
    assert_proven(job)


def test_a_backfill_of_what_a_run_is_loading_leaves_no_row_twice(
    kafka: KafkaCluster, topic: str, job: Job, interrupt: InterruptFunction
) -> None:
    produce(kafka, topic, messages(40, first=200))
    for what in (("set", "--topic", topic, "--partition", "0", "--to", "60"), ("undo",)):
        moved(job, *what)
    expected = read_by_librdkafka(kafka, topic)
    interrupt(
        Step.CHECK,
        lambda: backfilled(job, "--topic", topic, "--partition", "0", "--from", "35", "--until", "50"),
    )

    ended = job.try_run()

    assert ended.status == 5
    assert leftovers(job.folder) == []
    while job.run()["committed"]:
        pass
    assert_same_records(job.records(), expected)
    assert_proven(job)


def test_who_is_slow_to_publish_does_not_miss_files_that_another_took_away_since(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    def other() -> None:
        backfilled(job, "--topic", topic, "--from", "earliest")

    report = run_in_place(job, Interruption(Step.PUBLISH, other))

    assert report.exit_status == 0
    assert [commit["operation"] for commit in commits(job)[2:]] == ["backfill", "backfill"]
    assert leftovers(job.folder) == []
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert_proven(job)


def test_verify_beside_a_backfill_misses_no_file_that_was_replaced(
    topic: str, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_commits = verify._together

    def replaced_meanwhile(*arguments: Any) -> Any:
        backfilled(job, "--topic", topic, "--from", "earliest")
        return read_commits(*arguments)

    monkeypatch.setattr("loader.operations.proof.verify._together", replaced_meanwhile)

    proof = assert_proven(job)

    (note,) = proof["notes"]
    assert "of the files were taken away by a commit while they were looked at" in note


def test_a_backfill_killed_at_any_write_is_finished_or_forgotten_by_the_next_run(
    kafka: KafkaCluster, topic: str, job: Job
) -> None:
    expected = read_by_librdkafka(kafka, topic)
    was_done = []
    for number in range(1, 200):
        before = len(commits(job))
        was_killed = backfill_killed_before_write(job.config, topic, number)
        seen = {record.place for record in job.records()}
        assert seen == {record.place for record in expected}  # a reader may see rows twice, but misses none
        job.run()
        assert_same_records(job.records(), expected)
        was_done.append(len(commits(job)) > before)
        if not was_killed:
            break
    else:
        raise AssertionError("a backfill makes fewer writes")

    assert leftovers(job.folder) == []
    assert_proven(job)
    assert was_done == sorted(was_done)
    assert {*was_done} == {False, True}


def test_nothing_is_written_without_agreement(topic: str, job: Job) -> None:
    before = job.folder.paths()

    ended = kafka_loader("backfill", str(job.config), "--topic", topic, "--from", "earliest")

    assert ended.status == 4
    assert "rows of 40 offsets are replaced, and the position stays" in ended.output
    assert "agree with --yes" in ended.errors
    assert job.folder.paths() == before
