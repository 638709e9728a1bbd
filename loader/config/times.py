"""By which time rows lie in folders."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema


@dataclass(frozen=True, slots=True)
class RecordTime:
    """By the record's timestamp."""


@dataclass(frozen=True, slots=True)
class LoadTime:
    """By the time when the run began that loads the row."""


@dataclass(frozen=True, slots=True)
class FieldTime:
    """By a column of the value, named as it is in the file."""

    field: str


Time = RecordTime | LoadTime | FieldTime

_CHOICES = '"record", "load" or { field = "ordered_at" }'


def parse_time(value: object) -> Time:
    """The time that a TOML value spells. Raises ValueError, worded for the person who wrote it."""
    match value:
        case RecordTime() | LoadTime() | FieldTime():
            return value
        case "record":
            return RecordTime()
        case "load":
            return LoadTime()
        case {"field": str(field), **rest} if field:
            if rest:
                raise ValueError(f"beside field nothing may stand, found {', '.join(map(str, rest))}")
            return FieldTime(field)
        case _:
            raise ValueError(f"must be {_CHOICES}")


_JSON_SCHEMA: dict[str, Any] = {
    "oneOf": [
        {"enum": ["record", "load"]},
        {
            "type": "object",
            "properties": {"field": {"type": "string", "minLength": 1}},
            "required": ["field"],
            "additionalProperties": False,
        },
    ]
}

TimeConfig = Annotated[Time, PlainValidator(parse_time), WithJsonSchema(_JSON_SCHEMA)]
