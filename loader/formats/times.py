"""The time of a row: by which one its folder is chosen, and which times cannot be right.

No clock is asked here: what stands for now is when the run began, told to every task by the driver, so that a
task repeated later sorts its rows in the same way.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loader.config.times import FieldTime, LoadTime, RecordTime, Time
from loader.config.topics import TopicConfig
from loader.errors import ConfigError
from loader.formats.arrow_types import from_arrow
from loader.formats.metadata import metadata
from loader.formats.protocol import BadValues
from loader.formats.string import no_bad_values

ABSURD_TIME = "absurd-time"

DAY_US = 86_400_000_000
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS

FURTHEST_DAY = 106_000_000
"""Days from 1970 that still fit into 64 bits as microseconds; a date may lie 20 times further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTimes:
    """How the rows of one topic get their times, as its config says; small enough to send to every task.

    load_time_ms  when the run began: the time of rows by load time, and what the bounds are counted from
    """

    time: Time = field(default_factory=RecordTime)
    absurd_times: Literal["keep", "quarantine", "load_time"] = "keep"
    oldest_days: int = 365
    future_minutes: int = 60
    load_time_ms: int = 0

    @property
    def earliest_us(self) -> int:
        """The first time that is not absurd."""
        return (self.load_time_ms - self.oldest_days * DAY_MS) * 1000

    @property
    def latest_us(self) -> int:
        """The last one."""
        return (self.load_time_ms + self.future_minutes * MINUTE_MS) * 1000

    def of(self, rows: pa.RecordBatch) -> pa.Int64Array:
        """The time of each row in microseconds since 1970 UTC; null where it has none.

        A date is its midnight, and a date and time without a zone is taken for UTC.
        """
        match self.time:
            case RecordTime():
                return metadata(rows, "timestamp").view(pa.int64())
            case LoadTime():
                return pa.repeat(pa.scalar(self.load_time_ms * 1000, pa.int64()), rows.num_rows)
            case FieldTime(name):
                return _microseconds(rows.column(name))

    def are_absurd(self, rows: pa.RecordBatch) -> pa.BooleanArray:
        """Which rows have a time outside of the bounds. No time at all is not absurd."""
        times = self.of(rows)
        is_outside = pc.or_(pc.less(times, self.earliest_us), pc.greater(times, self.latest_us))
        return pc.fill_null(is_outside, False)

    def bad(self, rows: pa.RecordBatch) -> BadValues:
        """The rows that are for the quarantine because of their times, each with the reason."""
        is_absurd = self.are_absurd(rows) if self.absurd_times == "quarantine" else None
        if is_absurd is None or not pc.any(is_absurd).as_py():
            return no_bad_values()
        numbers = pc.indices_nonzero(is_absurd).cast(pa.int64())
        times = self.of(rows).take(numbers)
        load_time = _spelled(pa.array([self.load_time_ms * 1000])).to_pylist()[0]
        too_early = f"more than {self.oldest_days} days before the run began ({load_time})"
        too_late = f"more than {self.future_minutes} minutes after the run began ({load_time})"
        reasons = pc.if_else(pc.less(times, self.earliest_us), too_early, too_late)
        name = self.time.field if isinstance(self.time, FieldTime) else "timestamp"
        return BadValues(
            _numbers(numbers),
            pa.repeat(ABSURD_TIME, len(numbers)),
            pc.binary_join_element_wise(f"{name}:", _spelled(times), "is", reasons, " "),
            pa.nulls(len(numbers), pa.int32()),
        )


BY_RECORD_TIME = RowTimes()
"""As rows lie where the job file says nothing of it."""


def row_times(config: TopicConfig, load_time_ms: int) -> RowTimes:
    """The times of a topic's rows, as its entry of the job file says."""
    return RowTimes(
        time=config.time,
        absurd_times=config.absurd_times,
        oldest_days=config.oldest_days,
        future_minutes=config.future_minutes,
        load_time_ms=load_time_ms,
    )


def require_time_column(topic: str, times: RowTimes, columns: pa.Schema) -> None:
    """Raise ConfigError where rows are to lie by a column that there is not, or that is no time.

    columns  that the topic's format gives, under the names that they have in the file
    """
    if not isinstance(times.time, FieldTime):
        return
    name = times.time.field
    known = sorted(field.name for field in columns if _is_time(field.type))
    if name in known:
        return
    problem = (
        f"is {from_arrow(columns.field(name).type)}, no time" if name in columns.names else "is no column"
    )
    raise ConfigError(
        [
            f"{topic}: time.field: {name} {problem}. Nothing of this topic was committed. Rows can lie by a"
            f" timestamp or a date of the value; of these it has {', '.join(known) or 'none'}"
        ]
    )


def _is_time(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(arrow_type) or pa.types.is_date32(arrow_type))


def _microseconds(column: pa.Array) -> pa.Int64Array:
    if pa.types.is_timestamp(column.type):
        return column.view(pa.int64())
    days = pc.cast(column.view(pa.int32()), pa.int64())
    within = pc.min_element_wise(
        pc.max_element_wise(days, -FURTHEST_DAY, skip_nulls=False), FURTHEST_DAY, skip_nulls=False
    )
    return pc.multiply(within, DAY_US)


def _spelled(times_us: pa.Int64Array) -> pa.StringArray:
    """As a person reads a time; beyond the calendar Arrow tells the number."""
    return pc.binary_join_element_wise(times_us.cast(pa.timestamp("us")).cast(pa.string()), "UTC", " ")


def _numbers(array: pa.Int64Array) -> NDArray[np.int64]:
    # By the buffer: pyarrow's own conversion imports pandas where that is installed.
    values = np.frombuffer(array.buffers()[1], np.int64)
    return values[array.offset : array.offset + len(array)]
