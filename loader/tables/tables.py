"""The tables of a job, as of one commit: its topics by name, and what the ledger and the quarantine tell.

A table is the same whoever reads it: pyarrow, pandas, Spark and DuckDB are given the same files, columns and
types. It stays what it was when it was opened. Files that a later commit took away meanwhile, because it put
their rows into others, cannot be read any more: that is SnapshotGone, and never fewer rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from loader.commits.log import CommitLog
from loader.commits.offsets_table import offsets_table
from loader.commits.record import Commit
from loader.errors import (
    RECORD_LOSS,
    ConfigError,
    LedgerDamaged,
    PathNotFound,
    SnapshotGone,
    UnknownTable,
)
from loader.storage.protocol import Storage
from loader.tables.contents import Contents, PlacedFile, placed, rows_of_topic, waiting_quarantine
from loader.tables.dataset import dataset_of
from loader.tables.opening import opened
from loader.tables.quarantine import waiting_records
from loader.tables.snapshot import Snapshot, read_snapshot
from loader.tables.view_names import OFFSETS, QUARANTINE, nearest, table_names

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")

TRIES = 5
"""How often commits may take files away under a reader who begins again each time."""


class Tables(Mapping[str, "Table"]):
    """The tables of one job as of one commit: each topic, `_offsets` and `_quarantine`, by name.

    A topic that is called like one of the last two goes by the name of its folder: `%5Foffsets`.
    """

    def __init__(self, storage: Storage, job: str, snapshot: Snapshot | None) -> None:
        self.storage, self.job, self.snapshot = storage, job, snapshot
        self._topics = table_names(() if snapshot is None else snapshot.topics)

    @property
    def version(self) -> int:
        """Of the commit; 0 before the first."""
        return 0 if self.snapshot is None else self.snapshot.version

    def __getitem__(self, name: str) -> "Table":
        if name not in (*self._topics, OFFSETS, QUARANTINE):
            raise UnknownTable([f"job {self.job} has no table {name}. {nearest(name, self)}"])
        return Table(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter([*self._topics, OFFSETS, QUARANTINE])

    def __len__(self) -> int:
        return len(self._topics) + 2

    def query(self, sql: str) -> pa.Table:
        """What DuckDB answers to SQL in which each table is a view of its name; times are in UTC.

        Raises ConfigError for SQL that is wrong, and where DuckDB is not installed; else as `Table.to_arrow`.
        """
        from loader.tables.sql import ask

        return ask(self, sql, lambda answer: answer.to_arrow_table())

    def to_duckdb(self, connection: "duckdb.DuckDBPyConnection | None" = None) -> "duckdb.DuckDBPyConnection":
        """A new connection, or yours, with a temporary view for each table. Raises as `query` does."""
        from loader.tables.sql import connected

        return connected(self, connection)

    def contents(self, name: str) -> Contents | pa.Table:
        """What a table is made of: files, or the rows themselves. Raises as `Table.to_arrow` does."""
        snapshot = self.snapshot
        if name == OFFSETS:
            return offsets_table(self._commits())
        if name != QUARANTINE:
            assert snapshot is not None  # noqa: S101 - before the first commit there are no topics
            return rows_of_topic(snapshot, self._topics[name])
        files = () if snapshot is None else [placed(snapshot, each) for each in snapshot.files]
        with self.reading(each for each in files if each.file.is_replay):
            return waiting_quarantine(self.storage, snapshot)

    @contextmanager
    def reading(self, files: Iterable[PlacedFile]) -> Iterator[None]:
        """Tells, where the body fails, whether that is because one of these files is not what it was.

        Raises SnapshotGone where a later commit took it away, LedgerDamaged where something else did.
        """
        try:
            yield
        except Exception as error:
            for each in files:
                self._require_there(each, error)
            raise

    def _require_there(self, wanted: PlacedFile, error: Exception) -> None:
        size_bytes = wanted.file.size_bytes
        try:
            found_bytes = self.storage.status(wanted.location).size_bytes
        except PathNotFound:
            what = "is missing"
        else:
            if found_bytes == size_bytes:
                return
            what = f"has {found_bytes} bytes"
        path = f"{self.storage.url}/{wanted.location}"
        if not wanted.is_published or self._is_superseded():
            raise SnapshotGone(self.version, path) from error
        raise LedgerDamaged(
            f"{path} {what}, and commit {self.version} has it with {size_bytes} bytes: no commit has done"
            " that. Nothing was changed. Put the file back from a backup or a snapshot of the file system;"
            " kafka-loader verify CONFIG tells what else is not as it was.",
            [RECORD_LOSS],
        ) from error

    def _is_superseded(self) -> bool:
        return CommitLog(self.storage, self.job).numbers()[-1:] != [self.version]

    def _commits(self) -> Iterator[Commit]:
        log = CommitLog(self.storage, self.job)
        return (log.read(version) for version in log.versions() if version <= self.version)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a job as of one commit: the rows of a topic, `_offsets` or `_quarantine`.

    Columns are all that a topic ever had, each in its widest type, and `dt` and `hour`, which files lie in
    folders by. `_offsets` is described in docs/offsets-table.md, `_quarantine` in docs/columns.md; what a
    replay has made rows of is left out.
    """

    tables: Tables
    name: str

    def to_arrow(self) -> pa.Table:
        """All rows, in no order. To read fewer rows or columns, see `Tables.query`.

        Raises SnapshotGone; LedgerDamaged for a file that is gone or cut; what the storage raises; what Arrow
        raises for bytes that are not Parquet.
        """
        contents = self.tables.contents(self.name)
        if not isinstance(contents, Contents):
            return contents
        storage = self.tables.storage
        with self.tables.reading(contents.files):
            if not contents.left_out:
                return dataset_of(storage, contents.files, contents.schema).to_table()
            locations = {each.file.path: each.location for each in contents.files}
            batches = [
                batch
                for each in contents.files
                for batch in waiting_records(
                    each.file, lambda file: opened(storage, locations[file.path]), contents.left_out
                )
            ]
            return pa.Table.from_batches(batches, contents.schema)

    def to_pandas(self) -> "pd.DataFrame":
        """All rows, in no order. Whole numbers and booleans have types with a null, so none is rounded.

        Raises ConfigError where pandas is not installed; else as `to_arrow`.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ConfigError(
                ["needs pandas, which is not installed: pip install 'kafka-hadoop-loader[query]'"]
            ) from None
        types: dict[Any, Any] = {
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.bool_(): pd.BooleanDtype(),
        }
        frame: pd.DataFrame = self.to_arrow().to_pandas(types_mapper=types.get)
        return frame

    def to_spark(self, spark: "SparkSession") -> "DataFrame":
        """The rows as Spark reads them, when it does; a file that is gone by then fails Spark's job.

        Spark reads the files itself, with its own rights, by the same URL. Times of day are microseconds.
        """
        from loader.tables.spark import frame_of

        contents = self.tables.contents(self.name)
        return frame_of(spark, self.tables.storage.url, contents)


def open_snapshot(storage: Storage, job: str) -> Tables:
    """The tables of a job as of its newest commit; raises what the ledger raises."""
    return Tables(storage, job, read_snapshot(storage, job))


def read_newest(storage: Storage, job: str, read: Callable[[Tables], T]) -> T:
    """What `read` makes of the tables as of the newest commit; again, where files were taken away meanwhile.

    Raises SnapshotGone where that came again and again, and what `read` raises.
    """
    for _ in range(TRIES - 1):
        try:
            return read(open_snapshot(storage, job))
        except SnapshotGone:
            continue
    return read(open_snapshot(storage, job))
