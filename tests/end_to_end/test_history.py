"""What each commit did: history, history show, history diff, and the table of offsets beside the ledger."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewFolderFunction, NewJobFunction
from .folders import LocalFolder, published_paths
from .jobs import Ended, Job, kafka_loader
from .producing import Message, messages, produce


def history(job: Job, *arguments: str) -> Ended:
    """`history …` or `history show …`: the job file is put in its place."""
    commands = [word for word in arguments if word in ("show", "diff")]
    return kafka_loader("history", *commands, str(job.config), *arguments[len(commands) :])


def document(job: Job, *arguments: str) -> Any:
    ended = history(job, *arguments, "--json")
    assert ended.status == 0, ended.errors
    return ended.document


@pytest.fixture
def loaded(kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction) -> tuple[Job, str, str]:
    """Three commits of two topics, the second one only in the first and third; then no broker is there."""
    topic, other = new_topic(partitions=2), new_topic()
    job = new_job(topic, other)
    for number in range(3):
        produce(kafka, topic, messages(10, first=10 * number) + messages(5, partition=1))
        if number != 1:
            produce(kafka, other, messages(1))
        job.run()
    (port,) = choose_ports(1)
    job.config.write_text(job.config.read_text().replace(kafka.bootstrap_servers, f"127.0.0.1:{port}"))
    return job, topic, other


def test_history_tells_each_commit_in_numbers_and_asks_no_broker(loaded: tuple[Job, str, str]) -> None:
    job, _, other = loaded
    commits = document(job)

    assert [(each["version"], each["operation"]) for each in commits] == [
        (1, "load"),
        (2, "load"),
        (3, "load"),
    ]
    numbers = ("offset_count", "row_count", "quarantined_count", "lost_count", "removed_file_count")
    assert [[each[name] for name in numbers] for each in commits] == [
        [16, 16, 0, 0, 0],
        [15, 15, 0, 0, 0],
        [16, 16, 0, 0, 0],
    ]
    for each in commits:
        assert each["duration_ms"] == each["committed_at_ms"] - each["started_at_ms"] >= 0
    paths = published_paths(job.folder)
    sizes = [len(job.folder.read(path)) for path in paths]
    assert sum(each["file_count"] for each in commits) == len(paths)
    assert sum(each["size_bytes"] for each in commits) == sum(sizes)
    of_topic = document(job, "--topic", other, "--last", "5")
    assert [(each["version"], each["row_count"], each["file_count"]) for each in of_topic] == [
        (1, 1, 1),
        (3, 1, 1),
    ]
    assert [each["version"] for each in document(job, "--topic", other, "--last", "1")] == [3]
    assert [each["version"] for each in document(job, "--last", "2")] == [2, 3]


def test_history_reads_no_more_commits_than_it_shows(loaded: tuple[Job, str, str]) -> None:
    job, _, _ = loaded
    assert isinstance(job.folder, LocalFolder)
    (job.folder.path / "_loader/job/commits/00000000000000000001.json").write_text("damaged")

    assert [each["version"] for each in document(job, "--last", "2")] == [2, 3]
    assert document(job, "show", "3")["version"] == 3
    assert document(job, "diff", "2", "3")["row_count"] == 16
    assert history(job).status == 4


def test_history_show_tells_all_of_one_commit(loaded: tuple[Job, str, str]) -> None:
    job, topic, other = loaded
    shown = document(job, "show", "3")
    text = history(job, "show", "3").output

    ranges = [
        (each["topic"], each["partition"], each["start_offset"], each["end_offset"])
        for each in shown["ranges"]
    ]
    assert ranges == sorted([(topic, 0, 20, 30), (topic, 1, 10, 15), (other, 0, 1, 2)])
    assert [each["log_end_offset"] for each in shown["ranges"]] == [end for *_, end in ranges]
    moves = [
        (move["topic"], move["partition"], move["from_offset"], move["to_offset"])
        for move in shown["position_moves"]
    ]
    assert moves == ranges
    added = {file["path"]: file["row_count"] for file in shown["files_added"]}
    assert set(added) <= set(job.folder.paths())
    assert sum(added.values()) == shown["row_count"] == 16
    assert shown["files_removed"] == shown["columns_changed"] == []
    assert "commit 3: load, made " in text
    assert re.search(rf"{re.escape(topic)}-0 +20 +30 +10 ", text)
    for path in added:
        assert path in text


def test_history_diff_tells_what_lies_between_two_commits(loaded: tuple[Job, str, str]) -> None:
    job, topic, other = loaded
    between = document(job, "diff", "1", "3")

    assert [each["version"] for each in between["commits"]] == [2, 3]
    assert (between["row_count"], between["added_row_count"], between["removed_file_count"]) == (31, 31, 0)
    moves = [
        (move["topic"], move["partition"], move["from_offset"], move["to_offset"])
        for move in between["position_moves"]
    ]
    assert moves == sorted([(topic, 0, 10, 30), (topic, 1, 5, 15), (other, 0, 1, 2)])
    whole = document(job, "diff", "0", "3")
    assert (whole["row_count"], whole["position_moves"][0]["from_offset"]) == (47, None)
    text = history(job, "diff", "1", "3").output
    assert "31 rows loaded, 0 quarantined, 0 lost" in text
    assert re.search(rf"{re.escape(topic)}-0 +10 +30 +\+20", text)


def test_a_repair_begins_the_table_of_offsets_anew(loaded: tuple[Job, str, str]) -> None:
    job, topic, other = loaded
    assert isinstance(job.folder, LocalFolder)
    (job.folder.path / "_loader/job/commits/00000000000000000001.json").unlink()

    assert kafka_loader("repair", str(job.config), "--yes").status == 0

    assert [(each["version"], each["operation"], each["row_count"]) for each in document(job)] == [
        (4, "repair", 47)
    ]
    table = job.folder.path / "_loader/job/offsets/*.parquet"
    rows = duckdb.sql(
        "SELECT version, topic, partition, start_offset, end_offset"
        f" FROM read_parquet('{table}') ORDER BY ALL"
    )
    assert rows is not None
    assert rows.fetchall() == sorted([(4, topic, 0, 0, 30), (4, topic, 1, 0, 15), (4, other, 0, 0, 2)])


def test_a_table_that_cannot_be_written_is_a_warning_and_the_next_commit_brings_it_along(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, local_folder: LocalFolder
) -> None:
    topic = new_topic()
    job = new_job(topic)
    job.run()
    table = local_folder.path / "_loader/job/offsets"
    shutil.rmtree(table)
    table.write_text("in the way")
    produce(kafka, topic, messages(1))

    warned = job.try_run("--log-format", "json")

    assert (warned.status, warned.document["version"], warned.document["row_count"]) == (0, 2, 1)
    lines = [json.loads(line) for line in warned.errors.splitlines()]
    (warning,) = [line for line in lines if line["level"] == "warning"]
    assert warning["event"] == "export"
    assert "_loader/job/offsets could not be brought up to commit 2, which stands" in warning["message"]
    table.unlink()
    produce(kafka, topic, messages(1, first=1))
    job.run()
    assert [path.name for path in table.iterdir()] == [f"{1:020d}-{3:020d}.parquet"]
    assert len(job.records()) == 2


def test_new_columns_are_told(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    job = new_job({"name": topic, "value": {"format": "json", "columns": {"a": "long"}}})
    produce(kafka, topic, [Message(json.dumps({"a": 1}).encode())])
    job.run()
    job.config.write_text(job.config.read_text().replace('"a" = "long"', '"a" = "long", "b" = "string"'))
    produce(kafka, topic, [Message(json.dumps({"a": 1, "b": "x"}).encode())])
    job.run()

    changed = {"topic": topic, "column": "b", "before": None, "after": "string"}
    assert document(job, "show", "2")["columns_changed"] == [changed]
    assert document(job, "diff", "1", "2")["columns_changed"] == [changed]
    assert [each["column"] for each in document(job, "show", "1")["columns_changed"]][:1] == ["a"]
    assert re.search(rf"{re.escape(topic)} +b +- +string", history(job, "show", "2").output)


def test_a_commit_that_is_not_there_ends_with_2(loaded: tuple[Job, str, str]) -> None:
    told = {
        ("show", "4"): "job job has no commit 4: there are 1 to 3",
        ("show", "0"): "job job has no commit 0: there are 1 to 3",
        ("diff", "3", "2"): "the first number must be the lower one, found 3 and 2",
        ("diff", "1", "9"): "job job has no commit 9: there are 1 to 3",
    }

    ended = {arguments: history(loaded[0], *arguments) for arguments in told}

    assert {each.status for each in ended.values()} == {2}
    for arguments, said in told.items():
        assert said in ended[arguments].errors


def test_a_job_that_has_not_run_has_no_history(new_job: NewJobFunction) -> None:
    job = new_job("topic")

    assert document(job) == []
    assert history(job).output == f"job job has not run yet; next: kafka-loader run {job.config}\n"
    assert history(job, "show", "1").status == 2


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_every_run_that_commits_adds_its_ranges_to_the_table_of_offsets(
    kind: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_folder: NewFolderFunction,
    new_job: NewJobFunction,
    tmp_path: Path,
) -> None:
    topic = new_topic()
    job = new_job(topic, folder=new_folder(kind), limits={"max_records": 6})
    produce(kafka, topic, messages(10))
    runs = [job.run() for _ in range(3)]

    paths = [path for path in job.folder.paths() if path.startswith("_loader/job/offsets/")]
    assert paths == [f"_loader/job/offsets/{number:020d}-{number:020d}.parquet" for number in (1, 2)]
    for number, path in enumerate(paths):
        (tmp_path / f"{number}.parquet").write_bytes(job.folder.read(path))
    rows = duckdb.sql(
        "SELECT version, run_id, topic, start_offset, end_offset, row_count, log_end_offset, lag_offsets"
        f" FROM read_parquet('{tmp_path}/*.parquet') ORDER BY version"
    )
    assert rows is not None
    assert rows.fetchall() == [
        (1, runs[0]["run_id"], topic, 0, 6, 6, 10, 4),
        (2, runs[1]["run_id"], topic, 6, 10, 4, 10, 0),
    ]
    assert not runs[2]["committed"]
    assert kafka_loader("verify", str(job.config)).status == 0
