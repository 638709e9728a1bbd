"""Lines as records to send: each line a value, or a record in the JSON that `tail --output json` writes."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, NamedTuple

from loader.errors import MalformedInput
from loader.kafka_source.batch_builder import NO_TIMESTAMP_MS, Outgoing

MAX_LINE_BYTES = 128 * 1024 * 1024
"""More than brokers take of a record, also in base64; a file without line ends is not read whole."""

READ_BYTES = 1024 * 1024

JSON_KEYS = frozenset(
    (
        *("topic", "partition", "offset", "timestamp_ms", "timestamp_type"),
        *("key", "key_base64", "value", "value_base64", "headers", "problem"),
    )
)

MAX_TIMESTAMP_MS = 2**63 - 1
MAX_PARTITION = 2**31 - 1

Header = tuple[str, bytes | None]


class LineOf(NamedTuple):
    """Where a record comes from."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line} of {self.source}"


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How a line that is a value has its key.

    key        of every record; None for none
    separator  what ends the key at the front of each line; None where lines have none
    """

    key: bytes | None = None
    separator: bytes | None = None

    def record(self, line: bytes, place: LineOf) -> Outgoing:
        """The record of a line. Raises ValueError where a line has no separator."""
        if self.separator is None:
            return Outgoing(line, self.key, place=place)
        key, found, value = line.partition(self.separator)
        if not found:
            raise ValueError(f"no {self.separator.decode(errors='replace')!r} behind a key")
        return Outgoing(value, key, place=place)


def read_lines(
    file: BufferedIOBase, source: str, record_of: Callable[[bytes, LineOf], Outgoing | None]
) -> Iterator[Outgoing]:
    r"""The records of a file's lines, one by one; what `record_of` has no record of is passed over.

    A line ends with \n or \r\n, the last one also with the file.

    Raises MalformedInput with the place of a line of which `record_of` raises ValueError.
    """
    for number, line in enumerate(_lines(file, source), 1):
        place = LineOf(source, number)
        try:
            record = record_of(line, place)
        except ValueError as error:
            raise MalformedInput(f"{place}: {error}") from None
        if record is not None:
            yield record


def _lines(file: BufferedIOBase, source: str) -> Iterator[bytes]:
    """The lines without their ends.

    Not by `readline`: that reads little at a time, and after each read waits for the thread that sends to let
    go of the interpreter.
    """
    rest: list[bytes] = []
    rest_bytes, number = 0, 1
    while block := file.read1(READ_BYTES):
        first, *others = block.split(b"\n")
        rest.append(first)
        rest_bytes += len(first)
        if rest_bytes > MAX_LINE_BYTES:
            raise MalformedInput(f"{LineOf(source, number)} is longer than {MAX_LINE_BYTES >> 20} MiB")
        if others:
            *whole, last = b"".join(rest), *others
            for line in whole:
                yield line.removesuffix(b"\r")
            rest, rest_bytes, number = [last], len(last), number + len(whole)
    if rest_bytes:
        yield b"".join(rest)


def json_record(line: bytes, place: LineOf) -> Outgoing | None:
    """The record of a line of JSON; None for a blank line. Raises ValueError, with what is wrong.

    A value that is an object, or anything else but text or null, is sent as compact JSON.
    """
    if not line.strip():
        return None
    document = _parsed(line)
    unknown = sorted(document.keys() - JSON_KEYS)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(JSON_KEYS))}")
    if not document.keys() & {"value", "value_base64"}:
        raise ValueError('neither "value" nor "value_base64"; a tombstone is "value": null')
    return Outgoing(
        value=_octets(document, "value", _value),
        key=_octets(document, "key", _text),
        headers=_headers(document.get("headers") or ()),
        timestamp_ms=_timestamp(document),
        partition=_integer(document, "partition", MAX_PARTITION),
        place=place,
    )


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: too deep") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object; for lines that are values themselves, use --from lines")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"not JSON: {name} is no number")


def _octets(document: dict[str, Any], name: str, spelled: Callable[[Any, str], bytes]) -> bytes | None:
    coded = f"{name}_base64"
    if coded in document:
        if name in document:
            raise ValueError(f"{name} and {coded}: only one of them can be")
        return _decoded(document[coded], coded)
    value = document.get(name)
    return None if value is None else spelled(value, name)


def _decoded(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(_text(value, name), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{name} is not base64: {error}") from None


def _text(value: Any, name: str) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text: {json.dumps(value)[:50]}")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} has half a character (a lone surrogate), which is no UTF-8") from None


def _value(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        return _text(value, name)
    # A number too large for a double has become one that JSON has no name for.
    return _text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False), name)


def _headers(given: Any) -> Sequence[Header]:
    if not isinstance(given, (list, tuple)):
        raise ValueError("headers is no list")
    return [_header(each) for each in given]


def _header(given: Any) -> Header:
    name = "a header's value"
    match given:
        case [str(key), value]:
            octets = None if value is None else _text(value, name)
        case {"key": str(key), "value": value} if len(given) == 2:
            octets = None if value is None else _text(value, name)
        case {"key": str(key), "value_base64": value} if len(given) == 2:
            octets = _decoded(value, name)
        case _:
            raise ValueError(
                'a header is ["key", "value"] or {"key": …, "value_base64": …}, not '
                f"{json.dumps(given)[:50]}"
            )
    _text(key, "a header's key")
    return key, octets


def _timestamp(document: dict[str, Any]) -> int | None:
    if "timestamp_ms" in document and document["timestamp_ms"] is None:
        return NO_TIMESTAMP_MS
    return _integer(document, "timestamp_ms", MAX_TIMESTAMP_MS)


def _integer(document: dict[str, Any], name: str, largest: int) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= largest:
        raise ValueError(f"{name} is no integer from 0 to {largest}: {json.dumps(value)[:50]}")
    return value
