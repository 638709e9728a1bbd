"""White space and literals: what JSON has besides texts, numbers, objects and lists."""

import numpy as np

from loader.formats.json.faults import unexpected
from loader.records.kernel import ReadOnlyBytes, lean_kernel, part

TAB, NEWLINE, RETURN, SPACE = b"\t\n\r "
TRUE, FALSE, NULL = b"tfn"
QUOTE, BACKSLASH, COMMA, COLON, MINUS = b'"\\,:-'
OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST = b"{}[]"

_WORDS = np.frombuffer(b"truefalsenull", np.uint8)


@lean_kernel
def skip_blanks(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """Go to the next byte that is no white space, or to the end."""
    while at < end:
        byte = payload[np.uint64(at)]
        if byte > SPACE or not (byte == SPACE or byte == NEWLINE or byte == RETURN or byte == TAB):
            break
        at += 1
    return at


@part
def skip_few_blanks(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """The same, for where there is seldom one."""
    if at < end and payload[np.uint64(at)] > SPACE:
        return at
    return skip_blanks(payload, at, end)


@lean_kernel
def skip_literal(payload: ReadOnlyBytes, at: int, end: int) -> int:
    """Skip the `true`, `false` or `null` that begins here. Returns where it ends, or a fault."""
    first, size = 0, 4
    if payload[np.uint64(at)] == FALSE:
        first, size = 4, 5
    elif payload[np.uint64(at)] == NULL:
        first = 9
    for i in range(size):
        if at + i >= end or payload[np.uint64(at + i)] != _WORDS[first + i]:
            return unexpected(at + i, end)
    return at + size
