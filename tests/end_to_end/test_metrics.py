"""Metrics: what Prometheus is told is what the ledger and the brokers say, in its own format."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import LocalFolder
from .jobs import Job, kafka_loader
from .producing import T0_MS, Message, messages, produce

Series = dict[tuple[str, ...], float]


def parsed(text: str) -> dict[str, Series]:
    """Values by the name of the series, then by its labels but the job's, in the order of their names."""
    series: dict[str, Series] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels["loader_job"] == "job"
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "loader_job")
            series.setdefault(sample.name, {})[labels] = sample.value
    return series


def metrics_of(job: Job, *options: str) -> dict[str, Series]:
    ended = kafka_loader("metrics", str(job.config), *options)
    assert ended.status == 0, ended.errors
    return parsed(ended.output)


def test_metrics_tell_position_lag_and_totals_of_each_topic(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic, bad = new_topic(partitions=2), new_topic()
    job = new_job(topic, {"name": bad, "max_bad_records": 1, "value": {"format": "string"}})
    produce(kafka, topic, messages(10) + messages(4, partition=1))
    produce(kafka, bad, [Message(b"text"), Message(b"\xff is no UTF-8")])
    before = metrics_of(job)
    report = job.run()
    produce(kafka, topic, messages(3, partition=1))
    job.run()
    produce(kafka, topic, messages(2))

    after, by_partition = metrics_of(job), metrics_of(job, "--partitions")

    assert "kafka_loader_commit_version" not in before
    assert before["kafka_loader_lag_records"] == {(topic,): 14, (bad,): 2}
    assert after["kafka_loader_up"] == {("ledger",): 1, ("kafka",): 1}
    assert after["kafka_loader_commit_version"] == {(): 2}
    assert after["kafka_loader_position_offset"] == {(topic,): 17, (bad,): 2}
    assert after["kafka_loader_lag_records"] == {(topic,): 2, (bad,): 0}
    assert 0 < after["kafka_loader_lag_bytes"][(topic,)] < 1000
    age_s = after["kafka_loader_lag_seconds"]
    assert (age_s[(bad,)], round(time.time() - T0_MS / 1000 - age_s[(topic,)], -3)) == (0, 0)
    assert "kafka_loader_retention_left_seconds" not in after  # nothing is ever deleted here
    assert after["kafka_loader_topic_loadable"] == {(topic,): 1, (bad,): 1}
    assert after["kafka_loader_rows_total"] == {(topic,): 17, (bad,): 1}
    assert after["kafka_loader_quarantined_records_total"] == {(topic,): 0, (bad,): 1}
    assert after["kafka_loader_lost_records_total"] == {(topic,): 0, (bad,): 0}
    assert sum(after["kafka_loader_written_bytes_total"].values()) > report["size_bytes"]
    assert by_partition["kafka_loader_position_offset"] == {("0", topic): 10, ("1", topic): 7, ("0", bad): 2}
    assert by_partition["kafka_loader_lag_records"] == {("0", topic): 2, ("1", topic): 0, ("0", bad): 0}


def test_a_file_is_replaced_whole_readable_by_all_and_totals_go_on_from_it(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = new_topic()
    job = new_job(topic)
    file = tmp_path / "textfiles" / "job.prom"
    file.parent.mkdir()

    def write() -> dict[str, Series]:
        assert metrics_of(job, "--output", str(file)) == {}
        return parsed(file.read_text())

    for number in range(3):
        produce(kafka, topic, messages(10))
        job.run()
        if number == 1:
            assert write()["kafka_loader_rows_total"] == {(topic,): 20}
    read: list[int] = []
    whole = CommitLog.read

    def noted(log: CommitLog, version: int) -> Commit:
        read.append(version)
        return whole(log, version)

    monkeypatch.setattr(CommitLog, "read", noted)

    newest = write()

    assert set(read) == {3}, "only what was committed since the file was written"
    assert newest["kafka_loader_rows_total"] == {(topic,): 30}
    assert [path.name for path in file.parent.iterdir()] == ["job.prom"]
    assert file.stat().st_mode & 0o777 == 0o644
    monkeypatch.setattr("loader.operations.watch.totals.MOST_COMMITS_COUNTED", 2)
    file.write_text("not of this program")
    assert write()["kafka_loader_rows_total"] == {(topic,): 0}, "a long ledger is not read for a first count"
    produce(kafka, topic, messages(4))
    job.run()
    assert write()["kafka_loader_rows_total"] == {(topic,): 4}


def test_what_stops_a_run_is_measured_and_does_not_silence_the_rest(
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    local_folder: LocalFolder,
    tmp_path: Path,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    job = new_job(topic)
    job.run()
    file = tmp_path / "job.prom"
    text = job.config.read_text()

    job.config.write_text(text.replace(f'"{topic}"', '"not-there"'))
    stopped = metrics_of(job)
    (port,) = choose_ports(1)
    away = text.replace(kafka.bootstrap_servers, f"127.0.0.1:{port}")
    job.config.write_text(away.replace("[kafka]", "[kafka]\nrequest_timeout_ms = 1000"))
    without_brokers = kafka_loader("metrics", str(job.config), "--output", str(file))

    assert stopped["kafka_loader_topic_loadable"] == {("not-there",): 0}
    assert without_brokers.status == 3
    assert f"not measured: no answer from 127.0.0.1:{port}" in without_brokers.errors
    told = parsed(file.read_text())
    assert told["kafka_loader_up"] == {("ledger",): 1, ("kafka",): 0}
    assert told["kafka_loader_position_offset"] == {(topic,): 5}
    (local_folder.path / "_loader/job/commits/00000000000000000001.json").write_text("damaged")
    damaged = kafka_loader("metrics", str(job.config), "--output", str(file))
    assert damaged.status == 4
    assert parsed(file.read_text())["kafka_loader_up"] == {("ledger",): 0}


@dataclass
class Gateway:
    """What a push gateway was sent: (method, path, body); `status` is what it answers."""

    url: str = ""
    status: int = 200
    taken: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def push_gateway() -> Iterator[Gateway]:
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            gateway.taken.append(("PUT", self.path, body))
            self.send_response(gateway.status)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield gateway
        server.shutdown()


def test_a_push_replaces_the_jobs_group_and_a_gateway_that_fails_ends_with_3(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(5))
    job = new_job(topic)

    with push_gateway() as gateway:
        pushed = kafka_loader("metrics", str(job.config), "--push", gateway.url)
        gateway.status = 500
        refused = kafka_loader("metrics", str(job.config), "--push", gateway.url)
    away = kafka_loader("metrics", str(job.config), "--push", gateway.url)

    (method, path, body), _ = gateway.taken
    assert (pushed.status, method, path) == (0, "PUT", "/metrics/job/kafka_loader/loader_job/job")
    assert parsed(body)["kafka_loader_lag_records"] == {(topic,): 5}
    assert (refused.status, away.status) == (3, 3)
    for ended in (refused, away):
        assert f"--push {gateway.url}: the push gateway did not take the metrics" in ended.errors


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--output", "/tmp/job.txt"], "--output /tmp/job.txt: must end in .prom"),
        (
            ["--output", "/not/there/job.prom"],
            "--output /not/there/job.prom: cannot be written: No such file",
        ),
        (["--push", "gateway:9091"], "--push: 'gateway:9091' is no URL like http://"),
        (["--push", "http://ann:s3cret@gateway"], "--push: the URL must not hold a login"),
    ],
)
def test_places_that_cannot_be_are_told(
    options: list[str], problem: str, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    ended = kafka_loader("metrics", str(new_job(new_topic()).config), *options)

    assert ended.status == 2
    assert problem in ended.errors
    assert "s3cret" not in ended.errors


def test_names_and_units_follow_the_conventions_of_prometheus(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(1))
    job = new_job(topic)
    job.run()

    document = kafka_loader("metrics", str(job.config), "--json").document

    assert (document["job"], document["errors"]) == ("job", [])
    kinds = {metric["name"]: metric["type"] for metric in document["metrics"]}
    assert len(kinds) == len(document["metrics"])
    for name, kind in kinds.items():
        assert name.startswith("kafka_loader_")
        assert name.endswith("_total") == (kind == "counter")
        assert not name.endswith(("_ms", "_kib", "_mb", "_minutes", "_percent"))
    documented = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
    assert [name for name in kinds if f"`{name}`" not in documented] == []


def test_the_alert_rules_of_the_docs_are_rules_and_ask_for_metrics_that_there_are() -> None:
    documented = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
    table = set(re.findall(r"^\| `(kafka_loader_\w+)`", documented, re.MULTILINE))
    (block,) = re.findall(r"^```yaml\n(.*?)^```", documented, re.MULTILINE | re.DOTALL)

    (group,) = yaml.safe_load(block)["groups"]

    assert set(group) == {"name", "rules"}
    for rule in group["rules"]:
        assert {"alert", "expr", "annotations"} <= set(rule) <= {"alert", "expr", "annotations", "for"}
        asked = set(re.findall(r"kafka_loader_\w+", rule["expr"]))
        assert asked <= table, rule["alert"]
        assert asked or "node_textfile_mtime_seconds" in rule["expr"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= {
            *("loader_job", "topic", "source", "file")
        }
