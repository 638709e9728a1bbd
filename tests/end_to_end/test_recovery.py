"""A run that is killed, fails or meets another: the next leaves each offset published exactly once."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from loader.operations.listening import Step
from local_services.kafka import KafkaCluster
from tests.conftest import NewTopicFunction

from .conftest import InterruptFunction, NewFolderFunction, NewJobFunction
from .crashes import finished, killed_at_step, killed_before_write, run_at_once
from .folders import commit_paths, published_paths, staged_paths
from .jobs import Job
from .producing import HOUR_MS, T0_MS, messages, produce
from .records import assert_same_records, offsets_of


def everywhere(*steps: Step) -> list[Any]:
    """Each step on local storage, and those around the commit on HDFS, where a file takes half a second."""
    places = [("local", step) for step in steps]
    places += [("hdfs", step) for step in steps if step in (Step.CHECK, Step.COMMIT, Step.PUBLISH)]
    return [pytest.param(kind, step, id=f"{kind}-{step}") for kind, step in places]


class RunFailed(Exception):
    """What a run is made to fail with."""


def fail() -> None:
    raise RunFailed


@pytest.fixture
def topic(kafka: KafkaCluster, new_topic: NewTopicFunction) -> str:
    """Two partitions with 20 records each, of different hours: each goes to a file of its own."""
    topic = new_topic(partitions=2)
    produce(kafka, topic, messages(20) + messages(20, partition=1, timestamp_ms=T0_MS + HOUR_MS))
    return topic


def assert_published_once(job: Job, count: int = 20) -> None:
    """Each offset of the topic exactly once, and nothing left of any run."""
    records = job.records()
    assert [offsets_of(records, partition=number) for number in (0, 1)] == [list(range(count))] * 2
    # HDFS shows a file before it is finished: an empty ticket names no process whose death could be
    # certain, so its folder, which has nothing else in it, goes by age.
    assert [
        path for path in staged_paths(job.folder) if job.folder.read(path) or "run.json" not in path
    ] == []


@pytest.mark.parametrize(("kind", "step"), everywhere(*Step))
def test_a_run_killed_at_any_step_is_finished_by_the_next(
    kind: str, step: Step, topic: str, new_folder: NewFolderFunction, new_job: NewJobFunction
) -> None:
    job = new_job(topic, folder=new_folder(kind))
    killed_at_step(job.config, step)

    job.run()

    assert_published_once(job)


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_a_run_killed_before_any_of_its_writes_is_finished_by_the_next(
    kind: str, topic: str, new_folder: NewFolderFunction, new_job: NewJobFunction
) -> None:
    def kill_and_finish(number: int) -> bool:
        job = new_job(topic, folder=new_folder(kind), name=f"write-{number}")
        was_killed = killed_before_write(job.config, number)
        visible = job.records()

        finished(job.config)

        assert_published_once(job)
        assert_same_records(visible, [record for record in job.records() if record in visible])
        return was_killed

    with ThreadPoolExecutor(4) as threads:  # most of the time on HDFS is spent waiting
        killed = list(threads.map(kill_and_finish, range(1, 24)))

    # The job's identity, the run's ticket, two files, the commit, the table, six moves, two deletes.
    assert killed.index(False) >= 18
    assert not any(killed[killed.index(False) :])


def test_a_kill_after_the_commit_is_told_by_the_run_that_finishes_it(
    topic: str, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    killed_at_step(job.config, Step.PUBLISH)
    assert published_paths(job.folder) == []

    report = job.run()

    assert report["recovered_version"] == 1
    assert not report["committed"]
    assert_published_once(job)


def test_a_kill_before_the_commit_leaves_files_that_the_next_run_sweeps(
    topic: str, new_job: NewJobFunction
) -> None:
    job = new_job(topic)
    killed_at_step(job.config, Step.COMMIT)
    (swept,) = {path.split("/")[3] for path in staged_paths(job.folder)}

    report = job.run()

    assert report["swept_runs"] == [swept]
    assert_published_once(job)


@pytest.mark.parametrize(("kind", "step"), everywhere(Step.STAGE, Step.LOAD, Step.CHECK))
def test_a_run_that_fails_before_its_commit_leaves_nothing(
    kind: str,
    step: Step,
    topic: str,
    new_folder: NewFolderFunction,
    new_job: NewJobFunction,
    interrupt: InterruptFunction,
) -> None:
    folder = new_folder(kind)
    job = new_job(topic, folder=folder)
    interrupt(step, fail)

    with pytest.raises(RunFailed):
        job.try_run()

    assert staged_paths(folder) + commit_paths(folder) + published_paths(folder) == []
    job.run()
    assert_published_once(job)


@pytest.mark.parametrize(("kind", "step"), everywhere(Step.STAGE, Step.LOAD, Step.COMMIT))
def test_of_two_runs_at_once_one_commits_and_the_other_leaves_nothing(
    kind: str,
    step: Step,
    topic: str,
    new_folder: NewFolderFunction,
    new_job: NewJobFunction,
    interrupt: InterruptFunction,
) -> None:
    job = new_job(topic, folder=new_folder(kind))
    first = []
    interrupt(step, lambda: first.append(job.run()))

    second = job.try_run()

    assert second.status == 5
    assert f"run {first[0]['run_id']} committed version 1 first" in second.errors
    assert len(commit_paths(job.folder)) == 1
    assert_published_once(job)


@pytest.mark.parametrize("kind", ["local", "hdfs"])
def test_runs_that_start_together_publish_each_offset_once(
    kind: str, kafka: KafkaCluster, topic: str, new_folder: NewFolderFunction, new_job: NewJobFunction
) -> None:
    job = new_job(topic, folder=new_folder(kind))
    for rounds in (1, 2):
        statuses = run_at_once(job.config, 3)

        # One that found nothing new any more ends with 0 as well.
        assert statuses[0] == 0
        assert set(statuses) <= {0, 5}
        assert_published_once(job, 20 * rounds)
        assert len(commit_paths(job.folder)) == rounds
        for partition in (0, 1):
            produce(kafka, topic, messages(20, partition=partition, first=20 * rounds))


def lose_the_job(path: Path) -> None:
    shutil.rmtree(path / "_loader" / "job")


def lose_the_newest_commit(path: Path) -> None:
    (path / "_loader/job/commits/00000000000000000002.json").unlink()


def truncate_the_newest_commit(path: Path) -> None:
    newest = path / "_loader/job/commits/00000000000000000002.json"
    newest.write_bytes(newest.read_bytes()[:300])


def lose_the_ledger(path: Path) -> None:
    for commit in (path / "_loader" / "job").rglob("*.json"):
        commit.unlink()


def lose_a_commit(path: Path) -> None:
    (path / "_loader/job/commits/00000000000000000001.json").unlink()


def damage_the_newest_commit(path: Path) -> None:
    newest = path / "_loader/job/commits/00000000000000000002.json"
    newest.write_text(newest.read_text().replace('"next_offset":30', '"next_offset":20'))


def lose_the_identity(path: Path) -> None:
    (path / "_loader/job/job.json").unlink()


def put_another_cluster_behind_it(path: Path) -> None:
    identity = path / "_loader/job/job.json"
    identity.write_text(identity.read_text().replace('"cluster_id": "', '"cluster_id": "another'))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lose_the_job, "the ledger of job job has never loaded"),
        (lose_the_ledger, "has no commit 1, 2, though 2 was made. There is no good version"),
        (lose_a_commit, "has no commit 1, though 2 was made. The last good version is 2"),
        (lose_the_newest_commit, "has no commit 2, though 2 was made. The last good version is 1"),
        (truncate_the_newest_commit, "is not a commit: 300 bytes"),
        (damage_the_newest_commit, "was changed after it was written"),
        (lose_the_identity, "is missing, though there are commits"),
        (put_another_cluster_behind_it, "the brokers belong to cluster"),
    ],
)
def test_a_ledger_that_cannot_be_trusted_stops_the_run_and_changes_nothing(
    harm: Callable[[Path], None],
    message: str,
    kafka: KafkaCluster,
    topic: str,
    tmp_path: Path,
    new_job: NewJobFunction,
) -> None:
    job = new_job(topic)
    job.run()
    for partition in (0, 1):
        produce(kafka, topic, messages(10, partition=partition, first=20))
    job.run()
    harm(tmp_path / "destination")
    before = job.folder.paths()

    ended = job.try_run()

    assert ended.status == 4
    assert message in ended.errors
    assert job.folder.paths() == before
    if harm is not put_another_cluster_behind_it:
        assert f"kafka-loader repair {job.config}" in ended.errors
