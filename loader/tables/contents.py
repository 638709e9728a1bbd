"""What a table is made of: files of one snapshot, where each lies, and the columns they have together.

The columns are all that the topic ever had, and those that the folders' names give: `dt` and `hour`, null
where rows lie in no such folder.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from loader.formats.arrow_types import schema_of
from loader.formats.quarantine import QUARANTINE_SCHEMA
from loader.records.schema import RAW_SCHEMA
from loader.storage.protocol import Storage
from loader.tables.opening import opened
from loader.tables.quarantine import Replayed, replayed_offsets
from loader.tables.snapshot import Snapshot
from loader.values import DataFile

FOLDER_COLUMNS = (pa.field("dt", pa.date32()), pa.field("hour", pa.int32()))
PLACE_SCHEMA = pa.schema([RAW_SCHEMA.field(name) for name in ("topic", "partition", "offset")])

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """One file, and what the folders of its published path say of its rows.

    location      where it lies, relative to the destination
    is_published  False for one that is committed and still staged: no folder of its location says anything
    folders       of the published path, in their order: none, `dt`, or `dt` and `hour`
    """

    file: DataFile
    location: str
    is_published: bool
    folders: tuple[str, ...]
    dt: date | None
    hour: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """The files and columns of one table.

    schema      of all rows, the columns of folders last
    is_uniform  whether each file has exactly these columns; else a file may lack some, and have narrower ones
    left_out    records in these files that are no rows of the table
    """

    schema: pa.Schema
    files: tuple[PlacedFile, ...]
    is_uniform: bool
    left_out: Replayed = field(default_factory=dict)

    @property
    def file_schema(self) -> pa.Schema:
        """The columns without those of folders."""
        return pa.schema([field for field in self.schema if field not in FOLDER_COLUMNS])

    @property
    def has_folders(self) -> bool:
        """Whether the columns of folders are among them."""
        return len(self.file_schema) < len(self.schema)

    def left_out_places(self) -> pa.Table | None:
        """Topic, partition and offset of what is left out; None where nothing is."""
        parts = [
            pa.table(
                [pa.repeat(place.topic, len(offsets)), pa.repeat(place.partition, len(offsets)), offsets],
                PLACE_SCHEMA.names,
            ).cast(PLACE_SCHEMA)
            for place, offsets in self.left_out.items()
        ]
        return pa.concat_tables(parts) if parts else None


def rows_of_topic(snapshot: Snapshot, topic: str) -> Contents:
    """The rows of a topic that the snapshot knows."""
    columns = snapshot.newest.columns.get(topic)
    schema = RAW_SCHEMA if columns is None else schema_of(columns)
    files = tuple(placed(snapshot, file) for file in snapshot.rows_of(topic))
    return Contents(pa.schema([*schema, *FOLDER_COLUMNS]), files, columns is None)


def waiting_quarantine(storage: Storage, snapshot: Snapshot | None) -> Contents:
    """The records of all topics that wait in the quarantine. Reads the offsets of what was replayed.

    Raises PathNotFound and UnreadableFile.
    """
    if snapshot is None:
        return Contents(QUARANTINE_SCHEMA, (), True)
    files = [file for topic in snapshot.topics for file in snapshot.quarantine_of(topic)]

    def open_file(file: DataFile) -> AbstractContextManager[pq.ParquetFile]:
        return opened(storage, snapshot.location_of(file))

    placed_files = tuple(placed(snapshot, file) for file in files)
    return Contents(QUARANTINE_SCHEMA, placed_files, True, replayed_offsets(snapshot.files, open_file))


def placed(snapshot: Snapshot, file: DataFile) -> PlacedFile:
    """A file of a snapshot."""
    location = snapshot.location_of(file)
    found = dict(part.split("=", 1) for part in _folders_of(file.path))
    dt, hour = found.get("dt", _NO_VALUE), found.get("hour", _NO_VALUE)
    return PlacedFile(
        file,
        location,
        location == file.path,
        tuple(found),
        None if dt == _NO_VALUE else date.fromisoformat(dt),
        None if hour == _NO_VALUE else int(hour),
    )


def _folders_of(path: str) -> Sequence[str]:
    _, *folders, _ = path.split("/")
    return [folder for folder in folders if folder.startswith(("dt=", "hour="))]
