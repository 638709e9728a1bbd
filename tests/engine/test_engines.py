"""Every engine gives the same; a worker that dies is told apart from a task that fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loader.engine.local import LocalEngine
from loader.engine.protocol import Engine
from loader.errors import OffsetsExpired, WorkersLost
from loader.task import LoadTask
from loader.values import Advance, OffsetRange, Split, SplitResult
from local_services.java import FAST_START_OPTIONS
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction
from tests.end_to_end.jobs import REPOSITORY
from tests.end_to_end.producing import messages, produce
from tests.task.jobs import RUN_FOLDER, a_split, a_task, ignore

from .fakes import RANGE, Buggy, Failing, FakeTask, Killed


def splits(count: int) -> list[Split]:
    return [a_split(RANGE, index=index) for index in range(count)]


def run(engine: Engine, task: FakeTask, count: int) -> list[SplitResult]:
    return engine.run(cast(LoadTask, task), splits(count), ignore)


@pytest.fixture(params=["local-1", "local-2", "spark"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "spark":
        request.getfixturevalue("spark")
        from loader.engine.spark import SparkEngine

        return SparkEngine()
    return LocalEngine(int(request.param[-1]))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_split_comes_back_once(engine: Engine, count: int) -> None:
    results = run(engine, FakeTask(), count)

    assert sorted(result.split_index for result in results) == list(range(count))


def test_errors_come_back_as_values(engine: Engine) -> None:
    for result in run(engine, Failing(), 2):
        (failure,) = result.failures
        assert isinstance(failure.error, OffsetsExpired)
        assert failure.error.wanted == RANGE


def test_rows_are_the_same_whatever_engine_loads_them(
    engine: Engine, kafka: KafkaCluster, new_topic: NewTopicFunction, tmp_path: Path
) -> None:
    topic = new_topic(partitions=2)
    for partition in (0, 1):
        produce(kafka, topic, messages(100, partition=partition))
    task = a_task(kafka.bootstrap_servers, tmp_path, [topic])
    wanted = [OffsetRange(topic, partition, start, start + 50) for partition in (0, 1) for start in (0, 50)]
    heard: list[Advance] = []

    results = engine.run(task, [a_split(each, index=at) for at, each in enumerate(wanted)], heard.append)

    files = [file for result in results for file in result.files]
    tables = [pq.ParquetFile(tmp_path / RUN_FOLDER / file.staged_name).read() for file in files]
    table = pa.concat_tables(tables).sort_by([("partition", "ascending"), ("offset", "ascending")])
    assert table["value"].to_pylist() == [b"value %d" % number for number in range(100)] * 2
    assert {loaded.range for result in results for loaded in result.loaded} == set(wanted)
    assert sum(advance.row_count for advance in heard) == 200
    assert (sum(each.split_count for each in heard), sum(each.retried_count for each in heard)) == (4, 0)


def test_an_engine_that_was_prepared_and_one_that_was_not_run_the_same(engine: Engine) -> None:
    for prepared in (True, False):
        if prepared:
            engine.prepare(2)
        assert sorted(result.split_index for result in run(engine, FakeTask(), 2)) == [0, 1]


def test_a_killed_worker_is_told_from_a_task_that_fails() -> None:
    with pytest.raises(
        WorkersLost, match=r"SIGKILL.*orders-0\[0, 10\).*Nothing was committed\. Run again"
    ) as caught:
        run(LocalEngine(2), Killed(), 4)

    assert caught.value.exit_status == 3


def test_a_bug_in_a_worker_shows_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)that is a bug.*TypeError: a bug"):
        run(LocalEngine(2), Buggy(), 4)


def test_the_plan_hears_how_many_tasks_run_at_once() -> None:
    assert LocalEngine(3).slots == 3
    assert LocalEngine().slots == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("configuration", "slots"),
    [
        ({"spark.master": "local"}, 1),
        ({"spark.master": "local[3]"}, 3),
        ({"spark.master": "local[3,4]"}, 3),
        ({"spark.master": "local[*]"}, len(os.sched_getaffinity(0))),
        ({"spark.master": "local-cluster[2, 3, 1024]"}, 6),
        ({"spark.master": "yarn", "spark.executor.instances": "5", "spark.executor.cores": "4"}, 20),
        ({"spark.master": "spark://host:7077"}, 2),
    ],
    ids=str,
)
def test_sparks_configuration_tells_how_many_tasks_run_at_once(
    configuration: dict[str, str], slots: int
) -> None:
    from pyspark import SparkConf

    from loader.engine.spark import SparkEngine

    assert SparkEngine(SparkConf(loadDefaults=False).setAll(list(configuration.items()))).slots == slots


def spark_of(command: list[str], folder: Path, arguments: str = "") -> dict[str, Any]:
    """What Spark a driver that is started so has, beside a spark-defaults.conf."""
    (folder / "spark-defaults.conf").write_text(
        "spark.executor.memory 700m\nspark.ui.enabled false\n"
        f"spark.driver.extraJavaOptions {' '.join(FAST_START_OPTIONS)}\n"
    )
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_CONF_DIR": str(folder),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"{arguments} pyspark-shell",
        "PYTHONPATH": str(REPOSITORY),
    }
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=REPOSITORY
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_what_spark_submit_is_told_wins_over_our_own_settings(tmp_path: Path) -> None:
    submit = str(Path(sys.executable).with_name("spark-submit"))
    options = ["--master", "local[3]", "--name", "mine", "--conf", "spark.log.level=ERROR"]

    assert spark_of([submit, *options, "tests/engine/submitted_driver.py"], tmp_path) == {
        "slots": 3,
        "master": "local[3]",
        "name": "mine",
        "log_level": "ERROR",
        "memory": "700m",
    }


def test_sparks_own_files_and_variables_count_without_spark_submit(tmp_path: Path) -> None:
    found = spark_of([sys.executable, "-m", "tests.engine.submitted_driver"], tmp_path, "--master local[1]")

    del found["slots"]  # a guess, made before any JVM is there to ask
    assert found == {
        "master": "local[1]",
        "name": "kafka-loader",
        "log_level": "WARN",
        "memory": "700m",
    }


def test_the_task_needs_no_spark() -> None:
    import subprocess
    import sys

    code = "import sys; sys.modules['pyspark'] = None; import loader.task, loader.engine.local"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_sparks_driver_that_dies_is_a_reason_to_run_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.dying_driver", str(tmp_path / "at-work")]
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'scripts'}",
    }

    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=REPOSITORY
    )

    assert ended.returncode == WorkersLost.exit_status, ended.stderr
    assert "lost: Spark's driver process ended" in ended.stdout
