"""Small files become larger ones with the same rows: in rounds, with few open at a time, or not at all."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from loader.errors import CoverageGap, LedgerDamaged
from loader.operations.changes.merging import Merger
from loader.operations.job import Job
from loader.planning.compaction import Piece, Shelf
from loader.records.schema import RAW_SCHEMA
from loader.tables.opening import opened
from loader.values import layout
from tests.sink.test_topic_sink import rows

from .test_rewriting import new_job, publish, read, staged


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return new_job(tmp_path)


def pieces_of(job: Job, count: int, rows_each: int = 5) -> list[Piece]:
    """Small files of one hour, whose rows lie between one another."""
    whole = rows(count * rows_each)
    pieces = []
    for number in range(count):
        mine = whole.filter(pa.array([offset % count == number for offset in range(count * rows_each)]))
        file = publish(job, RAW_SCHEMA, f"a{number}-0", [(0, mine)])
        pieces.append(Piece(Shelf("orders", file.path.rpartition("/")[0]), file))
    return pieces


def merger(job: Job, advanced: Callable[[Sequence[Piece]], None] = lambda _: None) -> Merger:
    return Merger(job, "run-b", {}, 2, advanced)


def test_many_files_become_one_in_rounds_with_few_open_at_a_time(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_count, most_open = 0, 0

    @contextmanager
    def counted(*arguments: Any) -> Iterator[Any]:
        nonlocal open_count, most_open
        open_count += 1
        most_open = max(most_open, open_count)
        with opened(*arguments) as file:
            yield file
        open_count -= 1

    monkeypatch.setattr("loader.tables.merged_rows.opened", counted)
    pieces = pieces_of(job, 40, 3)
    told: list[str] = []
    one_at_a_time = dataclasses.replace(
        merger(job, lambda group: told.extend(piece.file.path for piece in group if not piece.is_staged)),
        threads=1,
    )

    merged = one_at_a_time.merge(pieces)

    (file,) = merged.files
    assert read(job, staged(file)).cast(RAW_SCHEMA) == pa.Table.from_batches([rows(120)])
    assert most_open == 32
    assert {each.path for each in merged.removed} == {piece.file.path for piece in pieces}
    assert sorted(told) == sorted(piece.file.path for piece in pieces)
    assert list(job.storage.names(layout.run_folder("nightly", "run-b"))) == [file.staged_name]


def test_what_is_alone_stays(job: Job) -> None:
    pieces = pieces_of(job, 3)
    other = dataclasses.replace(pieces[2], shelf=Shelf("orders", pieces[2].shelf.folder, is_replay=True))

    merged = merger(job).merge([*pieces[:2], other])

    assert merged.removed == (pieces[0].file, pieces[1].file)
    assert [file.row_count for file in merged.files] == [10]


def lose(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return offsets[:-1]


def double(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([offsets, offsets[:1]])


def exchange(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """As many, and of the same sum."""
    changed = offsets.copy()
    changed[[7, 9]] = changed[7] - 1, changed[9] + 1
    return changed


@pytest.mark.parametrize("harm", [lose, double, exchange])
def test_new_files_with_other_offsets_than_the_old_ones_are_refused(
    harm: Callable[[NDArray[np.int64]], NDArray[np.int64]], job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = pieces_of(job, 2)

    def merged_wrongly(*_: object) -> Iterator[tuple[int, pa.RecordBatch]]:
        offsets = harm(np.arange(10))
        whole = rows(len(offsets))
        at = whole.schema.get_field_index("offset")
        columns = [*whole.columns[:at], pa.array(offsets), *whole.columns[at + 1 :]]
        yield 0, pa.RecordBatch.from_arrays(columns, schema=RAW_SCHEMA)

    monkeypatch.setattr("loader.operations.changes.rewriting.merged_rows", merged_wrongly)

    with pytest.raises(CoverageGap, match=r"the rows of partition 0 are not the same\. Nothing was comm"):
        merger(job).merge(pieces)

    for piece in pieces:
        assert job.storage.status(piece.file.path).size_bytes == piece.file.size_bytes


def test_a_file_that_is_gone_is_named(job: Job) -> None:
    pieces = pieces_of(job, 2)
    job.storage.delete(pieces[1].file.path)

    with pytest.raises(LedgerDamaged, match=pieces[1].file.path):
        merger(job).merge(pieces)
