"""The commands: their exit statuses, what they say when something is wrong, and the documents of --json."""

import time
from pathlib import Path
from typing import Any

import pytest

from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .jobs import kafka_loader
from .producing import messages, produce

COMMANDS = [
    "run",
    "plan",
    "status",
    "history",
    "verify",
    "repair",
    "complete",
    "metrics",
    "doctor",
    "report",
    "compact",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_job_file_is_named(command: str, tmp_path: Path) -> None:
    ended = kafka_loader(command, str(tmp_path / "not-there.toml"))

    assert ended.status == 2
    assert ended.errors == f"kafka-loader: {tmp_path}/not-there.toml: no such file\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_problem_of_a_job_file_is_told_with_its_place(command: str, new_job: NewJobFunction) -> None:
    job = new_job("topic", fetch={"max_wait": 10}, plan={"target_split_bytes": 1})

    ended = kafka_loader(command, str(job.config))

    assert ended.status == 2
    assert "fetch.max_wait: unknown key; did you mean fetch.max_wait_ms?" in ended.errors
    assert "plan.target_split_bytes: " in ended.errors
    assert job.folder.paths() == []


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["run"], ["run", "job.toml", "--no-such-option"], ["run", "a", "b"]]
)
def test_a_command_that_cannot_be_understood_ends_with_2(arguments: list[str]) -> None:
    ended = kafka_loader(*arguments)

    assert ended.status == 2
    assert "kafka-loader" in ended.errors


@pytest.mark.parametrize("command", ["run", "plan", "status"])
def test_brokers_that_are_down_end_with_3_within_the_request_timeout(
    command: str, new_job: NewJobFunction
) -> None:
    (port,) = choose_ports(1)
    servers = {"bootstrap_servers": [f"127.0.0.1:{port}"], "request_timeout_ms": 2000}
    job = new_job("topic", kafka=servers)
    started_s = time.monotonic()

    ended = kafka_loader(command, str(job.config))

    assert ended.status == 3
    assert f"127.0.0.1:{port}" in ended.errors
    assert time.monotonic() - started_s < 4
    assert job.folder.paths() == []


def test_a_destination_that_is_a_file_ends_with_2(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, tmp_path: Path
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(1))
    (tmp_path / "destination").write_text("in the way")

    ended = new_job(topic).try_run()

    assert ended.status == 2
    assert str(tmp_path / "destination") in ended.errors


def test_processes_are_refused_where_spark_has_its_own(new_job: NewJobFunction) -> None:
    job = new_job("topic")

    ended = kafka_loader("run", str(job.config), "--engine", "spark", "--processes", "2")

    assert ended.status == 2
    assert "--processes is for --engine local" in ended.errors


@pytest.mark.parametrize("command", [*COMMANDS, "query"])
def test_help_of_every_command_tells_its_options_and_an_example(command: str) -> None:
    whole, ended = kafka_loader("--help"), kafka_loader(command, "--help")

    assert (whole.status, ended.status) == (0, 0)
    assert command in whole.output
    assert "Exit status: 0 done, or nothing new" in " ".join(whole.output.replace("│", "").split())
    assert "--json" in ended.output
    assert f"Example: kafka-loader {command} conf/quickstart.toml" in ended.output


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time of change."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_plan_and_status_write_nothing_before_and_after_the_first_run(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, tmp_path: Path
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)

    for command in ("plan", "status", "history", "complete"):
        assert kafka_loader(command, str(job.config)).status == 0
    assert not (tmp_path / "destination").exists()

    job.run()
    produce(kafka, topic, messages(10))
    before = tree(tmp_path / "destination")
    for command in ("plan", "status", "history", "complete"):
        assert kafka_loader(command, str(job.config)).status == 0
    assert tree(tmp_path / "destination") == before


def test_run_loads_what_plan_showed(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10) + messages(5, partition=1))
    job = new_job(topic)

    plan, report = job.plan(), job.run()

    planned = [(each["partition"], each["start_offset"], each["end_offset"]) for each in plan["partitions"]]
    loaded = [(each["partition"], each["start_offset"], each["end_offset"]) for each in report["ranges"]]
    assert planned == loaded == [(0, 0, 10), (1, 0, 5)]
    assert plan["offset_count"] == report["row_count"] == 15


def test_the_documents_of_json_have_these_keys(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)
    plan = job.plan()
    run = job.run()
    status = kafka_loader("status", str(job.config), "--json").document

    assert keys(run) >= {
        *("run_id", "exit_status", "seconds", "version", "committed", "row_count", "file_count"),
        *("size_bytes", "ranges", "remaining_offsets", "failures", "unlisted", "recovered_version"),
        "swept_runs",
    }
    counts = {f"{name}_count" for name in ("row", "aborted", "control", "compacted", "quarantined", "lost")}
    place = {"topic", "partition", "start_offset", "end_offset"}
    assert keys(run["ranges"][0]) >= place | counts
    assert keys(plan) >= {
        *("job", "base_version", "offset_count", "estimated_bytes", "remaining_offsets", "partitions"),
        *("splits", "failures", "unlisted"),
    }
    assert keys(plan["partitions"][0]) >= place | {
        *("log_start_offset", "last_stable_offset", "high_watermark", "is_new", "planned_end_offset"),
        *("planned_bytes", "lag_offsets", "lag_bytes", "lag_ms", "first_unread_ms", "deleted_in_ms"),
    }
    assert keys(plan["splits"][0]) == {"index", "estimated_bytes", "ranges"}
    assert keys(status) >= {
        *("job", "destination", "version", "committed_at_ms", "run_id", "lag_offsets", "partitions"),
        "failures",
    }
    assert keys(status["partitions"][0]) == {
        *("topic", "partition", "next_offset", "end_offset", "lag_offsets", "lag_bytes", "lag_ms"),
        *("held_back_offsets", "first_unread_ms", "deleted_in_ms", "last_version", "last_committed_at_ms"),
        "complete_up_to_ms",
    }


def keys(document: Any) -> set[str]:
    return set(document)


def test_status_tells_the_position_and_how_far_behind_it_is(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)

    def status() -> Any:
        return kafka_loader("status", str(job.config), "--json").document

    before = status()
    job.run()
    produce(kafka, topic, messages(3))
    behind = status()
    text = kafka_loader("status", str(job.config)).output

    assert (before["version"], before["partitions"][0]["next_offset"], before["lag_offsets"]) == (0, None, 10)
    assert (behind["version"], behind["partitions"][0]["next_offset"], behind["lag_offsets"]) == (1, 10, 3)
    assert "job job stands at commit 1" in text
    assert "3 offsets behind" in text


def test_a_run_tells_a_person_what_it_did_and_what_to_type_next(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)

    first, second = (kafka_loader("run", str(job.config), "--processes", "1") for _ in range(2))

    assert "planned 10 offsets of 1 topic" in first.errors
    assert "committed version 1 of job job: 10 rows in 1 file" in first.output
    assert f"rows are under {job.folder.url}; next: kafka-loader status {job.config}" in first.output
    assert second.output == "nothing new: job job stands at commit 1\n"
