"""What starts, and what is imported, before there is work for it."""

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .jobs import kafka_loader_process, run_python
from .producing import messages, produce
from .records import offsets_of


def test_cron_gets_the_same_from_the_installed_command_quickly_when_nothing_is_new(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)

    first = kafka_loader_process("run", str(job.config), "--json")
    spent = _children_cpu_s()
    second = kafka_loader_process("run", str(job.config), "--json")

    assert (first.status, first.document["row_count"]) == (0, 10)
    assert offsets_of(job.records()) == list(range(10))
    assert (second.status, second.document["committed"]) == (0, False)
    # The promise is 2 s on the clock; processor time is the part of it that does not depend on who else runs.
    assert _children_cpu_s() - spent < 2


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


IMPORTED = "import json, sys; print(json.dumps([name for name in {names!r} if name in sys.modules]))"
HEAVY = ["numba", "pyspark", "kafka", "pyarrow", "hdfs_native"]


def imported_after(code: str, names: list[str] = HEAVY) -> list[str]:
    """Which of these packages a new Python has imported after running `code`."""
    ended = run_python(f"{code}\n{IMPORTED.format(names=names)}")
    assert ended.status == 0, ended.errors
    found: list[str] = json.loads(ended.output.splitlines()[-1])
    return found


def test_importing_the_package_imports_none_of_the_heavy_ones() -> None:
    assert imported_after("import loader, loader.values, loader.errors") == []


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_printing_help_imports_none_of_the_heavy_ones(arguments: list[str]) -> None:
    assert imported_after(f"from loader.cli.main import main; assert main({arguments!r}) == 0") == []


def test_what_a_commit_loaded_becomes_a_table_without_pandas() -> None:
    code = (
        "from loader.commits.offsets_table import offsets_table; from tests.commits.examples import a_commit;"
        " assert offsets_table([a_commit()]).num_rows == 1"
    )

    assert imported_after(code, ["pandas"]) == []


def test_a_task_can_be_imported_and_run_without_pyspark(
    kafka: KafkaCluster, new_topic: NewTopicFunction, new_job: NewJobFunction
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)
    blocked = "import sys; sys.modules['pyspark'] = sys.modules['py4j'] = None; import loader.task"

    ended = run_python(
        f"{blocked}; from loader.cli.main import main; sys.exit(main(['run', {str(job.config)!r}, '--json']))"
    )

    assert ended.status == 0, ended.errors
    assert offsets_of(job.records()) == list(range(10))


@pytest.mark.parametrize("command", ["plan", "status", "history", "run"])
def test_only_work_for_spark_starts_java(
    command: str,
    kafka: KafkaCluster,
    new_topic: NewTopicFunction,
    new_job: NewJobFunction,
    java_that_tells: Callable[[], bool],
) -> None:
    topic = new_topic()
    produce(kafka, topic, messages(10))
    job = new_job(topic)
    if command == "run":
        job.run()  # so that nothing is new

    ended = kafka_loader_process(
        command, str(job.config), *(["--engine", "spark"] if command == "run" else [])
    )

    assert ended.status == 0, ended.errors
    assert not java_that_tells()


@pytest.fixture
def java_that_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Puts a `java` of ours before any other; tells whether somebody has started it."""
    java, started = tmp_path / "java" / "bin" / "java", tmp_path / "java-was-started"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\ntouch {started}\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    monkeypatch.setenv("PATH", f"{java.parent}{os.pathsep}{os.environ['PATH']}")
    return started.exists
