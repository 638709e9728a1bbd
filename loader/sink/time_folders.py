"""Which time folder each row belongs to, by the time that its topic goes by."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.formats.times import RowTimes
from loader.sink.columns import indices, integers, nulls

HOUR_US = 3_600_000_000
HOURS_OF = {"hour": 1, "day": 24}

NO_TIME = np.iinfo(np.int64).min
"""Stands for the hour of rows without a time while they are grouped."""


def folder_hours(rows: pa.RecordBatch, partition_by: str, times: RowTimes) -> NDArray[np.int64]:
    """int64[rows]: of each row's folder the first hour since 1970 UTC; NO_TIME without a time."""
    if partition_by == "none":
        return np.zeros(rows.num_rows, np.int64)
    hours_per_folder = HOURS_OF[partition_by]
    width_us = HOUR_US * hours_per_folder
    times_us = times.of(rows)
    hours = integers(times_us) // width_us * hours_per_folder
    if times_us.null_count:
        hours = np.where(nulls(times_us), NO_TIME, hours)
    if times.absurd_times == "load_time":
        load_hour = times.load_time_ms * 1000 // width_us * hours_per_folder
        hours = np.where(_booleans(times.are_absurd(rows)), load_hour, hours)
    return hours


def are_together(hours: NDArray[np.int64]) -> bool:
    """Whether all rows belong to one folder, which is the common case."""
    return bool(hours.min() == hours.max())


def split_by_folder(
    rows: pa.RecordBatch, hours: NDArray[np.int64]
) -> Iterator[tuple[int | None, pa.RecordBatch]]:
    """The rows by folder: (its first hour, None without a time; its rows).

    Rows keep their order. Those that all belong together are not copied.
    """
    if are_together(hours):
        yield _hour_or_none(hours[0]), rows
        return
    order = np.argsort(hours, kind="stable")
    bounds = np.flatnonzero(np.diff(hours[order])) + 1
    for numbers in np.split(order, bounds):
        # take() copies: a slice would keep the whole batch in memory for as long as its folder waits.
        yield _hour_or_none(hours[numbers[0]]), rows.take(indices(numbers))


def _booleans(column: pa.BooleanArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = integers(column.cast(pa.int64())) != 0
    return found


def _hour_or_none(hour: np.int64) -> int | None:
    return None if hour == NO_TIME else int(hour)
