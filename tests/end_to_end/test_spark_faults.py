"""Whatever happens to Spark's tasks, executors and drivers, each offset is published exactly once.

On processes of their own: a Master, Workers, and executors that are really killed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local_services.kafka import KafkaCluster
from local_services.processes import birth
from tests.conftest import NewTopicFunction

from .conftest import NewJobFunction
from .folders import commit_paths, published_paths, staged_paths
from .jobs import Ended, Job, spark_submit
from .oracle import read_by_librdkafka
from .producing import (
    Ends,
    Message,
    ends_of,
    produce,
    send,
    transactional_producer,
    wait_for_ends,
    wait_until,
)
from .records import assert_same_records
from .spark_cluster import SleepySubmit, SparkCluster, Started

TWO_SPLITS = {"target_split_bytes": 130_000}
"""Of a topic of two partitions with 40 records each, and of what each range costs beside its bytes."""

SMALL_ROW_GROUPS = {"row_group_bytes": 16 * 1024}
"""So that a file is begun long before all of its rows are there."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """One driver and two executors; tests kill executors and leave the cluster to replace them."""
    with SparkCluster(tmp_path_factory.mktemp("spark-cluster")) as cluster:
        yield cluster


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions; the second holds an aborted transaction before one that is committed."""
    topic = new_topic(partitions=2)
    produce_more(kafka, topic)
    return topic


def produce_more(kafka: KafkaCluster, topic: str) -> None:
    values = [Message(b"%d" % number + b"x" * 1_000) for number in range(40)]
    produce(kafka, topic, values)
    producer = transactional_producer(kafka, topic)
    before = ends_of(kafka, topic, 1).last_stable_offset
    for sent, end in ((values[:5], producer.abort_transaction), (values, producer.commit_transaction)):
        producer.begin_transaction()
        send(producer, topic, [Message(each.value, partition=1) for each in sent])
        end(60)
    end_offset = before + 5 + 1 + 40 + 1
    wait_for_ends(kafka, topic, Ends(end_offset, end_offset), 1)


@pytest.fixture
def job(topic: str, new_job: NewJobFunction) -> Job:
    """A job that loads the topic by two tasks."""
    return new_job(topic, plan=TWO_SPLITS, write=SMALL_ROW_GROUPS)


def assert_loaded_once(kafka: KafkaCluster, job: Job, topic: str, version: int = 1) -> None:
    """All that a read_committed client sees, each record once; nothing else; and the position behind it."""
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    assert staged_paths(job.folder) == []
    assert len(commit_paths(job.folder)) == version
    newest = json.loads(job.folder.read(commit_paths(job.folder)[-1]))["commit"]
    place = newest["position"][topic]["partitions"]
    ends = {str(number): ends_of(kafka, topic, number).last_stable_offset for number in (0, 1)}
    assert {number: each["next_offset"] for number, each in place.items()} == ends


def assert_not_published(job: Job, staged: str) -> None:
    """None of these staged files, of which there are some, is published: a name goes with its file."""
    assert staged
    ids = [name.removesuffix(".parquet") for name in staged.splitlines()]
    assert [path for path in published_paths(job.folder) for each in ids if each in path] == []


@pytest.mark.parametrize("moment", ["writing", "before_it_reports"])
@pytest.mark.parametrize("process", ["worker", "executor"])
def test_a_process_that_dies_leaves_its_split_to_another_attempt(
    process: str, moment: str, kafka: KafkaCluster, cluster: SparkCluster, topic: str, job: Job
) -> None:
    run = cluster.start(job, f"{process}_dies_{moment}")

    ended = run.end()

    assert ended.status == 0, ended.errors
    assert run.attempts() == {0: 2, 1: 1}
    assert ended.errors.count("begun again: 1 attempt at a split died") == 1
    assert_not_published(job, run.notes.read("dead"))
    assert_loaded_once(kafka, job, topic)


def test_an_executor_that_dies_after_its_report_is_still_believed(
    kafka: KafkaCluster, cluster: SparkCluster, topic: str, job: Job
) -> None:
    lost = cluster.lost_executor_count
    run = cluster.start(job, "executor_dies_after_its_report")
    run.notes.wait_for("heard")

    run.kill_executor_of("0-0")
    wait_until(lambda: cluster.lost_executor_count > lost, "the driver to miss the executor")
    run.notes.put("go on")

    ended = run.end()
    assert ended.status == 0, ended.errors
    assert run.attempts()[0] == 1  # on a slow machine Spark may repeat the other split
    assert_loaded_once(kafka, job, topic)


@pytest.mark.parametrize(
    ("fault", "write"),
    [
        pytest.param("straggles_before_it_begins", {}, id="before it begins"),
        pytest.param("straggles_loading", {}, id="before its first file"),
        pytest.param("straggles_loading", SMALL_ROW_GROUPS, id="writing"),
        pytest.param("straggles_before_it_reports", {}, id="before it reports"),
    ],
)
def test_a_straggler_that_ends_after_the_commit_is_never_published(
    fault: str,
    write: Mapping[str, int],
    kafka: KafkaCluster,
    cluster: SparkCluster,
    topic: str,
    new_job: NewJobFunction,
) -> None:
    job = new_job(topic, plan=TWO_SPLITS, write=write)
    run = cluster.start(job, fault, speculation=True)
    ended = run.end()
    assert ended.status == 0, ended.errors
    assert run.attempts() == {0: 2, 1: 1}
    published = published_paths(job.folder)
    assert staged_paths(job.folder) == []

    run.notes.put("go on")
    run.notes.wait_for("ended-0-0")

    assert published_paths(job.folder) == published
    assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
    produce_more(kafka, topic)
    again = cluster.run(job)
    assert again.status == 0, again.errors
    assert_loaded_once(kafka, job, topic, version=2)


def assert_given_up(job: Job, run: Started, ended: Ended) -> None:
    """After two attempts at a split, as many as Spark may make; nothing is there but the job's identity."""
    assert ended.status == 3
    assert "Spark gave up on the load: " in ended.errors
    assert "Nothing was committed." in ended.errors
    assert run.attempts() == {0: 2, 1: 1}
    assert job.folder.paths() == ["_loader/job/job.json"]


def test_a_split_that_kills_each_of_its_executors_ends_the_run_and_leaves_nothing(
    kafka: KafkaCluster, cluster: SparkCluster, topic: str, job: Job
) -> None:
    run = cluster.start(job, "every_executor_of_split_0_dies")

    ended = run.end()

    assert_given_up(job, run, ended)
    again = cluster.run(job)
    assert again.status == 0, again.errors
    assert_loaded_once(kafka, job, topic)


def test_a_run_that_fails_outlives_its_tasks(
    kafka: KafkaCluster, cluster: SparkCluster, topic: str, new_job: NewJobFunction
) -> None:
    """Else they would stage files after what was staged is removed, and nobody removes those for a day."""
    job = new_job(topic, plan=TWO_SPLITS)  # no file is begun while a task still reads
    run = cluster.start(job, "every_worker_of_split_0_dies_beside_a_straggler")

    ended = run.end()

    assert_given_up(job, run, ended)
    assert birth(int(run.notes.read("straggler"))) is None
    again = cluster.run(job)
    assert again.status == 0, again.errors
    assert_loaded_once(kafka, job, topic)


def test_a_bug_in_a_task_shows_its_traceback_and_commits_nothing(
    kafka: KafkaCluster, cluster: SparkCluster, topic: str, job: Job
) -> None:
    ended = cluster.run(job, "split_0_has_a_bug")

    assert ended.status == 1
    assert "a task failed, and that is a bug" in ended.errors
    assert "TypeError: a bug in a task" in ended.errors
    assert published_paths(job.folder) + commit_paths(job.folder) + staged_paths(job.folder) == []
    assert cluster.run(job).status == 0
    assert_loaded_once(kafka, job, topic)


def test_of_submits_that_overlap_one_commits_and_those_that_slept_leave_nothing(
    kafka: KafkaCluster, topic: str, job: Job, tmp_path: Path
) -> None:
    """As when a scheduler gives a driver up and submits again, and the old one comes back."""
    with (
        SleepySubmit(job, tmp_path / "at-work", "load") as at_work,
        SleepySubmit(job, tmp_path / "about-to-commit", "commit", "local[1]") as about_to_commit,
    ):
        at_work.notes.wait_for("attempt-0-0")
        at_work.stop()
        at_work.notes.put("go on")
        at_work.notes.wait_for("ended-0-0")
        about_to_commit.stop()
        staged = staged_paths(job.folder)
        assert len({path.split("/")[3] for path in staged if path.endswith(".parquet")}) == 2

        retried = spark_submit(str(job.config), "--json")

        assert retried.status == 0, retried.errors
        # Tasks of the one that sleeps still add to it.
        assert set(staged) <= set(staged_paths(job.folder)), "it must leave alone what may yet be at work"
        assert_same_records(job.records(), read_by_librdkafka(kafka, topic))
        published = published_paths(job.folder)
        for slept in (at_work, about_to_commit):
            slept.go_on()
            ended = slept.end()
            assert ended.status == 5, ended.output
            # Spark writes to standard output whatever a driver in Python says.
            assert f"run {retried.document['run_id']} committed version 1 first" in ended.output
    assert published_paths(job.folder) == published
    assert_loaded_once(kafka, job, topic)
