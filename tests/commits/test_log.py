"""The ledger: numbers without a hole, each taken once, and never mistaken for empty."""

from functools import partial
from typing import Any

import pytest

from loader.commits.log import CommitLog, require_absent
from loader.commits.record import encode_commit
from loader.errors import (
    REPAIR,
    AccessDenied,
    CommitOutcomeUnknown,
    CommitSuperseded,
    LedgerDamaged,
    LoaderError,
    MoveOutcomeUnknown,
    PathExists,
    PathNotFound,
    StorageUnavailable,
)
from loader.storage import Storage
from loader.values import layout
from tests.commits.examples import JOB, a_commit, content_of, disturbed, stage, write
from tests.storage.helpers import at_once


def staged_names(storage: Storage, run_id: str) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in storage.list(layout.run_folder(JOB, run_id))]


def fails_after_doing(storage: Storage, error: BaseException) -> Storage:
    """A storage whose moves are done, but never answer."""

    def move(source: str, target: str) -> None:
        storage.move(source, target)
        raise error

    return disturbed(storage, move=move)


def fails_before_doing(storage: Storage, error: BaseException) -> Storage:
    def move(_source: str, _target: str) -> None:
        raise error

    return disturbed(storage, move=move)


def raises(error: LoaderError) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_job_without_commits_has_none(storage: Storage) -> None:
    log = CommitLog(storage, JOB)

    assert list(log.versions()) == []
    assert log.newest() is None


def test_commits_are_read_back_by_number_and_the_newest_is_the_last(storage: Storage) -> None:
    log = CommitLog(storage, JOB)

    for version in (1, 2, 3):
        log.append(a_commit(version, f"run-{version}"))

    assert log.versions() == range(1, 4)
    assert log.newest() == a_commit(3, "run-3")
    assert log.read(2) == a_commit(2, "run-2")
    with pytest.raises(PathNotFound):
        log.read(4)


def test_a_number_is_taken_once(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.append(a_commit(1, "run-a"))

    with pytest.raises(CommitSuperseded, match="run-b: run run-a committed version 1 first"):
        log.append(a_commit(1, "run-b"))

    assert log.newest() == a_commit(1, "run-a")


def test_of_runs_that_commit_at_once_one_wins(storage: Storage) -> None:
    runs = [f"run-{number}" for number in range(4)]

    outcomes = at_once([partial(CommitLog(storage, JOB).append, a_commit(1, run)) for run in runs])

    winners = [run for run, outcome in zip(runs, outcomes, strict=True) if outcome is None]
    assert len(winners) == 1
    assert sorted(type(each).__name__ for each in outcomes if each) == ["CommitSuperseded"] * 3
    newest = CommitLog(storage, JOB).newest()
    assert newest is not None
    assert newest.run_id == winners[0]


@pytest.mark.parametrize(
    "lost_reply",
    [
        MoveOutcomeUnknown("no answer"),
        StorageUnavailable("connection cut"),
        PathNotFound("the draft: moved already, when the request was repeated"),
        PathExists("the number: taken by this very commit, when the request was repeated"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_commit_whose_reply_was_lost_is_recognised_as_done(
    storage: Storage, lost_reply: LoaderError
) -> None:
    stage(storage, "run-a", "a")

    CommitLog(fails_after_doing(storage, lost_reply), JOB).append(a_commit(1, "run-a"))

    assert CommitLog(storage, JOB).newest() == a_commit(1, "run-a")
    assert "a.parquet" in staged_names(storage, "run-a")


def test_a_lost_reply_to_a_number_that_another_run_took_is_superseded(storage: Storage) -> None:
    CommitLog(storage, JOB).append(a_commit(1, "run-a"))
    silent = fails_before_doing(storage, MoveOutcomeUnknown("no answer"))

    with pytest.raises(CommitSuperseded, match="run-a committed version 1 first"):
        CommitLog(silent, JOB).append(a_commit(1, "run-b"))


@pytest.mark.parametrize("error", [MoveOutcomeUnknown("no answer"), StorageUnavailable("gone")], ids=repr)
def test_a_move_that_may_still_be_under_way_is_unknown_and_nothing_is_deleted(
    storage: Storage, error: LoaderError
) -> None:
    stage(storage, "run-a", "a")
    silent = fails_before_doing(storage, error)

    with pytest.raises(CommitOutcomeUnknown, match=r"may or may not be done; all files are kept.*Run again"):
        CommitLog(silent, JOB).append(a_commit(1, "run-a"))

    assert staged_names(storage, "run-a") == ["a.parquet", "commit.json", "run.json"]


@pytest.mark.parametrize(
    "answer", [PathExists("taken"), MoveOutcomeUnknown("no answer")], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize(
    "unreadable",
    [StorageUnavailable("gone"), AccessDenied("no login"), LedgerDamaged("half a document")],
    ids=lambda error: type(error).__name__,
)
def test_a_number_that_cannot_be_read_back_is_unknown_even_where_it_is_taken(
    storage: Storage, answer: LoaderError, unreadable: LoaderError
) -> None:
    # "Taken" can be this very commit, moved by a request that was repeated.
    stage(storage, "run-a", "a")
    blind = disturbed(fails_after_doing(storage, answer), read=raises(unreadable))

    with pytest.raises(CommitOutcomeUnknown, match=str(unreadable)):
        CommitLog(blind, JOB).append(a_commit(1, "run-a"))

    assert "a.parquet" in staged_names(storage, "run-a")


def test_a_commit_interrupted_by_a_person_is_unknown(storage: Storage) -> None:
    stage(storage, "run-a", "a")

    with pytest.raises(CommitOutcomeUnknown, match=r"KeyboardInterrupt.*all files are kept"):
        CommitLog(fails_after_doing(storage, KeyboardInterrupt()), JOB).append(a_commit(1, "run-a"))


def test_a_commit_that_is_refused_is_simply_refused(storage: Storage) -> None:
    refusing = fails_before_doing(storage, AccessDenied("read-only"))

    with pytest.raises(AccessDenied, match="read-only"):
        CommitLog(refusing, JOB).append(a_commit(1, "run-a"))


def test_a_draft_that_a_lost_request_left_is_written_anew(storage: Storage) -> None:
    write(storage, f"{layout.run_folder(JOB, 'run-a')}/commit.json", b"half a docu")

    CommitLog(storage, JOB).append(a_commit(1, "run-a"))

    assert CommitLog(storage, JOB).newest() == a_commit(1, "run-a")


def test_a_hole_is_named_and_what_to_do_about_it(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    for version in (1, 3, 10):
        write(storage, layout.commit_path(JOB, version), encode_commit(a_commit(version)))

    hole = r"no commit 2, 4, 5, 6, 7 …, though 10 was made\. The last good version is 10\. Nothing .*Restore"
    with pytest.raises(LedgerDamaged, match=hole) as raised:
        log.versions()
    assert REPAIR in raised.value.choices
    with pytest.raises(LedgerDamaged, match=hole):
        log.newest()


@pytest.mark.parametrize("lost", [(3,), (2, 3), (1, 2, 3)], ids=str)
def test_a_lost_newest_commit_is_missed(storage: Storage, lost: tuple[int, ...]) -> None:
    log = CommitLog(storage, JOB)
    for version in (1, 2, 3):
        log.append(a_commit(version))
        log.mark_published(version)
    for version in lost:
        storage.delete(layout.commit_path(JOB, version))

    named = ", ".join(map(str, lost))
    good = f"The last good version is {3 - len(lost)}" if len(lost) < 3 else "There is no good version"
    with pytest.raises(LedgerDamaged, match=f"has no commit {named}, though 3 was made\\. {good}"):
        log.newest()


def test_markers_are_few_and_an_old_ledger_without_them_is_read(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.append(a_commit(1))
    assert log.versions() == range(1, 2)
    for version in (2, 3, 3):
        log.mark_published(version)

    assert [entry.path for entry in storage.list(layout.newest_folder(JOB))] == [
        f"{layout.newest_folder(JOB)}/{3:020d}"
    ]


def test_a_repaired_ledger_begins_with_the_repair(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.mark_first(7)
    with pytest.raises(LedgerDamaged, match="has no commit 7"):
        log.versions()

    write(storage, layout.commit_path(JOB, 3), b"damaged")
    log.append(a_commit(7))
    log.append(a_commit(8))

    assert log.versions() == range(7, 9)
    assert log.numbers() == [3, 7, 8]
    with pytest.raises(CommitSuperseded, match="committed version 5 first"):
        log.append(a_commit(5, "run-late"))
    assert log.fence("run-dead", 3)


def test_a_renamed_commit_is_found(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.append(a_commit(1))
    write(storage, layout.commit_path(JOB, 2), encode_commit(a_commit(1)))

    with pytest.raises(LedgerDamaged, match=r"holds commit 1: it was renamed.*Give the file its name back"):
        log.newest()


def test_a_truncated_newest_commit_stops_the_run(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.append(a_commit(1))
    write(storage, layout.commit_path(JOB, 2), encode_commit(a_commit(2))[:200])

    with pytest.raises(LedgerDamaged, match=r"200 bytes.* The last good version is 1"):
        log.newest()


def test_strange_files_beside_the_commits_are_not_commits(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.append(a_commit(1))
    write(storage, f"{layout.commits_folder(JOB)}/2.json", b"{}")
    write(storage, f"{layout.commits_folder(JOB)}/{2:020d}.json.tmp", b"{}")

    assert log.versions() == range(1, 2)


@pytest.mark.parametrize(
    "error", [AccessDenied("no"), StorageUnavailable("gone")], ids=lambda error: type(error).__name__
)
def test_a_ledger_that_cannot_be_listed_is_never_an_empty_one(storage: Storage, error: LoaderError) -> None:
    CommitLog(storage, JOB).append(a_commit(1))

    with pytest.raises(type(error)):
        CommitLog(disturbed(storage, names=raises(error)), JOB).newest()


@pytest.mark.parametrize("hidden", [layout.commits_folder(JOB), layout.job_folder(JOB), "_loader"])
def test_a_ledger_that_is_listed_but_not_found_is_damaged(storage: Storage, hidden: str) -> None:
    # As a login that failed half-way looks: the folder is in its parent's listing, and "does not exist".
    CommitLog(storage, JOB).append(a_commit(1))

    def names(folder: str) -> Any:
        if folder == hidden or folder.startswith(f"{hidden}/"):
            raise PathNotFound(folder)
        return storage.names(folder)

    with pytest.raises(LedgerDamaged, match=f"{hidden} is in the listing .* but cannot be opened"):
        CommitLog(disturbed(storage, names=names), JOB).newest()


@pytest.mark.parametrize("looked_for", [layout.commits_folder(JOB), layout.job_folder(JOB), "_loader"])
def test_a_first_commit_made_while_the_ledger_is_looked_for_is_no_damage(
    storage: Storage, looked_for: str
) -> None:
    def names(folder: str) -> Any:
        try:
            return storage.names(folder)
        finally:
            if folder == looked_for:
                CommitLog(storage, JOB).append(a_commit(1))

    assert CommitLog(disturbed(storage, names=names), JOB).newest() == a_commit(1)


def test_a_commit_made_while_the_ledger_is_read_is_not_missing(storage: Storage) -> None:
    log = CommitLog(storage, JOB)
    log.append(a_commit(1))
    log.mark_published(1)

    def names(folder: str) -> Any:
        found = storage.names(folder)
        if folder == layout.commits_folder(JOB):
            log.append(a_commit(2))
            log.mark_published(2)
        return found

    assert CommitLog(disturbed(storage, names=names), JOB).newest() == a_commit(1)


def test_a_long_ledger_is_read_by_names_and_one_document(storage: Storage) -> None:
    # A look at each of 100,000 commits would take longer than a run that has nothing to load.
    log = CommitLog(storage, JOB)
    for version in (1, 2, 3):
        log.append(a_commit(version))
        log.mark_published(version)
    read: list[str] = []

    def note(path: str) -> bytes:
        read.append(path)
        return storage.read(path)

    looks_at_each = raises(StorageUnavailable("asked for more than names"))
    names_only = disturbed(storage, list=looks_at_each, status=looks_at_each, read=note)

    assert CommitLog(names_only, JOB).newest() == a_commit(3)
    assert read == [layout.commit_path(JOB, 3)]


def test_what_no_listing_shows_is_absent(storage: Storage) -> None:
    require_absent(storage, "_loader/orders/commits")

    write(storage, "_loader/other/job.json", b"{}")
    require_absent(storage, "_loader/orders/commits")

    write(storage, "_loader/orders/job.json", b"{}")
    require_absent(storage, "_loader/orders/commits")


def test_a_run_that_has_ended_is_fenced_off_its_number(storage: Storage) -> None:
    stage(storage, "run-a", "a")
    write(storage, f"{layout.run_folder(JOB, 'run-a')}/commit.json", encode_commit(a_commit(1, "run-a")))

    assert CommitLog(storage, JOB).fence("run-a", 1)

    # Its last request arrives late, and finds nothing to move.
    with pytest.raises(PathNotFound):
        storage.move(f"{layout.run_folder(JOB, 'run-a')}/commit.json", layout.commit_path(JOB, 1))
    assert storage.read(f"{layout.run_folder(JOB, 'run-a')}/a.parquet") == content_of("a")


def test_a_run_that_has_committed_cannot_be_fenced_off(storage: Storage) -> None:
    CommitLog(storage, JOB).append(a_commit(1, "run-a"))

    assert not CommitLog(storage, JOB).fence("run-a", 1)
    assert CommitLog(storage, JOB).fence("run-b", 1)
