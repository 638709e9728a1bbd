"""How the records of one topic become rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from loader.formats.protocol import ValueSpec
from loader.formats.times import RowTimes
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFormat:
    """A topic's formats, made by the driver, small enough to send to every task.

    value       None where the bytes stay as they are
    key         the same of the keys
    keep_value  whether the column `kafka` also holds the bytes of the value
    rename      other names for fields of the value
    columns     of the topic's table, `kafka` the last of them: rows are written with all of these, also with
                those that the formats do not give any more. None: with those of the formats, as they are
    schema_ids  of the registry's schemas that the columns are made of; for messages
    times       by which times rows lie in folders, and which times are for the quarantine
    """

    value: ValueSpec | None = None
    key: ValueSpec | None = None
    keep_value: bool = False
    rename: Mapping[str, str] = field(default_factory=dict)
    columns: StructType | None = None
    schema_ids: tuple[int, ...] = ()
    times: RowTimes = field(default_factory=RowTimes)

    @property
    def is_raw(self) -> bool:
        """Whether rows are those of Spark's Kafka source, untouched."""
        return self.value is None and self.key is None

    @property
    def takes_every_row(self) -> bool:
        """Whether raw rows are written as they are, all of them: there is nothing to decode or to judge."""
        return self.is_raw and self.times.absurd_times != "quarantine"
