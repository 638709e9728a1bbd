"""What was quarantined becomes rows once the job file can make sense of it; each record once."""

import json
import re
import shutil
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.cli import process
from loader.commits.runs import RunTicket
from loader.errors import CommitSuperseded
from loader.operations.changes.replay import ReplayReport, replay
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewFolderFunction, NewJobFunction
from .crashes import replay_killed_before_write
from .folders import Folder, LocalFolder, published_paths, staged_paths
from .jobs import Job, kafka_loader
from .producing import Message, produce
from .test_quarantine import problems, quarantine_table, verified

LARGE = 5_000_000_000
"""Beyond an int."""


def entry(topic: str, n_type: str, **more: Any) -> Mapping[str, Any]:
    columns = {"n": n_type, "name": "string"}
    value = {"format": "json", "columns": columns}
    return {"name": topic, "value": value, "max_bad_records": 1_000, **more}


def sent(count: int, partition: int = 0) -> list[Message]:
    """Of each four records one is beyond an int, one is no JSON, and two are good."""
    values = [
        b"{broken" if number % 4 == 3 else json.dumps({"n": LARGE if number % 4 == 1 else number}).encode()
        for number in range(count)
    ]
    return [Message(value, partition=partition) for value in values]


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions with 40 and 20 records, a quarter of each beyond an int, a quarter no JSON."""
    name = new_topic(partitions=2)
    produce(kafka, name, [*sent(40), *sent(20, partition=1)])
    return name


def replayed(job: Job, *topics: str) -> ReplayReport:
    opened = process.read_job(job.config)
    return replay(opened, topics, process.new_ticket, process.now_ms, process.is_dead)


def rows_of(folder: Folder) -> list[tuple[int, int, int | None]]:
    """Partition, offset and n of all published rows."""
    tables = [pq.read_table(pa.BufferReader(folder.read(path))) for path in published_paths(folder)]
    rows = [row for table in tables for row in table.to_pylist()]
    return sorted((row["kafka"]["partition"], row["kafka"]["offset"], row["n"]) for row in rows)


def expected_rows(*, with_large: bool) -> list[tuple[int, int, int]]:
    return sorted(
        (partition, offset, LARGE if offset % 4 == 1 else offset)
        for partition, count in ((0, 40), (1, 20))
        for offset in range(count)
        if offset % 2 == 0 or (with_large and offset % 4 == 1)
    )


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_what_can_be_decoded_today_becomes_rows_once_and_the_rest_waits(
    topic: str, new_folder: NewFolderFunction, new_job: NewJobFunction, kind: str
) -> None:
    folder = new_folder(kind)
    new_job(entry(topic, "int"), folder=folder).run()
    assert rows_of(folder) == expected_rows(with_large=False)
    job = new_job(entry(topic, "long"), folder=folder)

    first = replayed(job)
    second = replayed(job)

    assert first.commit is not None
    assert first.commit.operation == "replay"
    assert first.topics[topic].recovered_count == 15
    assert first.topics[topic].still_bad_count == 15
    assert {bad.error_class for bad in first.topics[topic].still_bad} == {"not-json"}
    assert second.commit is None
    assert (second.topics[topic].recovered_count, second.topics[topic].still_bad_count) == (0, 15)
    assert rows_of(folder) == expected_rows(with_large=True)
    assert quarantine_table(folder).num_rows == 30  # what was replayed stays, as it came
    checked = verified(job, "--deep")
    assert (checked.status, problems(checked)) == (0, [])


def test_records_that_a_backfill_quarantined_between_others_are_replayed_in_their_order(
    topic: str, new_job: NewJobFunction
) -> None:
    first = new_job(entry(topic, "int"))
    first.run()
    backfill = ("--topic", topic, "--from", "8", "--until", "16", "--yes", "--processes", "1")
    assert kafka_loader("backfill", str(first.config), *backfill).status == 0
    job = new_job(entry(topic, "long"))

    report = replayed(job)

    assert (report.exit_status, report.topics[topic].recovered_count) == (0, 15)
    assert rows_of(job.folder) == expected_rows(with_large=True)
    assert problems(verified(job, "--deep")) == []


def test_of_a_topic_that_the_job_file_does_not_name_nothing_is_made_other_rows(
    topic: str, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(new_topic())

    by_default, named = replayed(job), replayed(job, topic)
    backfill = ("--topic", topic, "--from", "earliest", "--yes", "--processes", "1")
    refused = kafka_loader("backfill", str(job.config), *backfill)

    assert (by_default.exit_status, by_default.commit) == (0, None)
    assert (named.exit_status, named.commit) == (2, None)
    assert (refused.status, "no entry of [[topics]]" in refused.errors) == (2, True)
    assert rows_of(job.folder) == expected_rows(with_large=False)


def test_of_two_replays_at_once_one_commits_and_the_other_leaves_nothing(
    topic: str, new_job: NewJobFunction
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "long"))
    opened = process.read_job(job.config)
    others: list[ReplayReport] = []

    def after_another(base_version: int) -> RunTicket:
        others.append(replayed(job))
        return process.new_ticket(base_version)

    with pytest.raises(CommitSuperseded):
        replay(opened, [], after_another, process.now_ms, process.is_dead)

    assert others[0].commit is not None
    assert rows_of(job.folder) == expected_rows(with_large=True)
    assert staged_paths(job.folder) == []
    assert problems(verified(job)) == []


def test_a_run_beside_a_replay_supersedes_it_and_a_second_replay_recovers_all(
    kafka: KafkaCluster, topic: str, new_job: NewJobFunction
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "long"))
    produce(kafka, topic, [Message(b'{"n": 40}', partition=0)])

    def after_a_run(base_version: int) -> RunTicket:
        job.run()
        return process.new_ticket(base_version)

    with pytest.raises(CommitSuperseded):
        replay(process.read_job(job.config), [], after_a_run, process.now_ms, process.is_dead)
    replayed(job)

    assert rows_of(job.folder) == sorted([*expected_rows(with_large=True), (0, 40, 40)])
    assert problems(verified(job)) == []


def test_a_replay_killed_before_any_of_its_writes_loses_and_doubles_nothing(
    topic: str, new_job: NewJobFunction
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "long"))
    number = 1
    while replay_killed_before_write(job.config, number):
        rows = rows_of(job.folder)
        assert rows in (expected_rows(with_large=False), expected_rows(with_large=True))
        number += 1

    assert number >= 5
    assert rows_of(job.folder) == expected_rows(with_large=True)
    assert problems(verified(job)) == []


def test_a_replay_survives_the_loss_of_the_ledger_and_a_lost_replay_can_be_done_again(
    topic: str, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "long"))
    replayed(job)
    root = local_folder.path
    lost = next(path for path in published_paths(job.folder) if re.search("-replay-[0-9a-f]{12}-", path))

    shutil.rmtree(root / "_loader" / "job" / "commits")
    repaired = kafka_loader("repair", str(job.config), "--yes")
    after_repair = rows_of(job.folder)
    doubled = replayed(job)
    (root / lost).unlink()
    shutil.rmtree(root / "_loader" / "job" / "commits")
    repaired_again = kafka_loader("repair", str(job.config), "--yes")
    replayed(job)

    assert (repaired.status, repaired_again.status) == (0, 0), repaired.errors + repaired_again.errors
    assert after_repair == expected_rows(with_large=True)
    assert doubled.commit is None
    assert rows_of(job.folder) == expected_rows(with_large=True)
    assert problems(verified(job)) == []


def test_rows_of_a_replay_that_no_quarantined_record_explains_are_found(
    topic: str, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "long"))
    replayed(job)
    quarantined = next(path for path in job.folder.paths() if path.startswith("_quarantine/"))

    (local_folder.path / quarantined).unlink()

    assert {kind for kind, _ in problems(verified(job))} >= {"file-missing", "offset-stranger"}


def test_the_commands_show_what_waits_and_what_a_replay_made_of_it(
    topic: str, new_job: NewJobFunction
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "long"))

    def waiting() -> dict[str, int]:
        listed = kafka_loader("quarantine", "list", str(job.config), "--json").document
        return {each["error_class"]: each["record_count"] for each in listed}

    assert waiting() == {"out-of-range": 15, "not-json": 15}

    ended = kafka_loader("quarantine", "replay", str(job.config), "--topic", topic)

    assert ended.status == 0, ended.errors
    first, *told, last = ended.output.splitlines()
    assert first == f"{topic}: 15 rows recovered, 15 records still bad"
    assert len(told) == 3
    assert all("not-json" in line and '"{broken"' in line for line in told)
    assert last == "commit 2 holds the rows"
    assert waiting() == {"not-json": 15}
    shown = kafka_loader("quarantine", "show", str(job.config), topic, "--json", "--limit", "99").document
    assert {each["error_class"] for each in shown} == {"not-json"}
    assert len(shown) == 15
    again = kafka_loader("quarantine", "replay", str(job.config), "--json")
    assert (again.status, again.document["version"]) == (0, None)
    assert again.document["topics"][topic] == {"recovered_count": 0, "still_bad_count": 15}


def test_a_topic_that_cannot_be_replayed_says_why_and_keeps_what_waits(
    topic: str, new_job: NewJobFunction
) -> None:
    new_job(entry(topic, "int")).run()
    job = new_job(entry(topic, "string"))  # which the table's int cannot become

    ended = kafka_loader("quarantine", "replay", str(job.config), "--json")

    assert ended.status == 4
    assert [each["kind"] for each in ended.document["failures"][topic]] == ["SchemaChanged"]
    assert rows_of(job.folder) == expected_rows(with_large=False)
    assert staged_paths(job.folder) == []
