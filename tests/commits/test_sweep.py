"""What dead runs left is removed; what may still be needed never is."""

import itertools
from dataclasses import replace

import pytest

from loader.commits.log import CommitLog
from loader.commits.publish import publish
from loader.commits.record import encode_commit
from loader.commits.runs import RunTicket, replace_ticket, write_ticket
from loader.commits.sweep import ABANDONED_AFTER_MS, is_abandoned, sweep
from loader.storage import Storage
from loader.values import layout
from tests.commits.examples import JOB, a_commit, a_ticket, content_of, stage, write

NOW_MS = 10**15  # so far ahead that every file is old
SOON_MS = 0  # so far back that none is


def nobody_is_dead(_: RunTicket) -> bool:
    return False


def everybody_is_dead(_: RunTicket) -> bool:
    return True


def run_ids(storage: Storage) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in storage.list(layout.runs_folder(JOB))]


def test_without_runs_there_is_nothing_to_sweep(storage: Storage) -> None:
    assert sweep(storage, JOB, 0, NOW_MS, everybody_is_dead) == ()


def test_a_dead_drivers_files_go_at_once_and_a_living_ones_stay(storage: Storage) -> None:
    stage(storage, "run-dead", "a")
    stage(storage, "run-alive", "b")

    swept = sweep(storage, JOB, 0, SOON_MS, lambda ticket: ticket.run_id == "run-dead")

    assert swept == ("run-dead",)
    assert run_ids(storage) == ["run-alive"]
    assert storage.read(f"{layout.run_folder(JOB, 'run-alive')}/b.parquet") == content_of("b")


def test_a_run_that_committed_and_died_before_publishing_loses_nothing(storage: Storage) -> None:
    # The sweeping run looked at the ledger before: it still thinks that version 0 is the newest.
    commit = a_commit(1, "run-a", files=stage(storage, "run-a", "a"))
    CommitLog(storage, JOB).append(commit)

    assert sweep(storage, JOB, 0, SOON_MS, everybody_is_dead) == ()

    publish(storage, JOB, commit)
    assert storage.read(commit.files[0].path) == content_of("a")


def test_a_run_that_committed_behind_another_after_its_ticket_was_read_loses_nothing(
    storage: Storage,
) -> None:
    files = stage(storage, "run-a", "a")
    log = CommitLog(storage, JOB)
    log.append(a_commit(1, "run-b"))

    def commits_and_dies(ticket: RunTicket) -> bool:
        replace_ticket(storage, JOB, replace(ticket, base_version=1))
        log.append(a_commit(2, "run-a", files=files))
        return True

    assert sweep(storage, JOB, 1, SOON_MS, commits_and_dies) == ()

    publish(storage, JOB, log.read(2))
    assert storage.read(files[0].path) == content_of("a")


def test_a_dead_run_whose_number_another_took_is_swept(storage: Storage) -> None:
    stage(storage, "run-a", "a")
    write(storage, f"{layout.run_folder(JOB, 'run-a')}/commit.json", encode_commit(a_commit(1, "run-a")))
    CommitLog(storage, JOB).append(a_commit(1, "run-b"))

    assert sweep(storage, JOB, 1, SOON_MS, lambda ticket: ticket.run_id == "run-a") == ("run-a",)


def test_an_old_run_goes_only_when_its_number_is_taken(storage: Storage) -> None:
    stage(storage, "run-a", "a")

    assert sweep(storage, JOB, 0, NOW_MS, nobody_is_dead) == ()

    CommitLog(storage, JOB).append(a_commit(1, "run-b"))
    storage.delete(layout.run_folder(JOB, "run-b"))
    assert sweep(storage, JOB, 1, NOW_MS, nobody_is_dead) == ("run-a",)
    assert run_ids(storage) == []


@pytest.mark.parametrize("ticket", [None, b"", b"{}", b"half a ti"], ids=repr)
def test_a_folder_without_a_readable_ticket_goes_by_age_alone(storage: Storage, ticket: bytes | None) -> None:
    write(storage, f"{layout.run_folder(JOB, 'run-a')}/late.parquet", b"of a task that outlived its run")
    if ticket is not None:
        write(storage, f"{layout.run_folder(JOB, 'run-a')}/run.json", ticket)

    assert sweep(storage, JOB, 5, SOON_MS, everybody_is_dead) == ()
    assert sweep(storage, JOB, 5, NOW_MS, everybody_is_dead) == ("run-a",)


def test_age_counts_from_the_last_change_in_the_folder(storage: Storage) -> None:
    write_ticket(storage, JOB, a_ticket("run-a"))
    (entry,) = storage.list(layout.run_folder(JOB, "run-a"))

    just_not = entry.modified_ms + ABANDONED_AFTER_MS

    assert sweep(storage, JOB, 1, just_not, nobody_is_dead) == ()
    assert sweep(storage, JOB, 1, just_not + 1, nobody_is_dead) == ("run-a",)


@pytest.mark.parametrize(
    ("dead", "old", "superseded"), list(itertools.product([False, True], repeat=3)), ids=str
)
def test_a_run_is_abandoned_when_dead_or_when_old_and_superseded(
    dead: bool, old: bool, superseded: bool
) -> None:
    abandoned = is_abandoned(
        a_ticket(base_version=3),
        newest_version=4 if superseded else 3,
        now_ms=ABANDONED_AFTER_MS + 1,
        last_change_ms=0 if old else 1,
        is_dead=lambda _: dead,
    )

    assert abandoned == (dead or (old and superseded))
