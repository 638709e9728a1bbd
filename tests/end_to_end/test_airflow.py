"""The example DAG and the tasks of loader.airflow, run by the real Airflow."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from local_services.kafka import KafkaCluster

from .folders import LocalFolder
from .jobs import REPOSITORY, Job, run_python, write_config
from .oracle import read_by_librdkafka
from .producing import HOUR_MS, T0_MS, messages, produce
from .records import assert_same_records

# One process of Airflow does all that is looked at here: half a minute, but minutes where others are at work.
pytestmark = pytest.mark.timeout(300)

ORDERS, PAYMENTS = "airflow-orders", "airflow-payments"
RUN_AFTER = "2024-02-29T11:05:00+00:00"
RUN_ID = f"manual__{RUN_AFTER}"
COMMANDS = Path(sys.executable).parent
STAND_IN = f"{sys.executable} {Path(__file__).with_name('stand_in.py')}"


@dataclass(frozen=True, slots=True)
class Airflow:
    """What Airflow did of two DAGs, and where it was at home."""

    home: Path
    document: Any
    log: str
    orders: Job
    payments: Job

    def tasks(self, dag_id: str) -> dict[str, tuple[str, int]]:
        """State and number of tries of each task."""
        tasks = self.document["runs"][dag_id]["tasks"]
        return {name: (task["state"], task["tries"]) for name, task in tasks.items()}

    def xcom(self, dag_id: str, task: str) -> Any:
        """What a task returned."""
        return self.document["runs"][dag_id]["tasks"][task]["xcom"]

    def notes(self, task: str) -> list[str]:
        """What the stand-in told."""
        return (self.home / f"{task}.notes").read_text().splitlines()


@pytest.fixture(scope="module")
def airflow(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    """The example, on two topics, and the DAG of stand-ins; both in one process, as Airflow starts slowly.

    orders    ten records of the hour before the run, and three of the run's own
    payments  five records
    """
    home = tmp_path_factory.mktemp("airflow")
    jobs = {}
    for topic, job, sent in (
        (ORDERS, "orders", messages(10) + messages(3, first=10, timestamp_ms=T0_MS + HOUR_MS)),
        (PAYMENTS, "payments", messages(5)),
    ):
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=30)
        produce(kafka, topic, sent)
        jobs[job] = Job(home / f"{job}.toml", LocalFolder(home / "lake"))
        servers = {"bootstrap_servers": kafka.bootstrap_servers.split(",")}
        entry = {"name": topic}
        whereto = {"name": job, "destination": jobs[job].folder.url}
        write_config(jobs[job].config, whereto, (entry,), {"kafka": servers})
    dags = home / "dags"
    dags.mkdir()
    example = (REPOSITORY / "conf" / "airflow_dag.py").read_text()
    for there, here in (
        ("/opt/kafka-loader/bin", str(COMMANDS)),
        ("/etc/kafka-loader", str(home)),
        ("/srv/kafka/orders", str(home / "lake" / ORDERS)),
        ('topic="orders"', f"topic={ORDERS!r}"),
    ):
        assert there in example
        example = example.replace(there, here)
    (dags / "airflow_dag.py").write_text(example)
    (dags / "statuses_dag.py").write_text(Path(__file__).with_name("statuses_dag.py").read_text())
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONPATH": str(REPOSITORY),
        "STAND_IN": STAND_IN,
    }
    driver = [sys.executable, str(Path(__file__).with_name("airflow_driver.py"))]
    ended = subprocess.run(
        [*driver, RUN_AFTER, "kafka_to_parquet", "statuses"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=270,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
    *log, document = ended.stdout.splitlines()
    return Airflow(home, json.loads(document), "\n".join(log), jobs["orders"], jobs["payments"])


def test_the_example_dag_is_imported_without_a_problem(airflow: Airflow) -> None:
    assert airflow.document["import_errors"] == {}
    assert airflow.document["dag_ids"] == ["kafka_to_parquet", "statuses"]


def test_the_example_dag_loads_its_jobs_waits_for_the_hour_and_queries_it(
    airflow: Airflow, kafka: KafkaCluster
) -> None:
    assert airflow.tasks("kafka_to_parquet") == {
        "load_orders": ("success", 1),
        "load_payments": ("success", 1),
        "orders_of_the_hour_are_complete": ("success", 1),
        "count_orders_of_the_hour": ("success", 1),
    }
    waited = airflow.xcom("kafka_to_parquet", "orders_of_the_hour_are_complete")
    assert (waited["complete"], waited["until_ms"]) == (True, T0_MS + HOUR_MS)
    assert airflow.xcom("kafka_to_parquet", "count_orders_of_the_hour") == 10
    truth = [record for topic in (ORDERS, PAYMENTS) for record in read_by_librdkafka(kafka, topic)]
    assert_same_records(airflow.orders.records(), truth)


@pytest.mark.parametrize(("job", "row_count"), [("orders", 13), ("payments", 5)])
def test_a_commit_names_the_run_of_airflow_and_the_run_tells_of_the_commit(
    airflow: Airflow, job: str, row_count: int
) -> None:
    ledger = airflow.home / "lake" / "_loader" / job / "commits"
    [commit] = [json.loads(path.read_text())["commit"] for path in ledger.iterdir()]

    assert commit["committed_by"] == f"airflow:kafka_to_parquet/{RUN_ID}/load_{job}"
    xcom = airflow.xcom("kafka_to_parquet", f"load_{job}")
    wanted = ("version", "run_id", "row_count", "committed", "exit_status")
    assert [xcom[name] for name in wanted] == [1, commit["run_id"], row_count, True, 0]
    assert not [name for name, value in xcom.items() if isinstance(value, list | dict)]


def test_what_a_run_says_is_in_the_log_of_its_task(airflow: Airflow) -> None:
    assert "planned 13 offsets of 1 topic" in airflow.log
    assert "attempt 1 of 3" in airflow.log


@pytest.mark.parametrize(
    ("task", "state", "tries"),
    [
        ("0", "success", 1),
        ("5", "success", 1),
        ("mapped[0]", "success", 1),
        ("mapped[1]", "success", 1),
        ("2", "failed", 1),
        ("4", "failed", 1),
        ("silent-4", "failed", 1),
        ("not-there", "failed", 1),
        ("1", "failed", 2),
        ("3", "failed", 2),
        ("130", "failed", 2),
        ("3-then-0", "success", 2),
        ("killed", "success", 2),
    ],
)
def test_only_what_may_heal_by_itself_is_tried_again(
    airflow: Airflow, task: str, state: str, tries: int
) -> None:
    assert airflow.tasks("statuses")[task] == (state, tries)


def test_a_superseded_run_is_a_success_that_says_so(airflow: Airflow) -> None:
    assert airflow.xcom("statuses", "5") == {"exit_status": 5, "committed": False, "row_count": 0}
    assert "superseded: another run committed first" in airflow.log


@pytest.mark.parametrize(
    "told",
    [
        "ended with status 4: a person decides\norders: Kafka's log now starts at 2700",
        "ended with status 4: a person decides\nwhat the log says last",
        "ended with signal 9: unforeseen\nattempt 1 of killed",
        "/not/there/kafka-loader cannot be started on this worker",
    ],
)
def test_a_failed_task_says_why(airflow: Airflow, told: str) -> None:
    assert told in airflow.log


@pytest.mark.parametrize("task", ["takes-too-long", "is-told-to-end", "is-deaf"])
def test_a_task_that_airflow_ends_leaves_no_process_and_is_done_by_the_next(
    airflow: Airflow, task: str
) -> None:
    assert airflow.tasks("statuses")[task] == ("success", 2)
    processes, *after = airflow.notes(task)
    assert after == ([] if task == "is-deaf" else ["interrupted"])
    assert [process for process in processes.split() if lives(process)] == []


def lives(process: str) -> bool:
    try:
        stat = Path("/proc", process, "stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_sensor_looks_again_until_the_last_whole_hour_is_complete(airflow: Airflow) -> None:
    looked = f"/etc/statuses.toml --topic orders --until {RUN_AFTER[:13]}:00:00Z --json"

    assert airflow.notes("complete-at-the-second-look") == [looked, looked]
    assert airflow.tasks("statuses")["complete-at-the-second-look"] == ("success", 1)
    assert airflow.xcom("statuses", "complete-at-the-second-look") == {"complete": True}


def test_a_sensor_gives_up_at_its_timeout_and_where_waiting_cannot_help(airflow: Airflow) -> None:
    assert airflow.tasks("statuses")["never-complete"] == ("failed", 1)
    assert airflow.tasks("statuses")["cannot-be-told"] == ("failed", 1)


def test_airflow_needs_nothing_else_of_the_loader(airflow: Airflow) -> None:
    modules = [f"loader.airflow.{name}" for name in ("command", "complete", "run")]

    assert airflow.document["rooms"] == ["loader", "loader.airflow", *modules]


def test_the_loader_needs_no_airflow(tmp_path: Path) -> None:
    without = "import sys; sys.modules['airflow'] = None; from loader.cli.main import main"

    ended = run_python(f"{without}; sys.exit(main(['run', {str(tmp_path / 'not-there.toml')!r}]))")

    assert (ended.status, ended.errors) == (2, f"kafka-loader: {tmp_path}/not-there.toml: no such file\n")
