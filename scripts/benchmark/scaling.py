"""How cost grows with records, partitions and commits, and how long a command takes without work to do."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from benchmark.children.jobs import write_job
from benchmark.children.serving import Turn
from benchmark.competitors import COMPETITORS
from benchmark.errors import BenchmarkError
from benchmark.measuring import timed_command
from benchmark.places import STATE_FOLDER, open_kafka
from benchmark.producing import ReadyWorkload, create_topics, ready_workload
from benchmark.results import Results, spreads, summary
from benchmark.running import run_in_turn
from benchmark.workloads import WORKLOADS
from loader.commits.log import CommitLog
from loader.commits.record import Commit, encode_commit
from loader.storage.local import LocalStorage
from loader.values import layout
from local_services.kafka import KafkaCluster

Say = Callable[[str], None]

RECORDS = ("R1", "Q1", "W1")
PARTITIONS = ("P10", "P100", "P1000")
PLANNED_PARTITIONS = (100, 1_000, 10_000)
PARTITIONS_OF_A_TOPIC = 100
COMMITS = (1_000, 10_000, 100_000)

FOLDER = STATE_FOLDER / "growth"
JOB = "benchmark"
KAFKA_LOADER = str(Path(sys.executable).with_name("kafka-loader"))


def measure_scaling(kafka: KafkaCluster, results: Results, memory: Path, turns: int, say: Say) -> None:
    """Records and partitions, loaded warm by 2 processes; the other series come with `measure_starts`."""
    series: dict[str, Any] = results.setdefault("scaling", {})
    series["records"] = {
        "what": "Records of W1's shape in 4 partitions; load stage, 2 processes, warm",
        "unit": "records",
        "points": _loads(kafka, RECORDS, memory, turns, say, lambda ready: ready.reference.count),
    }
    series["partitions"] = {
        "what": "1 M records in so many partitions; load stage, 2 processes, warm",
        "unit": "partitions",
        "points": _loads(kafka, PARTITIONS, memory, turns, say, lambda ready: ready.workload.partitions),
    }


def measure_starts(kafka: KafkaCluster, results: Results, memory: Path, turns: int, say: Say) -> None:
    """Whole commands: planning few and many partitions, and a run that finds nothing new on a long ledger."""
    starts: dict[str, Any] = results.setdefault("starts", {})
    series: dict[str, Any] = results.setdefault("scaling", {})
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        ten = ready_workload(kafka, WORKLOADS["P10"], memory, say)
        job = _write_job(FOLDER / "ten", ten.bootstrap_servers, [{"name": name} for name in ten.ends])
        starts["plan-command-10-partitions"] = _commands("plan 10 partitions", ["plan", str(job)], turns, say)
        series["commits"] = {
            "what": "Commits in the ledger; whole command of a run with nothing new",
            "unit": "commits",
            "points": _long_ledgers(kafka, memory, turns, say),
        }
        starts["run-100000-commits"] = series["commits"]["points"][-1]
        series["planning"] = {
            "what": "Partitions that a plan asks a broker for; whole command `kafka-loader plan`",
            "unit": "partitions",
            "points": _plans(turns, say),
        }
        starts["plan-10000-partitions"] = series["planning"]["points"][-1]
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def _loads(
    kafka: KafkaCluster,
    names: Sequence[str],
    memory: Path,
    turns: int,
    say: Say,
    size_of: Callable[[ReadyWorkload], int],
) -> list[dict[str, Any]]:
    points = []
    pids = [pid for server in kafka.servers if (pid := server.process.pid) is not None]
    for name in names:
        ready = ready_workload(kafka, WORKLOADS[name], memory, say)
        done = run_in_turn(ready, [COMPETITORS["loader"]], turns, pids, say)
        points.append({"size": size_of(ready), **summary(done["loader"])})
    return points


def _long_ledgers(kafka: KafkaCluster, memory: Path, turns: int, say: Say) -> list[dict[str, Any]]:
    """One real run, then its commit repeated until the ledger is as long as wanted."""
    ready = ready_workload(kafka, WORKLOADS["R1"], memory, say)
    folder = FOLDER / "ledger"
    job = _write_job(folder, ready.bootstrap_servers, [{"name": name} for name in ready.ends])
    timed_command([KAFKA_LOADER, "run", str(job)], FOLDER)
    storage = LocalStorage(str(folder))
    log = CommitLog(storage, JOB)
    first = log.newest()
    if first is None:
        raise BenchmarkError("a run over new records committed nothing")
    points, length = [], 1
    for wanted in COMMITS:
        _lengthen(folder, first, length, wanted)
        log.mark_published(wanted)
        length = wanted
        arguments = ["run", str(job), "--engine", "local"]
        points.append({"size": wanted, **_commands(f"run on {wanted:,} commits", arguments, turns, say)})
        newest = log.newest()
        if newest is None or newest.version != wanted:
            raise BenchmarkError(f"the run on {wanted} commits was to find nothing new, and made a commit")
    return points


def _lengthen(folder: Path, first: Commit, length: int, wanted: int) -> None:
    """Commits from `length` + 1 to `wanted`, each of a run of its own, all with the first one's ranges."""
    commits = folder / layout.commits_folder(JOB)
    for version in range(length + 1, wanted + 1):
        document = encode_commit(replace(first, version=version, run_id=f"{first.run_id}-{version}"))
        (commits / Path(layout.commit_path(JOB, version)).name).write_bytes(document)


def _plans(turns: int, say: Say) -> list[dict[str, Any]]:
    points = []
    with _broker_of_many_partitions(say) as kafka:
        for count in PLANNED_PARTITIONS:
            job = _write_job(
                FOLDER / f"plan-{count}", kafka.bootstrap_servers, [{"pattern": f"plan-{count}-[0-9]+"}]
            )
            done = _commands(f"plan {count:,} partitions", ["plan", str(job), "--json"], turns, say)
            points.append({"size": count, **done})
    return points


@contextmanager
def _broker_of_many_partitions(say: Say) -> Iterator[KafkaCluster]:
    """A broker of its own, for as long as it is measured: so many logs would slow the other one's start."""
    with open_kafka(FOLDER / "kafka") as kafka:
        topics = {
            f"plan-{count}-{number}": min(count, PARTITIONS_OF_A_TOPIC)
            for count in PLANNED_PARTITIONS
            for number in range(count // PARTITIONS_OF_A_TOPIC)
        }
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
        create_topics(admin, topics, deadline_s=300)
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 50, "log_level": 0})
        for topic, count in topics.items():
            for partition in range(count):
                producer.produce(topic, b"so that there is something to plan", partition=partition)
            producer.poll(0)
        if producer.flush(300):
            raise BenchmarkError("Kafka did not take one record for each partition: see its log")
        say(f"a broker with {sum(topics.values()):,} partitions is ready")
        yield kafka


def _write_job(folder: Path, bootstrap_servers: str, topics: list[dict[str, Any]]) -> Path:
    turn = Turn("", bootstrap_servers, {}, 0, folder.as_uri())
    path = Path(f"{folder}.toml")
    write_job(path, turn, topics=topics)
    return path


def _commands(what: str, arguments: list[str], turns: int, say: Say) -> dict[str, Any]:
    done = []
    for number in range(1, turns + 1):
        done.append(timed_command([KAFKA_LOADER, *arguments], FOLDER))
        say(f"{what:37} turn {number}  {json.dumps({key: round(each, 2) for key, each in done[-1].items()})}")
    return {"turns": len(done), **spreads(done, ("seconds", "cpu_s"))}
