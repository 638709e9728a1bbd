"""Which topics a job loads, and where its first run starts in each."""

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from loader.config.formats import FormatConfig, RawFormat
from loader.config.section import Conflict, Section
from loader.config.starts import AtOffsets, Earliest, StartField


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
        """A name and a pattern, neither, or offsets for more than one topic."""
        if self.name is None and self.pattern is None:
            yield Conflict(("name", "pattern"), "needs a name or a pattern")
        if self.name is not None and self.pattern is not None:
            yield Conflict(("name", "pattern"), "has a name and a pattern; write two [[topics]] entries")
        if self.pattern is not None and isinstance(self.start, AtOffsets):
            yield Conflict(
                ("pattern", "start"),
                "start.offsets needs a name: offsets of one topic mean nothing in another",
            )
