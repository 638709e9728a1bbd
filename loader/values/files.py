"""A Parquet file that a task wrote."""

from dataclasses import dataclass

from loader.values import layout
from loader.values.offsets import OffsetRange

REPLAY_PREFIX = "replay-"
"""Begins the staged name, which its published name holds too, of a file that a replay wrote."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of rows of one topic.

    path              where it is published, relative to the destination, `/` between its parts
    staged_name       its name in the run's hidden folder until then
    ranges            per partition, from its first row's offset to its last row's plus one
    min_timestamp_ms  smallest and largest record timestamp, None where no row has one
    """

    path: str
    staged_name: str
    size_bytes: int
    row_count: int
    ranges: tuple[OffsetRange, ...]
    min_timestamp_ms: int | None
    max_timestamp_ms: int | None

    @property
    def is_quarantine(self) -> bool:
        """Whether its rows are records that could not be decoded."""
        return layout.is_quarantined(self.path)

    @property
    def is_replay(self) -> bool:
        """Whether its rows were made of records in the quarantine, which holds them still."""
        return self.staged_name.startswith(REPLAY_PREFIX)
