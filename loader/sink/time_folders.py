"""Which time folder each row belongs to, by the time that its topic goes by."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.config.times import LoadTime
from loader.formats.times import RowTimes
from loader.sink.columns import indices, integers, nulls

HOUR_US = 3_600_000_000
HOURS_OF = {"hour": 1, "day": 24}

NO_TIME = np.iinfo(np.int64).min
"""Stands for the hour of rows without a time while they are grouped."""


def split_by_time(
    rows: pa.RecordBatch, partition_by: str, times: RowTimes
) -> Iterator[tuple[int | None, pa.RecordBatch]]:
    """The rows by folder: (first hour of the folder since 1970 UTC, None without a time; its rows).

    Rows keep their order. Rows that all belong to one folder, which is the common case, are not copied.
    """
    if partition_by == "none":
        yield 0, rows
        return
    width_us = HOUR_US * HOURS_OF[partition_by]
    load_hour = _first_hour(times.load_time_ms * 1000, width_us)
    if isinstance(times.time, LoadTime):
        yield load_hour, rows
        return
    hours = _folder_hours(times.of(rows), width_us)
    if times.absurd_times == "load_time":
        hours = np.where(_booleans(times.are_absurd(rows)), load_hour, hours)
    if hours.min() == hours.max():
        yield _hour_or_none(hours[0]), rows
        return
    for folder in np.unique(hours):
        # take() copies: a slice would keep the whole batch in memory for as long as its folder waits.
        yield _hour_or_none(folder), rows.take(indices(np.flatnonzero(hours == folder)))


def _folder_hours(times_us: pa.Int64Array, width_us: int) -> NDArray[np.int64]:
    """int64[rows]: the first hour of each row's folder, NO_TIME without a time."""
    hours = integers(times_us) // width_us * (width_us // HOUR_US)
    return np.where(nulls(times_us), NO_TIME, hours) if times_us.null_count else hours


def _first_hour(time_us: int, width_us: int) -> int:
    return time_us // width_us * (width_us // HOUR_US)


def _booleans(column: pa.BooleanArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = integers(column.cast(pa.int64())) != 0
    return found


def _hour_or_none(hour: np.int64) -> int | None:
    return None if hour == NO_TIME else int(hour)
