"""Where the first run of a job starts to read a topic. Later runs start at the job's position."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

LARGEST_OFFSET = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Earliest:
    """At the first offset that Kafka still holds."""


@dataclass(frozen=True, slots=True)
class Latest:
    """At the end, as the first run finds it: only records written later are loaded."""


@dataclass(frozen=True, slots=True)
class AtTimestamp:
    """At the first record, in offset order, whose timestamp is this or later.

    or_latest  where a partition has no such record: start at its end; otherwise that is an error
    """

    timestamp_ms: int
    or_latest: bool = False


@dataclass(frozen=True, slots=True)
class AtOffsets:
    """At these offsets, by partition; partitions not named start at the earliest."""

    offsets: Mapping[int, int]


Start = Earliest | Latest | AtTimestamp | AtOffsets

_CHOICES = '"earliest", "latest", { timestamp = 2026-11-01T00:00:00Z } or { offsets = { "0" = 12 } }'


def parse_start(value: object) -> Start:
    """The start that a TOML value spells. Raises ValueError, worded for the person who wrote it."""
    match value:
        case Earliest() | Latest() | AtTimestamp() | AtOffsets():
            return value
        case "earliest":
            return Earliest()
        case "latest":
            return Latest()
        case {"timestamp": timestamp, **rest}:
            or_latest = rest.pop("or_latest", False)
            if rest:
                raise ValueError(
                    f"beside timestamp only or_latest may stand, found {', '.join(map(str, rest))}"
                )
            if not isinstance(or_latest, bool):
                raise ValueError("or_latest must be true or false")
            return AtTimestamp(_milliseconds(timestamp), or_latest)
        case {"offsets": offsets, **rest}:
            if rest:
                raise ValueError(f"beside offsets nothing may stand, found {', '.join(map(str, rest))}")
            return AtOffsets(_offsets(offsets))
        case _:
            raise ValueError(f"must be {_CHOICES}")


def _milliseconds(value: object) -> int:
    if isinstance(value, datetime) and value.tzinfo is not None:
        timestamp_ms = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        if timestamp_ms < 0:
            raise ValueError(f"timestamp {value.isoformat()} is before 1970; Kafka has no records so old")
        return timestamp_ms
    if isinstance(value, datetime):
        raise ValueError(f"timestamp {value.isoformat()} needs a zone: {value.isoformat()}Z for UTC")
    if isinstance(value, date):
        raise ValueError(
            f"timestamp {value.isoformat()} needs a time and a zone: {value.isoformat()}T00:00:00Z"
        )
    raise ValueError("timestamp must be a date-time without quotes, like 2026-11-01T00:00:00Z")


def _offsets(value: object) -> dict[int, int]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError('offsets must be a table of partition = offset, like { "0" = 12, "1" = 0 }')
    offsets = {}
    for partition, offset in value.items():
        if not (isinstance(partition, str) and partition.isascii() and partition.isdigit()):
            raise ValueError(f"{partition!r} is not the number of a partition")
        if isinstance(offset, bool) or not isinstance(offset, int) or not 0 <= offset <= LARGEST_OFFSET:
            raise ValueError(
                f"the offset of partition {partition} must be an integer from 0, found {offset!r}"
            )
        if int(partition) in offsets:
            raise ValueError(f"partition {int(partition)} is named twice")
        offsets[int(partition)] = offset
    return offsets


_JSON_SCHEMA: dict[str, Any] = {
    "oneOf": [
        {"enum": ["earliest", "latest"]},
        {
            "type": "object",
            "properties": {
                "timestamp": {"type": "string", "format": "date-time"},
                "or_latest": {"type": "boolean", "default": False},
            },
            "required": ["timestamp"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "offsets": {
                    "type": "object",
                    "patternProperties": {"^[0-9]+$": {"type": "integer", "minimum": 0}},
                    "additionalProperties": False,
                    "minProperties": 1,
                }
            },
            "required": ["offsets"],
            "additionalProperties": False,
        },
    ]
}

StartField = Annotated[Start, PlainValidator(parse_start), WithJsonSchema(_JSON_SCHEMA)]
