"""One number, text or boolean of JSON into the entry of its column."""

import numpy as np

from loader.formats.json.base64 import decode_base64
from loader.formats.json.blanks import (
    FALSE,
    MINUS,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    TRUE,
    skip_literal,
)
from loader.formats.json.decimals import read_exact, read_long
from loader.formats.json.doubles import read_double
from loader.formats.json.faults import (
    BAD_TEXT,
    IS_BOOLEAN,
    IS_LIST,
    IS_NUMBER,
    IS_OBJECT,
    IS_TEXT,
    OUT_OF_RANGE,
    fault,
    unexpected,
)
from loader.formats.json.numbers import read_short_integer
from loader.formats.json.texts import find_text_end, unescape
from loader.formats.json.times import EARLIEST_US, LATEST_US, read_date, read_moment, read_time
from loader.formats.json.words import bits_of
from loader.formats.nodes import (
    BINARY,
    BOOLEAN,
    DATE,
    DECIMAL,
    DOUBLE,
    ENCODING_NUMBERS,
    FLOAT,
    INT,
    LONG,
    STRING,
    TIME,
    TIMESTAMP,
    NodesOfKernel,
)
from loader.formats.room import RoomOfKernel
from loader.records.copying import copy_bytes
from loader.records.kernel import Bytes, Int64s, ReadOnlyBytes, lean_kernel, part

_ISO, _NO_ENCODING = ENCODING_NUMBERS["iso"], ENCODING_NUMBERS[None]
# How many digits behind the point make microseconds, by the encoding of a timestamp.
_MICROSECOND_SCALES = np.array([0, 6, 3, 0, 0], np.int64)
_SMALLEST_INT, _LARGEST_INT = -(2**31), 2**31 - 1
_LARGEST_FLOAT = (2 - 2**-24) * 2.0**127  # from here on the nearest float of 32 bits is infinity
_ZERO, _NINE = b"09"


@lean_kernel
def read_moment_number(payload: ReadOnlyBytes, at: int, end: int, encoding: int) -> tuple[int, int]:
    """Read a time since 1970. Returns (microseconds, where it ends), or (0, a fault)."""
    moment, upper, next_at = read_exact(payload, at, end, 19, _MICROSECOND_SCALES[encoding])
    if next_at >= 0 and (upper != moment >> 63 or not EARLIEST_US <= moment <= LATEST_US):
        return 0, fault(OUT_OF_RANGE, at)
    return moment, next_at


@lean_kernel
def read_text_value(
    text: ReadOnlyBytes, at: int, end: int, kind: int, precision: int, scale: int
) -> tuple[int, int, int]:
    """Read what a text spells: a date, a time, a moment or a decimal. All of [at, end) must be it.

    Returns (it, or its lower 64 bits, the upper ones, 0), or (0, 0, what is wrong).
    """
    if kind == DECIMAL:
        if at == end:
            return 0, 0, BAD_TEXT
        lower, upper, next_at = read_exact(text, at, end, precision, scale)
        if next_at < 0:
            problem = -next_at >> 32
            # What is wrong with the text as JSON is wrong with it as a number.
            return 0, 0, problem if problem >= OUT_OF_RANGE else BAD_TEXT
        return lower, upper, 0 if next_at == end else BAD_TEXT
    if kind == DATE:
        days, next_at = read_date(text, at, end)
        return days, 0, 0 if next_at == end else BAD_TEXT
    if kind == TIME:
        clock, problem = read_time(text, at, end)
        return clock, 0, problem
    moment, problem = read_moment(text, at, end, kind == TIMESTAMP)
    return moment, 0, problem


@lean_kernel
def read_number_value(
    payload: ReadOnlyBytes, at: int, end: int, kind: int, precision: int, scale: int
) -> tuple[int, int, int]:
    """Read the number that begins here for a node of this kind.

    Returns (it, its lower 64 bits, or a double's bits; the upper ones; where it ends), or a fault in the
    last.
    """
    if kind == LONG or kind == INT:
        number, next_at = read_long(payload, at, end)
        if kind == INT and not _SMALLEST_INT <= number <= _LARGEST_INT:
            return 0, 0, fault(OUT_OF_RANGE, at)
        return number, 0, next_at
    if kind == DOUBLE or kind == FLOAT:
        real, next_at = read_double(payload, at, end)
        if kind == FLOAT and abs(real) >= _LARGEST_FLOAT:
            return 0, 0, fault(OUT_OF_RANGE, at)
        return bits_of(real), 0, next_at
    if kind == DECIMAL:
        return read_exact(payload, at, end, precision, scale)
    if kind == TIMESTAMP and scale != _ISO and scale != _NO_ENCODING:
        moment, next_at = read_moment_number(payload, at, end, scale)
        return moment, 0, next_at
    return 0, 0, fault(IS_NUMBER, at)


@lean_kernel
def read_spelled(
    payload: ReadOnlyBytes,
    at: int,
    end: int,
    kind: int,
    precision: int,
    scale: int,
    scratch: Bytes,
    to: int,
) -> tuple[int, int, int]:
    """Read what the text that begins here spells, for a node of this kind, which is not that of texts.

    scratch  uint8[s]  out  from `to` on; of binary it has the bytes then

    Returns (it, or its lower 64 bits; the upper ones, or how many bytes; where it ends), or a fault in the
    last.
    """
    is_number = kind == TIMESTAMP and scale != _ISO and scale != _NO_ENCODING
    if kind < BINARY or is_number:
        return 0, 0, fault(IS_TEXT, at)
    close, has_escapes = find_text_end(payload, at + 1, end)
    if close < 0:
        return 0, 0, close
    if has_escapes:
        text_end = unescape(payload, at + 1, close, scratch, to)
    else:
        text_end = to + close - at - 1
        copy_bytes(scratch, to, payload, at + 1, text_end - to)
    if kind == BINARY:
        written = decode_base64(scratch, to, text_end)
        return (~to, written - to, close + 1) if written >= 0 else (0, 0, fault(BAD_TEXT, at))
    first, second, problem = read_text_value(scratch, to, text_end, kind, precision, scale)
    return first, second, fault(problem, at) if problem else close + 1


@part
def take_text(
    room: RoomOfKernel, place: int, payload: ReadOnlyBytes, at: int, end: int, scratch: Bytes, cursor: Int64s
) -> int:
    """Put the text that begins here into an entry, where it lies or, with escapes, without these in scratch.

    Returns where it ends, or a fault.
    """
    start = at + 1
    close, has_escapes = find_text_end(payload, start, end)
    if close < 0:
        return close
    if has_escapes:
        to = cursor[0]
        cursor[0] = unescape(payload, start, close, scratch, to)
        room.firsts[place] = ~to
        room.seconds[place] = cursor[0] - to
    else:
        room.firsts[place] = start
        room.seconds[place] = close - start
    return close + 1


@part
def take_scalar(
    room: RoomOfKernel,
    nodes: NodesOfKernel,
    node: int,
    place: int,
    payload: ReadOnlyBytes,
    at: int,
    end: int,
    scratch: Bytes,
    cursor: Int64s,
) -> int:
    """Put the value that begins here, which is not null, into an entry of its node.

    Returns where it ends, or a fault.
    """
    byte = payload[np.uint64(at)]
    kind = nodes.kinds[node]
    if byte == QUOTE:
        if kind == STRING:
            return take_text(room, place, payload, at, end, scratch, cursor)
        room.firsts[place], room.seconds[place], at = read_spelled(
            payload, at, end, kind, nodes.precisions[node], nodes.scales[node], scratch, cursor[0]
        )
        if kind == BINARY:
            cursor[0] += room.seconds[place]
        return at
    if _ZERO <= byte <= _NINE or byte == MINUS:
        if kind == LONG:
            number, next_at = read_short_integer(payload, at, end)
            if next_at >= 0:
                room.firsts[place] = number
                return next_at
        room.firsts[place], room.seconds[place], at = read_number_value(
            payload, at, end, kind, nodes.precisions[node], nodes.scales[node]
        )
        return at
    if byte == TRUE or byte == FALSE:
        next_at = skip_literal(payload, at, end)
        if next_at >= 0 and kind != BOOLEAN:
            return fault(IS_BOOLEAN, at)
        room.firsts[place] = byte == TRUE
        return next_at
    if byte == OPEN_OBJECT:
        return fault(IS_OBJECT, at)
    return fault(IS_LIST, at) if byte == OPEN_LIST else unexpected(at, end)


@lean_kernel
def wrong_for_parts(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """The fault of a value that is neither null nor what a list, map or struct can be made of."""
    byte = payload[np.uint64(at)]
    if byte == QUOTE:
        return fault(IS_TEXT, at)
    if _ZERO <= byte <= _NINE or byte == MINUS:
        return fault(IS_NUMBER, at)
    if byte == TRUE or byte == FALSE:
        return fault(IS_BOOLEAN, at)
    if byte == OPEN_OBJECT:
        return fault(IS_OBJECT, at)
    return fault(IS_LIST, at) if byte == OPEN_LIST else unexpected(at, end)
