"""Values that no column takes: skipped, but not unread. What is kept or dropped of them is good JSON."""

import numpy as np

from loader.formats.json.blanks import (
    CLOSE_LIST,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    FALSE,
    NULL,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    TRUE,
    skip_blanks,
    skip_literal,
)
from loader.formats.json.faults import (
    EMPTY,
    MAX_DEPTH,
    NOT_AN_OBJECT,
    TOO_DEEP,
    TRAILING,
    fault,
    unexpected,
)
from loader.formats.json.numbers import read_number
from loader.formats.json.texts import find_text_end
from loader.records.kernel import Bytes, ReadOnlyBytes, lean_kernel


@lean_kernel
def skip_scalar(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """Skip a text, a number or a literal. Returns where it ends, or a fault."""
    byte = payload[np.uint64(at)]
    if byte == QUOTE:
        at, _ = find_text_end(payload, at + 1, end)
        return at + 1 if at >= 0 else at
    if byte == TRUE or byte == FALSE or byte == NULL:
        return skip_literal(payload, at, end)
    _, _, _, at = read_number(payload, at, end)
    return at


@lean_kernel
def skip_key(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """Skip the key that must begin here, its colon, and the blanks around it. Returns where, or a fault."""
    if at >= end or payload[np.uint64(at)] != QUOTE:
        return unexpected(at, end)
    at, _ = find_text_end(payload, at + 1, end)
    return skip_colon(payload, at + 1, end) if at >= 0 else at


@lean_kernel
def skip_colon(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """Skip the colon behind a key, and the blanks around it. Returns where the value begins, or a fault."""
    at = skip_blanks(payload, at, end)
    if at >= end or payload[np.uint64(at)] != COLON:
        return unexpected(at, end)
    at = skip_blanks(payload, at + 1, end)
    return at if at < end else unexpected(at, end)


@lean_kernel
def skip_value(payload: ReadOnlyBytes, at: int, end: int, depth: int, closings: Bytes) -> int:
    """Skip any value, and check all of it but that its keys are different.

    payload   uint8[n]   in   the value begins at `at`, which is below `end`
    depth     int64      in   how many objects and lists it lies in
    closings  uint8[64]  out  for the kernel's own use: what closes each object or list it is in

    Returns where it ends, or a fault.
    """
    outermost = depth
    while True:
        byte = payload[np.uint64(at)]
        is_empty = False
        if byte == OPEN_OBJECT or byte == OPEN_LIST:
            if depth >= MAX_DEPTH:
                return fault(TOO_DEEP, at)
            closings[depth] = CLOSE_OBJECT if byte == OPEN_OBJECT else CLOSE_LIST
            at = skip_blanks(payload, at + 1, end)
            if at >= end:
                return unexpected(at, end)
            is_empty = payload[np.uint64(at)] == closings[depth]
            depth += 1
            if not is_empty:
                if byte == OPEN_OBJECT:
                    at = skip_key(payload, at, end)
                    if at < 0:
                        return at
                continue
        else:
            at = skip_scalar(payload, at, end)
            if at < 0:
                return at
        while depth > outermost:
            if not is_empty:
                at = skip_blanks(payload, at, end)
                if at >= end:
                    return unexpected(at, end)
                if payload[np.uint64(at)] == COMMA:
                    at = skip_blanks(payload, at + 1, end)
                    if closings[depth - 1] == CLOSE_OBJECT:
                        at = skip_key(payload, at, end)
                        if at < 0:
                            return at
                    if at >= end:
                        return unexpected(at, end)
                    break
                if payload[np.uint64(at)] != closings[depth - 1]:
                    return unexpected(at, end)
            is_empty = False
            at += 1
            depth -= 1
        else:
            return at


@lean_kernel
def skip_whole(payload: ReadOnlyBytes, at: int, end: int, closings: Bytes) -> int:
    """Skip the value and the blanks that must fill all of [at, end). Returns the end, or a fault."""
    at = skip_value(payload, at, end, 0, closings)
    if at >= 0:
        at = skip_blanks(payload, at, end)
    return at


@lean_kernel
def find_object(payload: ReadOnlyBytes, at: int, end: int, closings: Bytes) -> int:
    """Find where the object begins, perhaps behind a byte order mark. Returns that, or a fault."""
    is_marked = end - at >= 3 and payload[np.uint64(at)] == 0xEF
    if is_marked and payload[np.uint64(at + 1)] == 0xBB and payload[np.uint64(at + 2)] == 0xBF:
        at += 3
    at = skip_blanks(payload, at, end)
    if at >= end:
        return fault(EMPTY, end)
    if payload[np.uint64(at)] == OPEN_OBJECT:
        return at
    behind = skip_whole(payload, at, end, closings)
    if behind < 0:
        return behind
    return fault(TRAILING, behind) if behind < end else fault(NOT_AN_OBJECT, at)
