"""Rows of many files come in the order of partition and offset, however they lie in the files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.errors import MalformedInput, UnreadableFile
from loader.records.schema import RAW_SCHEMA
from loader.storage.local import LocalStorage
from loader.tables import ordered_rows
from loader.tables.ordered_rows import RowFile, find_runs, read_in_order

Place = tuple[int, int]


def write(
    folder: Path, name: str, places: list[Place], *, row_group: int = 1000, topic: str = "orders"
) -> RowFile:
    rows = [
        {
            "key": None,
            "value": b"%d-%d" % place,
            "topic": topic,
            "partition": place[0],
            "offset": place[1],
            "timestamp": None,
            "timestampType": 0,
            "headers": None,
        }
        for place in places
    ]
    pq.write_table(pa.Table.from_pylist(rows, RAW_SCHEMA), folder / name, row_group_size=row_group)
    return RowFile(LocalStorage(str(folder)), name)


def read(files: list[RowFile]) -> list[tuple[Place, bytes]]:
    return [
        ((partition, offset), value)
        for partition, rows in read_in_order(files, find_runs(files))
        for offset, value in zip(
            rows.column("offset").to_pylist(), rows.column("value").to_pylist(), strict=True
        )
    ]


@given(st.data())
def test_all_rows_come_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), unique=True, max_size=60))
    of_file = data.draw(st.lists(st.integers(0, 3), min_size=len(places), max_size=len(places)))
    row_group = data.draw(st.integers(1, 10))
    folder = tmp_path_factory.mktemp("rows")
    files = [
        write(
            folder,
            f"{number}.parquet",
            [place for place, each in zip(places, of_file, strict=True) if each == number],
            row_group=row_group,
        )
        for number in range(4)
    ]

    assert read(files) == [(place, b"%d-%d" % place) for place in sorted(places)]


def test_files_of_hours_are_merged_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_rows, "MOST_ROWS", 7)
    even = [(0, offset) for offset in range(0, 100, 2)]
    odd = [(0, offset) for offset in range(1, 100, 2)]
    later = [(0, offset) for offset in range(100, 150)]

    files = [
        write(tmp_path, f"{name}.parquet", each) for name, each in (("c", later), ("a", even), ("b", odd))
    ]

    assert [place for place, _ in read(files)] == [(0, offset) for offset in range(150)]


def test_only_runs_that_overlap_are_open_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    of_file = ordered_rows._batches

    def noted(file: RowFile, run: ordered_rows.Run):  # type: ignore[no-untyped-def]
        opened.append(f"open {run.first_offset}")
        yield from of_file(file, run)
        opened.append(f"close {run.first_offset}")

    monkeypatch.setattr(ordered_rows, "_batches", noted)
    files = [write(tmp_path, f"{first}", [(0, first), (0, first + 1)]) for first in (0, 2, 4)]

    read(files)

    assert opened == ["open 0", "close 0", "open 2", "close 2", "open 4", "close 4"]


@pytest.mark.parametrize("other", [[(0, 3)], [(0, 0), (0, 3), (0, 9)], [(0, 5)]])
def test_an_offset_that_is_there_twice_is_refused(tmp_path: Path, other: list[Place]) -> None:
    first = [(0, offset) for offset in (1, 2, 3, 4, 5)]
    files = [write(tmp_path, "a", first), write(tmp_path, "b", other)]

    with pytest.raises(
        MalformedInput, match=rf"offset {other[-1][1] if len(other) == 1 else 3} of partition 0"
    ):
        read(files)


def test_files_of_two_topics_are_refused(tmp_path: Path) -> None:
    files = [write(tmp_path, "a", [(0, 1)]), write(tmp_path, "b", [(0, 2)], topic="payments")]

    with pytest.raises(MalformedInput, match=r"2 topics: orders in .*/a; payments in .*/b"):
        find_runs(files)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"PAR1 and no more")

    with pytest.raises(UnreadableFile, match="broken is not a whole Parquet file"):
        find_runs([RowFile(LocalStorage(str(tmp_path)), "broken")])


def test_a_table_of_something_else_is_refused_with_the_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "other")

    with pytest.raises(MalformedInput, match="its column topic is missing"):
        find_runs([RowFile(LocalStorage(str(tmp_path)), "other")])
