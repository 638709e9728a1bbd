"""doctor: each thing that a run needs is found out, said with what to do, and hides no other."""

import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from loader.cli import main
from loader.engine.executor_probe import ExecutorProbe
from loader.operations.checks import decoding, golden
from loader.operations.checks.check import Check, Verdict, fine, looked_at
from loader.operations.checks.destination import PROBE
from loader.operations.checks.software import check_java, check_packages
from loader.storage.local import LocalStorage
from local_services.kafka import KafkaCluster
from local_services.ports import choose_ports
from tests.conftest import NewTopicFunction

from .conftest import NewFolderFunction, NewJobFunction
from .folders import LocalFolder
from .jobs import Ended, Job, kafka_loader
from .producing import messages, produce

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Found = dict[str, dict[str, Any]]

ALWAYS = {
    "packages",
    "java",
    "crc32c",
    "destination",
    "free space",
    "clock",
    "ledger",
    "kernel cache",
    "codecs",
}
OF_KAFKA = {"broker 1", "cluster", "topics", "log sizes"}


def doctor(job: Job, *options: str) -> tuple[Ended, Found]:
    """How it ended, and its checks by name."""
    ended = kafka_loader("doctor", str(job.config), "--json", *options)
    checks = ended.document["checks"]
    assert ended.document["exit_status"] == ended.status
    assert len({check["name"] for check in checks}) == len(checks)
    return ended, {check["name"]: check for check in checks}


def verdicts(found: Found) -> set[tuple[str, str]]:
    """The checks that are not all right."""
    return {(name, check["verdict"]) for name, check in found.items() if check["verdict"] != "ok"}


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_where_all_is_well_doctor_says_so_and_leaves_nothing_behind(
    kind: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    new_folder: NewFolderFunction,
    tmp_path: Path,
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(3))
    job = new_job(topic, folder=new_folder(kind))

    ended, before = doctor(job)
    is_made = any(tmp_path.glob("destination*"))
    nothing = job.folder.paths()
    job.run()
    paths = job.folder.paths()
    _, after = doctor(job)

    assert (ended.status, verdicts(before), verdicts(after)) == (0, set(), set())
    assert set(before) == set(after) == ALWAYS | OF_KAFKA | {f"bootstrap {kafka.bootstrap_servers}"}
    assert (is_made, nothing, job.folder.paths()) == (False, [], paths)
    assert "not there yet, and can be made" in before["destination"]["found"]
    assert before["ledger"]["found"] == "none yet: job job has not run"
    assert after["ledger"]["found"].startswith("1 commit; the newest, 1, of ")
    assert "the one that the ledger belongs to" in after["cluster"]["found"]
    assert after["topics"]["found"] == "1 of the job can be read; partitions in all: 1"


@dataclass(frozen=True)
class Scene:
    """A job that has run once, and what can be broken of it; nobody listens at `closed`."""

    job: Job
    folder: LocalFolder
    topic: str
    servers: str
    closed: str

    def config(self, old: str, new: str) -> None:
        text = self.job.config.read_text()
        assert old in text
        self.job.config.write_text(text.replace(old, new))

    def file(self, path: str, old: str, new: str) -> None:
        file = self.folder.path / "_loader/job" / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


COMMIT = "commits/00000000000000000001.json"


@pytest.mark.parametrize(
    ("harm", "name", "status", "said"),
    [
        (lambda at: at.config("/destination", "/file/x"), "destination", 2, "Clear the way"),
        (lambda at: at.config(at.topic, "not-there"), "topics", 4, "not in the cluster: not-there"),
        (lambda at: at.file(COMMIT, '"version"', '"versiom"'), "ledger", 4, "repair"),
        (
            lambda at: at.file("job.json", '"cluster_id": "', '"cluster_id": "x'),
            "cluster",
            4,
            "the ledger to x",
        ),
        (lambda at: at.config(at.servers, "kafka.invalid:1"), "bootstrap kafka.invalid:1", 2, "DNS"),
        (lambda at: at.config(at.servers, at.closed), "bootstrap {closed}", 3, "Start the broker"),
    ],
    ids=["destination", "topic", "ledger", "cluster", "name", "port"],
)
def test_one_thing_that_is_wrong_is_told_with_what_to_do_and_hides_no_other(
    harm: Callable[[Scene], None],
    name: str,
    status: int,
    said: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    local_folder: LocalFolder,
    tmp_path: Path,
) -> None:
    topic = new_topic("doctor-" + uuid4().hex)
    job = new_job(topic)
    produce(kafka, topic, messages(1))
    job.run()
    (tmp_path / "file").write_text("where a folder must be")
    scene = Scene(job, local_folder, topic, kafka.bootstrap_servers, f"127.0.0.1:{choose_ports(1)[0]}")
    harm(scene)

    ended, found = doctor(job)

    wrong = found[name.format(closed=scene.closed)]
    assert (ended.status, wrong["verdict"], wrong["exit_status"]) == (status, "problem", status)
    assert said in wrong["found"] + wrong["to_do"]
    assert [each for each, verdict in verdicts(found) if verdict == "problem"] == [wrong["name"]]
    assert set(found) >= ALWAYS - {"free space", "clock"}


def test_a_second_bootstrap_server_that_is_away_is_only_a_warning(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    away = f"127.0.0.1:{choose_ports(1)[0]}"
    job = new_job(new_topic(), kafka={"bootstrap_servers": [away, kafka.bootstrap_servers]})

    ended, found = doctor(job)

    assert ended.status == 0
    assert verdicts(found) == {(f"bootstrap {away}", "warning")}


def test_text_has_a_line_for_each_check_in_signs_that_the_output_can_hold(
    new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    job = new_job(new_topic())

    def lines(encoding: str) -> list[str]:
        output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with redirect_stdout(output):
            assert main.main(["doctor", str(job.config)]) == 0
        output.flush()
        output.seek(0)
        return output.read().splitlines()

    *checks, last = lines("utf-8")
    assert {line[0] for line in checks} == {"✓"}
    assert last == f"{len(checks)} checks: all is well; next: kafka-loader plan {job.config}"
    assert {line[:3] for line in lines("ascii")[:-1]} == {"ok "}


@pytest.mark.parametrize(
    ("ahead_ms", "verdict", "status"), [(0, "ok", 0), (-60_000, "warning", 0), (3_600_000, "problem", 2)]
)
def test_a_clock_that_is_away_from_the_destinations_is_noticed(
    ahead_ms: int,
    verdict: str,
    status: int,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loader.cli.process.now_ms", lambda: time.time_ns() // 1_000_000 + ahead_ms)

    ended, found = doctor(new_job(new_topic()))

    assert (found["clock"]["verdict"], ended.status) == (verdict, status)


def test_a_file_system_whose_rename_replaces_files_is_refused(
    new_topic: NewTopicFunction, new_job: NewJobFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move(storage: LocalStorage, source: str, target: str) -> None:
        root = Path(storage.url.removeprefix("file://"))
        (root / source).replace(root / target)

    monkeypatch.setattr(LocalStorage, "move", move)

    ended, found = doctor(new_job(new_topic()))

    assert (ended.status, found["destination"]["verdict"]) == (2, "problem")
    assert "a rename replaced a file" in found["destination"]["found"]


def test_a_codec_that_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> tuple[Verdict, str]:
        (check,) = decoding.check_codecs()
        return check.verdict, check.found

    well = look()
    batches = {**golden.BATCHES, "lz4": golden.BATCHES["lz4"].replace("a2V5", "a2V6", 1)[:-8] + "AAAAAAAA"}
    monkeypatch.setattr(decoding, "BATCHES", batches)
    broken = look()

    assert well == (Verdict.OK, "gzip, snappy, lz4, zstd decode as Kafka's Java client wrote them")
    assert broken[0] is Verdict.PROBLEM
    assert broken[1].startswith("lz4: ")
    assert "gzip" not in broken[1]


def test_a_slow_crc_and_kernels_that_cannot_be_kept_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder() -> Path:
        raise RuntimeError("no locator available")

    monkeypatch.setattr("google_crc32c.implementation", "python")
    monkeypatch.setattr("loader.records.compilation.cache_folder", no_folder)

    (crc,), (cache,) = decoding.check_crc(), decoding.check_kernel_cache()

    assert (crc.verdict, cache.verdict) == (Verdict.WARNING, Verdict.WARNING)
    assert "NUMBA_CACHE_DIR" in cache.to_do


def test_packages_are_compared_with_what_this_program_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    (well,) = check_packages(frozenset({"formats"}))
    asked = ["pyarrow>=21", "kafka-python==2.*", "no-such-package>=1", 'not-wanted>=1; extra == "report"']
    monkeypatch.setattr("importlib.metadata.requires", lambda _: asked)

    kafka_python, missing = check_packages(frozenset())

    assert well.verdict is Verdict.OK
    assert (kafka_python.exit_status, missing.exit_status) == (2, 2)
    assert kafka_python.found.startswith("kafka-python: 3.0.")
    assert kafka_python.to_do == "pip install 'kafka-python==2.*'"
    assert missing.found == "no-such-package: missing; >=1 is needed"


@pytest.mark.parametrize(
    ("script", "is_needed", "verdict", "said"),
    [
        ("echo 'openjdk version \"17.0.9\"' >&2", True, Verdict.OK, "Java 17"),
        ("echo 'openjdk version \"11.0.2\"' >&2", True, Verdict.PROBLEM, "is Java 11; Spark needs 17"),
        ("echo 'java version \"1.8.0_402\"' >&2", False, Verdict.WARNING, "is Java 8"),
        ("exit 1", True, Verdict.PROBLEM, "says: nothing"),
        (None, True, Verdict.PROBLEM, "cannot be started: No such file"),
    ],
)
def test_a_java_that_is_too_old_or_none_matters_only_to_spark(
    script: str | None, is_needed: bool, verdict: Verdict, said: str, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    if script is not None:
        java.write_text(f"#!/bin/sh\n{script}\n")
        java.chmod(0o755)

    (check,) = check_java(str(tmp_path), os.environ["PATH"], is_needed=is_needed)
    (none,) = check_java(None, str(tmp_path), is_needed=is_needed)

    assert (check.verdict, none.verdict) == (verdict, Verdict.PROBLEM if is_needed else Verdict.WARNING)
    assert said in check.found
    assert none.found.startswith("not found")


def test_a_check_that_fails_or_hangs_is_one_finding() -> None:
    def fail() -> list[Check]:
        raise ZeroDivisionError

    def hang() -> list[Check]:
        time.sleep(30)
        return []

    (failed,) = looked_at("a", 10, fail)
    (hanging,) = looked_at("b", 0.05, hang)

    assert looked_at("c", 10, lambda: [fine("c", "well")]) == [fine("c", "well")]
    assert (failed.exit_status, hanging.exit_status) == (1, 3)
    assert "no answer within 0.05 s" in hanging.found


def test_executors_that_run_this_program_and_see_what_the_driver_sees_are_fine(
    spark: "SparkSession", new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    job = new_job(new_topic())

    ended, found = doctor(job, "--engine", "spark")

    assert (ended.status, verdicts(found)) == (0, set())
    assert set(found) >= {"spark", "executors", "executors' destination", "executors' brokers"}
    assert found["spark"]["found"].endswith("master local[2], 2 tasks at once")
    assert job.folder.paths() == []
    assert spark.range(3).count() == 3  # it was not this command that started it


def test_what_an_executor_cannot_reach_is_told(new_job: NewJobFunction, tmp_path: Path) -> None:
    from loader.cli.process import read_job

    (port,) = choose_ports(1)
    job = read_job(new_job("topic", kafka={"bootstrap_servers": [f"127.0.0.1:{port}"]}).config)
    settings = type(job.kafka)(
        bootstrap_servers=job.kafka.bootstrap_servers, client_id="t", request_timeout_ms=300
    )

    elsewhere = ExecutorProbe(settings, (tmp_path / "own-disk").as_uri(), "folder", PROBE).run(1)

    assert "the folder is not shared" in elsewhere.storage
    assert f"no answer from 127.0.0.1:{port}" in elsewhere.brokers


def test_executors_without_this_package_are_found_out(
    spark: "SparkSession",
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = tmp_path / "bare-python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S -P "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(python))
    job = new_job(new_topic())

    ended, found = doctor(job, "--engine", "spark")

    assert (ended.status, verdicts(found)) == (2, {("executors", "problem")})
    assert "there cannot import this package" in found["executors"]["found"]
    assert "No module named" in found["executors"]["found"]
    assert "PYSPARK_PYTHON" in found["executors"]["to_do"]
    assert job.folder.paths() == []
