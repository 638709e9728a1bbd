"""What dead runs leave goes, and what a run that may still live has stays."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from loader.commits.sweep import ABANDONED_AFTER_MS
from loader.operations.listening import Step
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .children import StoppedRun, killed_before_system_call
from .conftest import InterruptFunction, NewFolderFunction, NewJobFunction
from .crashes import finished, killed_at_step
from .exactly_once import (
    Truth,
    assert_exactly_once,
    assert_nothing_is_half_visible,
    leftovers,
    truth_of,
)
from .folders import LocalFolder, commit_paths, published_paths, staged_paths
from .jobs import Job
from .producing import HOUR_MS, T0_MS, messages, produce

COMMITTED, SUPERSEDED = 0, 5


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions with 10 records each, of different hours: two files."""
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(10) + messages(10, partition=1, timestamp_ms=T0_MS + HOUR_MS))
    return topic


@pytest.fixture
def truth(kafka: KafkaCluster, topic: str) -> Truth:
    return truth_of(kafka, {topic: 2})


def run_ids(job: Job) -> set[str]:
    return {path.split("/")[3] for path in staged_paths(job.folder)}


def test_of_fifty_killed_runs_only_the_living_ones_files_are_left(
    topic: str, truth: Truth, local_folder: LocalFolder, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    steps = [Step.LOAD, Step.CHECK, Step.COMMIT]

    with StoppedRun(job.config, Step.COMMIT) as living, ThreadPoolExecutor(4) as threads:
        (living_id,) = run_ids(job)
        living_files = staged_paths(job.folder)
        list(threads.map(lambda number: killed_at_step(job.config, steps[number % 3]), range(35)))
        # The first of them leaves no file, and behind them comes the commit.
        list(threads.map(lambda number: killed_before_system_call(job.config, 2 + number % 6), range(15)))
        assert len(run_ids(job)) > 40

        report = job.run()

        assert len(report["swept_runs"]) > 40
        assert living_id not in report["swept_runs"]
        assert leftovers(job.folder) == living_files
        assert living.wake() == SUPERSEDED
    assert_exactly_once(local_folder, truth)


MID_LOAD = None
ENDS = {
    Step.RECOVER: COMMITTED,  # it has read nothing yet: there is nothing new any more
    Step.PLAN: SUPERSEDED,
    Step.STAGE: SUPERSEDED,
    Step.LOAD: SUPERSEDED,
    MID_LOAD: SUPERSEDED,
    Step.CHECK: SUPERSEDED,
    Step.COMMIT: SUPERSEDED,
    Step.PUBLISH: COMMITTED,  # the other run published its files
    Step.SWEEP: COMMITTED,
}


def assert_one_commits_and_the_other_leaves_nothing(job: Job, moment: Step | None, truth: Truth) -> None:
    with StoppedRun(job.config, moment) as stopped:
        finished(job.config)
        assert_nothing_is_half_visible(job.folder, truth)
        assert len(published_paths(job.folder)) == 2

        assert stopped.wake() == ENDS[moment]

    assert len(commit_paths(job.folder)) == 1
    assert_exactly_once(job.folder, truth)


@pytest.mark.parametrize("moment", ENDS, ids=lambda moment: str(moment or "mid-load"))
def test_of_a_paused_run_and_one_that_committed_meanwhile_one_counts(
    moment: Step | None, topic: str, truth: Truth, new_job: NewJobFunction
) -> None:
    assert_one_commits_and_the_other_leaves_nothing(new_job(topic), moment, truth)


def test_of_a_paused_run_and_one_that_committed_meanwhile_one_counts_on_hdfs(
    topic: str, truth: Truth, new_folder: NewFolderFunction, new_job: NewJobFunction
) -> None:
    jobs = [new_job(topic, folder=new_folder("hdfs")) for _ in range(2)]

    with ThreadPoolExecutor(2) as threads:  # most of the time is spent waiting
        moments = (MID_LOAD, Step.COMMIT)
        list(threads.map(assert_one_commits_and_the_other_leaves_nothing, jobs, moments, [truth] * 2))


BROKEN = b"PAR1 no footer, no rows"


@pytest.mark.parametrize("age_ms", [0, 2 * ABANDONED_AFTER_MS], ids=["new", "old"])
def test_a_strangers_broken_file_is_neither_read_nor_in_the_way(
    age_ms: int, kafka: KafkaCluster, topic: str, local_folder: LocalFolder, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    job.run()
    (hour, *_) = {path.rpartition("/")[0] for path in published_paths(local_folder)}
    visible = [f"{topic}/broken.parquet", f"{hour}/{topic}-0-10-19-abc.parquet"]
    names = [
        *("runs/broken.parquet", "commits/broken.parquet", "commits/00000000000000000002.json.parquet"),
        *("broken.parquet", "commits/00000000000000000002/00000000000000000003.json"),
    ]
    strangers = [*visible, *(f"_loader/job/{name}" for name in names)]
    for path in strangers:
        put(local_folder.path / path, BROKEN, age_ms)
    for partition in (0, 1):
        produce(kafka, topic, messages(10, partition=partition, first=10))

    report = job.run()

    assert report["version"] == 2
    truth = truth_of(kafka, {topic: 2})
    for path in strangers:
        assert local_folder.read(path) == BROKEN
    (local_folder.path / "_loader/job/runs/broken.parquet").unlink()
    assert_exactly_once(local_folder, truth, visible)
    assert job.run()["row_count"] == 0


def test_a_strangers_file_in_a_folder_of_a_run_is_not_published(
    topic: str, truth: Truth, local_folder: LocalFolder, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    killed_at_step(job.config, Step.PUBLISH)
    (run_id,) = run_ids(job)
    put(local_folder.path / f"_loader/job/runs/{run_id}/broken.parquet", BROKEN)

    job.run()

    assert_exactly_once(local_folder, truth)


def put(path: Path, content: bytes, age_ms: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    then_s = path.stat().st_mtime - age_ms / 1000
    os.utime(path, (then_s, then_s))


def of_another_run(ticket: dict[str, Any]) -> str:
    return json.dumps({**ticket, "run_id": "20200101T000000Z-00000000"})


WRONG_TICKETS: dict[str, Callable[[dict[str, Any]], str]] = {
    "of another run": of_another_run,
    "empty": lambda _: "",
    "garbage": lambda _: "\0\xff not JSON",
    "no object": lambda _: "[1]",
    "a text for a number": lambda ticket: json.dumps({**ticket, "base_version": "0"}),
}


@pytest.mark.parametrize("wrong", WRONG_TICKETS.values(), ids=WRONG_TICKETS)
def test_a_task_with_a_wrong_ticket_loads_nothing(
    wrong: Callable[[dict[str, Any]], str],
    topic: str,
    truth: Truth,
    local_folder: LocalFolder,
    new_job: NewJobFunction,
    interrupt: InterruptFunction,
) -> None:
    job = new_job(topic)
    interrupt(Step.LOAD, lambda: rewrite_tickets(local_folder, wrong))

    ended = job.try_run()

    assert ended.status == 2
    assert "run.json" in ended.errors
    assert commit_paths(local_folder) + published_paths(local_folder) + staged_paths(local_folder) == []
    job.run()
    assert_exactly_once(local_folder, truth)


@pytest.mark.parametrize("wrong", WRONG_TICKETS.values(), ids=WRONG_TICKETS)
def test_a_folder_with_a_wrong_ticket_is_not_swept_before_it_is_old(
    wrong: Callable[[dict[str, Any]], str],
    topic: str,
    truth: Truth,
    local_folder: LocalFolder,
    new_job: NewJobFunction,
) -> None:
    job = new_job(topic)
    killed_at_step(job.config, Step.COMMIT)
    rewrite_tickets(local_folder, wrong)
    staged = staged_paths(local_folder)

    # Whose folder it is cannot be told: it may be a living run's.
    assert job.run()["swept_runs"] == []

    assert staged_paths(local_folder) == staged
    for path in staged:
        put(local_folder.path / path, local_folder.read(path), 2 * ABANDONED_AFTER_MS)
    assert len(job.run()["swept_runs"]) == 1
    assert_exactly_once(local_folder, truth)


def rewrite_tickets(folder: LocalFolder, wrong: Callable[[dict[str, Any]], str]) -> None:
    for path in (folder.path / "_loader/job/runs").glob("*/run.json"):
        path.write_text(wrong(json.loads(path.read_text())), "latin-1")


@pytest.mark.parametrize("killed_at", [None, Step.COMMIT, Step.PUBLISH], ids=str)
def test_a_job_goes_on_where_its_destination_was_moved(
    killed_at: Step | None,
    kafka: KafkaCluster,
    topic: str,
    tmp_path: Path,
    local_folder: LocalFolder,
    new_job: NewJobFunction,
) -> None:
    job = new_job(topic)
    if killed_at:
        killed_at_step(job.config, killed_at)
    else:
        job.run()
    moved = LocalFolder(tmp_path / "elsewhere" / "moved")
    moved.path.parent.mkdir()
    local_folder.path.rename(moved.path)
    for partition in (0, 1):
        produce(kafka, topic, messages(10, partition=partition, first=10))

    new_job(topic, folder=moved).run()

    assert_exactly_once(moved, truth_of(kafka, {topic: 2}))
    assert not local_folder.path.exists()
