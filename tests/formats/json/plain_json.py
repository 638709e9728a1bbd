"""What a JSON record becomes, worked out slowly: by Python's json, decimal and datetime, object by object."""

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal, Inexact
from typing import Any, NoReturn

import numpy as np

from loader.values.column_types import (
    ColumnType,
    DecimalType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TimestampType,
)

MAX_DEPTH = 64
EXACT = Context(prec=1000, Emin=-(10**9), Emax=10**9)
DIGITS_IN_MICROSECONDS = {"s": 6, "ms": 3, "us": 0}
FIRST_MICROSECOND, LAST_MICROSECOND = -62_135_596_800_000_000, 253_402_300_799_999_999
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
CLOCK = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
MOMENT = re.compile(
    DATE + r"[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


class Bad(Exception):
    """A record for the quarantine; its first argument is the error class, its second the field's path."""


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    text: str


class Members(list[tuple[str, Any]]):
    """An object's members in their order, doubles and all."""


def decode(octets: bytes, columns: StructType, unknown_fields: str) -> dict[str, Any]:
    """The values of the columns; times as integers. Raises Bad. `_rest` is what json makes of its text."""
    try:
        text = octets.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        raise Bad("not-utf-8", "") from None
    try:
        value = json.loads(
            text, object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise Bad("not-json", "") from None
    # json keeps an escaped half of a surrogate pair, and so tells it from a whole one.
    _check(value, 0)
    if not isinstance(value, Members):
        raise Bad("not-an-object", "")
    row, unknown = _struct(value, columns, "", unknown_fields)
    if unknown_fields == "rest":
        row["_rest"] = unknown or None
    return row


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Bad("lone-surrogate", "")
        return
    if isinstance(value, list):
        if depth >= MAX_DEPTH:
            raise Bad("too-deep", "")
        for each in value:
            if isinstance(value, Members):
                _check(each[0], depth)
                each = each[1]
            _check(each, depth + 1)


def _struct(
    members: Members, struct: StructType, path: str, unknown_fields: str
) -> tuple[dict[str, Any], Members]:
    """The fields, and the members that hold something unknown."""
    types = dict(struct.fields)
    row: dict[str, Any] = {}
    unknown = Members()
    for name, value in members:
        within = f"{path}.{name}" if path else name
        if name not in types:
            if unknown_fields == "fail":
                raise Bad("unknown-field", path)
            unknown.append((name, value))
            continue
        if name in row:
            raise Bad("duplicate-field", within)
        row[name], has_unknown = _value(value, types[name], within, unknown_fields)
        if has_unknown:
            unknown.append((name, value))
    return {name: row.get(name) for name in types}, unknown


def _value(value: Any, column_type: ColumnType, path: str, unknown_fields: str) -> tuple[Any, bool]:
    """The value, and whether something unknown is in it."""
    if value is None:
        return None, False
    match column_type:
        case StructType():
            if not isinstance(value, Members):
                raise Bad("wrong-type", path)
            row, unknown = _struct(value, column_type, path, unknown_fields)
            return row, bool(unknown)
        case ListType(element):
            if not isinstance(value, list) or isinstance(value, Members):
                raise Bad("wrong-type", path)
            elements = [_value(each, element, path + "[]", unknown_fields) for each in value]
            return [each for each, _ in elements], any(unknown for _, unknown in elements)
        case MapType(_, item):
            if not isinstance(value, Members):
                raise Bad("wrong-type", path)
            if len({key for key, _ in value}) < len(value):
                raise Bad("duplicate-field", path)
            items = [(key, _value(each, item, path + "{}", unknown_fields)) for key, each in value]
            return [(key, each) for key, (each, _) in items], any(unknown for _, (_, unknown) in items)
    return _scalar(value, column_type, path), False


def _scalar(value: Any, column_type: ColumnType, path: str) -> Any:
    kind = column_type.name if isinstance(column_type, Primitive) else ""
    if isinstance(value, bool) and kind == "boolean":
        return value
    if isinstance(value, Number):
        if kind in ("int", "long"):
            return _integer(value.text, 31 if kind == "int" else 63, path)
        if kind in ("float", "double"):
            return _real(value.text, kind, path)
        if isinstance(column_type, DecimalType):
            return _decimal(value.text, column_type, path)
        if isinstance(column_type, TimestampType) and column_type.encoding in DIGITS_IN_MICROSECONDS:
            moment = int(_exact(value.text, DIGITS_IN_MICROSECONDS[column_type.encoding], path))
            return _in_range(moment, FIRST_MICROSECOND, LAST_MICROSECOND, path)
    if isinstance(value, str):
        if kind == "string":
            return value
        if kind == "binary":
            return _binary(value, path)
        if kind == "date":
            return _date(re.fullmatch(DATE, value), path)
        if kind == "time":
            return _time(value, path)
        if kind == "timestamp_ntz":
            return _moment(value, path, has_zone=False)
        if isinstance(column_type, TimestampType) and column_type.encoding in (None, "iso"):
            return _moment(value, path, has_zone=True)
        if isinstance(column_type, DecimalType):
            if not NUMBER.fullmatch(value):
                raise Bad("bad-text", path)
            return _decimal(value, column_type, path)
    raise Bad("wrong-type", path)


def _exact(text: str, scale: int, path: str) -> Decimal:
    """The number times 10 ** scale, which must be an integer; one of too many digits may be too small."""
    mantissa, _, exponent = text.lower().partition("e")
    number = Decimal(mantissa)
    if number == 0:
        return Decimal(0)
    if abs(power := int(exponent or 0)) > 10**6:
        raise Bad("not-exact" if power < 0 else "out-of-range", path)
    context = EXACT.copy()
    context.traps[Inexact] = True
    context.prec = len(mantissa) + 10
    scaled = context.scaleb(number, power + scale)
    _, digits, shift = scaled.normalize(context).as_tuple()
    if isinstance(shift, int) and shift < 0:
        raise Bad("not-exact", path)
    if len(digits) + int(shift) > 60:
        raise Bad("out-of-range", path)
    return scaled


def _integer(text: str, bits: int, path: str) -> int:
    return _in_range(int(_exact(text, 0, path)), -(1 << bits), (1 << bits) - 1, path)


def _in_range(number: int, lowest: int, highest: int, path: str) -> int:
    if not lowest <= number <= highest:
        raise Bad("out-of-range", path)
    return number


def _real(text: str, kind: str, path: str) -> float:
    real = float(text)
    if kind == "float":
        with np.errstate(over="ignore"):
            real = float(np.float32(real))
    if math.isinf(real):
        raise Bad("out-of-range", path)
    return real


def _decimal(text: str, column_type: DecimalType, path: str) -> Decimal:
    unscaled = int(_exact(text, column_type.scale, path))
    _in_range(unscaled, 1 - 10**column_type.precision, 10**column_type.precision - 1, path)
    return Decimal(unscaled).scaleb(-column_type.scale, EXACT)


def _binary(text: str, path: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except ValueError:
        raise Bad("bad-text", path) from None
    if base64.b64encode(octets).decode() != text:
        raise Bad("bad-text", path)
    return octets


def _date(match: "re.Match[str] | None", path: str) -> int:
    try:
        if match is None:
            raise ValueError
        return date(*map(int, match.groups()[:3])).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        raise Bad("bad-text", path) from None


def _time(text: str, path: str) -> int:
    match = re.fullmatch(CLOCK, text)
    if match is None:
        raise Bad("bad-text", path)
    return _clock(*match.groups(), path=path)


def _clock(hour: str, minute: str, second: str | None, fraction: str | None, *, path: str) -> int:
    seconds = int(second or 0)
    if int(hour) > 23 or int(minute) > 59 or seconds > 59:
        raise Bad("bad-text", path)
    if fraction and fraction[6:].strip("0"):
        raise Bad("not-exact", path)
    clock = (int(hour) * 60 + int(minute)) * 60 + seconds
    return clock * 1_000_000 + int((fraction or "")[:6].ljust(6, "0"))


def _moment(text: str, path: str, *, has_zone: bool) -> int:
    match = MOMENT.fullmatch(text)
    days = _date(match, path)
    assert match is not None
    *clock, zone = match.groups()[3:]
    east = 0
    if zone is not None and zone not in "zZ":
        hours, minutes = int(zone[1:3]), int(zone[3:].strip(":") or 0)
        if hours > 23 or minutes > 59:
            raise Bad("bad-text", path)
        east = (hours * 60 + minutes) * 60_000_000 * (-1 if zone[0] == "-" else 1)
    if (zone is not None) != has_zone:
        _unless_inexact(clock, path)
        raise Bad("bad-text", path)
    moment = days * 86_400_000_000 + _clock(*clock, path=path) - east
    return _in_range(moment, FIRST_MICROSECOND, LAST_MICROSECOND, path)


def _unless_inexact(clock: list[Any], path: str) -> None:
    try:
        _clock(*clock, path=path)
    except Bad as bad:
        if bad.args[0] != "not-exact":
            raise


def parse_rest(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose `_rest` is the members of its text."""
    rest = row["_rest"]
    if rest is None:
        return dict(row)
    members = json.loads(rest, object_pairs_hook=Members, parse_int=Number, parse_float=Number)
    return {**row, "_rest": members}
