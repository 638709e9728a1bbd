"""Destinations, read without the loader's storage."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import hdfs_native
import pyarrow as pa
import pyarrow.parquet as pq

from local_services.hdfs import HdfsCluster

from .records import Record


class Folder(Protocol):
    """A destination."""

    @property
    def url(self) -> str:
        """As a job file names it."""
        ...

    def paths(self) -> list[str]:
        """Every file below it, relative, sorted; none when it does not exist."""
        ...

    def read(self, path: str) -> bytes:
        """One file."""
        ...


class LocalFolder:
    """A destination on this disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def paths(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if not path.is_dir())

    def read(self, path: str) -> bytes:
        return (self.path / path).read_bytes()


class HdfsFolder:
    """A destination in HDFS."""

    def __init__(self, hdfs: HdfsCluster, path: str) -> None:
        self._client = hdfs_native.Client(hdfs.url)
        self._path = path
        self._root = hdfs.url

    @property
    def url(self) -> str:
        return f"{self._root}{self._path}"

    def paths(self) -> list[str]:
        try:
            statuses = list(self._client.list_status(self._path, recursive=True))
        except FileNotFoundError:
            return []
        return sorted(status.path.removeprefix(f"{self._path}/") for status in statuses if not status.isdir)

    def read(self, path: str) -> bytes:
        for last_try in (False,) * 9 + (True,):
            try:
                with self._client.read(f"{self._path}/{path}") as file:
                    return bytes(file.read())
            except RuntimeError:  # a DataNode that has just been found again does not serve at once
                if last_try:
                    raise
                time.sleep(0.5)
        raise AssertionError("the last try returns or raises")


def published_paths(folder: Folder) -> list[str]:
    """What a reader of the destination sees: Spark and Hive skip names that begin with _ or a dot."""
    return [
        path for path in folder.paths() if not any(part.startswith(("_", ".")) for part in path.split("/"))
    ]


def staged_paths(folder: Folder) -> list[str]:
    """What runs have left in their hidden folders."""
    return [path for path in folder.paths() if path.startswith("_loader/") and "/runs/" in path]


def commit_paths(folder: Folder) -> list[str]:
    """The ledger."""
    return [path for path in folder.paths() if path.startswith("_loader/") and "/commits/" in path]


def read_table(folder: Folder, prefix: str = "") -> pa.Table:
    """The published rows, by partition and offset; of the files whose path begins with `prefix`."""
    tables = [
        pq.read_table(pa.BufferReader(folder.read(path)))
        for path in published_paths(folder)
        if path.startswith(prefix)
    ]
    assert tables, f"no files below {folder.url}"
    order: Sequence[tuple[str, str]] = [(name, "ascending") for name in ("topic", "partition", "offset")]
    return pa.concat_tables(tables).sort_by(order)


def read_records(folder: Folder) -> list[Record]:
    """The published rows as records; none when nothing is published."""
    if not published_paths(folder):
        return []
    table = read_table(folder)
    microseconds = table.column("timestamp").cast(pa.int64()).to_pylist()
    assert all(time is None or time % 1000 == 0 for time in microseconds), "Kafka has milliseconds"
    rows = table.drop_columns("timestamp").to_pylist()
    return [
        Record(
            topic=row["topic"],
            partition=row["partition"],
            offset=row["offset"],
            timestamp_ms=None if time is None else time // 1000,
            timestamp_type=row["timestampType"],
            key=row["key"],
            value=row["value"],
            headers=tuple((header["key"], header["value"]) for header in row["headers"] or ()),
        )
        for row, time in zip(rows, microseconds, strict=True)
    ]
