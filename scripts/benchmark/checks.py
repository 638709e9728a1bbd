"""Whether what a competitor wrote is what the topics hold: as many rows, the same places, the same values.

Sums of DuckDB's hashes stand for the rows: they do not depend on the order, and one changed byte, one row
twice or one offset moved changes them.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmark.encodings import TEXT_SQL
from benchmark.errors import BenchmarkError

COLUMNS = pa.schema(
    [("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64()), ("value", pa.binary())]
)

_SUMS = """
SELECT count(*),
       coalesce(sum(hash(topic, "partition", "offset")::HUGEINT), 0),
       coalesce(sum(hash(value)::HUGEINT), 0),
       coalesce(sum(hash(topic, "partition", "offset", value)::HUGEINT), 0)
FROM {rows}
"""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What rows amount to.

    places  of topic, partition and offset
    values  of the values alone, which a producer knows before they have offsets
    rows    of values at their places
    """

    count: int
    places: int
    values: int
    rows: int

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(
            self.count + other.count,
            self.places + other.places,
            self.values + other.values,
            self.rows + other.rows,
        )

    def as_document(self) -> dict[str, Any]:
        """For JSON, whose readers do not all keep integers of this size."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> "Fingerprint":
        """The inverse of `as_document`."""
        return cls(**{name: int(value) for name, value in document.items()})


NOTHING = Fingerprint(0, 0, 0, 0)


def fingerprint_of_table(table: pa.Table) -> Fingerprint:
    """Of rows with the columns of COLUMNS."""
    with duckdb.connect() as connection:
        connection.register("rows_given", table)
        return _fingerprint(connection, "rows_given")


def fingerprint_of_files(folder: Path, *, is_typed: bool = False) -> Fingerprint:
    """Of all Parquet files below a folder that a reader sees.

    is_typed  their columns are W1's fields and `kafka`, and stand for the JSON text that they make up
    """
    files = visible_files(folder)
    if not files:
        return NOTHING
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        # Time folders would else become columns, and a topic's folder is no part of its rows.
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        rows = f"read_parquet([{listed}], hive_partitioning = false)"
        if is_typed:
            place = 'kafka.topic, kafka."partition", kafka."offset"'
            rows = f"(SELECT {place}, encode({TEXT_SQL}) AS value FROM {rows})"  # noqa: S608  our own words
        return _fingerprint(connection, rows)


def visible_files(folder: Path) -> list[Path]:
    """The Parquet files that a reader of the folder sees, sorted."""
    return sorted(
        file
        for file in folder.rglob("*.parquet")
        if not any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)
    )


def require_same(found: Fingerprint, expected: Fingerprint, who: str) -> None:
    """Raise BenchmarkError unless the output is right: a time for wrong rows means nothing."""
    if found == expected:
        return
    if found.count != expected.count:
        what = f"wrote {found.count:,} rows, the topics hold {expected.count:,}"
    elif found.places != expected.places:
        what = f"wrote {found.count:,} rows, but not one for each offset"
    elif found.values != expected.values:
        what = "wrote a row for each offset, but some values differ"
    else:
        what = "wrote the right offsets and values, but not the values at their offsets"
    raise BenchmarkError(f"{who}: {what}. Its time does not count, and nothing more was measured.")


def _fingerprint(connection: duckdb.DuckDBPyConnection, rows: str) -> Fingerprint:
    sums = connection.execute(_SUMS.format(rows=rows)).fetchone()
    assert sums is not None  # noqa: S101  an aggregate without groups has one row
    return Fingerprint(*(int(each) for each in sums))
