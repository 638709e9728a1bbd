"""A commit that goes together with what others commit meanwhile is made behind theirs."""

from dataclasses import replace
from pathlib import Path

import pytest

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.commits.runs import read_ticket
from loader.commits.sweep import sweep
from loader.config.job import JobConfig
from loader.config.secrets import Secrets
from loader.errors import CommitSuperseded, PathNotFound
from loader.operations.committing import append_commit, commit_on_newest, publish_commit
from loader.operations.job import Job, open_job
from loader.values import layout
from tests.commits.examples import JOB, a_commit, a_ticket, stage


@pytest.fixture
def job(tmp_path: Path) -> Job:
    document = {
        "job": {"name": JOB, "destination": tmp_path.as_uri()},
        "kafka": {"bootstrap_servers": ["127.0.0.1:1"]},
        "topics": [{"name": "orders"}],
    }
    return open_job(JobConfig.model_validate(document), Secrets())


def commit_as_load(job: Job, version: int, run_id: str, name: str) -> Commit:
    commit = a_commit(version, run_id, stage(job.storage, run_id, name))
    append_commit(job, commit)
    return commit


def test_a_commit_that_others_were_faster_than_is_made_behind_theirs_and_theirs_is_published(
    job: Job,
) -> None:
    first = commit_as_load(job, 1, "run-a", "a")
    publish_commit(job, first)
    files = stage(job.storage, "run-c", "c")
    other = commit_as_load(job, 2, "run-b", "b")

    def make(newest: Commit | None) -> Commit:
        assert newest is not None
        return replace(a_commit(newest.version + 1, "run-c", files), position=newest.position, ranges=())

    commit = commit_on_newest(job, a_ticket("run-c", 1), first, make)

    assert (commit.version, commit.position) == (3, other.position)
    assert CommitLog(job.storage, JOB).newest() == commit
    assert job.storage.status(other.files[0].path).size_bytes == other.files[0].size_bytes
    ticket = read_ticket(job.storage, JOB, "run-c")
    assert ticket is not None
    assert ticket.base_version == 2
    # Dead before it published: its files are rows, and no sweep may take them.
    assert sweep(job.storage, JOB, 2, 1_763_800_000_000, lambda _: True) == ()
    publish_commit(job, commit)
    assert job.storage.status(files[0].path).size_bytes == files[0].size_bytes


def test_a_commit_that_does_not_go_together_with_a_faster_one_leaves_nothing(job: Job) -> None:
    first = commit_as_load(job, 1, "run-a", "a")
    publish_commit(job, first)
    files = stage(job.storage, "run-c", "c")
    other = commit_as_load(job, 2, "run-b", "b")

    def make(newest: Commit | None) -> Commit:
        if newest != first:
            raise CommitSuperseded(2, "run-c", "run-b")
        return a_commit(2, "run-c", files)

    with pytest.raises(CommitSuperseded, match=r"run run-b committed version 2 first"):
        commit_on_newest(job, a_ticket("run-c", 1), first, make)

    assert CommitLog(job.storage, JOB).newest() == other
    with pytest.raises(PathNotFound):
        job.storage.status(layout.run_folder(JOB, "run-c"))
