"""From committed to visible: repeatable, by several at once, never over a stranger's file."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from loader.commits.publish import TRIES, is_published, publish, require_staged
from loader.errors import LedgerDamaged, MoveOutcomeUnknown, StorageUnavailable
from loader.storage import Storage
from loader.values import layout
from tests.commits.examples import JOB, a_commit, content_of, disturbed, stage, write
from tests.storage.helpers import at_once

FOLDER = "orders/dt=2026-11-22/hour=10"


class Crash(BaseException):
    """The process ends here."""


def visible(storage: Storage) -> dict[str, bytes]:
    return {
        entry.path.rpartition("/")[2].removesuffix(".parquet"): storage.read(entry.path)
        for entry in storage.list(FOLDER)
    }


def contents(*names: str) -> dict[str, bytes]:
    return {name: content_of(name) for name in names}


def test_published_files_are_in_place_and_the_runs_folder_is_gone(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a", "b"))
    assert not is_published(storage, JOB, commit)

    publish(storage, JOB, commit)

    assert visible(storage) == contents("a", "b")
    assert is_published(storage, JOB, commit)
    assert storage.list(layout.runs_folder(JOB)) == []


def test_publishing_again_changes_nothing(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a"))
    publish(storage, JOB, commit)

    publish(storage, JOB, commit)

    assert visible(storage) == contents("a")


@pytest.mark.parametrize("after_moves", range(4))
def test_publishing_that_died_at_any_file_is_finished_by_the_next(storage: Storage, after_moves: int) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a", "b", "c"))
    moved = 0

    def move(source: str, target: str) -> None:
        nonlocal moved
        if moved == after_moves:
            raise Crash
        storage.move(source, target)
        moved += 1

    def delete(_path: str) -> bool:
        raise Crash

    with pytest.raises(Crash):
        publish(disturbed(storage, move=move, delete=delete), JOB, commit)
    assert not is_published(storage, JOB, commit)

    publish(storage, JOB, commit)

    assert visible(storage) == contents("a", "b", "c")
    assert is_published(storage, JOB, commit)


def test_two_runs_can_publish_one_commit_at_once(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a", "b", "c"))

    outcomes = at_once([partial(publish, storage, JOB, commit)] * 2)

    assert outcomes == [None, None]
    assert visible(storage) == contents("a", "b", "c")
    assert is_published(storage, JOB, commit)


def test_a_move_without_an_answer_is_tried_again(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a"))
    silent_moves = iter(range(TRIES - 1))

    def move(source: str, target: str) -> None:
        if next(silent_moves, None) is not None:
            raise MoveOutcomeUnknown("no answer")
        storage.move(source, target)

    publish(disturbed(storage, move=move), JOB, commit)

    assert visible(storage) == contents("a")


def test_a_move_that_never_answers_leaves_the_rest_to_the_next_run(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a"))

    def move(_source: str, _target: str) -> Any:
        raise MoveOutcomeUnknown("no answer")

    with pytest.raises(StorageUnavailable, match=r"committed but not all visible yet; the next run finishes"):
        publish(disturbed(storage, move=move), JOB, commit)

    publish(storage, JOB, commit)
    assert visible(storage) == contents("a")


def test_a_committed_file_that_is_nowhere_is_named_with_its_offsets(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a", "b"))
    storage.delete(f"{layout.run_folder(JOB, 'run-a')}/a.parquet")

    with pytest.raises(LedgerDamaged, match=r"a\.parquet is committed, but .*10 rows of orders-0\[0, 10\)"):
        publish(storage, JOB, commit)

    assert not is_published(storage, JOB, commit)


@pytest.mark.parametrize("found", [b"", b"a part", content_of("b") + b"more"], ids=["empty", "cut", "longer"])
def test_a_staged_file_that_changed_after_the_commit_is_not_published(storage: Storage, found: bytes) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a", "b"))
    restage(storage, "b", found)

    with pytest.raises(LedgerDamaged, match=rf"b\.parquet has {len(found)} bytes, but 96 were committed"):
        publish(storage, JOB, commit)

    assert visible(storage) == contents("a")
    restage(storage, "b", content_of("b"))
    publish(storage, JOB, commit)
    assert visible(storage) == contents("a", "b")


def test_all_files_of_a_commit_must_be_staged_before_it_is_made(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a", "b"))
    require_staged(storage, JOB, commit)

    restage(storage, "b", b"")
    with pytest.raises(StorageUnavailable, match=r"b\.parquet has 0 bytes, though 96 were written"):
        require_staged(storage, JOB, commit)
    storage.delete(f"{layout.run_folder(JOB, 'run-a')}/b.parquet")
    with pytest.raises(StorageUnavailable, match=r"b\.parquet is gone, though .* Nothing was committed"):
        require_staged(storage, JOB, commit)
    storage.delete(layout.run_folder(JOB, "run-a"))
    with pytest.raises(StorageUnavailable, match=r"a\.parquet is gone"):
        require_staged(storage, JOB, commit)


def restage(storage: Storage, name: str, content: bytes) -> None:
    path = f"{layout.run_folder(JOB, 'run-a')}/{name}.parquet"
    storage.delete(path)
    write(storage, path, content)


def test_a_strangers_file_in_the_place_of_a_committed_one_is_left_as_it_is(storage: Storage) -> None:
    commit = a_commit(files=stage(storage, "run-a", "a"))
    write(storage, f"{FOLDER}/a.parquet", b"a stranger's")

    with pytest.raises(LedgerDamaged, match=r"has 12 bytes, but 96 were committed.*Move that file away"):
        publish(storage, JOB, commit)

    assert visible(storage) == {"a": b"a stranger's"}
    storage.delete(f"{FOLDER}/a.parquet")
    publish(storage, JOB, commit)
    assert visible(storage) == contents("a")


@pytest.mark.parametrize("after_deletes", range(3))
def test_what_a_commit_took_away_goes_when_its_own_files_are_in_place(
    storage: Storage, after_deletes: int
) -> None:
    publish(storage, JOB, a_commit(files=stage(storage, "run-a", "a", "b", "c")))
    merged = a_commit(2, "run-b", stage(storage, "run-b", "merged"))
    commit = replace(merged, removed_files=(f"{FOLDER}/a.parquet", f"{FOLDER}/b.parquet"))
    deletes = 0

    def delete(path: str) -> bool:
        nonlocal deletes
        assert "merged" in visible(storage)
        if deletes == after_deletes:
            raise Crash
        deletes += 1
        return storage.delete(path)

    with pytest.raises(Crash):
        publish(disturbed(storage, delete=delete), JOB, commit)
    assert not is_published(storage, JOB, commit)

    publish(storage, JOB, commit)

    assert visible(storage) == contents("c", "merged")
    assert is_published(storage, JOB, commit)
