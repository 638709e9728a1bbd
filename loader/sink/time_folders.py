"""Which time folder each row belongs to, by its record timestamp."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.metadata import metadata
from loader.sink.columns import indices, integers, nulls

HOUR_US = 3_600_000_000
HOURS_OF = {"hour": 1, "day": 24}

NO_TIME = np.iinfo(np.int64).min
"""Stands for the hour of rows without a timestamp while they are grouped."""


def split_by_time(rows: pa.RecordBatch, partition_by: str) -> Iterator[tuple[int | None, pa.RecordBatch]]:
    """The rows by folder: (first hour of the folder since 1970 UTC, None without a timestamp; its rows).

    Rows keep their order. Rows that all belong to one folder, which is the common case, are not copied.
    """
    if partition_by == "none":
        yield 0, rows
        return
    hours = _folder_hours(metadata(rows, "timestamp"), HOURS_OF[partition_by])
    if hours.min() == hours.max():
        yield _hour_or_none(hours[0]), rows
        return
    for folder in np.unique(hours):
        # take() copies: a slice would keep the whole batch in memory for as long as its folder waits.
        yield _hour_or_none(folder), rows.take(indices(np.flatnonzero(hours == folder)))


def _folder_hours(timestamps: pa.TimestampArray, hours_per_folder: int) -> NDArray[np.int64]:
    """int64[rows]: the first hour of each row's folder, NO_TIME without a timestamp."""
    hours = integers(timestamps) // (HOUR_US * hours_per_folder) * hours_per_folder
    return np.where(nulls(timestamps), NO_TIME, hours) if timestamps.null_count else hours


def _hour_or_none(hour: np.int64) -> int | None:
    return None if hour == NO_TIME else int(hour)
