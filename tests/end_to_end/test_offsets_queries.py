"""The queries of docs/offsets-table.md, each as it stands there, in DuckDB and in Spark."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from loader.commits.offsets_table import OFFSETS_SCHEMA, offsets_table
from loader.commits.record import Commit
from loader.sink.table_file import write_tables
from loader.storage.local import LocalStorage
from loader.values import DataFile, LoadedRange, OffsetRange, RangeCounts, layout
from tests.commits.examples import a_commit

from .producing import HOUR_MS, T0_MS

DOCUMENT = Path(__file__).parents[2] / "docs" / "offsets-table.md"
DESTINATION = "/data/kafka"
MINUTE_MS = 60_000

Row = tuple[Any, ...]
Ask = Callable[[str], list[Row]]


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def a_load(version: int, at_ms: int, *ranges: LoadedRange, oldest_ms: int = 0) -> Commit:
    """A load of two seconds; each range has a file of 1,000 bytes, whose oldest record is a minute old."""
    files = tuple(
        DataFile(
            f"orders/{version}-{each.range.partition}.parquet",
            "",
            1000,
            each.range.offset_count,
            (each.range,),
            oldest_ms or at_ms - MINUTE_MS,
            at_ms,
        )
        for each in ranges
    )
    commit = a_commit(version, f"run-{version}", files)
    return replace(commit, ranges=ranges, committed_at_ms=at_ms, started_at_ms=at_ms - 2000)


def a_range(partition: int, start: int, end: int, log_end: int, **counts: int) -> LoadedRange:
    row_count = end - start - sum(counts.values())
    counted = RangeCounts(row_count=row_count, **counts)
    return LoadedRange(OffsetRange("orders", partition, start, end), counted, 4, 500, log_end_offset=log_end)


COMMITS = [
    a_load(1, T0_MS, a_range(0, 0, 100, 100), a_range(1, 0, 50, 80)),
    a_load(2, T0_MS + 10 * MINUTE_MS, a_range(1, 50, 130, 130, quarantined_count=2, aborted_count=3)),
    replace(
        a_commit(3, "run-3"),
        operation="set_position",
        ranges=(),
        committed_at_ms=T0_MS + 20 * MINUTE_MS,
        reason="the rest is not wanted",
    ),
    a_load(
        4,
        T0_MS + HOUR_MS,
        a_range(0, 140, 150, 160, lost_count=4),
        a_range(1, 130, 131, 131, compacted_count=1),
        oldest_ms=T0_MS - 2 * HOUR_MS,
    ),
    replace(
        a_load(
            5,
            T0_MS + HOUR_MS + MINUTE_MS,
            replace(a_range(0, 20, 60, 160), replaced=RangeCounts(row_count=40), log_end_offset=None),
        ),
        operation="backfill",
        reason="a wrong column",
    ),
]

EXPECTED: dict[str, list[Row]] = {
    "Lag over time": [
        (at(T0_MS), "orders", 180, 30, timedelta(minutes=1)),
        (at(T0_MS + 10 * MINUTE_MS), "orders", 80, 0, timedelta(minutes=1)),
        (at(T0_MS + HOUR_MS), "orders", 21, 10, timedelta(hours=3)),
    ],
    "Gaps": [("orders", 0, 100, 140, 40)],
    "Volume per hour, by the time of loading": [
        (at(T0_MS), "orders", 225, 3000, 1500),
        (at(T0_MS + HOUR_MS), "orders", 6, 3000, 1500),
    ],
    "How long runs take": [
        (1, at(T0_MS), timedelta(seconds=2), 150),
        (2, at(T0_MS + 10 * MINUTE_MS), timedelta(seconds=2), 75),
        (4, at(T0_MS + HOUR_MS), timedelta(seconds=2), 6),
    ],
    "Late records": [(4, at(T0_MS + HOUR_MS), "orders", at(T0_MS - 2 * HOUR_MS), 6)],
    "What did not become rows": [("orders", 2, 4, 3, 1)],
    "Which commit loaded a record": [(2, "run-2", at(T0_MS + 10 * MINUTE_MS))],
    "What people changed, and why": [
        (3, at(T0_MS + 20 * MINUTE_MS), "set_position", "ann@host", "the rest is not wanted"),
        (5, at(T0_MS + HOUR_MS + MINUTE_MS), "backfill", "ann@host", "a wrong column"),
    ],
}
ROWS_BY_HOUR = [("2024-02-29", 10, 2), ("2024-02-29", 11, 1)]


def blocks() -> dict[str, str]:
    """The code blocks of SQL by the words before their colon; those of one engine with its name."""
    found = {}
    for before, code in re.findall(
        r"([^\n`]+(?:\n[^\n`]+)*?)\n\n```sql\n(.*?)```", DOCUMENT.read_text(), re.S
    ):
        engine = re.match(r"-- (duckdb|spark)\n", code)
        title = re.split(r"[:.]", before.replace("\n", " "))[0]
        if engine:
            title = f"{engine[1]}: {'rows' if 'loaded_rows' in code else 'view'}"
        assert title not in found
        found[title] = code
    return found


@pytest.fixture(scope="module")
def destination(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table, with commits 1 and 2 there twice, as while files are put together; and rows by hour."""
    root = tmp_path_factory.mktemp("destination")
    storage = LocalStorage(root)
    for first, last in ((1, 2), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)):
        path = layout.offsets_path("orders", first, last)
        write_tables(storage, path, OFFSETS_SCHEMA, [offsets_table(COMMITS[first - 1 : last])])
    for hour, count in ((10, 2), (11, 1)):
        folder = root / f"orders/dt=2024-02-29/hour={hour}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"offset": list(range(count))}), folder / "a.parquet")
        (folder / "_COMPLETE").touch()
    return root


def statements(code: str, destination: Path) -> list[str]:
    lines = [line for line in code.splitlines() if not line.startswith("--")]
    return [
        each for each in "\n".join(lines).replace(DESTINATION, str(destination)).split(";") if each.strip()
    ]


@pytest.fixture(scope="module")
def ask_duckdb(destination: Path) -> Iterator[Ask]:
    with duckdb.connect() as connection:

        def ask(code: str) -> list[Row]:
            rows: list[Row] = []
            for statement in statements(code, destination):
                rows = connection.execute(statement).fetchall()
            return rows

        ask(blocks()["duckdb: view"])
        yield ask


@pytest.fixture(scope="module")
def ask_spark(destination: Path, spark: SparkSession) -> Ask:
    def ask(code: str) -> list[Row]:
        rows: list[Row] = []
        for statement in statements(code, destination):
            rows = [tuple(row) for row in spark.sql(statement).collect()]
        return rows

    ask(blocks()["spark: view"])
    return ask


def plain(rows: list[Row]) -> list[Row]:
    """Engines differ in what they make of moments, days and sums."""

    def value(each: Any) -> Any:
        if isinstance(each, datetime):
            return each.astimezone(UTC)
        return str(each) if type(each).__name__ == "date" else each

    return [tuple(map(value, row)) for row in rows]


def test_every_query_of_the_document_has_a_test() -> None:
    of_engines = {f"{engine}: {what}" for engine in ("duckdb", "spark") for what in ("view", "rows")}

    assert set(blocks()) == set(EXPECTED) | of_engines


@pytest.mark.parametrize("title", EXPECTED)
def test_duckdb_answers(title: str, ask_duckdb: Ask) -> None:
    assert plain(ask_duckdb(blocks()[title])) == EXPECTED[title]


@pytest.mark.parametrize("title", EXPECTED)
def test_spark_answers(title: str, ask_spark: Ask) -> None:
    assert plain(ask_spark(blocks()[title])) == EXPECTED[title]


def test_both_count_rows_by_the_hour_of_their_folder(ask_duckdb: Ask, ask_spark: Ask) -> None:
    found = [
        plain(ask(blocks()[f"{name}: rows"])) for name, ask in (("duckdb", ask_duckdb), ("spark", ask_spark))
    ]

    assert [[(day, int(hour), count) for day, hour, count in rows] for rows in found] == [ROWS_BY_HOUR] * 2


def test_the_document_describes_every_column() -> None:
    table = DOCUMENT.read_text().split("## Columns")[1].split("##")[0]
    named = [
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    ]

    assert named == OFFSETS_SCHEMA.names
