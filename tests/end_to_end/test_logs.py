"""What commands log: each decision once, as text for people or as lines of JSON."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader.cli.logs import EventLog, LogFormat, without_logins
from loader.operations.listening import Step
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.kafka_source.asking import delete_records

from .conftest import InterruptFunction, NewJobFunction
from .crashes import Interruption
from .jobs import Ended, Job, kafka_loader
from .producing import messages, produce

KEYS = ["time", "level", "run_id", "job", "event"]
"""Of every line of JSON, in this order; `message` is the last."""


def run(job: Job, *options: str) -> Ended:
    return kafka_loader("run", str(job.config), "--processes", "1", *options)


def lines_of(ended: Ended) -> list[dict[str, Any]]:
    """Every line of standard error, which must be JSON and hold what all lines hold."""
    lines = [json.loads(line) for line in ended.errors.splitlines()]
    for line in lines:
        assert list(line)[:5] == KEYS
        assert list(line)[-1] == "message"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("info", "warning", "error")
    return lines


def events(ended: Ended) -> list[str]:
    return [line["event"] for line in lines_of(ended)]


def test_every_decision_of_a_run_is_one_line_of_json_with_its_facts(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic, idle = new_topic(partitions=2), new_topic()
    produce(kafka, topic, messages(10) + messages(5, partition=1))
    job = new_job(topic, idle, limits={"max_records": 8})

    ended = run(job, "--log-format", "json", "--json")

    lines = {line["event"]: line for line in lines_of(ended)}
    assert events(ended) == [
        *("began", "topic_planned", "planned", "limited", "committed", "published", "ended")
    ]
    assert {line["run_id"] for line in lines.values()} == {ended.document["run_id"]}
    assert {line["job"] for line in lines.values()} == {"job"}
    assert lines["began"]["engine"] == "local"
    planned = lines["topic_planned"]
    assert (planned["topic"], planned["offset_count"], planned["partition_count"]) == (topic, 8, 2)
    assert planned["new_partition_count"] == 2
    assert (lines["planned"]["split_count"], lines["planned"]["topic_count"]) == (1, 1)
    assert lines["limited"]["remaining_offsets"] == 7
    assert (lines["committed"]["version"], lines["committed"]["row_count"]) == (1, 8)
    assert lines["published"]["file_count"] == lines["committed"]["file_count"]
    assert lines["ended"]["exit_status"] == 0
    assert ended.document["topics"][0]["lag_offsets"] == 7


def test_as_text_every_decision_is_a_line_with_its_time(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)

    first, second = run(job), run(job)

    def told(ended: Ended) -> list[str]:
        lines = [
            re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ (.+)", each) for each in ended.errors.splitlines()
        ]
        return [re.sub(r"run \S+|about .* B,|after .*", "…", each[1]) for each in lines if each is not None]

    assert told(first) == [
        "… of job job on the local engine, 1 task at once",
        f"planned {topic}: 10 offsets, … of 1 partition, 1 new to this job",
        "planned 10 offsets of 1 topic, … as 1 split, of what is new",
        "commit 1 stands: 10 rows in 1 file",
        "published 1 file of commit 1",
        "… ended with status 0 …",
    ]
    assert told(second)[1:-1] == ["nothing new since commit 1"]


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_topic_left_out_a_loss_and_a_commit_of_a_dead_run_are_told_once(
    log_format: LogFormat,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic, healthy = new_topic(), new_topic()
    job = new_job(topic, healthy)
    for each in (topic, healthy):
        produce(kafka, each, messages(10))

    with monkeypatch.context() as patched:
        dies = Interruption(Step.PUBLISH, _raising(KeyboardInterrupt()))
        patched.setattr("loader.cli.run.ProgressListener", lambda *_: dies)
        assert run(job).status == 130
    produce(kafka, topic, messages(10))
    delete_records(kafka, topic, 12)

    refused = run(job, "--log-format", log_format)
    accepted = run(job, "--log-format", log_format, "--accept-loss")

    assert (refused.status, accepted.status) == (4, 0)
    if log_format is LogFormat.JSON:
        (left_out,) = [line for line in lines_of(refused) if line["event"] == "left_out"]
        assert (left_out["topic"], left_out["error"], left_out["level"]) == (topic, "OffsetsExpired", "error")
        assert left_out["exit_status"] == 4
        assert any(choice["command"].endswith("--accept-loss") for choice in left_out["choices"])
        assert events(refused) == ["began", "recovered", "left_out", "nothing_new", "ended"]
        (lost,) = [line for line in lines_of(accepted) if line["event"] == "loss_accepted"]
        assert (lost["topic"], lost["start_offset"], lost["end_offset"]) == (topic, 10, 12)
    else:
        for said, ended in [
            ("finished publishing commit 1 of an earlier run", refused),
            (f"left out {topic}: OffsetsExpired; what to do follows at the end", refused),
            (f"not loaded: {topic}: {topic}-0[10, 20): Kafka's log now starts at 12", refused),
            (f"lost for ever, as --accept-loss allows: {topic}-0[10, 12)", accepted),
        ]:
            assert ended.errors.count(said) == 1


@pytest.mark.parametrize(
    ("harm", "event", "status"),
    [
        (KeyboardInterrupt(), "interrupted", 130),
        (ZeroDivisionError("a bug"), "crashed", 1),
        (None, "failed", 2),
    ],
    ids=["ctrl-c", "bug", "config"],
)
def test_however_a_run_ends_its_last_line_is_json(
    harm: BaseException | None,
    event: str,
    status: int,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    interrupt: InterruptFunction,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(1))
    job = new_job(topic)
    if harm is None:
        job.config.write_text(job.config.read_text().replace("[kafka]", "[kafka]\nno_such_key = 1"))
    else:
        interrupt(Step.COMMIT, _raising(harm))

    ended = run(job, "--log-format", "json")

    assert ended.status == status
    last = lines_of(ended)[-1]
    assert (last["event"], last["level"]) == (event, "error")
    if harm is None:
        assert "kafka.no_such_key: unknown key" in last["message"]
    elif status == 1:
        assert "ZeroDivisionError: a bug" in last["traceback"]
    assert job.records() == []


def _raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_a_replay_and_a_repair_log_what_they_committed(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction, tmp_path: Path
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(4))
    entry = {"name": topic, "max_bad_records": 10}
    job = new_job({**entry, "value": {"format": "json", "columns": {"number": "long"}}})
    loaded = run(job, "--log-format", "json")
    corrected = new_job({**entry, "value": {"format": "string"}})

    replayed = kafka_loader("quarantine", "replay", str(corrected.config), "--log-format", "json")
    (tmp_path / "destination/_loader/job/commits/00000000000000000001.json").unlink()
    refused = kafka_loader("repair", str(job.config), "--log-format", "json")
    repaired = kafka_loader("repair", str(job.config), "--log-format", "json", "--yes")

    (quarantined,) = [line for line in lines_of(loaded) if line["event"] == "quarantined"]
    assert quarantined["record_count"] == 4
    done, committed = lines_of(replayed)
    assert (done["event"], done["recovered_count"], done["still_bad_count"]) == ("replayed", 4, 0)
    assert (committed["operation"], committed["version"], committed["row_count"]) == ("replay", 2, 4)
    assert committed["run_id"] == done["run_id"] != ""
    assert events(refused) == ["refused"]
    assert [line["operation"] for line in lines_of(repaired) if line["event"] == "committed"] == ["repair"]


def test_a_terminal_has_one_live_bar_with_splits_and_json_logs_have_none(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which rich takes what it writes to for a terminal
    monkeypatch.setenv("COLUMNS", "80")
    job = new_job(topic)

    shown = run(job).errors
    produce(kafka, topic, messages(10))
    told = run(job, "--log-format", "json")

    frames = [
        each for each in re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)) if "%" in each
    ]
    assert re.search(r"100 % 10 rows, \S+ [KM]?i?B, .*1/1 split", frames[-1])
    assert all(len(frame) <= 80 for frame in frames)
    assert "\x1b" not in told.errors
    assert events(told)[-1] == "ended"


def log_lines(log_format: LogFormat, tell: Callable[[EventLog], None]) -> list[str]:
    written: list[str] = []
    tell(EventLog(log_format, Path("job.toml"), lambda: 1_709_200_800_007, written.append))
    return written


def test_a_line_has_the_time_of_its_event_in_utc_and_only_what_was_told() -> None:
    def tell(log: EventLog) -> None:
        log.run_id, log.job = "run-1", "orders"
        log.warning("retried", "begun again:\n2 attempts", attempt_count=2)

    (text_line,) = log_lines(LogFormat.TEXT, tell)
    (json_line,) = log_lines(LogFormat.JSON, tell)

    assert text_line == "2024-02-29 10:00:00Z begun again:\n2 attempts"
    assert json_line == (
        '{"time": "2024-02-29T10:00:00.007Z", "level": "warning", "run_id": "run-1", "job": "orders",'
        ' "event": "retried", "attempt_count": 2, "message": "begun again:\\n2 attempts"}'
    )


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_login_within_a_url_is_never_written(log_format: LogFormat) -> None:
    (line,) = log_lines(
        log_format, lambda log: log.error("failed", "no answer from http://ann:s3cret@2@registry:8081/x")
    )

    assert "s3cret" not in line
    assert "no answer from http://***@registry:8081/x" in line


@pytest.mark.parametrize(
    "text", ["hdfs://namenode:8020/data/a@b", "root@host", "https://registry/subjects", "orders-0[0, 10)"]
)
def test_what_is_no_login_stays_as_it_is(text: str) -> None:
    assert without_logins(text) == text
