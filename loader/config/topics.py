"""Which topics a job loads, and where its first run starts in each."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from loader.config.formats import FormatConfig, RawFormat
from loader.config.section import Conflict, Section
from loader.config.starts import AtOffsets, Earliest, StartField
from loader.config.times import FieldTime, LoadTime, RecordTime, TimeConfig


def _topic_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or name in (".", ".."):
        raise ValueError(
            f"{name!r} cannot be the name of a topic: Kafka allows letters, digits, '.', '_' and '-',"
            " 249 at most; to match several topics write it as pattern"
        )
    return name


def _regular_expression(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    if not pattern:
        raise ValueError("an empty pattern matches no topic")
    return pattern


class TopicConfig(Section):
    """One topic by name, or every topic whose name a pattern matches."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["name"]}, {"required": ["pattern"]}]}
    )

    name: Annotated[str, AfterValidator(_topic_name)] | None = None
    """The name of one topic. It must exist: a run without it stops that topic and says so."""

    pattern: Annotated[str, AfterValidator(_regular_expression)] | None = None
    """A regular expression that must match the whole name of a topic, as in `orders-.*`. Topics created
    later are picked up by the next run. A topic that an entry gives by name is loaded by that entry;
    otherwise the first pattern that matches decides."""

    start: StartField = Earliest()
    """Where the first run starts: "earliest", "latest", { timestamp = 2026-11-01T00:00:00Z } or
    { offsets = { "0" = 12 } }. A partition with no record at or after the timestamp is an error, unless
    `or_latest = true` stands beside it. Partitions without an explicit offset start at the earliest.
    Later runs go on where the last one ended, whatever stands here; partitions and topics that appear
    later start at the earliest."""

    value: FormatConfig = RawFormat(format="raw")
    """What the values are: { format = "raw" }, "string", "json", "avro" or "protobuf". With one of the
    last four the value's fields are the columns of the file, and the rest of the record is in the column
    `kafka`."""

    key: FormatConfig = RawFormat(format="raw")
    """What the keys are, in the same words. A key that is not raw is typed within the column `kafka`."""

    keep_value: bool = False
    """Whether the bytes of the value are kept as well, as `kafka.value`, beside the columns made of them."""

    rename: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    """Other names for fields of the value, where theirs cannot be columns: { hour = "flight_hour" }. Taken
    are `kafka`, `dt` and `hour`, and names that differ only by upper and lower case, which Spark takes for
    one."""

    max_bad_records: Annotated[int | float, Field(ge=0)] = 0.01
    """How many records that cannot be decoded a run takes into the quarantine before it fails the topic
    instead: a number, or below 1 a fraction of the records. Where all records of the topic are bad, only a
    number lets them pass."""

    time: TimeConfig = RecordTime()
    """By which time, in UTC, rows lie in the folders of write.partition_by. "record": the record's timestamp.
    "load": when the run began that loads them. { field = "ordered_at" }: that column of the value, under the
    name that `rename` gives it, a timestamp or a date. Rows without that time, like tombstones where it is a
    field, are in the folder __HIVE_DEFAULT_PARTITION__; late ones in that of their own hour."""

    absurd_times: Literal["keep", "quarantine", "load_time"] = "keep"
    """What becomes of rows of a time that cannot be right, before `oldest_days` or after `future_minutes`:
    kept in the folder of that time; kept out of the rows and put into the quarantine, where they count as bad
    records; or kept in the folder of the time when the run began. A first load of old records meets many that
    are just old."""

    oldest_days: Annotated[int, Field(ge=1, le=100_000)] = 365
    """A row is absurd when its time is more days before the run than this. Counts only where `absurd_times`
    is not "keep". Lower finds wrong clocks sooner, and takes more old records for wrong."""

    future_minutes: Annotated[int, Field(ge=0, le=10_000_000)] = 60
    """A row is absurd when its time is more minutes after the begin of the run than this. Counts only where
    `absurd_times` is not "keep". Producers' clocks run ahead, and a run reads records that are written after
    its begin; higher bears more of both."""

    @property
    def label(self) -> str:
        """The name or the pattern: how messages call this entry."""
        return self.name or self.pattern or ""

    def matches(self, topic: str) -> bool:
        """Whether this entry asks for the topic."""
        if self.name is not None:
            return topic == self.name
        return re.fullmatch(self.pattern or "", topic) is not None

    def conflicts(self) -> Iterator[Conflict]:
        """A name and a pattern, neither, offsets for more than one topic, or times that cannot be."""
        if self.name is None and self.pattern is None:
            yield Conflict(("name", "pattern"), "needs a name or a pattern")
        if self.name is not None and self.pattern is not None:
            yield Conflict(("name", "pattern"), "has a name and a pattern; write two [[topics]] entries")
        if self.pattern is not None and isinstance(self.start, AtOffsets):
            yield Conflict(
                ("pattern", "start"),
                "start.offsets needs a name: offsets of one topic mean nothing in another",
            )
        if isinstance(self.time, FieldTime) and self.value.format in ("raw", "string"):
            yield Conflict(
                ("time", "value"),
                f"time.field ({self.time.field}) needs a value with fields: its format is"
                f" {self.value.format}",
            )
        if isinstance(self.time, LoadTime) and self.absurd_times != "keep":
            yield Conflict(
                ("time", "absurd_times"),
                f'absurd_times = "{self.absurd_times}" has nothing to judge: with time = "load" every row has'
                " the time of its run",
            )
        for bound in ("oldest_days", "future_minutes"):
            if bound in self.model_fields_set and self.absurd_times == "keep":
                yield Conflict(
                    (bound, "absurd_times"),
                    f'{bound} bounds nothing while absurd_times is "keep": write "quarantine" or "load_time"',
                )
