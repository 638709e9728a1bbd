"""Records of Kafka as text that a terminal can bear, and as JSON that says all of them."""

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

from loader.cli.text import printable
from loader.formats.plain_values import Plain
from loader.operations.live.tail_records import TailRecord

NULL = "<null>"
"""What a missing key, or a tombstone's value, is shown as."""


def shown(value: Plain) -> str:
    """A key or a value as text of one line: bytes as UTF-8, what is none escaped; typed ones as JSON."""
    match value:
        case None:
            return NULL
        case bytes():
            return printable(value.decode("utf-8", "backslashreplace"))
        case str():
            return printable(value)
        case _:
            return json_line(value)


def json_line(value: Plain) -> str:
    """A JSON document in one line. Outside ASCII only what can be printed stands as it is."""
    text = json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _jsonable(value: Plain) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no such number
        case dict():
            return {str(name): _jsonable(each) for name, each in value.items()}
        case list():
            return [_jsonable(each) for each in value]
        case _:
            return value


def moment_ms(timestamp_ms: int | None) -> str:
    """A record's time in UTC: 2026-11-22 10:15:00.123Z."""
    if timestamp_ms is None:
        return "no time"
    try:
        moment = datetime.fromtimestamp(timestamp_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{timestamp_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{timestamp_ms % 1000:03}Z"


def headers_shown(record: TailRecord) -> str:
    """Headers as text of one line: name=value, with spaces between; "" without any."""
    return " ".join(f"{printable(name)}={shown(value)}" for name, value in record.headers)


def record_document(record: TailRecord) -> dict[str, Any]:
    """A record in JSON. What is no UTF-8 is in base64, by another name; typed values are objects."""
    document: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "timestamp_type": record.timestamp_type,
    }
    # A typed key is text: of an object or a number its JSON.
    is_typed_key = record.key is not None and not isinstance(record.key, str | bytes)
    document |= _member("key", json_line(record.key) if is_typed_key else record.key)
    document |= _member("value", record.value)
    document["headers"] = [_header(name, value) for name, value in record.headers]
    if record.problem:
        document["problem"] = record.problem
    return document


def _member(name: str, value: Plain) -> dict[str, Any]:
    if not isinstance(value, bytes):
        return {name: value}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}


def _header(name: str, value: bytes | None) -> list[Any] | dict[str, Any]:
    member = _member("value", value)
    return [name, member["value"]] if "value" in member else {"key": name, **member}
