"""The table of offsets follows the ledger: each commit is in it once, whatever fails or comes late."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from loader.commits.log import CommitLog
from loader.commits.record import encode_commit
from loader.errors import StorageUnavailable
from loader.operations import export
from loader.operations.export import export_offsets
from loader.operations.job import Job
from loader.storage.local import LocalStorage
from loader.storage.protocol import Storage
from loader.values import layout
from tests.commits.examples import JOB, a_commit, disturbed, write


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fours, and then eights, instead of hundreds and thousands."""
    monkeypatch.setattr(export, "BLOCKS", (4, 8))


def a_job(storage: Storage) -> Job:
    return cast(Job, SimpleNamespace(storage=storage, name=JOB))


def commit(storage: Storage, *versions: int) -> None:
    """Put commits into the ledger, without the table."""
    for version in versions:
        write(storage, layout.commit_path(JOB, version), encode_commit(a_commit(version, f"run-{version}")))


def export_up_to(storage: Storage, version: int, by: Storage | None = None) -> None:
    """As the run of a commit does it, and after it the run's folder goes."""
    export_offsets(a_job(by or storage), a_commit(version, f"run-{version}"))
    storage.delete(layout.run_folder(JOB, f"run-{version}"))


def parts(storage: LocalStorage) -> list[tuple[int, int]]:
    names = storage.names(layout.offsets_folder(JOB))
    return [(int(name[:20]), int(name[21:41])) for name in names]


def versions(storage: LocalStorage) -> list[int]:
    """Of the rows that a reader of the folder's Parquet files finds."""
    found = []
    for path in (Path(storage.url.removeprefix("file://")) / layout.offsets_folder(JOB)).glob("*.parquet"):
        found += pq.read_table(path).column("version").to_pylist()
    return sorted(found)


def test_full_blocks_of_commits_are_put_together_and_each_commit_is_there_once(storage: LocalStorage) -> None:
    for version in range(1, 23):
        commit(storage, version)
        export_up_to(storage, version)

        assert versions(storage) == list(range(1, version + 1))

    assert parts(storage) == [(1, 8), (9, 16), (17, 20), (21, 21), (22, 22)]


def test_a_ledger_older_than_the_table_is_brought_along_from_the_newest_a_part_with_each_commit(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_COMMITS", 5)
    commit(storage, *range(1, 19))
    seen = []
    for version in range(19, 24):
        commit(storage, version)
        export_up_to(storage, version)
        seen.append(versions(storage))

    assert [len(each) for each in seen] == [5, 10, 15, 20, 23]
    assert seen[0] == [15, 16, 17, 18, 19]
    assert seen[-1] == list(range(1, 24))
    assert parts(storage) == [(1, 8), (9, 16), (17, 20), (21, 21), (22, 22), (23, 23)]


def failing_at(storage: Storage, number: int) -> Storage:
    """A storage whose writes fail, from that number on: so a killed run leaves what it had done."""
    left = number

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise StorageUnavailable("the disk is away")
            return method(*arguments)

        return call

    writes = {name: counted(getattr(storage, name)) for name in ("create", "move", "delete")}
    return disturbed(storage, **writes)


@pytest.mark.parametrize("number", range(12))
def test_an_export_that_fails_at_any_write_loses_no_row_and_the_next_leaves_each_once(
    number: int, storage: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for version in range(1, 8):
        commit(storage, version)
        export_up_to(storage, version)
    commit(storage, 8)

    export_up_to(storage, 8, failing_at(storage, number))  # writes 8, joins 5 to 8, then 1 to 8: 12 writes

    after_failure = Counter(versions(storage))
    assert set(after_failure) >= set(range(1, 8))
    assert f"could not be brought up to commit {8}, which stands" in caplog.text
    commit(storage, 9)
    export_up_to(storage, 9)
    assert versions(storage) == list(range(1, 10))
    assert parts(storage) == [(1, 8), (9, 9)]


def test_an_export_makes_no_more_writes_than_those_that_were_made_to_fail(
    storage: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for version in range(1, 9):
        commit(storage, version)
        export_up_to(storage, version, failing_at(storage, 12))

    assert caplog.text == ""
    assert parts(storage) == [(1, 8)]


def test_a_damaged_commit_is_left_out_and_told_and_all_others_are_there(
    storage: LocalStorage, caplog: pytest.LogCaptureFixture
) -> None:
    commit(storage, 1, 2, 4, 5)
    write(storage, layout.commit_path(JOB, 3), b"damaged")

    export_up_to(storage, 5)

    assert versions(storage) == [1, 2, 4, 5]
    assert "the table of offsets goes without commit 3: " in caplog.text


def test_a_repair_begins_the_table_anew_as_it_does_the_ledger(storage: LocalStorage) -> None:
    for version in range(1, 7):
        commit(storage, version)
        export_up_to(storage, version)
    commit(storage, 7)
    CommitLog(storage, JOB).mark_first(7)

    export_up_to(storage, 7)

    assert versions(storage) == [7]


def test_a_repair_that_gets_a_number_of_a_lost_ledger_leaves_nothing_of_that(storage: LocalStorage) -> None:
    for version in range(1, 4):
        commit(storage, version)
        export_up_to(storage, version)
    storage.delete(layout.commits_folder(JOB))
    repaired = replace(a_commit(1, "run-repair"), operation="repair", reason="a lost ledger")

    export_offsets(a_job(storage), repaired)

    (row,) = pq.read_table(Path(storage.url.removeprefix("file://")) / layout.offsets_folder(JOB)).to_pylist()
    assert (row["version"], row["run_id"], row["operation"]) == (1, "run-repair", "repair")


def test_a_part_that_was_damaged_is_made_anew_from_the_ledger(storage: LocalStorage) -> None:
    for version in range(1, 4):
        commit(storage, version)
        export_up_to(storage, version)
    path = layout.offsets_path(JOB, 2, 2)
    storage.delete(path)
    write(storage, path, b"no Parquet")
    commit(storage, 4, 5)

    export_up_to(storage, 4)  # finds it when it puts 1 to 4 together
    export_up_to(storage, 5)

    assert versions(storage) == [1, 2, 3, 4, 5]


def test_two_that_export_the_same_commit_at_once_leave_it_there_once(storage: LocalStorage) -> None:
    commit(storage, 1)

    def move_after_another(source: str, target: str) -> None:
        export_offsets(a_job(storage), a_commit(1, "run-b"))
        storage.move(source, target)

    export_up_to(storage, 1, disturbed(storage, move=move_after_another))

    assert versions(storage) == [1]
    assert storage.names(layout.run_folder(JOB, "run-b")) == []
